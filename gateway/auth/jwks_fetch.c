/* jwks_fetch: see the header. A loop of its own, with one HTTP client per issuer: each trusts its own authorities. */
#include "gateway/auth/jwks_fetch.h"

#include "shared/base/clock.h"
#include "shared/base/crypto.h"
#include "shared/base/log.h"
#include "shared/http/client.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* bytes. Of a bearer token for a server of keys. */
#define TOKEN_BYTES_MAX ((size_t)16 * 1024)

/* An issuer, and the fetch of its keys that is under way. */
struct site {
    struct jwks_fetch *fetch;
    const struct issuer *issuer;
    struct http_client *client; /* NULL: not made yet */
    struct http_transfer *transfer;
    bool is_live;
    struct buf body;
};

struct jwks_fetch {
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t timer;
    struct issuers *current; /* of the thread, with its sites */
    struct site *sites;
    pthread_mutex_t lock; /* of the two below */
    struct issuers *next; /* to be taken over; NULL: none */
    bool is_ending;
};

static void look(struct jwks_fetch *fetch);

static void complain(const struct site *site, const char *words)
{
    log_warn("issuer_keys_not_fetched", LOG_C("issuer", site->issuer->name),
             LOG_C("url", key_source_url(site->issuer->keys)->url), LOG_C("words", words));
}

/* The keys of the answer; NULL: there are none, and that was said. */
static struct jwt_keys *read_answer(const struct site *site)
{
    struct status err;
    struct jwt_keys *keys = jwt_keys_new();
    enum status_code rc = keys == NULL ? status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory")
                                       : jwt_keys_add_jwks(keys, buf_str(&site->body), &err);
    if (rc == STATUS_OK)
        return keys;
    complain(site, err.message);
    jwt_keys_unref(keys);
    return NULL;
}

/* Takes the keys, NULL: it failed. */
static void end_fetch(struct site *site, struct jwt_keys *take_keys)
{
    uint8_t hash[SHA256_BYTES] = {0};
    size_t count = take_keys == NULL ? 0 : take_keys->count;
    site->is_live = false;
    site->transfer = NULL;
    sha256(buf_str(&site->body), hash);
    buf_fini(&site->body);
    if (key_source_end(site->issuer->keys, clock_monotonic_ms(), take_keys, hash))
        log_info("issuer_keys_fetched", LOG_C("issuer", site->issuer->name), LOG_INT("keys", count));
}

static void got_data(void *arg, struct str bytes)
{
    struct site *site = arg;
    buf_put(&site->body, bytes);
    if (site->body.failed)
        http_finish(site->transfer);
}

static void got_all(void *arg, const struct http_result *result)
{
    struct site *site = arg;
    char words[64];
    struct jwt_keys *keys = NULL;
    snprintf(words, sizeof words, "the server answers with status %d", result->status);
    if (site->body.failed)
        complain(site, "the answer is too large");
    else if (result->outcome != HTTP_ANSWERED)
        complain(site, result->words);
    else if (result->status != 200)
        complain(site, words);
    else
        keys = read_answer(site);
    end_fetch(site, keys);
    look(site->fetch);
}

/* The server may want to know who asks, as that of Kubernetes does. */
static enum status_code put_token(struct http_headers *headers, const char *path, struct status *err)
{
    struct buf value;
    char piece[4096];
    size_t bytes;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return status_set(err, STATUS_INVALID_ARGUMENT, "token_file cannot be read");
    buf_init(&value, TOKEN_BYTES_MAX);
    buf_put(&value, STR("Bearer "));
    while ((bytes = fread(piece, 1, sizeof piece, file)) > 0)
        buf_put(&value, (struct str){piece, bytes});
    fclose(file);
    enum status_code rc =
        value.failed ? status_set(err, STATUS_INVALID_ARGUMENT, "token_file is too large")
                     : http_headers_add(headers, STR("Authorization"), str_trim(buf_str(&value)), err);
    secret_wipe(piece, sizeof piece);
    if (value.ptr != NULL)
        secret_wipe(value.ptr, value.len);
    buf_fini(&value);
    return rc;
}

static enum status_code start_fetch(struct site *site, struct status *err)
{
    static const struct http_handler handler = {.data = got_data, .done = got_all};
    const struct key_url *url = key_source_url(site->issuer->keys);
    const struct http_client_options options = {.loop = &site->fetch->loop, .ca_file = url->ca_file};
    struct http_headers *headers = http_headers_new();
    enum status_code rc =
        headers == NULL ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory") : STATUS_OK;
    if (rc == STATUS_OK && site->client == NULL)
        rc = http_client_new(&options, &site->client, err);
    if (rc == STATUS_OK && url->token_file != NULL)
        rc = put_token(headers, url->token_file, err);
    const struct http_request request = {
        .method = "GET", .url = url->url, .headers = headers, .total_ms = JWKS_FETCH_MS};
    buf_init(&site->body, JWT_KEY_FILE_BYTES_MAX);
    if (rc == STATUS_OK)
        rc = http_start(site->client, &request, NULL, &handler, site, &site->transfer, err);
    http_headers_unref(headers);
    return rc;
}

static void timer_rang(uv_timer_t *timer)
{
    look(timer->data);
}

