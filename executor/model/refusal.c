/* refusal: see the header. */
#include "executor/model/refusal.h"

enum { NO_VERDICT = -1 };

/*
 * Parts of names of errors, the first that fits counts. Statuses alone would not do: an account that has run out says 429 with
 * some, 400 with others, and a wrong key 400; and an error inside of a stream has only its name.
 */
static const struct {
    const char *part;
    enum refusal refusal;
} names[] = {
    {"insufficient_quota", REFUSAL_NO_QUOTA},
    {"insufficient_balance", REFUSAL_NO_QUOTA},
    {"insufficient_funds", REFUSAL_NO_QUOTA},
    {"insufficient_credit", REFUSAL_NO_QUOTA},
    {"billing", REFUSAL_NO_QUOTA}, /* billing_hard_limit_reached, billing_not_active, billing_error */
    {"credit_balance", REFUSAL_NO_QUOTA},
    {"payment_required", REFUSAL_NO_QUOTA},
    {"spend_limit", REFUSAL_NO_QUOTA},
    {"arrearage", REFUSAL_NO_QUOTA},
    {"api_key", REFUSAL_UNAUTHORIZED}, /* invalid_api_key, API_KEY_INVALID */
    {"apikey", REFUSAL_UNAUTHORIZED},
    {"authentication", REFUSAL_UNAUTHORIZED},
    {"unauthenticated", REFUSAL_UNAUTHORIZED},
    {"unauthorized", REFUSAL_UNAUTHORIZED},
    {"permission", REFUSAL_UNAUTHORIZED},
    {"access_denied", REFUSAL_UNAUTHORIZED},
    {"account_deactivated", REFUSAL_UNAUTHORIZED},
    {"overloaded", REFUSAL_UNAVAILABLE},
    {"rate_limit", REFUSAL_RATE_LIMIT},
    {"ratelimit", REFUSAL_RATE_LIMIT},
    {"resource_exhausted", REFUSAL_RATE_LIMIT},
    {"too_many_requests", REFUSAL_RATE_LIMIT},
    {"throttl", REFUSAL_RATE_LIMIT},
    {"quota", REFUSAL_RATE_LIMIT}, /* one that comes back: of a minute, of a day */
    {"context_length", REFUSAL_REQUEST},
    {"content_filter", REFUSAL_REQUEST},
    {"content_policy", REFUSAL_REQUEST},
    {"prompt_blocked", REFUSAL_REQUEST},
    {"request_too_large", REFUSAL_REQUEST},
    {"model_not_found", REFUSAL_UNAVAILABLE},
    {"deploymentnotfound", REFUSAL_UNAVAILABLE},
    {"not_found", REFUSAL_UNAVAILABLE},
    {"server_error", REFUSAL_UNAVAILABLE},
    {"api_error", REFUSAL_UNAVAILABLE},
    {"unavailable", REFUSAL_UNAVAILABLE},
    {"timeout", REFUSAL_UNAVAILABLE},
    {"deadline_exceeded", REFUSAL_UNAVAILABLE},
    {"internal", REFUSAL_UNAVAILABLE},
    {"invalid_request", REFUSAL_REQUEST},
    {"invalid_argument", REFUSAL_REQUEST},
    {"failed_precondition", REFUSAL_REQUEST},
    {"invalid_prompt", REFUSAL_REQUEST},
    {"unsupported", REFUSAL_REQUEST},
};

/* Where the name says too little: words that only this is said with. */
static const struct {
    const char *part;
    enum refusal refusal;
} phrases[] = {
    {"credit balance is too low", REFUSAL_NO_QUOTA}, {"insufficient balance", REFUSAL_NO_QUOTA},
    {"insufficient credits", REFUSAL_NO_QUOTA},      {"api key not valid", REFUSAL_UNAUTHORIZED},
    {"maximum context length", REFUSAL_REQUEST},
};

/* bytes. Of words that are looked through. */
enum { LOOKED_AT = 512 };

