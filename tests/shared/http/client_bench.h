/*
 * client_bench: a client and a server on one loop; what requests come to.
 */
#pragma once
#include "shared/http/client.h"
#include "tests/shared/http/server.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct answer { /* what a request came to */
    struct buf body, headers;
    unsigned pieces;
    bool is_done;
    enum http_outcome outcome;
    int status;
    char words[256];
};

struct bench {
    uv_loop_t loop;
    uv_timer_t tick; /* UV_RUN_ONCE may run a timer and then wait for something more: this is it */
    struct server *server;
    struct http_client *client;
    struct connection *last;
    struct buf request; /* the last one the server saw */
    unsigned requests, closed;
    void (*reply)(struct connection *c, struct bench *b);
};

void reply_hello(struct connection *c, struct bench *b);
void reply_nothing(struct connection *c, struct bench *b);
void reply_some(struct connection *c, struct bench *b); /* of a longer body the first four bytes */
int bench_begin(void **state);
int bench_end(void **state);
void note_done(void *arg, const struct http_result *result);
extern const struct http_handler note; /* into a struct answer */
void answer_init(struct answer *a);
void answer_fini(struct answer *a);
struct http_transfer *start(struct bench *b, const struct http_request *request, const char *body,
                            struct answer *a);
void run_until(struct bench *b, const bool *fact);
bool saw(const struct bench *b, const char *text);
