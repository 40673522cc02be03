#ifndef FAKELLM_PROMPT_H
#define FAKELLM_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "text.h"

/* prompt: the body of a request for a completion. */

enum prompt_kind {
    PROMPT_CHAT,      /* /v1/chat/completions: "messages" */
    PROMPT_COMPLETION /* /v1/completions: "prompt", a string or a list of strings */
};

struct prompt {
    enum prompt_kind kind;
    cJSON *json;
    const char *model; /* NULL: not given */
    bool is_stream;
    bool wants_usage; /* stream_options.include_usage */
    bool has_tools, has_response_format;
    size_t words;    /* of all its messages */
    uint64_t digest; /* FNV-1a of roles and texts */
};

/* Reads body; end with prompt_fini(). False when it is not a JSON object. */
bool prompt_init(struct prompt *prompt, enum prompt_kind kind, struct span body);
void prompt_fini(struct prompt *prompt);

/* Is `needle` in the text of a message? `prompt` is a struct prompt (as script_subject wants it). */
bool prompt_contains(const void *prompt, const char *needle);

/* Puts the text of the last user message (the last prompt). False when there is none. */
bool prompt_put_last(const struct prompt *prompt, struct text *out);

#endif
