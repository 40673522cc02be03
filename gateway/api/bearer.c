/* bearer: see the header. */
#include "gateway/api/bearer.h"

#include "gateway/auth/api_key.h"
#include "shared/base/clock.h"

/* On the call's queue again. */
static void posted(struct rpc_op *op, bool ok)
{
    (void)ok; /* a post always is */
    struct bearer *bearer = CONTAINER_OF(op, struct bearer, op);
    struct grant *grant = bearer->grant;
    struct status status = bearer->status;
    bearer->grant = NULL;
    bearer->done(bearer, grant, &status);
}

/* On whatever thread read the store. */
static void found(struct key_wait *wait, struct grant *take_grant, const struct status *status)
{
    struct bearer *bearer = CONTAINER_OF(wait, struct bearer, wait);
    bearer->grant = take_grant;
    bearer->status = *status;
    rpc_queue_post(bearer->queue, &bearer->op);
}

static enum status_code read_token(struct rpc_call *call, struct str *ret, struct status *err)
{
    struct str header = rpc_call_metadata(call, "authorization");
    if (header.ptr == NULL)
        return status_reason(err, STATUS_UNAUTHENTICATED, "MISSING_TOKEN",
                             "metadata authorization: Bearer <API key> is missing");
    if (!str_eq_nocase(str_sub(header, 0, 7), STR("bearer ")))
        return status_reason(err, STATUS_UNAUTHENTICATED, "INVALID_TOKEN",
                             "authorization must be a bearer token");
    *ret = str_trim(str_sub(header, 7, header.len));
    if (!api_key_is_plausible(*ret))
        return status_reason(err, STATUS_UNAUTHENTICATED, "INVALID_TOKEN", "this is not an API key");
    return STATUS_OK;
}

void bearer_find(struct bearer *bearer, struct key_cache *keys, struct rpc_call *call)
{
    struct str token = {0};
    struct status err = {.code = STATUS_OK};
    struct grant *grant = NULL;
    uint8_t hash[SHA256_BYTES];
    bearer->queue = rpc_call_queue(call);
    bearer->op.done = posted;
    bearer->wait.done = found;
    enum status_code rc = read_token(call, &token, &err);
    if (rc == STATUS_OK) {
        api_key_hash(token, hash);
        rc = key_cache_find(keys, hash, clock_wall_ms(), &bearer->wait, &grant, &err);
    }
    if (rc == STATUS_OK && grant == NULL)
        return; /* found() will come */
    bearer->done(bearer, grant, rc == STATUS_OK ? &(struct status){.code = STATUS_OK} : &err);
}
