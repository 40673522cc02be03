/* retry_hint: see the header. */
#include "executor/model/retry_hint.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t bounded(double ms)
{
    return ms > 0 && ms < (double)RETRY_HINT_MS_MAX ? (int64_t)(ms + 0.999) : ms > 0 ? RETRY_HINT_MS_MAX : 0;
}

int64_t retry_hint_duration_ms(struct str text)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60e3}, {"h", 3600e3}, {"d", 24 * 3600e3}};
    double sum_ms = 0, n;
    if (text.len == 0 || text.ptr[0] == '-')
        return 0;
    if (str_to_double(text, &n))
        return bounded(n * 1000);
    while (text.len > 0) {
        size_t digits = 0, letters;
        while (digits < text.len &&
               (text.ptr[digits] == '.' || (text.ptr[digits] >= '0' && text.ptr[digits] <= '9')))
            digits++;
        letters = digits;
        while (letters < text.len && text.ptr[letters] >= 'a' && text.ptr[letters] <= 'z')
            letters++;
        struct str unit = str_sub(text, digits, letters);
        double unit_ms = 0;
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
            unit_ms = str_eq_c(unit, units[i].name) ? units[i].ms : unit_ms;
        if (unit_ms == 0 || !str_to_double(str_sub(text, 0, digits), &n))
            return 0;
        sum_ms += n * unit_ms;
        text = str_sub(text, letters, text.len);
    }
    return bounded(sum_ms);
}

/* The time until a date of HTTP or of RFC 3339; 0: it is none, or over. */
static int64_t until_ms(struct str text, int64_t wall_ms)
{
    static const char *const formats[] = {"%a, %d %b %Y %H:%M:%S GMT", "%Y-%m-%dT%H:%M:%S"};
    char copy[64];
    if (text.len >= sizeof copy)
        return 0;
    snprintf(copy, sizeof copy, "%.*s", STR_ARG(text));
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct tm tm = {0};
        const char *rest = strptime(copy, formats[i], &tm);
        int hours = 0, minutes = 0;
        if (rest == NULL)
            continue;
        if (i == 1) { /* a fraction, then Z or an offset */
            rest += *rest == '.' ? 1 + strspn(rest + 1, "0123456789") : 0;
            bool has_offset = (*rest == '+' || *rest == '-') && strlen(rest) == 6 && rest[3] == ':';
            if (has_offset) {
                hours = (rest[1] - '0') * 10 + rest[2] - '0';
                minutes = (rest[4] - '0') * 10 + rest[5] - '0';
            }
            if (has_offset && *rest == '-') {
                hours = -hours;
                minutes = -minutes;
            }
        }
        int64_t at_ms = ((int64_t)timegm(&tm) - hours * 3600 - minutes * 60) * 1000;
        return bounded((double)(at_ms - wall_ms));
    }
    return 0;
}

/* How long until a limit is back: a time, or a point in time as a date or as a Unix time in seconds or milliseconds. */
static int64_t reset_in_ms(struct str value, int64_t wall_ms)
{
    double n;
    if (!str_to_double(value, &n)) {
        int64_t ms = retry_hint_duration_ms(value);
        return ms > 0 ? ms : until_ms(value, wall_ms);
    }
    if (n > 1e11)
        return bounded(n - (double)wall_ms);
    return n > 1e8 ? bounded(n * 1000 - (double)wall_ms) : bounded(n * 1000);
}

/* NULL: there are too many. */
static struct retry_limit *limit_of(struct retry_hint *h, struct str name)
{
    for (size_t i = 0; i < h->limit_count; i++) {
        if (str_eq_c(name, h->limits[i].name))
            return &h->limits[i];
    }
    if (h->limit_count == RETRY_HINT_LIMITS_MAX || name.len >= sizeof h->limits[0].name)
        return NULL;
    struct retry_limit *limit = &h->limits[h->limit_count++];
    snprintf(limit->name, sizeof limit->name, "%.*s", STR_ARG(name));
    return limit;
}

/* "reset-tokens", "tokens-reset" or "reset": is the word at an end of it, and what is the rest? */
static bool name_beside(struct str text, struct str word, struct str *ret_name)
{
    struct str head = str_sub(text, 0, word.len), rest = str_sub(text, word.len, text.len);
    if (str_eq(head, word) && (rest.len == 0 || rest.ptr[0] == '-')) {
        *ret_name = str_sub(rest, 1, rest.len);
        return true;
    }
    size_t before = text.len > word.len ? text.len - word.len - 1 : 0;
    if (!str_ends(text, word) || text.len <= word.len || text.ptr[before] != '-')
        return false;
    *ret_name = str_sub(text, 0, before);
    return true;
}

static void take_limit(struct retry_hint *h, struct str text, struct str value, int64_t wall_ms)
{
    struct str name;
    struct retry_limit *limit;
    double n;
    if (name_beside(text, STR("remaining"), &name) && (limit = limit_of(h, name)) != NULL) {
        limit->has_remaining = str_to_double(value, &n);
        limit->is_used_up = limit->has_remaining && n <= 0;
    } else if (name_beside(text, STR("reset"), &name) && (limit = limit_of(h, name)) != NULL) {
        limit->reset_ms = reset_in_ms(value, wall_ms);
    }
}

void retry_hint_take(struct retry_hint *h, struct str name, struct str value, int64_t wall_ms)
{
    static const char *const prefixes[] = {"x-ratelimit-", "anthropic-ratelimit-"};
    char lower[64];
    double n;
    if (name.len >= sizeof lower)
        return;
    for (size_t i = 0; i < name.len; i++)
        lower[i] = (char)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] | 0x20 : name.ptr[i]);
    struct str key = {lower, name.len};
    if (str_eq_c(key, "retry-after-ms") && str_to_double(value, &n)) {
        h->asked_ms = bounded(n);
    } else if (str_eq_c(key, "retry-after") && h->asked_ms == 0) {
        h->asked_ms = str_to_double(value, &n) ? bounded(n * 1000) : until_ms(value, wall_ms);
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (str_starts(key, str_c(prefixes[i])))
            take_limit(h, str_sub(key, strlen(prefixes[i]), key.len), value, wall_ms);
    }
}

int64_t retry_hint_asked_ms(const struct retry_hint *h)
{
    return h->asked_ms;
}

int64_t retry_hint_limited_ms(const struct retry_hint *h)
{
    int64_t longest_ms = 0;
    if (h->asked_ms > 0)
        return h->asked_ms;
    for (size_t i = 0; i < h->limit_count; i++) {
        const struct retry_limit *limit = &h->limits[i];
        if ((limit->is_used_up || !limit->has_remaining) && limit->reset_ms > longest_ms)
            longest_ms = limit->reset_ms;
    }
    return longest_ms;
}
