/* message_thread: see the header. */
#include "shared/store/message_thread.h"
#include "shared/store/conversation_rows.h"
#include "shared/store/field.h"
#include "shared/store/record_id.h"

struct thread_call {
    struct call call;
    struct store_message_thread_load request;
    struct store_message_thread result;
    store_message_thread_done done;
};

static enum status_code load_thread(struct call *call, struct db *db, struct status *err);
static void thread_answer(struct call *call, const struct status *status);

enum status_code store_message_thread_load(struct store *records,
                                           const struct store_message_thread_load *request,
                                           store_message_thread_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_SNAPSHOT, load_thread, thread_answer};
    struct thread_call *c = call_new(sizeof *c, records, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    struct store_message_thread_load *r = &c->request;
    struct str *texts[] = {&r->workspace_id, &r->app_id, &r->end_user_id, &r->conversation_id,
                           &r->parent_message_id};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        call_keep(&c->call, texts[i]);
    return call_submit(&c->call, err);
}

/* The message the new one follows: the one asked for, or the newest that has ended. */
static enum status_code find_parent(struct db *db, const struct store_message_thread_load *r,
                                    const struct record_id *conversation, struct record_id *ret,
                                    struct status *err)
{
    static const struct sql newest = {
        "select id from messages where workspace_id = $1 and conversation_id = $2 "
        "and finished_at_ms <> 0 order by id desc limit 1"};
    static const struct sql asked = {
        "select id from messages where workspace_id = $1 and id = $3 and conversation_id = $2"};
    struct record_id parent = record_id_of(r->parent_message_id);
    bool is_asked = r->parent_message_id.len > 0; /* what is no id is nobody's */
    *ret = (struct record_id){.is_set = false};
    struct db_rows rows = db_query(
        db, is_asked ? &asked : &newest,
        DB_VALUES(DB_TEXT(r->workspace_id), record_id_value(conversation), record_id_value(&parent)), err);
    while (db_next(&rows))
        *ret = record_id_from(db_text(&rows, 0));
    enum status_code rc = db_end(&rows);
    if (rc == STATUS_OK && is_asked && !ret->is_set)
        return status_reason(err, STATUS_NOT_FOUND, "MESSAGE_NOT_FOUND",
                             "message %.*s: not found in this conversation", STR_ARG(r->parent_message_id));
    return rc;
}

/* $1 workspace, $2 conversation, $3 its newest message, $4 messages at most: a chain that bites its tail ends as well. */
#define THREAD                                                                                               \
    "with recursive thread (id, parent_id, depth) as ("                                                      \
    "select id, parent_id, 1 from messages where workspace_id = $1 and id = $3 union all "                   \
    "select m.id, m.parent_id, t.depth + 1 from thread t join messages m on m.workspace_id = $1 and "        \
    "m.id = t.parent_id where m.conversation_id = $2 and t.depth < $4) "

static enum status_code read_turns(struct call *call, struct db *db, const struct db_value thread[4],
                                   struct store_message_thread *ret, struct status *err)
{
    static const struct sql sql = {
        THREAD
        "select m.query, m.answer, m.query_files from thread t join messages m on m.workspace_id = $1 and "
        "m.id = t.id where m.finished_at_ms <> 0 and not (m.status = 4 and m.answer = '') "
        "limit $5"}; /* a recursive query gives its rows in the order of their steps */
    const struct db_value values[] = {thread[0], thread[1], thread[2], thread[3],
                                      DB_INT(STORE_THREAD_TURNS_MAX)};
    struct store_turn *turns = call_array(call, STORE_THREAD_TURNS_MAX, sizeof *turns);
    size_t count = 0;
    if (turns == NULL)
        return STATUS_OK;
    struct db_rows rows = db_query(db, &sql, values, ARRAY_LEN(values), err);
    while (db_next(&rows) && count < STORE_THREAD_TURNS_MAX)
        turns[count++] = (struct store_turn){.query = call_text(call, &rows, 0),
                                             .answer = call_text(call, &rows, 1),
                                             .query_files = call_text(call, &rows, 2)};
    for (size_t i = 0; i < count / 2; i++) { /* the oldest first */
        struct store_turn turn = turns[i];
        turns[i] = turns[count - 1 - i];
        turns[count - 1 - i] = turn;
    }
    ret->turns = turns;
    ret->turn_count = count;
    return db_end(&rows);
}

