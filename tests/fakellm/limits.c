/* limits: how many requests and tokens a key may have in any window of time. */
#include "limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#define HASH_FUNCTION HASH_FNV /* the usual one falls through between cases, which Clang warns of */
#include <uthash.h>

#include "json.h"

enum {
    WINDOW_MS = 60000,
    WINDOW_MS_MAX = 86400000,
    FIRST_CAPACITY = 64,
    NAME_BYTES_MAX = 128 * 1024,
    NS_PER_MS = 1000000
};

struct limit {
    char *api_key, *model;                /* NULL: any */
    int64_t requests, tokens, concurrent; /* -1: not limited */
    int64_t window_ms, rest_grace_ms;
    bool retry_after;
};

struct use {
    int64_t at_ns;
    int64_t tokens;
};

/* What one key has used of one limit. */
struct limit_window {
    UT_hash_handle hh;
    char *key; /* the limit's index and the key */
    size_t refs;
    struct use *uses; /* a ring: `count` of them from `first` on */
    size_t capacity, first, count;
    uint64_t first_number; /* of the oldest */
    int64_t tokens;        /* of all */
    int64_t in_flight;
};

struct limits {
    size_t refs;
    size_t count;
    struct limit *list;
    struct limit_window *windows; /* hash by key */
};

/* ---- reading ---- */

static bool say(char message[LIMIT_MESSAGE_BYTES], size_t index, const char *what)
{
    (void)snprintf(message, LIMIT_MESSAGE_BYTES, "limit %zu: %s", index, what); /* it fits */
    return false;
}

static bool read_count(const cJSON *item, int64_t min, int64_t max, int64_t *ret)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= (double)min && item->valuedouble <= (double)max) ||
        item->valuedouble != (double)(int64_t)item->valuedouble)
        return false;
    *ret = (int64_t)item->valuedouble;
    return true;
}

static bool read_match(struct limit *limit, const cJSON *match)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, match) {
        char **text = strcmp(item->string, "api_key") == 0 ? &limit->api_key
                      : strcmp(item->string, "model") == 0 ? &limit->model
                                                           : NULL;
        if (text == NULL || *text != NULL || !cJSON_IsString(item) ||
            (*text = strdup(item->valuestring)) == NULL)
            return false;
    }
    return cJSON_IsObject(match);
}

