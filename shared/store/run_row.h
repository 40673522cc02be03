/* run_row: what run.c reads for run_list.c. Used inside shared/store, on a store thread. */
#pragma once
#include "shared/store/call.h"
#include "shared/store/run.h"

/* The current row (run_statements.h), without inputs and outputs. */
struct store_run run_row(struct call *call, const struct db_rows *rows);
