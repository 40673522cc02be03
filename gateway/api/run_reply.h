/*
 * run_reply: the record of a run as heddle.v1.Run.
 * Threads  plain functions.
 */
#pragma once
#include "gateway/api/payload.h"
#include "shared/store/run.h"

/* Appends the fields of a Run without payloads and nodes, as lists show it. */
void run_reply_put_row(struct buf *b, const struct store_run *run);
/*
 * Appends the whole Run. When that is more than `max` bytes, payloads are left out, the largest first, and if it is too large
 * even then, the nodes that ended first; the Run says what is missing. b has failed afterwards: no memory.
 */
void run_reply_put(struct buf *b, const struct store_run *run, enum payload_form form, size_t max);