static bool holds(struct str text, const char *part)
{
    struct str needle = str_c(part);
    text = str_sub(text, 0, LOOKED_AT);
    for (size_t i = 0; i + needle.len <= text.len; i++) {
        if (str_eq_nocase(str_sub(text, i, i + needle.len), needle))
            return true;
    }
    return false;
}

static int by_name(struct str name)
{
    for (size_t i = 0; name.len > 0 && i < ARRAY_LEN(names); i++) {
        if (holds(name, names[i].part))
            return (int)names[i].refusal;
    }
    return NO_VERDICT;
}

static int by_words(struct str words)
{
    for (size_t i = 0; i < ARRAY_LEN(phrases); i++) {
        if (holds(words, phrases[i].part))
            return (int)phrases[i].refusal;
    }
    return NO_VERDICT;
}

static int by_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return REFUSAL_UNAUTHORIZED;
    case 402:
        return REFUSAL_NO_QUOTA;
    case 429:
        return REFUSAL_RATE_LIMIT;
    case 404: /* this provider does not have the model, another one may */
    case 408:
    case 409:
    case 425:
        return REFUSAL_UNAVAILABLE;
    default:
        return status >= 400 && status < 500 ? REFUSAL_REQUEST : REFUSAL_UNAVAILABLE;
    }
}

static const char *type_of(enum refusal refusal, int status)
{
    switch (refusal) {
    case REFUSAL_REQUEST:
        return "InvokeBadRequestError";
    case REFUSAL_RATE_LIMIT:
    case REFUSAL_NO_QUOTA:
        return "InvokeRateLimitError";
    case REFUSAL_UNAUTHORIZED:
        return "InvokeAuthorizationError";
    case REFUSAL_UNAVAILABLE:
        break;
    }
    return status == 404 ? "InvokeBadRequestError" : "InvokeServerUnavailableError";
}

struct refusal_verdict refusal_of(int status, const struct protocol_piece *piece)
{
    bool is_plain = status == 0 || status == 400 || status == 422 || status == 413;
    int verdict = by_name(piece->error_code), kind = by_name(piece->error_kind);
    /* "invalid_request_error" is the class of nearly everything: a status that says more counts for more. */
    if (verdict == NO_VERDICT && (kind != REFUSAL_REQUEST || is_plain))
        verdict = kind;
    int words = verdict == NO_VERDICT || verdict == REFUSAL_REQUEST ? by_words(piece->error) : NO_VERDICT;
    if (words != NO_VERDICT)
        verdict = words;
    enum refusal refusal = (enum refusal)(verdict != NO_VERDICT ? verdict : by_status(status));
    return (struct refusal_verdict){refusal, type_of(refusal, status)};
}

/* Where a secret of the headers stands next in the words, at or after `from`; SIZE_MAX when there is none. */
static size_t find_secret(const struct protocol *protocol, const struct http_headers *headers,
                          struct str words, size_t from, struct str *ret_secret)
{
    size_t first = SIZE_MAX;
    for (const char *const *name = protocol->secrets; *name != NULL; name++) {
        struct str secret = http_headers_get(headers, str_c(*name));
        if (str_starts(secret, STR("Bearer ")))
            secret = str_sub(secret, sizeof "Bearer " - 1, secret.len);
        size_t at = secret.len == 0 ? SIZE_MAX : str_find(words, secret, from);
        if (at < first) {
            first = at;
            *ret_secret = secret;
        }
    }
    return first;
}

void refusal_put_words(struct buf *ret, const struct protocol *protocol, const struct http_headers *headers,
                       struct str words)
{
    struct str secret = STR("");
    words = str_trim(words);
    if (!str_is_utf8(words))
        words = STR("words that are no text");
    if (words.len == 0)
        words = STR("no words in the answer");
    size_t at = 0, end = str_utf8_cut(words, REFUSAL_WORDS_MAX);
    while (at < end) {
        size_t next = find_secret(protocol, headers, words, at, &secret);
        bool is_quoted = next < end;
        buf_put(ret, str_sub(words, at, is_quoted ? next : end));
        if (is_quoted)
            buf_put_c(ret, "***");
        at = is_quoted ? next + secret.len : end;
    }
}
