/*
 * chunk_scan: the usual chunk of a chat stream, read by hand: a choice whose delta has text or reasoning, or an end, and nothing
 * else that matters. Of whatever it reads, the parser of JSON would have read the same; what it is not sure of it leaves to that
 * one. (worker-loop.md 4: most of what a model call costs here is reading its chunks.)
 * Threads  plain functions.
 */
#pragma once
#include "executor/model/protocol.h"

/*
 * Sets text, reasoning and finish_reason, borrowed from json or, when they had escapes, from scratch (its bytes before are lost).
 * False: not the usual chunk, nothing is set.
 */
bool chunk_scan(struct str json, struct buf *scratch, struct protocol_piece *ret);
