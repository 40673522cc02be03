/*
 * client_core: what client.c, shard.c and limit.c share. Private to shared/http.
 */
#pragma once
#include "shared/base/clock.h"
#include "shared/http/client.h"
#include <curl/curl.h>

/*
 * transfers. In one shard before the next is used: with many connections in one multi handle a request gets dear, 20 µs at
 * 64, 46 at 1,000 (worker-loop.md 3). Filling the first ones keeps their connections in use.
 */
#define SHARD_TRANSFERS 64
#define SHARDS_MAX      (HTTP_TRANSFERS_MAX / SHARD_TRANSFERS)

/* A multi handle and its timer. */
struct http_shard {
    struct http_client *client;
    CURLM *multi;
    uv_timer_t timer;
    size_t transfers;
    int running;
};

struct http_client {
    uv_loop_t *loop;
    char *ca_file, *proxy;
    struct http_headers *no_headers; /* of requests that bring none */
    CURLSH *share;                   /* names and TLS sessions, of all shards */
    struct http_shard *shards[SHARDS_MAX];
    size_t shard_count;
    long version; /* CURL_HTTP_VERSION_… */
    uv_timer_t limit_timer;
    unsigned open_timers; /* memory goes with the last one */
    unsigned depth;       /* > 0: libcurl is at work further up the stack */
    struct http_transfer *live, *idle, *put_off, *finished;
    struct http_transfer *cursor; /* the next one that limit.c looks at, while it does */
    size_t live_count, idle_count;
};

/* What has run out. */
enum http_late { LATE_NOT, LATE_FIRST, LATE_IDLE, LATE_TOTAL };

struct http_transfer {
    struct http_client *client;
    struct http_shard *shard; /* NULL: not on one (yet) */
    CURL *easy;
    struct http_handler handler;
    void *arg;
    struct http_headers *headers;
    struct curl_slist more[HTTP_MORE_HEADERS_MAX]; /* lead on to them */
    char *more_text;                               /* of all of them; NULL: none */
    struct buf body;
    int64_t first_ms, idle_ms, total_ms; /* as in http_request */
    int64_t started_ms;                  /* of the clock; moved on by every pause */
    int64_t last_ms;                     /* when something last came */
    int64_t paused_ms;                   /* when the pause began */
    enum http_late late;
    size_t dropped; /* bytes of what came after the end */
    bool is_cancelled;
    bool is_paused; /* as the owner wants it */
    bool is_held;   /* libcurl was told to pause, and holds a piece */
    bool has_answer;
    bool may_repeat, is_repeated;
    bool has_first;   /* http_first_seen() */
    bool is_finished; /* http_finish(): done is still to come, until it is let go */
    bool is_let_go;   /* nobody's any more: what is left of the answer is read for the connection's sake */
    bool is_put_off, wants_start, wants_resume;
    struct http_transfer *prev, *next, *next_put_off, *next_finished;
    char words[CURL_ERROR_SIZE];
};

/* The shard for one more transfer, made if there is none with room; NULL: no memory. */
struct http_shard *http_shard_pick(struct http_client *c);
/* Ends it; its memory is freed with the client's, after its timer is closed. */
void http_shard_close(struct http_shard *s);
void http_shard_wake(struct http_shard *s); /* it drains in the loop's next turn */

/* Around every call of libcurl that may call back; leaving does what had to wait. */
void http_enter(struct http_client *c);
void http_leave(struct http_client *c);
void http_put_off(struct http_client *c, struct http_transfer *t);
/* The end of a transfer as libcurl sees it. Outside of libcurl. */
void http_transfer_ended(struct http_transfer *t, CURLcode rc);
/* Gives those that are finished their done. Outside of libcurl and of the functions of client.h. */
void http_drain_finished(struct http_client *c);
void http_transfer_release(struct http_transfer *t);
void http_timer_closed(uv_handle_t *timer);

/* limit.c: it has a limit, or a nearer one, from now on. */
void http_limit_watch(struct http_transfer *t);
