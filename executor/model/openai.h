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
/*
 * Appends the JSON body; streamed with usage asked for, unless it is to be whole. Files of a kind the API has no part for are
 * left out. Of the parameters response_format may be a name; "json_schema" takes its schema ({schema, name}, or that as JSON
 * text) from the parameter json_schema, which is never sent itself.
 */
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
    const struct value *calls; /* array, as sent; NULL: none */
};
struct openai_call { /* a piece of a call of a tool */
    int64_t index;   /* -1: none given */
    struct str id, name;
    const struct value *arguments; /* text, or a piece of it; NULL: none */
};
/* False: no JSON object. */
MUST_CHECK bool openai_read(struct str json, struct openai_piece *ret);
size_t openai_call_count(const struct openai_piece *piece);
struct openai_call openai_call_at(const struct openai_piece *piece, size_t i);
/* "InvokeRateLimitError" and so on for an HTTP status (dify-dsl.md 3.6). */
const char *openai_error_type(int http_status);
