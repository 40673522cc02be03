/* apps: list, show, change and delete apps and their versions. See call.h. */
#include "gateway/admin/call.h"

#include "gateway/admin/verdict.h"
#include "shared/store/version.h"

static Heddle__V1__Record record_to_proto(enum store_record record)
{
    switch (record) {
    case STORE_RECORD_FULL:
        return HEDDLE__V1__RECORD__RECORD_FULL;
    case STORE_RECORD_SUMMARY:
        return HEDDLE__V1__RECORD__RECORD_SUMMARY;
    case STORE_RECORD_NONE:
        return HEDDLE__V1__RECORD__RECORD_NONE;
    }
    return HEDDLE__V1__RECORD__RECORD_FULL;
}

static void app_to_proto(struct rpc_call *call, const struct store_app *app, Heddle__V1__App *ret)
{
    heddle__v1__app__init(ret);
    ret->app_id = admin_text(call, app->app_id);
    ret->name = admin_text(call, app->name);
    ret->mode = (char *)store_app_mode_name(app->mode);
    ret->disabled = app->disabled;
    ret->published_version_id = admin_text(call, app->published_version_id);
    ret->max_active_requests = app->max_active_requests;
    ret->requests_per_minute = app->requests_per_minute;
    ret->record = record_to_proto(app->record);
    ret->retention_days = app->retention_days;
    ret->priority = app->priority;
    ret->created_at_ms = app->created_at_ms;
    ret->updated_at_ms = app->updated_at_ms;
}

