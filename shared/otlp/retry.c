/* retry: see the header. */
#include "shared/otlp/retry.h"

void otlp_retry_begin(struct otlp_retry *r, int64_t now_ms)
{
    *r = (struct otlp_retry){.first_ms = now_ms};
}

static bool is_for_later(int status)
{
    return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}

int64_t otlp_retry_in(struct otlp_retry *r, int status, int64_t asked_ms, int64_t now_ms)
{
    int64_t in_ms = OTLP_RETRY_MS;
    for (unsigned i = 0; i < r->tries && in_ms < OTLP_RETRY_MS_MAX; i++)
        in_ms *= 2;
    if (asked_ms > in_ms)
        in_ms = asked_ms;
    if (in_ms > OTLP_RETRY_MS_MAX)
        in_ms = OTLP_RETRY_MS_MAX;
    r->tries++;
    return is_for_later(status) && now_ms + in_ms - r->first_ms <= OTLP_BATCH_AGE_MS ? in_ms : -1;
}
