/*
 * gemini: what gemini.c (requests) and gemini_reply.c (answers) share. Private to both.
 */
#pragma once
#include "executor/model/protocol.h"

struct gemini_reader { /* zeroed: new */
    struct value *root;
    struct buf text, reasoning, arguments;
    char finish[32]; /* a reason that has no word of ours, in small letters */
    int64_t call_count;
    bool has_begun;
};
bool gemini_read(void *reader, struct str event, struct str data, bool is_whole, struct tool_calls *calls,
                 struct protocol_piece *ret);
void gemini_reader_fini(void *reader);
