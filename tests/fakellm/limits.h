#ifndef FAKELLM_LIMITS_H
#define FAKELLM_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h"
#include "text.h"

/*
 * limits: how many requests and tokens a key may have in any window of time, and how many requests at one time. Exact:
 * every request is remembered until its window has passed.
 * Memory  it counts its references, so that it can be replaced while requests are in flight.
 * Threads one; times are nanoseconds of uv_hrtime.
 */

enum {
    LIMITS_MAX = 1000,
    LIMIT_KEYS_MAX = 10000,       /* windows; keys beyond them are not limited */
    LIMIT_REQUESTS_MAX = 1000000, /* in one window, also where only tokens are limited: what is remembered */
    LIMIT_MESSAGE_BYTES = 256
};

struct limits;

/*
 * Makes limits with one reference.
 *
 * json   a list; empty bytes mean none
 *
 * Returns NULL, with words in message, when it is not right.
 */
struct limits *limits_new(struct span json, char message[LIMIT_MESSAGE_BYTES]);
struct limits *limits_ref(struct limits *limits);
void limits_unref(struct limits *limits);
size_t limits_count(const struct limits *limits);

/* Forgets what was asked; what is in flight is no longer counted. */
void limits_restart(struct limits *limits);

enum limit_over { LIMIT_NOT_OVER, LIMIT_OVER_REQUESTS, LIMIT_OVER_TOKENS, LIMIT_OVER_CONCURRENT };

struct limit_window;
struct limit_verdict {
    enum limit_over over;
    bool says_retry_after;
    int64_t retry_after_ns; /* when it is over */
    int64_t rest_grace_ns;
    /* -1: not limited. reset: when the window is empty again. */
    int64_t requests, requests_left, requests_reset_ns;
    int64_t tokens, tokens_left, tokens_reset_ns;
    /* The place of an admitted request; NULL: none. */
    struct limit_window *window;
    uint64_t number;
};

/* Admits a request, or says why not. What was admitted is ended with limits_settle(). */
void limits_admit(struct limits *limits, const char *key, const char *model, size_t prompt_tokens,
                  int64_t now_ns, struct limit_verdict *ret);

/* The request has ended; its reply's tokens count from the time it came in. One that was not admitted is fine. */
void limits_settle(struct limit_verdict *verdict, size_t completion_tokens);

/* Puts the header lines a provider says this with; nothing for a request that meets no limit. */
void limits_put_headers(const struct limit_verdict *verdict, enum protocol protocol, struct text *out);

#endif
