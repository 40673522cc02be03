/* credential: see the header. */
#include "executor/model/credential.h"

#include "executor/model/settings.h"
#include "shared/base/log.h"

/* False: no memory. A secret that HTTP cannot carry has none. */
static bool make_headers(struct credential *c, struct str secret)
{
    struct status err;
    size_t count;
    const struct protocol *const *protocols = protocol_list(&count);
    for (size_t i = 0; i < count && i < CREDENTIAL_PROTOCOLS_MAX; i++) {
        if (protocol_headers(protocols[i], secret, &c->headers[i], &err) == STATUS_RESOURCE_EXHAUSTED)
            return false;
    }
    return true;
}

static bool copy_models(struct arena *arena, const struct store_credential *from, struct credential *ret)
{
    struct str *models = arena_array(arena, from->model_count + 1, sizeof *models);
    for (; models != NULL && ret->model_count < from->model_count; ret->model_count++)
        models[ret->model_count] = arena_copy(arena, from->models[ret->model_count]);
    ret->models = models;
    return models != NULL;
}

bool credential_read(struct arena *arena, const struct store_credential_opened *from, struct credential *ret)
{
    const struct store_credential *c = &from->credential;
    struct str url = c->base_url;
    while (url.len > 0 && url.ptr[url.len - 1] == '/')
        url.len--;
    *ret = (struct credential){
        .workspace_id = arena_copy(arena, c->workspace_id),
        .id = arena_copy(arena, c->credential_id),
        .provider = arena_copy(arena, provider_last_part(c->provider)),
        .name = arena_copy(arena, c->name),
        .base_url = arena_copy(arena, url),
        .weight = c->weight < 1 ? 1 : c->weight,
        .limits = {c->requests_per_minute, c->tokens_per_minute},
        .max_concurrent = c->max_concurrent,
        .fresh_since_ms = c->fresh_since_ms,
        .secret_hash = str_hash(from->secret),
        .protocol = protocol_find(c->protocol),
    };
    if (!copy_models(arena, c, ret) || !make_headers(ret, from->secret) || arena->failed)
        return false;
    struct str why = from->problem;
    if (why.len == 0 && ret->protocol == NULL)
        why = STR("no such protocol");
    else if (why.len == 0 && credential_headers(ret, ret->protocol) == NULL)
        why = STR("its secret cannot be sent in a header");
    ret->is_usable = !c->disabled && why.len == 0;
    if (why.len > 0)
        log_warn("credential_unusable", LOG_STR("name", c->name), LOG_STR("why", why));
    return true;
}

void credential_fini(struct credential *credential)
{
    for (size_t i = 0; i < CREDENTIAL_PROTOCOLS_MAX; i++)
        http_headers_unref(credential->headers[i]);
}

bool credential_fits(const struct credential *credential, struct str workspace_id, struct str provider,
                     struct str model)
{
    /* An export that names no provider takes whoever serves its model. */
    bool is_of_provider = provider.len == 0 || str_fits(provider, credential->provider);
    if (!credential->is_usable || !is_of_provider || !str_eq(workspace_id, credential->workspace_id))
        return false;
    for (size_t i = 0; i < credential->model_count; i++) {
        if (str_fits(model, credential->models[i]))
            return true;
    }
    return false;
}

struct http_headers *credential_headers(const struct credential *credential, const struct protocol *protocol)
{
    size_t count;
    const struct protocol *const *protocols = protocol_list(&count);
    for (size_t i = 0; i < count && i < CREDENTIAL_PROTOCOLS_MAX; i++) {
        if (protocols[i] == protocol)
            return credential->headers[i];
    }
    return NULL;
}
