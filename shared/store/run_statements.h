/*
 * run_statements: the statements over runs, where their plans can be tested: each goes by an index, none sorts.
 * Parameters of lists: $1 workspace, $2 app, $3 created at or after, ($4, $5) before this time and id, $6 rows at most (-1: all),
 * $7 the index's own.
 */
#pragma once
#include "shared/store/db.h"

/* Number of heddle.v1.RunStatus. */
enum { RUN_SUCCEEDED = 2 };

extern const struct sql run_get_sql, run_nodes_size_sql, run_nodes_sql, run_answer_sql;
extern const struct sql run_list_sql, run_list_by_user_sql, run_list_by_conversation_sql,
    run_list_by_status_sql, run_list_by_reason_sql;
extern const struct sql run_insert_closed_sql, run_close_sql, message_close_sql, removal_insert_sql;
