/* principal: see the header. */
#include "gateway/auth/principal.h"

#include <stdlib.h>
#include <string.h>

/* Our own name space, drawn once at random. */
static const struct uuid end_user_space = {
    {0x6f, 0x1d, 0x2c, 0x5b, 0x90, 0x3a, 0x4e, 0x77, 0xa2, 0x54, 0x1e, 0x0c, 0xd9, 0x83, 0x6b, 0xf1}};

static const struct {
    enum scope scope;
    const char *name;
} scopes[] = {{SCOPE_RUN, "run"}, {SCOPE_READ, "read"}, {SCOPE_ADMIN, "admin"}};

bool scope_from(struct str name, enum scope *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        if (str_eq_c(name, scopes[i].name)) {
            *ret = scopes[i].scope;
            return true;
        }
    }
    return false;
}

static struct str keep(char **at, struct str s)
{
    char *copy = *at;
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    *at += s.len + 1; /* zeroed: its NUL */
    return (struct str){copy, s.len};
}

struct principal *principal_new(const struct principal *from)
{
    size_t bytes = from->workspace_id.len + from->app_id.len + from->issuer.len + from->user.len + 4;
    struct principal *principal = calloc(1, sizeof *principal + bytes);
    if (principal == NULL)
        return NULL;
    char *at = principal->text;
    atomic_init(&principal->refs, 1);
    principal->workspace_id = keep(&at, from->workspace_id);
    principal->app_id = keep(&at, from->app_id);
    principal->issuer = keep(&at, from->issuer);
    principal->user = keep(&at, from->user);
    principal->end_user_type = from->end_user_type;
    principal->scopes = from->scopes;
    principal->valid_until_ms = from->valid_until_ms;
    return principal;
}

struct principal *principal_ref(struct principal *principal)
{
    atomic_fetch_add_explicit(&principal->refs, 1, memory_order_relaxed);
    return principal;
}

void principal_unref(struct principal *principal)
{
    if (principal != NULL && atomic_fetch_sub_explicit(&principal->refs, 1, memory_order_acq_rel) == 1)
        free(principal);
}

const char *principal_type(const struct principal *principal)
{
    return principal == NULL ? PRINCIPAL_SERVICE_API : principal->end_user_type;
}

enum status_code principal_check_scope(const struct principal *principal, enum scope scope,
                                       struct status *err)
{
    unsigned has = principal == NULL ? (unsigned)SCOPE_RUN | SCOPE_READ : principal->scopes;
    if ((has & scope) != 0)
        return STATUS_OK;
    const char *name = "";
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        if (scopes[i].scope == scope)
            name = scopes[i].name;
    }
    return status_reason(err, STATUS_PERMISSION_DENIED, "SCOPE_MISSING", "the token lacks the scope \"%s\"",
                         name);
}

enum status_code principal_user(const struct principal *principal, struct str asked, struct str *ret_user,
                                struct status *err)
{
    bool is_named = principal != NULL && principal->user.len > 0;
    if (is_named && asked.len > 0 && !str_eq(asked, principal->user))
        return status_reason(err, STATUS_PERMISSION_DENIED, "USER_MISMATCH",
                             "user: the token is another end user's; leave the field empty");
    *ret_user = is_named ? principal->user : asked;
    return STATUS_OK;
}

void principal_end_user_id(const struct principal *principal, struct str workspace_id, struct str app_id,
                           struct str user, char ret[UUID_TEXT_LEN + 1])
{
    /* Each part enters as a UUID of the parts before it, so no separator can be forged by a user's text. */
    struct uuid id = uuid_v5(end_user_space, workspace_id);
    id = uuid_v5(id, app_id);
    id = uuid_v5(id, str_c(principal_type(principal)));
    if (principal != NULL && principal->user.len > 0 && principal->issuer.len > 0)
        id = uuid_v5(id, principal->issuer);
    uuid_format(uuid_v5(id, user), ret);
}
