#ifndef FAKELLM_PROMPT_H
#define FAKELLM_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "protocol.h"
#include "text.h"

/* prompt: the body of a request for a completion, whatever API it came by. */
struct prompt {
    enum prompt_kind kind;
    cJSON *json;
    const char *model; /* NULL: not given */
    bool is_stream;
    bool wants_usage; /* in the stream: stream_options.include_usage; some APIs always say it */
    bool has_tools, has_response_format;
    size_t words;        /* of all its messages */
    uint64_t digest;     /* FNV-1a of roles and texts; roles are named as OpenAI does */
    const char *problem; /* what the API would refuse it for; NULL: nothing */
};

/*
 * Reads body; end with prompt_fini(). False, with words in `problem`, when the API would refuse it; OpenAI's take any
 * object.
 */
bool prompt_init(struct prompt *prompt, enum prompt_kind kind, struct span body);
void prompt_fini(struct prompt *prompt);

/* Is `needle` in the text of a message? `prompt` is a struct prompt (as script_subject wants it). */
bool prompt_contains(const void *prompt, const char *needle);

/* Puts the text of the last user message (the last prompt). False when there is none. */
bool prompt_put_last(const struct prompt *prompt, struct text *out);

#endif
