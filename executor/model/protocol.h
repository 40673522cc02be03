/*
 * protocol: how a provider's API is spoken: where a request goes, what it says, what an answer means. One file per protocol
 * behind this interface, one table that lists them.
 * Threads  plain functions on immutable data; a reader belongs to one attempt.
 */
#pragma once
#include "executor/nodes/node.h"
#include "shared/http/headers.h"

/* bytes. A request: prompts of up to a few MB, with images in them. */
#define PROTOCOL_REQUEST_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* bytes. What a reader may put together of one piece: a whole answer with all its parts. */
#define PROTOCOL_PIECE_BYTES_MAX ((size_t)16 * 1024 * 1024)

/* What a piece of an answer (an event of its stream, or the whole body) says. Texts are borrowed from what was read, or from
   the reader, until the next piece. All of them are UTF-8. */
struct protocol_piece {
    struct str text, reasoning;
    struct str
        finish_reason; /* OpenAI's words ("stop", "length", "tool_calls", "content_filter"); empty: goes on */
    bool is_last;      /* nothing of interest comes after it ([DONE], message_stop) */
    bool has_usage;    /* the numbers are totals so far, -1: not said here */
    int64_t prompt_tokens, completion_tokens;
    /*
     * error         the provider's words; ptr NULL: none
     * error_code    its name for exactly this ("insufficient_quota"), error_kind for the class of it ("invalid_request_error")
     * error_status  as HTTP numbers them, when it is said in the body; 0: not
     * error_asked_ms  for how long it asks in the body to be left alone; 0: it does not
     */
    struct str error, error_code, error_kind;
    int error_status;
    int64_t error_asked_ms;
};

struct tool_calls;
struct protocol {
    const char *name; /* "openai", "azure_openai", "anthropic", "gemini" */
    const char *const
        *secrets; /* names of headers that carry the key, NULL at the end: never shown in words */
    /* Appends the header lines for a key ("": none) to those all requests have. INVALID_ARGUMENT: HTTP cannot carry it. */
    enum status_code (*put_headers)(struct http_headers *headers, struct str secret, struct status *err);
    /*
     * Appends the address of this request. base_url may end in slashes, and may have what is said of it for the protocol
     * (a version, a query).
     */
    void (*put_url)(struct buf *ret, struct str base_url, struct str model,
                    const struct model_request *request);
    /* Appends the JSON body; streamed. INVALID_ARGUMENT: something the protocol has no words for. */
    enum status_code (*put_request)(struct buf *ret, struct str model, const struct model_request *request,
                                    struct status *err);
    /* bytes of the state of a reader; zeroed before the first piece. */
    size_t reader_size;
    /*
     * Reads one piece; tools it wants called go to `calls`. event: name of the SSE event ("": none, or a whole body).
     * is_whole: `data` is a body, of an answer or of an error. False: it cannot be read.
     */
    bool (*read)(void *reader, struct str event, struct str data, bool is_whole, struct tool_calls *calls,
                 struct protocol_piece *ret);
    void (*reader_fini)(void *reader); /* frees what pieces were borrowed from */
    /* The address of a cheap question: the list of models. */
    void (*put_models_url)(struct buf *ret, struct str base_url);
};

extern const struct protocol protocol_openai, protocol_azure_openai, protocol_anthropic, protocol_gemini;

/* NULL: there is none of this name. "": "openai". */
const struct protocol *protocol_find(struct str name);
/* All of them, in the order they are shown in. */
const struct protocol *const *protocol_list(size_t *ret_count);
/* The header list for a key. RESOURCE_EXHAUSTED, INVALID_ARGUMENT. */
MUST_CHECK enum status_code protocol_headers(const struct protocol *protocol, struct str secret,
                                             struct http_headers **ret_headers, struct status *err);
