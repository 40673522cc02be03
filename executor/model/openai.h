/*
 * openai: the OpenAI-compatible API: chat and completions. Azure speaks the same at other addresses (azure_openai.c).
 * Streams ask for their usage. Files of a kind the API has no part for are left out. Of the parameters response_format may be a
 * name; "json_schema" takes its schema ({schema, name}, or that as JSON text) from the parameter json_schema, which is
 * never sent itself.
 * Threads  plain functions; a reader belongs to one attempt.
 */
#pragma once
#include "executor/model/protocol.h"

/* What protocol_openai and protocol_azure_openai share. */
enum status_code openai_put_request(struct buf *ret, struct str model, const struct model_request *request,
                                    struct status *err);
struct openai_reader { /* zeroed: new */
    struct value *root;
    struct buf text;
};
bool openai_read(void *reader, struct str event, struct str data, bool is_whole, struct tool_calls *calls,
                 struct protocol_piece *ret);
void openai_reader_fini(void *reader);
/* "/chat/completions" or "/completions". */
const char *openai_path(const struct model_request *request);