/* Begins what is due, and sets the timer for what comes next. */
static void look(struct jwks_fetch *fetch)
{
    int64_t now_ms = clock_monotonic_ms(), next_ms = INT64_MAX, due_ms;
    for (size_t i = 0; fetch->current != NULL && i < fetch->current->count; i++) {
        struct site *site = &fetch->sites[i];
        struct status err;
        if (!key_source_begin(site->issuer->keys, now_ms, &due_ms)) {
            next_ms = due_ms < next_ms ? due_ms : next_ms;
            continue;
        }
        site->is_live = true;
        if (start_fetch(site, &err) == STATUS_OK)
            continue;
        complain(site, err.message);
        end_fetch(site, NULL);
        next_ms = now_ms; /* and so it is asked when it is due again */
    }
    if (next_ms == INT64_MAX)
        uv_timer_stop(&fetch->timer);
    else
        uv_timer_start(&fetch->timer, timer_rang, next_ms > now_ms ? (uint64_t)(next_ms - now_ms) : 1, 0);
}

/* Ends what is under way, and tells who waits. */
static void leave_current(struct jwks_fetch *fetch)
{
    for (size_t i = 0; fetch->current != NULL && i < fetch->current->count; i++) {
        struct site *site = &fetch->sites[i];
        http_client_close(site->client);
        key_source_close(site->issuer->keys);
        if (site->is_live)
            end_fetch(site, NULL);
    }
    free(fetch->sites);
    issuers_unref(fetch->current);
    fetch->sites = NULL;
    fetch->current = NULL;
}

static void take_over(struct jwks_fetch *fetch, struct issuers *take_next)
{
    leave_current(fetch);
    fetch->sites = calloc(take_next->count + 1, sizeof *fetch->sites);
    if (fetch->sites == NULL) {
        log_error("issuer_keys_not_fetched", LOG_C("words", "no memory"));
        for (size_t i = 0; i < take_next->count; i++)
            key_source_close(take_next->issuers[i].keys);
        issuers_unref(take_next);
        return;
    }
    for (size_t i = 0; i < take_next->count; i++)
        fetch->sites[i] = (struct site){.fetch = fetch, .issuer = &take_next->issuers[i]};
    fetch->current = take_next;
}

static void woken(uv_async_t *wake)
{
    struct jwks_fetch *fetch = wake->data;
    pthread_mutex_lock(&fetch->lock);
    struct issuers *next = fetch->next;
    fetch->next = NULL;
    bool is_ending = fetch->is_ending;
    pthread_mutex_unlock(&fetch->lock);
    if (next != NULL)
        take_over(fetch, next);
    if (!is_ending) {
        look(fetch);
        return;
    }
    leave_current(fetch);
    uv_close((uv_handle_t *)&fetch->timer, NULL);
    uv_close((uv_handle_t *)&fetch->wake, NULL);
}

static void *run(void *arg)
{
    struct jwks_fetch *fetch = arg;
    uv_run(&fetch->loop, UV_RUN_DEFAULT);
    return NULL;
}

enum status_code jwks_fetch_new(struct jwks_fetch **ret, struct status *err)
{
    struct jwks_fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL || uv_loop_init(&fetch->loop) != 0) {
        free(fetch);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "jwt_issuers: no memory or files to fetch keys");
    }
    int failed = uv_async_init(&fetch->loop, &fetch->wake, woken);
    fetch->wake.data = fetch;
    uv_timer_init(&fetch->loop, &fetch->timer);
    fetch->timer.data = fetch;
    pthread_mutex_init(&fetch->lock, NULL);
    if (failed == 0 && pthread_create(&fetch->thread, NULL, run, fetch) == 0) {
        *ret = fetch;
        return STATUS_OK;
    }
    if (failed == 0)
        uv_close((uv_handle_t *)&fetch->wake, NULL);
    uv_close((uv_handle_t *)&fetch->timer, NULL);
    uv_run(&fetch->loop, UV_RUN_DEFAULT);
    uv_loop_close(&fetch->loop);
    pthread_mutex_destroy(&fetch->lock);
    free(fetch);
    return status_set(err, STATUS_RESOURCE_EXHAUSTED, "jwt_issuers: no thread to fetch keys");
}

void jwks_fetch_set(struct jwks_fetch *fetch, struct issuers *issuers)
{
    pthread_mutex_lock(&fetch->lock);
    struct issuers *unused = fetch->next;
    fetch->next = issuers_ref(issuers);
    pthread_mutex_unlock(&fetch->lock);
    for (size_t i = 0; unused != NULL && i < unused->count; i++)
        key_source_close(unused->issuers[i].keys);
    issuers_unref(unused);
    uv_async_send(&fetch->wake);
}

void jwks_fetch_wake(struct jwks_fetch *fetch)
{
    uv_async_send(&fetch->wake);
}

void jwks_fetch_free(struct jwks_fetch *fetch)
{
    if (fetch == NULL)
        return;
    pthread_mutex_lock(&fetch->lock);
    fetch->is_ending = true;
    pthread_mutex_unlock(&fetch->lock);
    uv_async_send(&fetch->wake);
    pthread_join(fetch->thread, NULL);
    uv_loop_close(&fetch->loop);
    issuers_unref(fetch->next);
    pthread_mutex_destroy(&fetch->lock);
    free(fetch);
}
