/* route: which API a path belongs to. */
#include "route.h"

#include <string.h>

/* A path; '*' is a name that ends at the next '/' or ':' of the pattern. */
struct pattern {
    const char *method, *path;
    enum protocol protocol;
    enum prompt_kind kind;
    bool is_stream;
};

static const struct pattern patterns[] = {
    {"POST", "/v1/chat/completions", PROTOCOL_OPENAI, PROMPT_CHAT, false},
    {"POST", "/v1/completions", PROTOCOL_OPENAI, PROMPT_COMPLETION, false},
    {"GET", "/v1/models", PROTOCOL_OPENAI, PROMPT_NONE, false},
    {"POST", "/openai/deployments/*/chat/completions", PROTOCOL_AZURE, PROMPT_CHAT, false},
    {"POST", "/openai/deployments/*/completions", PROTOCOL_AZURE, PROMPT_COMPLETION, false},
    {"GET", "/openai/deployments", PROTOCOL_AZURE, PROMPT_NONE, false},
    {"GET", "/openai/models", PROTOCOL_AZURE, PROMPT_NONE, false},
    {"POST", "/openai/v1/chat/completions", PROTOCOL_AZURE, PROMPT_CHAT, false},
    {"GET", "/openai/v1/models", PROTOCOL_AZURE, PROMPT_NONE, false},
    {"POST", "/v1/messages", PROTOCOL_ANTHROPIC, PROMPT_MESSAGES, false},
    {"POST", "/v1beta/models/*:generateContent", PROTOCOL_GEMINI, PROMPT_CONTENTS, false},
    {"POST", "/v1beta/models/*:streamGenerateContent", PROTOCOL_GEMINI, PROMPT_CONTENTS, true},
    {"POST", "/v1/models/*:generateContent", PROTOCOL_GEMINI, PROMPT_CONTENTS, false},
    {"POST", "/v1/models/*:streamGenerateContent", PROTOCOL_GEMINI, PROMPT_CONTENTS, true},
    {"GET", "/v1beta/models", PROTOCOL_GEMINI, PROMPT_NONE, false},
};

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;
    return found != NULL ? (int)(found - digits) % 16 : -1;
}

/* Percent-decodes a name of a path. False: it is none, or too long. */
static bool decode(struct span name, char ret[ROUTE_MODEL_BYTES])
{
    size_t len = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c == '%') {
            int high = i + 2 < name.len ? hex_digit(name.ptr[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(name.ptr[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0' || len + 1 == ROUTE_MODEL_BYTES)
            return false;
        ret[len++] = c;
    }
    ret[len] = '\0';
    return len > 0;
}

static bool is_match(const struct pattern *pattern, struct span path, char ret_model[ROUTE_MODEL_BYTES])
{
    ret_model[0] = '\0';
    const char *star = strchr(pattern->path, '*');
    if (star == NULL)
        return span_is(path, pattern->path);
    size_t before = (size_t)(star - pattern->path);
    size_t after = strlen(star + 1);
    if (path.len <= before + after || memcmp(path.ptr, pattern->path, before) != 0 ||
        memcmp(path.ptr + path.len - after, star + 1, after) != 0)
        return false;
    struct span name = {path.ptr + before, path.len - before - after};
    return memchr(name.ptr, '/', name.len) == NULL && decode(name, ret_model);
}

/* The value of a parameter as it stands in the query; ptr is NULL when it is not there. */
static struct span query_value(struct span query, const char *name)
{
    size_t n = strlen(name);
    while (query.len > 0) {
        const char *amp = memchr(query.ptr, '&', query.len);
        size_t len = amp != NULL ? (size_t)(amp - query.ptr) : query.len;
        if (len > n && memcmp(query.ptr, name, n) == 0 && query.ptr[n] == '=')
            return (struct span){query.ptr + n + 1, len - n - 1};
        len += amp != NULL;
        query = (struct span){query.ptr + len, query.len - len};
    }
    return (struct span){NULL, 0};
}

/* Each API has a header of its own for its key; some take a bearer token as well. */
static struct span find_key(const struct http_request *req, enum protocol protocol)
{
    const struct http_head *head = req->head;
    struct span key = head->bearer;
    if (protocol == PROTOCOL_AZURE)
        key = head->api_key;
    else if (protocol == PROTOCOL_ANTHROPIC)
        key = head->x_api_key;
    else if (protocol == PROTOCOL_GEMINI)
        key = head->goog_api_key.ptr != NULL ? head->goog_api_key : query_value(req->query, "key");
    return key.ptr != NULL ? key : head->bearer;
}

static const char *find_problem(const struct http_request *req, const struct route *route)
{
    bool is_deployment = route->protocol == PROTOCOL_AZURE && strncmp(req->path.ptr, "/openai/v1/", 11) != 0;
    if (is_deployment && query_value(req->query, "api-version").len == 0)
        return "Resource not found";
    if (route->protocol == PROTOCOL_ANTHROPIC && req->head->anthropic_version.ptr == NULL)
        return "anthropic-version: header is required";
    if (route->is_stream && !span_is(query_value(req->query, "alt"), "sse"))
        return "fakellm streams with alt=sse only";
    return NULL;
}

enum route_found route_find(const struct http_request *req, struct route *ret)
{
    enum route_found found = ROUTE_NONE;
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        const struct pattern *pattern = &patterns[i];
        if (!is_match(pattern, req->path, ret->model))
            continue;
        if (!span_is(req->method, pattern->method)) {
            found = ROUTE_OTHER_METHOD;
            continue;
        }
        ret->protocol = pattern->protocol;
        ret->kind = pattern->kind;
        ret->is_stream = pattern->is_stream;
        /* Two providers list their models at the same path. */
        if (pattern->kind == PROMPT_NONE && pattern->protocol == PROTOCOL_OPENAI &&
            (req->head->anthropic_version.ptr != NULL || req->head->x_api_key.ptr != NULL))
            ret->protocol = PROTOCOL_ANTHROPIC;
        ret->key = find_key(req, ret->protocol);
        ret->problem = find_problem(req, ret);
        return ROUTE_FOUND;
    }
    return found;
}
