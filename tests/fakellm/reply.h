#ifndef FAKELLM_REPLY_H
#define FAKELLM_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prompt.h"
#include "text.h"

/* What is said; all of it borrowed, and outlives the reply. */
struct reply_text {
    struct span words;
    size_t repeat;             /* how many times; each time is cut into words on its own */
    const char *tool_calls;    /* JSON as in a rule; NULL: none */
    const char *finish_reason; /* NULL: as OpenAI says it */
};

/*
 * reply: a reply in the words of the OpenAI protocol, as events of a stream or as one body.
 * It is cut into words, which here are tokens: the first word, then each further one with the blanks before it.
 * Calls of tools follow the words, their arguments cut into words as well.
 */
struct reply {
    enum prompt_kind kind;
    struct text prefix; /* how every event begins: id, object, created, model */
    bool is_usage_asked;
    size_t prompt_tokens;

    struct span words;
    size_t repeat;
    size_t word_count; /* with all repeats */
    cJSON *calls;      /* NULL: none */
    const char *finish_reason;

    size_t next_word; /* counts through all repeats */
    size_t next_at;   /* bytes into `words` */
};

/* False: no memory. End it with reply_fini() in any case. */
bool reply_init(struct reply *reply, const struct prompt *prompt, const char *id,
                const struct reply_text *said);
void reply_fini(struct reply *reply);

/* The events of a stream, in this order. */
void reply_put_start(struct reply *reply, struct text *out); /* the role; nothing for /v1/completions */
void reply_put_word(struct reply *reply, struct text *out);  /* the next one; there must be one */
void reply_put_finish(struct reply *reply, struct text *out);

/* The whole reply as one body. *ret_cut is where its text has come to after cut_words words (SIZE_MAX: all). */
void reply_put_body(struct reply *reply, size_t cut_words, struct text *out, size_t *ret_cut);

/* What OpenAI says with an error status. */
void reply_put_error(int status, struct text *out);

#endif
