/* grant: see the header. */
#include "gateway/auth/grant.h"

#include <stdlib.h>
#include <string.h>

static struct str keep(char **at, struct str s)
{
    char *copy = *at;
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    *at += s.len;
    return (struct str){copy, s.len};
}

struct grant *grant_new(struct str key_id, const struct store_target *target)
{
    size_t bytes = key_id.len + target->workspace_id.len + target->app_id.len + target->version_id.len;
    struct grant *grant = calloc(1, sizeof *grant + bytes);
    if (grant == NULL)
        return NULL;
    char *at = grant->text;
    atomic_init(&grant->refs, 1);
    grant->target = *target;
    grant->key_id = keep(&at, key_id);
    grant->target.workspace_id = keep(&at, target->workspace_id);
    grant->target.app_id = keep(&at, target->app_id);
    grant->target.version_id = keep(&at, target->version_id);
    return grant;
}

struct grant *grant_ref(struct grant *grant)
{
    atomic_fetch_add_explicit(&grant->refs, 1, memory_order_relaxed);
    return grant;
}

void grant_unref(struct grant *grant)
{
    if (grant != NULL && atomic_fetch_sub_explicit(&grant->refs, 1, memory_order_acq_rel) == 1)
        free(grant);
}
