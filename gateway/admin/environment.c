/* environment: an app's own variables, shown over those of its export. See call.h. */
#include "gateway/admin/call.h"

#include "gateway/admin/verdict.h"

/* What answers show for the value of a secret. */
static char stars[] = "***";

static void put_own(struct rpc_call *call, const struct store_variable *variable,
                    Heddle__V1__EnvironmentVariable *ret)
{
    heddle__v1__environment_variable__init(ret);
    ret->name = admin_text(call, variable->name);
    ret->value_type =
        variable->value_type.len == 0 ? (char *)"string" : admin_text(call, variable->value_type);
    ret->value = variable->secret ? stars : admin_text(call, variable->value);
    ret->secret = variable->secret;
}

static const struct store_variable *find_own(const struct store_environment *own, struct str name)
{
    for (size_t i = 0; i < own->count; i++) {
        if (str_eq(own->variables[i].name, name))
            return &own->variables[i];
    }
    return NULL;
}

static bool is_of_export(const Heddle__Executor__V1__CheckAppResponse *verdict, struct str name)
{
    for (size_t i = 0; verdict != NULL && i < verdict->n_environment; i++) {
        if (str_eq_c(name, verdict->environment[i]->name))
            return true;
    }
    return false;
}

void admin_environment(struct rpc_call *call, const Heddle__Executor__V1__CheckAppResponse *verdict,
                       const struct store_environment *own, Heddle__V1__EnvironmentVariable ***ret,
                       size_t *ret_count)
{
    size_t export_count = verdict == NULL ? 0 : verdict->n_environment, count = 0;
    *ret_count = 0;
    *ret = admin_items(call, export_count + own->count, sizeof(Heddle__V1__EnvironmentVariable));
    if (*ret == NULL)
        return; /* the arena has noted it, and admin_reply() says it */
    for (size_t i = 0; i < export_count; i++) {
        Heddle__V1__EnvironmentVariable *item = (*ret)[count++];
        const struct store_variable *over = find_own(own, str_c(verdict->environment[i]->name));
        if (over != NULL) {
            put_own(call, over, item);
            continue;
        }
        *item = *verdict->environment[i];
        if (item->secret)
            item->value = stars;
    }
    for (size_t i = 0; i < own->count; i++) {
        if (!is_of_export(verdict, own->variables[i].name))
            put_own(call, &own->variables[i], (*ret)[count++]);
    }
    *ret_count = count;
}

static void environment_read(void *arg, const struct store_app_details *details, const struct status *status)
{
    struct rpc_call *call = arg;
    if (status->code != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    Heddle__V1__SetAppEnvironmentResponse reply = HEDDLE__V1__SET_APP_ENVIRONMENT_RESPONSE__INIT;
    Heddle__Executor__V1__CheckAppResponse *verdict = verdict_read(details->verdict);
    admin_environment(call, verdict, &details->environment, &reply.environment, &reply.n_environment);
    admin_reply(call, &reply.base);
    if (verdict != NULL)
        heddle__executor__v1__check_app_response__free_unpacked(verdict, NULL);
}

static void environment_changed(void *arg, const struct store_environment *environment,
                                const struct status *status)
{
    (void)environment; /* the app's own only; those of its export belong to the answer */
    struct rpc_call *call = arg;
    const Heddle__V1__SetAppEnvironmentRequest *request =
        (const Heddle__V1__SetAppEnvironmentRequest *)((struct admin_call *)rpc_call_state(call))->request;
    struct status err = *status;
    if (err.code == STATUS_OK) {
        const struct store_app_ref ref = {.app_id = str_c(request->app_id)};
        err.code = store_app_get(admin_store(call), &ref, environment_read, call, &err);
    }
    if (err.code != STATUS_OK)
        admin_fail(call, &err);
}

/* The request's variables as the store wants them, in the call's arena; false: *err says what is wrong. */
static bool read_change(struct rpc_call *call, const Heddle__V1__SetAppEnvironmentRequest *request,
                        struct store_environment_change *ret, struct status *err)
{
    struct store_variable *set = arena_array(admin_arena(call), request->n_set + 1, sizeof *set);
    struct str *names = arena_array(admin_arena(call), request->n_remove + 1, sizeof *names);
    if (set == NULL || names == NULL) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for the variables");
        return false;
    }
    for (size_t i = 0; i < request->n_set; i++) {
        const Heddle__V1__EnvironmentVariable *variable = request->set[i];
        set[i] = (struct store_variable){.name = str_c(variable->name),
                                         .value_type = str_c(variable->value_type),
                                         .value = str_c(variable->value),
                                         .secret = variable_is_secret(variable)};
        if (variable_check(set[i].value_type, set[i].value, i, err) != STATUS_OK)
            return false;
    }
    for (size_t i = 0; i < request->n_remove; i++)
        names[i] = str_c(request->remove[i]);
    *ret = (struct store_environment_change){.app_id = str_c(request->app_id),
                                             .set = set,
                                             .set_count = request->n_set,
                                             .remove = names,
                                             .remove_count = request->n_remove};
    return true;
}

void admin_set_environment(struct rpc_call *call)
{
    const Heddle__V1__SetAppEnvironmentRequest *request =
        admin_begin(call, &heddle__v1__set_app_environment_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    struct store_environment_change change;
    if (admin_check_id("app_id", request->app_id, &err) != STATUS_OK ||
        !read_change(call, request, &change, &err) ||
        store_environment_change(admin_store(call), &change, environment_changed, call, &err) != STATUS_OK)
        admin_fail(call, &err);
}
