/*
 * openai: the OpenAI-compatible API as bytes: the body of a request, and what one piece of an answer says.
 * Threads  plain functions.
 */
#pragma once
#include "executor/nodes/node.h"

/* bytes. A request: prompts of up to a few MB. */
#define OPENAI_REQUEST_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* Path below base_url. */
const char *openai_path(const struct model_request *request);
/* Appends the JSON body; always streamed, usage asked for. */
void openai_put_request(struct buf *b, const struct model_request *request);

/*
 * What a chunk of a stream (or a whole answer) says; texts are borrowed from `root`, which the caller unrefs.
 * error   words of the provider; ptr NULL: no error
 */
struct openai_piece {
    struct value *root;
    struct str text, reasoning, finish_reason;
    bool has_usage;
    int64_t prompt_tokens, completion_tokens;
    struct str error, error_code;
};
/* False: no JSON object. */
MUST_CHECK bool openai_read(struct str json, struct openai_piece *ret);
/* "InvokeRateLimitError" and so on for an HTTP status (dify-dsl.md 3.6). */
const char *openai_error_type(int http_status);
