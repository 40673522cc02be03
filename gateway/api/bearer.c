/* bearer: see the header. */
#include "gateway/api/bearer.h"

#include "gateway/auth/api_key.h"
#include "shared/base/clock.h"
#include <stdio.h>
#include <stdlib.h>

static void tell(struct bearer *bearer, struct grant *take_grant, const struct status *status)
{
    meters_auth_failed(bearer->gateway->meters, status);
    bearer->done(bearer, take_grant, status);
}

/* On the call's queue again. */
static void posted(struct rpc_op *op, bool ok)
{
    (void)ok; /* a post always is */
    struct bearer *bearer = CONTAINER_OF(op, struct bearer, op);
    struct grant *grant = bearer->grant;
    struct status status = bearer->status;
    bearer->grant = NULL;
    tell(bearer, grant, &status);
}

/* On whatever thread read the store. */
static void found(struct key_wait *wait, struct grant *take_grant, const struct status *status)
{
    struct bearer *bearer = CONTAINER_OF(wait, struct bearer, wait);
    bearer->grant = take_grant;
    bearer->status = *status;
    bearer->op.done = posted;
    rpc_queue_post(bearer->queue, &bearer->op);
}

/* Looks for the grant. app NULL: of an API key. */
static void find_grant(struct bearer *bearer, struct key_cache *cache, const uint8_t hash[SHA256_BYTES],
                       const struct store_version_ref *app)
{
    struct status err = {.code = STATUS_OK};
    struct grant *grant = NULL;
    bearer->wait.done = found;
    enum status_code rc = key_cache_find(cache, hash, app, clock_wall_ms(), &bearer->wait, &grant, &err);
    if (rc == STATUS_OK && grant == NULL)
        return; /* found() will come */
    tell(bearer, grant, rc == STATUS_OK ? &(struct status){.code = STATUS_OK} : &err);
}

/* An API key opens its app, and may do what the public services do. */
static void find_key(struct bearer *bearer, struct str key)
{
    uint8_t hash[SHA256_BYTES];
    api_key_hash(key, hash);
    find_grant(bearer, bearer->gateway->keys, hash, NULL);
}

/* The token is right, and its principal ours. */
static void find_app(struct bearer *bearer)
{
    const struct principal *principal = bearer->principal;
    const struct store_version_ref app = {.workspace_id = principal->workspace_id,
                                          .app_id = principal->app_id};
    struct status err;
    uint8_t hash[SHA256_BYTES];
    char name[UUID_TEXT_LEN + STORE_NAME_BYTES_MAX +
              1]; /* the id has one length: nothing is taken for another */
    enum status_code rc = principal_check_scope(principal, bearer->scope, &err);
    if (rc == STATUS_OK && principal->app_id.len == 0)
        rc = status_reason(&err, STATUS_PERMISSION_DENIED, "NO_APP", "the token opens no app");
    if (rc != STATUS_OK) {
        tell(bearer, NULL, &err);
        return;
    }
    snprintf(name, sizeof name, "%s%s", principal->app_id.ptr, principal->workspace_id.ptr);
    sha256(str_c(name), hash);
    find_grant(bearer, bearer->gateway->apps, hash, &app);
}

static void check_token(struct bearer *bearer, struct str token, struct key_source_wait *wait);

/* The issuer's keys were fetched, or could not be: on the call's queue again. */
static void keys_posted(struct rpc_op *op, bool ok)
{
    (void)ok;
    struct bearer *bearer = CONTAINER_OF(op, struct bearer, op);
    char *token = bearer->token;
    bearer->token = NULL;
    check_token(bearer, str_c(token), NULL);
    free(token);
}

/* On whatever thread fetched them. */
static void keys_told(struct key_source_wait *wait)
{
    struct bearer *bearer = CONTAINER_OF(wait, struct bearer, keys_wait);
    bearer->op.done = keys_posted;
    rpc_queue_post(bearer->queue, &bearer->op);
}

static void check_token(struct bearer *bearer, struct str token, struct key_source_wait *wait)
{
    struct status err;
    struct principal *principal = NULL;
    enum status_code rc = tokens_find(bearer->gateway->tokens, token, clock_wall_ms(), clock_monotonic_ms(),
                                      wait, &principal, &err);
    if (rc == STATUS_OK && principal == NULL)
        return; /* keys_told() will come */
    free(bearer->token);
    bearer->token = NULL;
    bearer->principal = principal;
    if (rc == STATUS_OK)
        find_app(bearer);
    else
        tell(bearer, NULL, &err);
}

static void find_token(struct bearer *bearer, struct str token)
{
    struct status err;
    bearer->keys_wait.done = keys_told;
    bearer->token = str_dup(token); /* the call may end while its keys are fetched */
    if (bearer->token != NULL) {
        check_token(bearer, str_c(bearer->token), &bearer->keys_wait);
        return;
    }
    status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for a token");
    tell(bearer, NULL, &err);
}

void bearer_find(struct bearer *bearer, struct gateway *gateway, struct rpc_call *call, enum scope scope)
{
    struct status err;
    struct str header = rpc_call_metadata(call, "authorization");
    struct str token = str_trim(str_sub(header, 7, header.len));
    bearer->gateway = gateway;
    bearer->scope = scope;
    bearer->queue = rpc_call_queue(call);
    if (header.ptr == NULL) {
        status_reason(&err, STATUS_UNAUTHENTICATED, "MISSING_TOKEN",
                      "metadata authorization: Bearer <API key or token> is missing");
    } else if (!str_eq_nocase(str_sub(header, 0, 7), STR("bearer "))) {
        status_reason(&err, STATUS_UNAUTHENTICATED, "INVALID_TOKEN", "authorization must be a bearer token");
    } else if (api_key_is_plausible(token)) {
        find_key(bearer, token);
        return;
    } else if (jwt_is_plausible(token)) {
        find_token(bearer, token);
        return;
    } else {
        status_reason(&err, STATUS_UNAUTHENTICATED, "INVALID_TOKEN", "this is no API key and no token");
    }
    tell(bearer, NULL, &err);
}

void bearer_fini(struct bearer *bearer)
{
    principal_unref(bearer->principal);
    free(bearer->token);
    bearer->principal = NULL;
    bearer->token = NULL;
}
