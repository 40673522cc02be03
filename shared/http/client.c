/*
 * client: transfers, their handles and their ends. shard.c has the part that touches the loop, limit.c the time they may take.
 */
#include "shared/http/client_core.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* handles. Kept with their options set; one keeps some 20 kB of buffers. */
#define IDLE_HANDLES_MAX 256
/* bytes. Of one read: plaintext streams take 15 KiB with it (worker-loop.md 3). */
#define READ_BYTES 4096L
/* s. A kept connection older than this is not used again: below the idle time of providers. */
#define CONNECTION_AGE_S 30L
/*
 * Unpackers of these take some 40 kB a stream; those of br and zstd take megabytes, so they are not asked for (and understood
 * when they come all the same).
 */
#define ENCODINGS "gzip, deflate"

#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

enum status_code http_global_init(struct status *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return status_set(err, STATUS_INTERNAL, "http: libcurl cannot be initialised");
    return STATUS_OK;
}

void http_global_fini(void)
{
    curl_global_cleanup();
}

/* --- list of live transfers and stack of idle ones --- */

static void live_add(struct http_client *c, struct http_transfer *t)
{
    t->prev = NULL;
    t->next = c->live;
    if (c->live != NULL)
        c->live->prev = t;
    c->live = t;
    c->live_count++;
}

static void live_remove(struct http_client *c, struct http_transfer *t)
{
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        c->live = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    if (c->cursor == t)
        c->cursor = t->next;
    c->live_count--;
}

static void finished_remove(struct http_client *c, struct http_transfer *t)
{
    struct http_transfer **at = &c->finished;
    while (*at != t)
        at = &(*at)->next_finished;
    *at = t->next_finished;
    t->is_finished = false;
}

static void transfer_free(struct http_transfer *t)
{
    if (t->easy != NULL)
        curl_easy_cleanup(t->easy);
    free(t);
}

/* Off its multi, nothing of the request kept; the handle goes back to the pool. */
void http_transfer_release(struct http_transfer *t)
{
    struct http_client *c = t->client;
    if (t->is_finished)
        finished_remove(c, t);
    if (t->shard != NULL) {
        curl_multi_remove_handle(t->shard->multi, t->easy);
        t->shard->transfers--;
        t->shard = NULL;
    }
    live_remove(c, t);
    http_headers_unref(t->headers);
    t->headers = NULL;
    free(t->more_text);
    t->more_text = NULL;
    buf_fini(&t->body);
    /* Nothing in the handle may point at what is gone. */
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, NULL);
    if (c->idle_count < IDLE_HANDLES_MAX) {
        t->next = c->idle;
        c->idle = t;
        c->idle_count++;
    } else {
        transfer_free(t);
    }
}

/* --- what libcurl calls --- */

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_transfer *t = arg;
    struct str line = {bytes, size * count};
    t->last_ms = clock_monotonic_ms();
    t->has_answer = true;
    if (t->is_cancelled)
        return CURL_WRITEFUNC_ERROR;
    size_t colon = str_find(line, STR(":"), 0);
    if (t->handler.header != NULL && colon != SIZE_MAX && !t->is_finished && !t->is_let_go)
        t->handler.header(t->arg, str_trim(str_sub(line, 0, colon)),
                          str_trim(str_sub(line, colon + 1, line.len)));
    return line.len;
}

static size_t on_data(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_transfer *t = arg;
    if (t->is_cancelled)
        return CURL_WRITEFUNC_ERROR;
    if (t->is_finished || t->is_let_go) {
        t->dropped += size * count;
        return t->dropped > HTTP_LINGER_BYTES_MAX ? (size_t)CURL_WRITEFUNC_ERROR : size * count;
    }
    if (t->is_paused) {
        t->is_held = true; /* these bytes come again, whole, after the resume */
        return CURL_WRITEFUNC_PAUSE;
    }
    t->last_ms = clock_monotonic_ms();
    t->handler.data(t->arg, (struct str){bytes, size * count});
    return t->is_cancelled ? (size_t)CURL_WRITEFUNC_ERROR : size * count;
}

/* --- making handles --- */

/* Options that no request changes. */
static bool easy_setup(const struct http_client *c, struct http_transfer *t)
{
    CURL *e = t->easy;
    bool ok = true;
    ok &= curl_easy_setopt(e, CURLOPT_PRIVATE, t) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_CAINFO, c->ca_file) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_PROXY, c->proxy) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_HTTP_VERSION, c->version) == CURLE_OK;
    /* A connection whose version is not known yet is waited for: with HTTP/2 it will do for all of them. */
    ok &= curl_easy_setopt(e, CURLOPT_PIPEWAIT, c->version == CURL_HTTP_VERSION_2TLS ? 1L : 0L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_BUFFERSIZE, READ_BYTES) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, CONNECTION_AGE_S) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_SHARE, c->share) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->words) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_HEADERDATA, t) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_WRITEDATA, t) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_USERAGENT, "heddle/" HEDDLE_VERSION) == CURLE_OK;
    return ok;
}

