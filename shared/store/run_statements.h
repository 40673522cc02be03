/*
 * run_statements: the statements over runs. Each goes by an index, none sorts (tests/shared/store/plan_test.c).
 *
 * Parameters of lists   $1 workspace, $2 app, $3 created at or after, ($4, $5) before this time and id, $6 rows at most, $7 what
 *                       the index is by, $8 rows to skip
 */
#pragma once
#include "shared/store/db.h"

/* Number of heddle.v1.RunStatus. */
enum { RUN_SUCCEEDED = 2 };

/* Which index of an app's runs a list goes by; all are in order of time and id. */
enum run_index {
    RUNS_BY_TIME,
    RUNS_BY_USER,
    RUNS_BY_CONVERSATION,
    RUNS_BY_STATUS, /* but RUN_SUCCEEDED */
    RUNS_BY_REASON  /* but COMPLETED */
};
enum { RUN_INDEX_COUNT = RUNS_BY_REASON + 1 };

/* Columns of rows, in this order; inputs and outputs only of run_get_sql and run_search_sql. */
enum run_column {
    RUN_ID,
    RUN_APP_ID,
    RUN_VERSION_ID,
    RUN_VERSION_NUMBER,
    RUN_MODE,
    RUN_RECORD,
    RUN_END_USER_ID,
    RUN_CONVERSATION_ID,
    RUN_MESSAGE_ID,
    RUN_STATUS,
    RUN_END_REASON,
    RUN_ATTEMPT,
    RUN_CREATED_AT_MS,
    RUN_FINISHED_AT_MS,
    RUN_ELAPSED_MS,
    RUN_TOTAL_TOKENS,
    RUN_TOTAL_STEPS,
    RUN_EXCEPTIONS_COUNT,
    RUN_USER,
    RUN_END_USER_TYPE,
    RUN_USAGE,
    RUN_ERROR,
    RUN_INPUTS,
    RUN_OUTPUTS
};

extern const struct sql run_get_sql, run_nodes_size_sql, run_nodes_sql, run_answer_sql;
extern const struct sql run_list_sql[RUN_INDEX_COUNT];
extern const struct sql run_search_sql[RUN_INDEX_COUNT]; /* with inputs and outputs */
extern const struct sql run_count_sql[RUN_INDEX_COUNT];  /* of those the index names, $6 at most */
extern const struct sql run_skip_sql[RUN_INDEX_COUNT];   /* time and id of the one behind $8 others */
extern const struct sql run_insert_closed_sql, run_close_sql, message_close_sql, removal_insert_sql;
