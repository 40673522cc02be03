/* credential_state: see the header. */
#include "gateway/ctl/credential_state.h"

#define SECOND_MS 1000
#define MINUTE_MS (60 * (int64_t)SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)

void state_put_span(struct buf *b, int64_t ms)
{
    if (ms <= 2 * MINUTE_MS)
        buf_printf(b, "%lld s", (long long)(ms < 1 ? 1 : (ms + SECOND_MS - 1) / SECOND_MS));
    else if (ms <= 2 * HOUR_MS)
        buf_printf(b, "%lld min", (long long)((ms + MINUTE_MS - 1) / MINUTE_MS));
    else
        buf_printf(b, "%lld h", (long long)((ms + HOUR_MS - 1) / HOUR_MS));
}

void state_put(struct buf *b, const Heddle__V1__Credential *credential, int64_t now_ms)
{
    buf_put_c(b, credential->disabled ? "disabled" : "enabled");
    if (credential->disabled_reason[0] != '\0')
        buf_printf(b, ": %s", credential->disabled_reason);
    size_t count = 0;
    for (size_t i = 0; i < credential->n_cooldowns; i++) {
        const Heddle__V1__Cooldown *rest = credential->cooldowns[i];
        if (rest->until_ms <= now_ms || count++ >= STATE_RESTS_MAX)
            continue;
        buf_printf(b, "; %s rests ", rest->model);
        state_put_span(b, rest->until_ms - now_ms);
        if (rest->reason[0] != '\0')
            buf_printf(b, ": %s", rest->reason);
    }
    if (count > STATE_RESTS_MAX)
        buf_printf(b, "; %zu more rest%s", count - STATE_RESTS_MAX, count - STATE_RESTS_MAX == 1 ? "s" : "");
}

void state_put_limits(struct buf *b, const Heddle__V1__Credential *credential)
{
    const struct {
        int64_t limit;
        const char *words;
    } limits[] = {{credential->requests_per_minute, "requests/min"},
                  {credential->tokens_per_minute, "tokens/min"},
                  {credential->max_concurrent, "at a time"}};
    const char *separator = "";
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        if (limits[i].limit == 0)
            continue;
        buf_printf(b, "%s%lld %s", separator, (long long)limits[i].limit, limits[i].words);
        separator = ", ";
    }
}