/* One member. False: it is not right. */
static bool read_member(struct limit *limit, const cJSON *item)
{
    if (strcmp(item->string, "match") == 0)
        return read_match(limit, item);
    if (strcmp(item->string, "retry_after") == 0) {
        limit->retry_after = cJSON_IsTrue(item);
        return cJSON_IsBool(item);
    }
    const struct {
        const char *name;
        int64_t min, max, *at;
    } counts[] = {
        {"requests", 0, LIMIT_REQUESTS_MAX, &limit->requests},
        {"tokens", 0, INT64_C(1000000000000), &limit->tokens},
        {"concurrent", 0, LIMIT_REQUESTS_MAX, &limit->concurrent},
        {"window_ms", 1, WINDOW_MS_MAX, &limit->window_ms},
        {"rest_grace_ms", 0, WINDOW_MS_MAX, &limit->rest_grace_ms},
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        if (strcmp(item->string, counts[i].name) == 0)
            return read_count(item, counts[i].min, counts[i].max, counts[i].at);
    return false;
}

static bool read_limit(struct limit *limit, const cJSON *object, size_t index,
                       char message[LIMIT_MESSAGE_BYTES])
{
    *limit = (struct limit){
        .requests = -1, .tokens = -1, .concurrent = -1, .window_ms = WINDOW_MS, .retry_after = true};
    if (!cJSON_IsObject(object))
        return say(message, index, "must be an object");
    const cJSON *item;
    cJSON_ArrayForEach (item, object) {
        if (read_member(limit, item))
            continue;
        (void)snprintf(message, LIMIT_MESSAGE_BYTES, "limit %zu: %.60s: no such field, or not a right value",
                       index, item->string); /* it fits */
        return false;
    }
    return true;
}

static bool read_list(struct limits *limits, const cJSON *list, char message[LIMIT_MESSAGE_BYTES])
{
    int count = cJSON_GetArraySize(list);
    if (!cJSON_IsArray(list) || count > LIMITS_MAX) {
        (void)snprintf(message, LIMIT_MESSAGE_BYTES, "limits: must be a list of at most 1,000"); /* it fits */
        return false;
    }
    limits->list = calloc((size_t)count + 1, sizeof *limits->list);
    if (limits->list == NULL)
        return say(message, 0, "out of memory");
    const cJSON *item;
    cJSON_ArrayForEach (item, list)
        if (!read_limit(&limits->list[limits->count], item, limits->count, message)) {
            limits->count++; /* ended with the others */
            return false;
        } else {
            limits->count++;
        }
    return true;
}

struct limits *limits_new(struct span json, char message[LIMIT_MESSAGE_BYTES])
{
    struct limits *limits = calloc(1, sizeof *limits);
    if (limits == NULL) {
        (void)say(message, 0, "out of memory");
        return NULL;
    }
    limits->refs = 1;
    if (json.len == 0)
        return limits;
    cJSON *list = json_read(json);
    bool is_right = list != NULL && read_list(limits, list, message);
    if (list == NULL)
        (void)snprintf(message, LIMIT_MESSAGE_BYTES, "limits: is not JSON"); /* it fits */
    cJSON_Delete(list);
    if (!is_right) {
        limits_unref(limits);
        return NULL;
    }
    return limits;
}

struct limits *limits_ref(struct limits *limits)
{
    limits->refs++;
    return limits;
}

static void window_unref(struct limit_window *window)
{
    if (window == NULL || --window->refs > 0)
        return;
    free(window->uses);
    free(window->key);
    free(window);
}

void limits_restart(struct limits *limits)
{
    struct limit_window *window, *next;
    HASH_ITER (hh, limits->windows, window, next) {
        HASH_DEL(limits->windows, window);
        window_unref(window);
    }
}

void limits_unref(struct limits *limits)
{
    if (limits == NULL || --limits->refs > 0)
        return;
    limits_restart(limits);
    for (size_t i = 0; i < limits->count; i++) {
        free(limits->list[i].api_key);
        free(limits->list[i].model);
    }
    free(limits->list);
    free(limits);
}

size_t limits_count(const struct limits *limits)
{
    return limits->count;
}

/* ---- windows ---- */

static struct use *use_at(const struct limit_window *window, size_t i)
{
    return &window->uses[(window->first + i) % window->capacity];
}

/* Forgets what is out of the window. */
static void window_move(struct limit_window *window, int64_t window_ns, int64_t now_ns)
{
    while (window->count > 0 && use_at(window, 0)->at_ns + window_ns <= now_ns) {
        window->tokens -= use_at(window, 0)->tokens;
        window->first = (window->first + 1) % window->capacity;
        window->first_number++;
        window->count--;
    }
}

static bool window_grow(struct limit_window *window)
{
    if (window->count < window->capacity)
        return true;
    size_t capacity = window->capacity > 0 ? window->capacity * 2 : FIRST_CAPACITY;
    struct use *uses = malloc(capacity * sizeof *uses);
    if (uses == NULL)
        return false;
    for (size_t i = 0; i < window->count; i++)
        uses[i] = *use_at(window, i);
    free(window->uses);
    window->uses = uses;
    window->capacity = capacity;
    window->first = 0;
    return true;
}

static const struct limit *find_limit(const struct limits *limits, const char *key, const char *model)
{
    for (size_t i = 0; i < limits->count; i++) {
        const struct limit *limit = &limits->list[i];
        bool is_key = limit->api_key == NULL || (key != NULL && strcmp(limit->api_key, key) == 0);
        bool is_model = limit->model == NULL || (model != NULL && strcmp(limit->model, model) == 0);
        if (is_key && is_model)
            return limit;
    }
    return NULL;
}

/* The window of a key; NULL: no memory, or too many. */
static struct limit_window *find_window(struct limits *limits, const struct limit *limit, const char *key)
{
    struct text name;
    text_init(&name, NAME_BYTES_MAX);
    text_putf(&name, "%zu %s", (size_t)(limit - limits->list), key != NULL ? key : "");
    text_put(&name, SPAN("\0"));
    if (name.failed) {
        text_fini(&name);
        return NULL;
    }
    struct limit_window *window;
    HASH_FIND_STR(limits->windows, name.ptr, window);
    if (window == NULL && HASH_COUNT(limits->windows) < LIMIT_KEYS_MAX &&
        (window = calloc(1, sizeof *window)) != NULL) {
        window->refs = 1;
        window->key = name.ptr;
        HASH_ADD_KEYPTR(hh, limits->windows, window->key, strlen(window->key), window);
        return window;
    }
    text_fini(&name);
    return window;
}

/* ---- admission ---- */

/* How long until so many of the oldest uses are out of the window. */
static int64_t wait_for(const struct limit_window *window, size_t uses, int64_t window_ns, int64_t now_ns)
{
    return uses == 0 ? 0 : use_at(window, uses - 1)->at_ns + window_ns - now_ns;
}

/* How long until one more request fits. */
static int64_t wait_for_request(const struct limit *limit, const struct limit_window *window, int64_t now_ns)
{
    size_t max = limit->requests >= 0 ? (size_t)limit->requests : LIMIT_REQUESTS_MAX;
    int64_t window_ns = limit->window_ms * NS_PER_MS;
    if (window->count < max)
        return 0;
    return max == 0 ? window_ns : wait_for(window, window->count - max + 1, window_ns, now_ns);
}

/* How long until so many more tokens fit; the whole window when they never do. */
static int64_t wait_for_tokens(const struct limit *limit, const struct limit_window *window, int64_t tokens,
                               int64_t now_ns)
{
    int64_t window_ns = limit->window_ms * NS_PER_MS;
    if (limit->tokens < 0)
        return 0;
    if (tokens > limit->tokens)
        return window_ns;
    int64_t used = window->tokens;
    size_t uses = 0;
    while (used + tokens > limit->tokens)
        used -= use_at(window, uses++)->tokens;
    return wait_for(window, uses, window_ns, now_ns);
}

/* What is left, and when all of it is back. */
static void describe(const struct limit *limit, const struct limit_window *window, int64_t now_ns,
                     struct limit_verdict *ret)
{
    int64_t reset_ns = wait_for(window, window->count, limit->window_ms * NS_PER_MS, now_ns);
    ret->says_retry_after = limit->retry_after;
    ret->rest_grace_ns = limit->rest_grace_ms * NS_PER_MS;
    ret->requests = limit->requests;
    ret->tokens = limit->tokens;
    ret->requests_left = limit->requests - (int64_t)window->count;
    ret->tokens_left = limit->tokens > window->tokens ? limit->tokens - window->tokens : 0;
    ret->requests_reset_ns = ret->tokens_reset_ns = reset_ns;
}

void limits_admit(struct limits *limits, const char *key, const char *model, size_t prompt_tokens,
                  int64_t now_ns, struct limit_verdict *ret)
{
    *ret = (struct limit_verdict){.requests = -1, .tokens = -1};
    const struct limit *limit = find_limit(limits, key, model);
    struct limit_window *window = limit != NULL ? find_window(limits, limit, key) : NULL;
    if (window == NULL)
        return;
    window_move(window, limit->window_ms * NS_PER_MS, now_ns);
    int64_t request_ns = wait_for_request(limit, window, now_ns);
    int64_t tokens_ns = wait_for_tokens(limit, window, (int64_t)prompt_tokens, now_ns);
    if (request_ns > 0 || tokens_ns > 0) {
        ret->over = request_ns >= tokens_ns ? LIMIT_OVER_REQUESTS : LIMIT_OVER_TOKENS;
        ret->retry_after_ns = request_ns >= tokens_ns ? request_ns : tokens_ns;
    } else if (limit->concurrent >= 0 && window->in_flight >= limit->concurrent) {
        ret->over = LIMIT_OVER_CONCURRENT;
        ret->retry_after_ns = 1000 * (int64_t)NS_PER_MS; /* nobody knows; clients come back after a moment */
    } else if (window_grow(window)) {
        window->count++;
        *use_at(window, window->count - 1) = (struct use){now_ns, (int64_t)prompt_tokens};
        window->tokens += (int64_t)prompt_tokens;
        window->in_flight++;
        window->refs++;
        ret->window = window;
        ret->number = window->first_number + window->count - 1;
    }
    describe(limit, window, now_ns, ret);
}

void limits_settle(struct limit_verdict *verdict, size_t completion_tokens)
{
    struct limit_window *window = verdict->window;
    if (window == NULL)
        return;
    verdict->window = NULL;
    window->in_flight--;
    uint64_t i = verdict->number - window->first_number;
    if (verdict->number >= window->first_number && i < window->count) {
        use_at(window, (size_t)i)->tokens += (int64_t)completion_tokens;
        window->tokens += (int64_t)completion_tokens;
    }
    window_unref(window);
}

/* ---- headers ---- */

/* As OpenAI writes a span of time: "1h2m3.5s", "250ms". */
static void put_duration(struct text *out, int64_t ns)
{
    int64_t ms = (ns + NS_PER_MS - 1) / NS_PER_MS;
    if (ms < 1000) {
        text_putf(out, "%lldms", (long long)ms);
        return;
    }
    if (ms >= 3600000)
        text_putf(out, "%lldh", (long long)(ms / 3600000));
    if (ms >= 60000)
        text_putf(out, "%lldm", (long long)(ms / 60000 % 60));
    text_putf(out, "%lld", (long long)(ms / 1000 % 60));
    if (ms % 1000 != 0)
        text_putf(out, ".%03lld", (long long)(ms % 1000));
    text_put(out, SPAN("s"));
}

static void put_openai(struct text *out, const char *what, int64_t max, int64_t left, int64_t reset_ns)
{
    if (max < 0)
        return;
    text_putf(out,
              "x-ratelimit-limit-%s: %lld\r\nx-ratelimit-remaining-%s: %lld\r\nx-ratelimit-reset-%s: ", what,
              (long long)max, what, (long long)left, what);
    put_duration(out, reset_ns);
    text_put(out, SPAN("\r\n"));
}

/* The moment of a reset as RFC 3339 has it, in whole seconds rounded up. */
static void put_anthropic(struct text *out, const char *what, int64_t max, int64_t left, int64_t reset_ns)
{
    if (max < 0)
        return;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* this clock always exists */
    int64_t at_ns = now.tv_nsec + reset_ns;
    time_t at = now.tv_sec + (time_t)((at_ns + 999999999) / 1000000000);
    struct tm utc;
    char text[32];
    (void)gmtime_r(&at, &utc); /* years ahead of the end of its range */
    (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    text_putf(out,
              "anthropic-ratelimit-%s-limit: %lld\r\nanthropic-ratelimit-%s-remaining: %lld\r\n"
              "anthropic-ratelimit-%s-reset: %s\r\n",
              what, (long long)max, what, (long long)left, what, text);
}

void limits_put_headers(const struct limit_verdict *verdict, enum protocol protocol, struct text *out)
{
    if (protocol == PROTOCOL_OPENAI || protocol == PROTOCOL_AZURE) {
        put_openai(out, "requests", verdict->requests, verdict->requests_left, verdict->requests_reset_ns);
        put_openai(out, "tokens", verdict->tokens, verdict->tokens_left, verdict->tokens_reset_ns);
    } else if (protocol == PROTOCOL_ANTHROPIC) {
        put_anthropic(out, "requests", verdict->requests, verdict->requests_left, verdict->requests_reset_ns);
        put_anthropic(out, "tokens", verdict->tokens, verdict->tokens_left, verdict->tokens_reset_ns);
    }
    if (verdict->over == LIMIT_NOT_OVER || !verdict->says_retry_after)
        return;
    int64_t ms = (verdict->retry_after_ns + NS_PER_MS - 1) / NS_PER_MS;
    if (protocol == PROTOCOL_OPENAI || protocol == PROTOCOL_AZURE)
        text_putf(out, "retry-after-ms: %lld\r\n", (long long)ms);
    if (protocol != PROTOCOL_GEMINI)
        text_putf(out, "Retry-After: %lld\r\n", (long long)((ms + 999) / 1000));
}