static struct http_transfer *transfer_new(struct http_client *c)
{
    struct http_transfer *t = c->idle;
    if (t != NULL) {
        c->idle = t->next;
        c->idle_count--;
        return t;
    }
    t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->client = c;
    t->easy = curl_easy_init();
    if (t->easy == NULL || !easy_setup(c, t)) {
        transfer_free(t);
        return NULL;
    }
    return t;
}

/* The headers of this request alone, linked to the list that it shares. */
static enum status_code put_more(struct http_transfer *t, const struct http_request *r, struct status *err)
{
    struct buf text;
    size_t at[HTTP_MORE_HEADERS_MAX];
    if (r->more_count == 0)
        return STATUS_OK;
    assert(r->more_count <= HTTP_MORE_HEADERS_MAX);
    buf_init(&text, HTTP_MORE_HEADERS_MAX * (HTTP_HEADER_BYTES_MAX + 1));
    for (size_t i = 0; i < r->more_count; i++) {
        enum status_code rc = http_header_check(&r->more[i], err);
        if (rc != STATUS_OK) {
            buf_fini(&text);
            return rc;
        }
        at[i] = text.len;
        buf_put(&text, r->more[i].name);
        buf_put_c(&text, ": ");
        buf_put(&text, r->more[i].value);
        buf_put_char(&text, '\0');
    }
    t->more_text = buf_take(&text, NULL);
    if (t->more_text == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "http: no memory for a request");
    struct curl_slist *shared = (struct curl_slist *)http_headers_list(t->headers); /* only read */
    for (size_t i = 0; i < r->more_count; i++)
        t->more[i] = (struct curl_slist){.data = t->more_text + at[i],
                                         .next = i + 1 < r->more_count ? &t->more[i + 1] : shared};
    return STATUS_OK;
}

/* What this request wants of the handle; everything a request can set is set, as the handle had another one before. */
static CURLcode easy_prepare(struct http_transfer *t, const struct http_request *r)
{
    CURL *e = t->easy;
    CURLcode rc = curl_easy_setopt(e, CURLOPT_URL, r->url);
    bool has_body = t->body.len > 0 || strcmp(r->method, "POST") == 0;
    if (has_body) {
        curl_easy_setopt(e, CURLOPT_POST, 1L);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.len);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->body.len > 0 ? t->body.ptr : "");
    } else {
        curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
    }
    bool is_plain = strcmp(r->method, has_body ? "POST" : "GET") == 0;
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, is_plain ? NULL : r->method);
    curl_easy_setopt(e, CURLOPT_NOBODY, strcmp(r->method, "HEAD") == 0 ? 1L : 0L);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER,
                     t->more_text != NULL ? &t->more[0] : http_headers_list(t->headers));
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(r->connect_ms > 0 ? r->connect_ms : HTTP_CONNECT_MS));
    curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, r->repeat == HTTP_SEND_ONCE ? 1L : 0L);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, r->takes_compressed ? ENCODINGS : NULL);
    return rc;
}

static bool url_is_http(const char *url)
{
    struct str s = str_c(url);
    return str_starts(s, STR("http://")) || str_starts(s, STR("https://"));
}

/* Onto a shard; when libcurl is at work, later (http_leave). */
static bool transfer_begin(struct http_transfer *t)
{
    struct http_client *c = t->client;
    if (c->depth > 0) {
        t->wants_start = true;
        http_put_off(c, t);
        return true;
    }
    struct http_shard *shard = http_shard_pick(c);
    if (shard == NULL)
        return false;
    c->depth++;
    CURLMcode rc = curl_multi_add_handle(shard->multi, t->easy);
    c->depth--;
    if (rc != CURLM_OK)
        return false;
    t->shard = shard;
    shard->transfers++;
    return true;
}

