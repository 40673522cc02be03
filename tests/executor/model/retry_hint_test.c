/*
 * For how long a provider asks to be left alone, from its headers.
 */
#include "executor/model/retry_hint.h"
#include "tests/support/check.h"
#include <stdio.h>

/* 2015-10-21 07:28:00 */
#define NOW_MS 1445412480000LL

static void durations_are_read_in_every_unit(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {{"34s", 34000},
                {"0.5s", 500},
                {"6m0s", 360000},
                {"1h2m3.5s", 3723500},
                {"250ms", 250},
                {"2m59.56s", 179560},
                {"1d", 86400000},
                {"7", 7000},
                {"0.25", 250},
                {"0s", 0},
                {"0", 0},
                {"", 0},
                {"s", 0},
                {"5x", 0},
                {"-5s", 0},
                {"-5", 0},
                {"1.2.3s", 0},
                {"soon", 0},
                {"5 s", 0},
                {"0.0001", 1},
                {"99999999999s", RETRY_HINT_MS_MAX}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(rows[i].ms, retry_hint_duration_ms(str_c(rows[i].text)));
}

/* Headers as "name: value" lines, then what they ask for when a call failed, and when it came too often. */
static void headers_say_how_long_to_wait(void **state)
{
    static const struct {
        const char *lines;
        int64_t asked_ms, limited_ms;
    } rows[] = {
        {"", 0, 0},
        {"Retry-After: 20", 20000, 20000},
        {"retry-after: 1.5", 1500, 1500},
        {"Retry-After: Wed, 21 Oct 2015 07:28:30 GMT", 30000, 30000},
        {"Retry-After: Wed, 21 Oct 2015 07:27:30 GMT", 0, 0}, /* over */
        {"Retry-After: soon", 0, 0},
        {"Retry-After: -3", 0, 0},
        {"Retry-After: 99999999999", RETRY_HINT_MS_MAX, RETRY_HINT_MS_MAX},
        {"retry-after-ms: 1250", 1250, 1250},
        {"retry-after-ms: 1250\nretry-after: 2", 1250, 1250},
        {"retry-after: 2\nretry-after-ms: 1250", 1250, 1250},
        {"x-ratelimit-remaining-requests: 0\nx-ratelimit-reset-requests: 6m0s", 0, 360000},
        {"x-ratelimit-remaining-requests: 5\nx-ratelimit-reset-requests: 6m0s", 0, 0},
        {"x-ratelimit-reset-requests: 1s\nx-ratelimit-remaining-requests: 0\nx-ratelimit-remaining-tokens: "
         "0\n"
         "x-ratelimit-reset-tokens: 250ms",
         0, 1000},
        {"x-ratelimit-remaining-requests: 9\nx-ratelimit-reset-requests: 1h\nx-ratelimit-remaining-tokens: "
         "0\n"
         "x-ratelimit-reset-tokens: 3s",
         0, 3000},
        {"x-ratelimit-reset-tokens: 3s", 0, 3000}, /* it does not say that some are left */
        {"Retry-After: 2\nx-ratelimit-reset-tokens: 3s", 2000, 2000},
        {"anthropic-ratelimit-requests-remaining: 0\nanthropic-ratelimit-requests-reset: "
         "2015-10-21T07:28:12Z",
         0, 12000},
        {"anthropic-ratelimit-input-tokens-remaining: 0\n"
         "anthropic-ratelimit-input-tokens-reset: 2015-10-21T09:28:12.25+02:00\n"
         "anthropic-ratelimit-tokens-remaining: 100\nanthropic-ratelimit-tokens-reset: 2015-10-22T07:28:12Z",
         0, 12000},
        {"anthropic-ratelimit-tokens-reset: 2015-10-21T05:28:12-02:00", 0, 12000},
        {"anthropic-ratelimit-tokens-reset: yesterday", 0, 0},
        {"x-ratelimit-remaining: 0\nx-ratelimit-reset: 1445412485000", 0, 5000}, /* Unix time in ms */
        {"x-ratelimit-remaining: 0\nx-ratelimit-reset: 1445412485", 0, 5000},    /* and in s */
        {"x-ratelimit-remaining: none\nx-ratelimit-reset: 5", 0, 5000},
        {"x-ratelimit-limit-requests: 10\nx-ratelimit-resets: 5\ncontent-type: 5", 0, 0},
        {"x-ratelimit-reset-a_limit_with_a_name_that_is_too_long: 5", 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct retry_hint hint = {0};
        struct str rest = str_c(rows[i].lines), line;
        while (str_split(&rest, '\n', &line)) {
            size_t colon = str_find(line, STR(": "), 0);
            if (colon != SIZE_MAX)
                retry_hint_take(&hint, str_sub(line, 0, colon), str_sub(line, colon + 2, line.len), NOW_MS);
        }
        if (retry_hint_asked_ms(&hint) != rows[i].asked_ms ||
            retry_hint_limited_ms(&hint) != rows[i].limited_ms)
            fail_msg("%s: %lld %lld", rows[i].lines, (long long)retry_hint_asked_ms(&hint),
                     (long long)retry_hint_limited_ms(&hint));
    }
}

static void limits_over_the_maximum_are_ignored(void **state)
{
    struct retry_hint hint = {0};
    (void)state;
    for (int i = 0; i < 2 * RETRY_HINT_LIMITS_MAX; i++) {
        char name[64];
        snprintf(name, sizeof name, "x-ratelimit-reset-%d", i);
        retry_hint_take(&hint, str_c(name), str_c(i < RETRY_HINT_LIMITS_MAX ? "2s" : "9s"), NOW_MS);
    }
    assert_int_equal(2000, retry_hint_limited_ms(&hint));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_in_every_unit),
        cmocka_unit_test(headers_say_how_long_to_wait),
        cmocka_unit_test(limits_over_the_maximum_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
