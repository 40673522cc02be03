/*
 * client_core: what client.c and shard.c share. Private to shared/http.
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
    uv_timer_t idle_timer;
    unsigned open_timers; /* memory goes with the last one */
    unsigned depth;       /* > 0: libcurl is at work further up the stack */
    struct http_transfer *live, *idle, *put_off;
    size_t live_count, idle_count;
};

struct http_transfer {
    struct http_client *client;
    struct http_shard *shard; /* NULL: not on one (yet) */
    CURL *easy;
    struct http_handler handler;
    void *arg;
    struct http_headers *headers;
    struct buf body;
    int64_t idle_ms, last_ms; /* longest silence; when something last came */
    bool is_cancelled;
    bool is_paused; /* as the owner wants it */
    bool is_held;   /* libcurl was told to pause, and holds a piece */
    bool has_answer;
    bool may_repeat, is_repeated;
    bool is_idle_too_long;
    bool is_put_off, wants_start, wants_resume;
    struct http_transfer *prev, *next, *next_put_off;
    char words[CURL_ERROR_SIZE];
};

/* The shard for one more transfer, made if there is none with room; NULL: no memory. */
struct http_shard *http_shard_pick(struct http_client *c);
/* Ends it; its memory is freed with the client's, after its timer is closed. */
void http_shard_close(struct http_shard *s);

/* Around every call of libcurl that may call back; leaving does what had to wait. */
void http_enter(struct http_client *c);
void http_leave(struct http_client *c);
void http_put_off(struct http_client *c, struct http_transfer *t);
/* The end of a transfer as libcurl sees it. Outside of libcurl. */
void http_transfer_ended(struct http_transfer *t, CURLcode rc);
void http_on_idle_tick(uv_timer_t *timer);
void http_timer_closed(uv_handle_t *timer);
