/* quota: see the header. */
#include "executor/model/quota.h"

void quota_fini(struct quota *quota)
{
    window_fini(&quota->requests);
}

/* The second of a time has left the window. */
static bool is_over(int64_t second, int64_t now_ms)
{
    return (second + 1) * 1000 + QUOTA_WINDOW_MS <= now_ms;
}

static int64_t tokens_spent(const struct quota *quota, int64_t now_ms)
{
    int64_t sum = 0;
    for (size_t i = 0; i < QUOTA_SECONDS; i++)
        sum += is_over(quota->seconds[i], now_ms) ? 0 : quota->tokens[i];
    return sum;
}

/* When `tokens` more fit: the seconds leave one after the other, the oldest first. */
static int64_t tokens_back_ms(const struct quota *quota, int64_t limit, int64_t tokens, int64_t now_ms)
{
    int64_t spent = tokens_spent(quota, now_ms), after = INT64_MIN;
    while (spent > 0 && spent + tokens > limit) {
        size_t oldest = QUOTA_SECONDS;
        for (size_t i = 0; i < QUOTA_SECONDS; i++) {
            bool counts =
                !is_over(quota->seconds[i], now_ms) && quota->tokens[i] > 0 && quota->seconds[i] > after;
            if (counts && (oldest == QUOTA_SECONDS || quota->seconds[i] < quota->seconds[oldest]))
                oldest = i;
        }
        if (oldest == QUOTA_SECONDS)
            break;
        after = quota->seconds[oldest];
        spent -= quota->tokens[oldest];
    }
    return after == INT64_MIN ? now_ms : (after + 1) * 1000 + QUOTA_WINDOW_MS;
}

bool quota_has_room(struct quota *quota, const struct quota_limits *limits, int64_t tokens, int64_t now_ms,
                    int64_t *ret_back_ms)
{
    *ret_back_ms = now_ms;
    if (limits->requests > 0) {
        window_forget(&quota->requests, now_ms - QUOTA_WINDOW_MS);
        size_t limit = (size_t)limits->requests, count = quota->requests.count;
        if (count >= limit)
            *ret_back_ms = window_at(&quota->requests, count - limit) + QUOTA_WINDOW_MS;
    }
    if (limits->tokens > 0) {
        int64_t spent = tokens_spent(quota, now_ms);
        if (spent > 0 && spent + tokens > limits->tokens) {
            int64_t back_ms = tokens_back_ms(quota, limits->tokens, tokens, now_ms);
            *ret_back_ms = back_ms > *ret_back_ms ? back_ms : *ret_back_ms;
        }
    }
    if (*ret_back_ms > now_ms)
        return false;
    if (limits->concurrent == 0 || quota->running < limits->concurrent)
        return true;
    *ret_back_ms = INT64_MAX;
    return false;
}

static void add_tokens(struct quota *quota, int64_t tokens, int64_t at_ms)
{
    int64_t second = at_ms / 1000;
    size_t i = (size_t)(second % QUOTA_SECONDS);
    if (quota->seconds[i] != second) {
        if (quota->seconds[i] > second)
            return; /* long gone */
        quota->seconds[i] = second;
        quota->tokens[i] = 0;
    }
    quota->tokens[i] += tokens;
}

bool quota_reserve(struct quota *quota, const struct quota_limits *limits, int64_t tokens, int64_t now_ms,
                   struct quota_hold *ret)
{
    if (limits->requests > 0 && !window_add(&quota->requests, now_ms))
        return false;
    *ret = (struct quota_hold){.at_ms = now_ms, .tokens = limits->tokens > 0 ? tokens : 0, .is_held = true};
    add_tokens(quota, ret->tokens, now_ms);
    quota->running++;
    return true;
}

void quota_settle(struct quota *quota, struct quota_hold *hold, int64_t tokens, int64_t now_ms)
{
    if (!hold->is_held)
        return;
    hold->is_held = false;
    quota->running--;
    if (hold->tokens == 0 || tokens < 0)
        return;
    /* What was spent beyond the estimate counts from now on: the provider may count it so. */
    if (tokens > hold->tokens)
        add_tokens(quota, tokens - hold->tokens, now_ms);
    else
        add_tokens(quota, tokens - hold->tokens, hold->at_ms);
}