static enum status_code count_messages(struct db *db, const struct db_value thread[4], int64_t *ret,
                                       struct status *err)
{
    static const struct sql sql = {THREAD "select count(*) from thread"};
    struct db_rows rows = db_query(db, &sql, thread, 4, err);
    while (db_next(&rows))
        *ret = db_int(&rows, 0);
    return db_end(&rows);
}

static enum status_code read_variables(struct call *call, struct db *db,
                                       const struct store_message_thread_load *r,
                                       const struct record_id *conversation, struct store_message_thread *ret,
                                       struct status *err)
{
    static const struct sql sql = {
        "select name, value_type, value, key_id, sealed from conversation_variables "
        "where workspace_id = $1 and conversation_id = $2"};
    struct store_message_thread_variable *variables = NULL;
    size_t count = 0;
    enum status_code rc = STATUS_OK, opened = STATUS_OK;
    struct db_rows rows =
        db_query(db, &sql, DB_VALUES(DB_TEXT(r->workspace_id), record_id_value(conversation)), err);
    while (opened == STATUS_OK && db_next(&rows)) {
        variables = call_grow(call, variables, count, sizeof *variables);
        if (variables == NULL)
            break;
        struct store_message_thread_variable *v = &variables[count++];
        *v = (struct store_message_thread_variable){.name = call_text(call, &rows, 0),
                                                    .value_type = call_text(call, &rows, 1),
                                                    .value = call_text(call, &rows, 2),
                                                    .has_secret = db_text(&rows, 3).len > 0};
        const struct str bound[] = {r->workspace_id, record_id_text(call, record_id_bytes(conversation)),
                                    v->name};
        if (v->has_secret)
            opened = call_open(call, call_join(call, bound, ARRAY_LEN(bound)), db_text(&rows, 3),
                               db_text(&rows, 4), &v->value, err);
    }
    rc = db_end(&rows);
    ret->variables = variables;
    ret->variable_count = variables == NULL ? 0 : count;
    return opened != STATUS_OK ? opened : rc;
}

static enum status_code load_thread(struct call *call, struct db *db, struct status *err)
{
    struct thread_call *c = CONTAINER_OF(call, struct thread_call, call);
    struct store_message_thread_load *r = &c->request;
    const struct store_conversation_ref ref = {r->workspace_id, r->app_id, r->end_user_id,
                                               r->conversation_id};
    struct record_id conversation = record_id_of(r->conversation_id), parent;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = conversation_require(db, &ref, err);
    if (rc == STATUS_OK)
        rc = find_parent(db, r, &conversation, &parent, err);
    if (rc != STATUS_OK)
        return rc;
    const struct db_value thread[] = {DB_TEXT(r->workspace_id), record_id_value(&conversation),
                                      record_id_value(&parent), DB_INT(STORE_THREAD_MESSAGES_MAX)};
    c->result.parent_message_id = record_id_text(call, record_id_bytes(&parent));
    if (parent.is_set)
        rc = read_turns(call, db, thread, &c->result, err);
    if (rc == STATUS_OK && parent.is_set)
        rc = count_messages(db, thread, &c->result.message_count, err);
    return rc == STATUS_OK ? read_variables(call, db, r, &conversation, &c->result, err) : rc;
}

static void thread_answer(struct call *call, const struct status *status)
{
    struct thread_call *c = CONTAINER_OF(call, struct thread_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}