enum status_code http_start(struct http_client *client, const struct http_request *request,
                            struct buf *take_body, const struct http_handler *handler, void *arg,
                            struct http_transfer **ret_transfer, struct status *err)
{
    if (!url_is_http(request->url))
        return status_set(err, STATUS_INVALID_ARGUMENT,
                          "http: the address does not begin with http:// or https://");
    if (client->live_count >= HTTP_TRANSFERS_MAX)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "http: %zu requests in flight", client->live_count);
    struct http_transfer *t = transfer_new(client);
    if (t == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "http: no memory for a request");

    t->handler = *handler;
    t->arg = arg;
    t->is_cancelled = t->is_paused = t->is_held = t->has_answer = t->is_repeated = t->is_put_off = false;
    t->wants_start = t->wants_resume = t->has_first = t->is_finished = t->is_let_go = false;
    t->late = LATE_NOT;
    t->dropped = 0;
    t->may_repeat = request->repeat == HTTP_MAY_REPEAT;
    t->first_ms = request->first_ms;
    t->idle_ms = request->idle_ms;
    t->total_ms = request->total_ms;
    t->started_ms = t->last_ms = clock_monotonic_ms();
    t->words[0] = '\0';
    t->headers = http_headers_ref(request->headers != NULL ? request->headers : client->no_headers);
    buf_init(&t->body, 0);
    if (take_body != NULL)
        t->body = *take_body;
    live_add(client, t);

    CURLcode rc = CURLE_OK;
    enum status_code headers_rc = put_more(t, request, err);
    if (headers_rc == STATUS_OK)
        rc = easy_prepare(t, request);
    if (headers_rc == STATUS_OK && rc == CURLE_OK && transfer_begin(t)) {
        if (take_body != NULL)
            buf_init(take_body, take_body->max);
        http_limit_watch(t);
        *ret_transfer = t;
        return STATUS_OK;
    }
    buf_init(&t->body, 0); /* stays the caller's */
    http_transfer_release(t);
    if (headers_rc != STATUS_OK)
        return headers_rc;
    if (rc != CURLE_OK && rc != CURLE_OUT_OF_MEMORY)
        return status_set(err, STATUS_INVALID_ARGUMENT, "http: %s", curl_easy_strerror(rc));
    return status_set(err, STATUS_RESOURCE_EXHAUSTED, "http: no memory for a request");
}

/* --- how transfers end --- */

static enum http_outcome outcome_of(CURLcode rc, bool has_answer)
{
    switch ((int)rc) {
    case CURLE_OK:
        return HTTP_ANSWERED;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_TIMED_OUT;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        return has_answer ? HTTP_BROKEN : HTTP_NOT_CONNECTED;
    default:
        return HTTP_BROKEN;
    }
}

/* A kept connection that the server had given up: nothing came back, so asking once more is safe (worker-loop.md 6). */
static bool is_stale(struct http_transfer *t, CURLcode rc)
{
    long connects = 1;
    if (!t->may_repeat || t->is_repeated || t->has_answer)
        return false;
    if (rc != CURLE_SEND_ERROR && rc != CURLE_RECV_ERROR && rc != CURLE_GOT_NOTHING &&
        rc != CURLE_HTTP2_STREAM)
        return false;
    return curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK && connects == 0;
}

static const char *late_words(enum http_late late)
{
    switch (late) {
    case LATE_FIRST:
        return "the server had nothing to say in the time it was given";
    case LATE_IDLE:
        return "the server was silent for too long";
    case LATE_TOTAL:
        return "the answer took too long";
    case LATE_NOT:
        break;
    }
    return "";
}

void http_transfer_ended(struct http_transfer *t, CURLcode rc)
{
    if (t->is_cancelled || t->is_let_go) {
        http_transfer_release(t);
        return;
    }
    if (t->is_finished)
        rc = CURLE_OK;
    if (is_stale(t, rc)) {
        curl_multi_remove_handle(t->shard->multi, t->easy);
        t->shard->transfers--;
        t->shard = NULL;
        t->is_repeated = true;
        curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
        if (transfer_begin(t))
            return;
    }
    struct http_result result = {.outcome = outcome_of(rc, t->has_answer), .words = ""};
    char words[CURL_ERROR_SIZE];
    result.status = http_transfer_status(t);
    if (t->late != LATE_NOT) {
        result.outcome = HTTP_TIMED_OUT;
        result.words = late_words(t->late);
    } else if (rc != CURLE_OK) {
        memcpy(words, t->words, sizeof words);
        result.words = words[0] != '\0' ? words : curl_easy_strerror(rc);
    }
    struct http_handler handler = t->handler;
    void *arg = t->arg;
    http_transfer_release(t);
    handler.done(arg, &result);
}

void http_cancel(struct http_transfer *t)
{
    t->is_cancelled = true;
    if (t->client->depth > 0 || t->is_put_off)
        http_put_off(t->client, t);
    else
        http_transfer_release(t);
}

void http_pause(struct http_transfer *t)
{
    if (!t->is_paused)
        t->paused_ms = clock_monotonic_ms();
    t->is_paused = true;
}

void http_resume(struct http_transfer *t)
{
    if (!t->is_paused)
        return;
    t->is_paused = false;
    t->last_ms = clock_monotonic_ms();
    t->started_ms += t->last_ms - t->paused_ms;
    http_limit_watch(t);
    if (!t->is_held)
        return;
    if (t->client->depth > 0) {
        t->wants_resume = true;
        http_put_off(t->client, t);
        return;
    }
    t->is_held = false;
    http_enter(t->client);
    curl_easy_pause(t->easy, CURLPAUSE_CONT); /* delivers what was held */
    http_leave(t->client);
    if (t->client->finished != NULL) /* of what ends now, nothing may come from here */
        http_shard_wake(t->client->finished->shard);
}

