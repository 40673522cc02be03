/*
 * shard: one multi handle driven by the loop (worker-loop.md 2). libcurl's callbacks only note things; transfers end in
 * drain(), after curl_multi_socket_action() has returned.
 */
#include "shared/http/client_core.h"
#include <stdlib.h>

/* A descriptor libcurl wants watched. */
struct watch {
    uv_poll_t poll;
    curl_socket_t fd;
    int events; /* of libuv; what libcurl waits for */
    struct http_shard *shard;
};

static void drain(struct http_shard *s)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(s->multi, &left)) != NULL) {
        struct http_transfer *t = NULL;
        CURLcode rc = m->data.result; /* m dies with the handle's removal */
        if (m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t) == CURLE_OK)
            http_transfer_ended(t, rc);
    }
    http_drain_finished(s->client);
}

static void act(struct http_shard *s, curl_socket_t fd, int flags)
{
    http_enter(s->client);
    curl_multi_socket_action(s->multi, fd, flags, &s->running);
    http_leave(s->client);
    drain(s);
}

/*
 * An error of the socket is for libcurl to find: it reads what came before it, and then knows its name. libuv has stopped
 * watching, and has to go on until libcurl has read so far.
 */
static void on_poll(uv_poll_t *p, int status, int events)
{
    struct watch *w = p->data;
    int flags = 0;
    if (status < 0) {
        events = w->events;
        (void)uv_poll_start(p, events, on_poll); /* if it cannot, the limits of time end the transfer */
    }
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    act(w->shard, w->fd, flags); /* w may be gone afterwards */
}

static void on_timer(uv_timer_t *timer)
{
    act(CONTAINER_OF(timer, struct http_shard, timer), CURL_SOCKET_TIMEOUT, 0);
}

void http_shard_wake(struct http_shard *s)
{
    uv_timer_start(&s->timer, on_timer, 0, 0);
}

static int on_timeout(CURLM *multi, long ms, void *arg) /* inside libcurl: only arm */
{
    (void)multi;
    struct http_shard *s = arg;
    if (ms < 0)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static void watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    (void)easy;
    struct http_shard *s = arg;
    struct watch *w = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            curl_multi_assign(s->multi, fd, NULL);
            uv_close((uv_handle_t *)&w->poll, watch_closed); /* leaves epoll now, memory later */
        }
        return 0;
    }
    if (w == NULL) {
        w = calloc(1, sizeof *w);
        if (w == NULL)
            return -1;
        w->fd = fd;
        w->shard = s;
        w->poll.data = w;
        if (uv_poll_init_socket(s->client->loop, &w->poll, fd) != 0) {
            free(w);
            return -1;
        }
        curl_multi_assign(s->multi, fd, w);
    }
    w->events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&w->poll, w->events, on_poll);
}

static struct http_shard *shard_new(struct http_client *c)
{
    struct http_shard *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->client = c;
    s->multi = curl_multi_init();
    if (s->multi == NULL) {
        free(s);
        return NULL;
    }
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
    curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, (long)SHARD_TRANSFERS);
    uv_timer_init(c->loop, &s->timer);
    s->timer.data = c;
    c->open_timers++;
    return s;
}

struct http_shard *http_shard_pick(struct http_client *c)
{
    for (size_t i = 0; i < c->shard_count; i++) {
        if (c->shards[i]->transfers < SHARD_TRANSFERS)
            return c->shards[i];
    }
    if (c->shard_count == SHARDS_MAX)
        return NULL;
    struct http_shard *s = shard_new(c);
    if (s != NULL)
        c->shards[c->shard_count++] = s;
    return s;
}

void http_shard_close(struct http_shard *s)
{
    curl_multi_cleanup(s->multi); /* closes kept connections through on_socket */
    uv_timer_stop(&s->timer);
    uv_close((uv_handle_t *)&s->timer, http_timer_closed);
}
