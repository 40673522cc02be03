#ifndef FAKELLM_REPLY_H
#define FAKELLM_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "events.h"
#include "prompt.h"
#include "rule.h"

/* What is said; all of it borrowed, and outlives the reply. */
struct reply_text {
    struct span words;
    const struct rule *rule; /* its repeat, reasoning, tool_calls, finish_reason, usage, cached_tokens */
};

/*
 * reply: a reply in the words of its API, as events of a stream or as one body.
 * It is cut into words, which here are tokens: the first word, then each further one with the blanks before it.
 * Thoughts come before the words and calls of tools behind them, cut into words as well.
 */
struct reply {
    enum protocol protocol;
    enum prompt_kind kind;
    const struct wire *wire;
    const char *id;
    struct text common; /* what every event has: id, object, created, model */
    bool is_stream, is_usage_asked;
    size_t prompt_tokens;

    const struct rule *rule;
    struct span words;
    size_t word_count;     /* with all repeats */
    struct span reasoning; /* empty: none */
    cJSON *calls;          /* NULL: none */
    const char *finish_reason;

    size_t next_word;   /* counts through all repeats */
    size_t next_at;     /* bytes into `words` */
    size_t block_index; /* of the content block at hand, where there are such */
};

/* How an API words a reply: one file each. */
struct wire {
    const char *line_end;
    void (*put_common)(struct reply *reply, const char *model);
    void (*put_start)(struct reply *reply, struct events *events);
    void (*put_word)(struct reply *reply, struct events *events);
    void (*put_finish)(struct reply *reply, struct events *events);
    void (*put_body)(struct reply *reply, size_t cut_words, struct text *out, size_t *ret_cut);
    const char *error_event; /* name of the event an error comes in; NULL: none */
};

extern const struct wire wire_openai, wire_anthropic, wire_gemini;
const struct wire *wire_of(enum protocol protocol);

/* False: no memory. End it with reply_fini() in any case; zeroed is fine. id is borrowed. */
bool reply_init(struct reply *reply, enum protocol protocol, const struct prompt *prompt, const char *model,
                const char *id, const struct reply_text *said);
void reply_fini(struct reply *reply);

/* The events of a stream, in this order. */
static inline void reply_put_start(struct reply *reply, struct events *events)
{
    reply->wire->put_start(reply, events);
}

/* The next word; there must be one. */
static inline void reply_put_word(struct reply *reply, struct events *events)
{
    reply->wire->put_word(reply, events);
}

/* All that follows the words, or what the rule's stream_end leaves of it. */
static inline void reply_put_finish(struct reply *reply, struct events *events)
{
    reply->wire->put_finish(reply, events);
}

/* The whole reply as one body. *ret_cut is where its text has come to after cut_words words (SIZE_MAX: all). */
static inline void reply_put_body(struct reply *reply, size_t cut_words, struct text *out, size_t *ret_cut)
{
    reply->wire->put_body(reply, cut_words, out, ret_cut);
}

/* ---- for the wires ---- */

/* Bytes of the word that begins at `at`: blanks, then everything up to the next blank. */
size_t reply_word_bytes(struct span words, size_t at);

/* Puts the text of the next word, escaped, and steps on. */
void reply_put_next_word(struct reply *reply, struct text *out);

/* Puts all words as the inside of a JSON string; *ret_cut as reply_put_body() says. */
void reply_put_all_words(struct reply *reply, size_t cut_words, struct text *out, size_t *ret_cut);

/* A word is a token; a call has one for its name and one for each word of its arguments. */
size_t reply_reasoning_tokens(const struct reply *reply);
size_t reply_call_tokens(const struct reply *reply);

/* "name" or "arguments" of a call. */
struct span reply_call_text(const cJSON *call, const char *key);

/* The arguments of a call as a JSON value; as a string when they are no JSON. */
void reply_put_arguments(const cJSON *call, struct text *out);

#endif