static void listed(void *arg, const struct store_app_page *page, const struct status *status)
{
    struct rpc_call *call = arg;
    if (status->code != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    Heddle__V1__ListAppsResponse reply = HEDDLE__V1__LIST_APPS_RESPONSE__INIT;
    reply.apps = admin_items(call, page->count, sizeof(Heddle__V1__App));
    for (; reply.apps != NULL && reply.n_apps < page->count; reply.n_apps++)
        app_to_proto(call, &page->apps[reply.n_apps], reply.apps[reply.n_apps]);
    reply.next_page_token = admin_text(call, page->next_page_token);
    admin_reply(call, &reply.base);
}

void admin_list_apps(struct rpc_call *call)
{
    const Heddle__V1__ListAppsRequest *request =
        admin_begin(call, &heddle__v1__list_apps_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    const struct store_app_list list = {.page_size = request->page_size,
                                        .page_token = str_c(request->page_token)};
    if (store_app_list(admin_store(call), &list, listed, call, &err) != STATUS_OK)
        admin_fail(call, &err);
}

static void got(void *arg, const struct store_app_details *details, const struct status *status)
{
    struct rpc_call *call = arg;
    if (status->code != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    Heddle__V1__GetAppResponse reply = HEDDLE__V1__GET_APP_RESPONSE__INIT;
    Heddle__V1__App app;
    Heddle__Executor__V1__CheckAppResponse *verdict = verdict_read(details->verdict);
    app_to_proto(call, &details->app, &app);
    admin_environment(call, verdict, &details->environment, &app.environment, &app.n_environment);
    reply.app = &app;
    if (verdict != NULL) {
        reply.n_input_form = verdict->n_input_form;
        reply.input_form = verdict->input_form;
        reply.features = verdict->features;
        reply.n_warnings = verdict->n_warnings;
        reply.warnings = verdict->warnings;
    }
    admin_reply(call, &reply.base);
    if (verdict != NULL)
        heddle__executor__v1__check_app_response__free_unpacked(verdict, NULL);
}

void admin_get_app(struct rpc_call *call)
{
    const Heddle__V1__GetAppRequest *request = admin_begin(call, &heddle__v1__get_app_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    const struct store_app_ref ref = {.app_id = str_c(request->app_id)};
    if (admin_check_id("app_id", request->app_id, &err) != STATUS_OK ||
        store_app_get(admin_store(call), &ref, got, call, &err) != STATUS_OK)
        admin_fail(call, &err);
}

static void changed_read(void *arg, const struct store_app_details *details, const struct status *status)
{
    struct rpc_call *call = arg;
    if (status->code != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    Heddle__V1__App reply;
    Heddle__Executor__V1__CheckAppResponse *verdict = verdict_read(details->verdict);
    app_to_proto(call, &details->app, &reply);
    admin_environment(call, verdict, &details->environment, &reply.environment, &reply.n_environment);
    admin_reply(call, &reply.base);
    if (verdict != NULL)
        heddle__executor__v1__check_app_response__free_unpacked(verdict, NULL);
}

static void changed(void *arg, const struct store_app *app, const struct status *status)
{
    struct rpc_call *call = arg;
    struct status err = *status;
    if (err.code == STATUS_OK) {
        const struct store_app_ref ref = {.app_id = app->app_id};
        err.code = store_app_get(admin_store(call), &ref, changed_read, call, &err);
    }
    if (err.code != STATUS_OK)
        admin_fail(call, &err);
}

/* A setting that is stored and would not be kept to is refused: a limit that does not limit is worse than none. */
static enum status_code check_enforced(const Heddle__V1__UpdateAppRequest *request, struct status *err)
{
    const char *field = NULL;
    if (request->has_max_active_requests_case != 0 && request->max_active_requests != 0)
        field = "max_active_requests";
    else if (request->has_requests_per_minute_case != 0 && request->requests_per_minute != 0)
        field = "requests_per_minute";
    if (field == NULL)
        return STATUS_OK;
    status_field(err, field, "this release does not enforce it, so it cannot be set");
    err->code = STATUS_UNIMPLEMENTED;
    err->reason = "NOT_ENFORCED";
    return err->code;
}

static enum status_code read_record(const Heddle__V1__UpdateAppRequest *request, struct store_app_update *ret,
                                    struct status *err)
{
    ret->has_record = request->has_record_case == HEDDLE__V1__UPDATE_APP_REQUEST__HAS_RECORD_RECORD;
    if (!ret->has_record)
        return STATUS_OK;
    for (int record = STORE_RECORD_FULL; record <= STORE_RECORD_NONE; record++) {
        ret->record = (enum store_record)record;
        if (record_to_proto(ret->record) == request->record)
            return STATUS_OK;
    }
    return status_field(err, "record", "is none of RECORD_FULL, RECORD_SUMMARY and RECORD_NONE");
}

void admin_update_app(struct rpc_call *call)
{
    const Heddle__V1__UpdateAppRequest *request =
        admin_begin(call, &heddle__v1__update_app_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    struct store_app_update update = {
        .app_id = str_c(request->app_id),
        .has_name = request->has_name_case == HEDDLE__V1__UPDATE_APP_REQUEST__HAS_NAME_NAME,
        .has_disabled = request->has_disabled_case == HEDDLE__V1__UPDATE_APP_REQUEST__HAS_DISABLED_DISABLED,
        .has_priority = request->has_priority_case == HEDDLE__V1__UPDATE_APP_REQUEST__HAS_PRIORITY_PRIORITY,
        .priority = request->priority,
        .has_retention_days = request->has_retention_days_case ==
                              HEDDLE__V1__UPDATE_APP_REQUEST__HAS_RETENTION_DAYS_RETENTION_DAYS,
        .retention_days = request->retention_days,
    };
    if (update.has_name)
        update.name = str_c(request->name);
    if (update.has_disabled)
        update.disabled = request->disabled;
    if (admin_check_id("app_id", request->app_id, &err) != STATUS_OK ||
        check_enforced(request, &err) != STATUS_OK || read_record(request, &update, &err) != STATUS_OK ||
        store_app_update(admin_store(call), &update, changed, call, &err) != STATUS_OK)
        admin_fail(call, &err);
}

static void deleted(void *arg, const struct status *status)
{
    struct rpc_call *call = arg;
    const struct admin *admin = rpc_call_service(call);
    const Heddle__V1__DeleteAppRequest *request =
        (const Heddle__V1__DeleteAppRequest *)((struct admin_call *)rpc_call_state(call))->request;
    Heddle__V1__DeleteAppResponse reply = HEDDLE__V1__DELETE_APP_RESPONSE__INIT;
    if (status->code != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    if (admin->app_deleted != NULL)
        admin->app_deleted(admin->app_deleted_arg, str_c(request->app_id));
    admin_reply(call, &reply.base);
}

void admin_delete_app(struct rpc_call *call)
{
    const Heddle__V1__DeleteAppRequest *request =
        admin_begin(call, &heddle__v1__delete_app_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    const struct store_app_ref ref = {.app_id = str_c(request->app_id)};
    if (admin_check_id("app_id", request->app_id, &err) != STATUS_OK ||
        store_app_delete(admin_store(call), &ref, deleted, call, &err) != STATUS_OK)
        admin_fail(call, &err);
}

static void version_to_proto(struct rpc_call *call, const struct store_version *version,
                             Heddle__V1__Version *ret)
{
    heddle__v1__version__init(ret);
    ret->version_id = admin_text(call, version->version_id);
    ret->app_id = admin_text(call, version->app_id);
    ret->number = version->number;
    struct buf hash;
    buf_init(&hash, 2 * SHA256_BYTES + 1);
    hex_put(&hash, version->content_hash, SHA256_BYTES);
    ret->content_hash = admin_text(call, buf_str(&hash));
    buf_fini(&hash);
    ret->published = version->published;
    ret->created_at_ms = version->created_at_ms;
    ret->dsl_version = admin_text(call, version->dsl_version);
    ret->mode = (char *)store_app_mode_name(version->mode);
}

static void versions_listed(void *arg, const struct store_version_page *page, const struct status *status)
{
    struct rpc_call *call = arg;
    if (status->code != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    Heddle__V1__ListVersionsResponse reply = HEDDLE__V1__LIST_VERSIONS_RESPONSE__INIT;
    reply.versions = admin_items(call, page->count, sizeof(Heddle__V1__Version));
    for (; reply.versions != NULL && reply.n_versions < page->count; reply.n_versions++)
        version_to_proto(call, &page->versions[reply.n_versions], reply.versions[reply.n_versions]);
    reply.next_page_token = admin_text(call, page->next_page_token);
    admin_reply(call, &reply.base);
}

void admin_list_versions(struct rpc_call *call)
{
    const Heddle__V1__ListVersionsRequest *request =
        admin_begin(call, &heddle__v1__list_versions_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    const struct store_version_list list = {.app_id = str_c(request->app_id),
                                            .page_size = request->page_size,
                                            .page_token = str_c(request->page_token)};
    if (admin_check_id("app_id", request->app_id, &err) != STATUS_OK ||
        store_version_list(admin_store(call), &list, versions_listed, call, &err) != STATUS_OK)
        admin_fail(call, &err);
}

static void published(void *arg, const struct store_version *version, const struct status *status)
{
    struct rpc_call *call = arg;
    if (status->code != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    Heddle__V1__Version reply;
    version_to_proto(call, version, &reply);
    admin_reply(call, &reply.base);
}

void admin_publish_version(struct rpc_call *call)
{
    const Heddle__V1__PublishVersionRequest *request =
        admin_begin(call, &heddle__v1__publish_version_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    const struct store_version_ref ref = {.app_id = str_c(request->app_id),
                                          .version_id = str_c(request->version_id)};
    if (admin_check_id("app_id", request->app_id, &err) != STATUS_OK ||
        admin_check_id("version_id", request->version_id, &err) != STATUS_OK ||
        store_version_publish(admin_store(call), &ref, published, call, &err) != STATUS_OK)
        admin_fail(call, &err);
}