/* --- what had to wait until libcurl has returned --- */

void http_put_off(struct http_client *c, struct http_transfer *t)
{
    if (t->is_put_off)
        return;
    t->is_put_off = true;
    t->next_put_off = c->put_off;
    c->put_off = t;
}

void http_enter(struct http_client *c)
{
    c->depth++;
}

void http_leave(struct http_client *c)
{
    if (--c->depth > 0)
        return;
    while (c->put_off != NULL) {
        struct http_transfer *t = c->put_off;
        c->put_off = t->next_put_off;
        t->is_put_off = false;
        if (t->is_cancelled) {
            http_transfer_release(t);
        } else if (t->wants_start) {
            t->wants_start = false;
            if (!transfer_begin(t))
                http_transfer_ended(t, CURLE_OUT_OF_MEMORY);
        } else if (t->wants_resume && !t->is_paused) {
            t->wants_resume = t->is_held = false;
            c->depth++;
            curl_easy_pause(t->easy, CURLPAUSE_CONT);
            c->depth--;
        }
    }
}

void http_first_seen(struct http_transfer *t)
{
    t->has_first = true;
}

void http_set_idle(struct http_transfer *t, int64_t idle_ms)
{
    t->idle_ms = idle_ms;
    http_limit_watch(t);
}

void http_finish(struct http_transfer *t)
{
    if (t->is_finished || t->is_cancelled)
        return;
    t->is_finished = true;
    t->next_finished = t->client->finished;
    t->client->finished = t;
    http_shard_wake(
        t->shard); /* it may be http_resume() that has brought the data, of which nothing may end */
}

void http_drain_finished(struct http_client *c)
{
    while (c->finished != NULL) {
        struct http_transfer *t = c->finished;
        struct http_handler handler = t->handler;
        struct http_result result = {
            .outcome = HTTP_ANSWERED, .status = http_transfer_status(t), .words = ""};
        finished_remove(c, t);
        t->is_let_go = true;
        t->first_ms = t->idle_ms = 0;
        t->total_ms = HTTP_LINGER_MS;
        t->started_ms = clock_monotonic_ms();
        http_limit_watch(t);
        handler.done(t->arg, &result);
    }
}

int http_transfer_status(const struct http_transfer *t)
{
    long status = 0;
    return curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK ? (int)status : 0;
}

struct str http_transfer_content_type(const struct http_transfer *t)
{
    char *type = NULL;
    return str_c(curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK ? type : NULL);
}

size_t http_client_transfers(const struct http_client *client)
{
    return client->live_count;
}

/* --- the client --- */

static void client_free(struct http_client *c)
{
    for (size_t i = 0; i < c->shard_count; i++)
        free(c->shards[i]);
    http_headers_unref(c->no_headers);
    free(c->ca_file);
    free(c->proxy);
    free(c);
}

void http_timer_closed(uv_handle_t *timer)
{
    struct http_client *c = timer->data;
    if (--c->open_timers == 0)
        client_free(c);
}

enum status_code http_client_new(const struct http_client_options *options, struct http_client **ret_client,
                                 struct status *err)
{
    struct http_client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "http: no memory");
    c->loop = options->loop;
    c->version = options->version == HTTP_VERSION_2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
    c->ca_file = str_dup(str_c(options->ca_file != NULL ? options->ca_file : SYSTEM_CA_FILE));
    c->proxy = str_dup(str_c(options->proxy));
    c->no_headers = http_headers_new();
    c->share = curl_share_init();
    if (c->no_headers == NULL || c->ca_file == NULL || c->proxy == NULL || c->share == NULL ||
        curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) != CURLSHE_OK ||
        curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK) {
        curl_share_cleanup(c->share);
        client_free(c);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "http: no memory");
    }
    uv_timer_init(c->loop, &c->limit_timer);
    c->limit_timer.data = c;
    c->open_timers = 1;
    *ret_client = c;
    return STATUS_OK;
}

void http_client_close(struct http_client *take_client)
{
    struct http_client *c = take_client;
    if (c == NULL)
        return;
    assert(c->depth == 0);
    while (c->live != NULL)
        http_cancel(c->live);
    while (c->idle != NULL) {
        struct http_transfer *t = c->idle;
        c->idle = t->next;
        transfer_free(t);
    }
    for (size_t i = 0; i < c->shard_count; i++)
        http_shard_close(c->shards[i]);
    curl_share_cleanup(c->share);
    uv_timer_stop(&c->limit_timer);
    uv_close((uv_handle_t *)&c->limit_timer, http_timer_closed);
}
