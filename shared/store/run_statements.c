/* run_statements: see the header. */
#include "shared/store/run_statements.h"

#define ROW_COLUMNS                                                                                          \
    "id, app_id, version_id, version_number, mode, record, end_user_id, conversation_id, message_id, "       \
    "status, end_reason, attempt, created_at_ms, finished_at_ms, elapsed_ms, total_tokens, total_steps, "    \
    "exceptions_count, \"user\", end_user_type, usage, error"
#define ALL_COLUMNS ROW_COLUMNS ", inputs, outputs"

const struct sql run_get_sql = {"select " ALL_COLUMNS " from runs where workspace_id = $1 and id = $2"};
const struct sql run_nodes_size_sql = {
    "select coalesce(sum(length(nodes)), 0) from run_nodes where workspace_id = $1 and run_id = $2"};
const struct sql run_nodes_sql = {
    "select nodes from run_nodes where workspace_id = $1 and run_id = $2 order by part"};
const struct sql run_answer_sql = {
    "select answer, answer_files from messages where workspace_id = $1 and id = $2"};

#define OF_INDEX(condition)                                                                                  \
    " from runs where workspace_id = $1 and app_id = $2 and " condition                                      \
    "created_at_ms >= $3 and (created_at_ms, id) < ($4, $5) "
#define NEWEST_FIRST      "order by created_at_ms desc, id desc "
#define LIST(condition)   "select " ROW_COLUMNS OF_INDEX(condition) NEWEST_FIRST "limit $6"
#define SEARCH(condition) "select " ALL_COLUMNS OF_INDEX(condition) NEWEST_FIRST "limit $6"
#define COUNT(condition)  "select count(*) from (select 1" OF_INDEX(condition) "limit $6) counted"
#define SKIP(condition)   "select created_at_ms, id" OF_INDEX(condition) NEWEST_FIRST "limit 1 offset $8"

/* The second halves are what the partial indexes ask for. */
#define FOR_EACH_INDEX(form)                                                                                 \
    {                                                                                                        \
        [RUNS_BY_TIME] = {form("")}, [RUNS_BY_USER] = {form("end_user_id = $7 and ")},                       \
        [RUNS_BY_CONVERSATION] = {form("conversation_id = $7 and conversation_id <> x'' and ")},             \
        [RUNS_BY_STATUS] = {form("status = $7 and status <> 2 and ")},                                       \
        [RUNS_BY_REASON] = {form("end_reason = $7 and end_reason > 1 and ")},                                \
    }
const struct sql run_list_sql[RUN_INDEX_COUNT] = FOR_EACH_INDEX(LIST);
const struct sql run_search_sql[RUN_INDEX_COUNT] = FOR_EACH_INDEX(SEARCH);
const struct sql run_count_sql[RUN_INDEX_COUNT] = FOR_EACH_INDEX(COUNT);
const struct sql run_skip_sql[RUN_INDEX_COUNT] = FOR_EACH_INDEX(SKIP);

const struct sql run_insert_closed_sql = {
    "insert into runs (workspace_id, id, app_id, version_id, version_number, mode, record, end_user_id, "
    "conversation_id, message_id, status, end_reason, attempt, owner, created_at_ms, finished_at_ms, "
    "elapsed_ms, \"user\", end_user_type, error) values ($1, $2, $3, $4, 0, $5, $6, $7, $8, $9, $10, $11, "
    "$12, 0, $13, $14, $15, $16, $17, $18) on conflict (workspace_id, id) do nothing"};
/* A newer attempt is another executor's, which may live. */
const struct sql run_close_sql = {
    "update runs set status = $3, end_reason = $4, finished_at_ms = max($5, created_at_ms), "
    "elapsed_ms = max($5 - created_at_ms, 0), error = $6 "
    "where workspace_id = $1 and id = $2 and app_id = $7 and attempt <= $8 and finished_at_ms = 0"};
const struct sql message_close_sql = {
    "update messages set status = $3, finished_at_ms = max($5, created_at_ms), error = $6 "
    "where workspace_id = $1 and id = $2 and run_id = $9 and attempt <= $8 and finished_at_ms = 0"};
const struct sql removal_insert_sql = {
    "insert into removals (workspace_id, app_id) values ($1, $2) on conflict do nothing"};
