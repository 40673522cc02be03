/* import: an export goes to an executor for its verdict, and with that into the store. See call.h. */
#include "gateway/admin/call.h"

#include "gateway/admin/verdict.h"
#include "gateway/api/links.h"
#include "shared/base/clock.h"
#include "shared/limits.h"
#include "shared/rpc/slice.h"
#include "shared/store/version.h"

/* ms. For an executor that is just starting, and to compile 10 MiB (well under a second when the machine is idle). */
#define CHECK_APP_MS 20000

static const Heddle__V1__ImportAppRequest *request_of(struct rpc_call *call)
{
    return (const Heddle__V1__ImportAppRequest *)((struct admin_call *)rpc_call_state(call))->request;
}

static Heddle__Executor__V1__CheckAppResponse *verdict_of(struct rpc_call *call)
{
    return (Heddle__Executor__V1__CheckAppResponse *)((struct admin_call *)rpc_call_state(call))->checked;
}

/* The answer as far as the verdict alone gives it. */
static Heddle__V1__ImportAppResponse answer(struct rpc_call *call)
{
    const Heddle__Executor__V1__CheckAppResponse *verdict = verdict_of(call);
    Heddle__V1__ImportAppResponse reply = HEDDLE__V1__IMPORT_APP_RESPONSE__INIT;
    reply.mode = verdict->mode;
    reply.n_warnings = verdict->n_warnings;
    reply.warnings = verdict->warnings;
    reply.n_problems = verdict->n_problems;
    reply.problems = verdict->problems;
    return reply;
}

static void imported(void *arg, const struct store_imported *result, const struct status *status)
{
    struct rpc_call *call = arg;
    if (status->code != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    Heddle__V1__ImportAppResponse reply = answer(call);
    reply.app_id = admin_text(call, result->version.app_id);
    reply.version_id = admin_text(call, result->version.version_id);
    reply.created = result->created;
    reply.published = result->version.published;
    admin_reply(call, &reply.base);
}

static void keep(struct rpc_call *call)
{
    const Heddle__V1__ImportAppRequest *request = request_of(call);
    const Heddle__Executor__V1__CheckAppResponse *verdict = verdict_of(call);
    struct status err;
    struct buf text;
    buf_init(&text, STORE_VERDICT_BYTES_MAX);
    verdict_put(&text, verdict);
    struct store_version_import import = {
        .app_id = str_c(request->app_id),
        .name = str_c(request->name),
        .fallback_name = str_c(verdict->app_name),
        .dsl = str_c(request->dsl),
        .dsl_version = str_c(verdict->dsl_version),
        .verdict = buf_str(&text),
        .fail_when_reached = request->unsupported == HEDDLE__V1__UNSUPPORTED__UNSUPPORTED_FAIL_WHEN_REACHED,
        .publish = !request->no_publish,
    };
    sha256(import.dsl, import.content_hash);
    if (import.fallback_name.len == 0)
        import.fallback_name = STR("app");
    enum status_code rc;
    if (text.failed)
        rc = status_set(&err, STATUS_RESOURCE_EXHAUSTED, "the verdict on the export is too long to be kept");
    else if (!store_app_mode_from(str_c(verdict->mode), &import.mode))
        rc =
            status_set(&err, STATUS_INTERNAL, "the executor found no problem and names no mode that can run");
    else
        rc = store_version_import(admin_store(call), &import, imported, call, &err);
    buf_fini(&text);
    if (rc != STATUS_OK)
        admin_fail(call, &err);
}

static void checked(struct rpc_client_call *client, void *arg, const struct status *status, struct str bytes)
{
    struct rpc_call *call = arg;
    struct admin_call *state = rpc_call_state(call);
    struct status err = *status;
    if (err.code == STATUS_DEADLINE_EXCEEDED && rpc_client_never_left(client))
        status_set(&err, STATUS_UNAVAILABLE, "not within %d ms", CHECK_APP_MS);
    links_explain(&err);
    if (err.code == STATUS_OK) {
        state->checked = protobuf_c_message_unpack(&heddle__executor__v1__check_app_response__descriptor,
                                                   NULL, bytes.len, (const uint8_t *)bytes.ptr);
        if (state->checked == NULL)
            status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for the verdict");
    }
    if (err.code != STATUS_OK) {
        admin_fail(call, &err);
    } else if (verdict_of(call)->n_problems > 0 || request_of(call)->dry_run) {
        Heddle__V1__ImportAppResponse reply = answer(call);
        admin_reply(call, &reply.base);
    } else {
        keep(call);
    }
}

static enum status_code check_request(const Heddle__V1__ImportAppRequest *request, struct status *err)
{
    struct str dsl = str_c(request->dsl);
    if (dsl.len == 0)
        return status_field(err, "dsl", "is required: the text of an export");
    if (dsl.len > LIMIT_DSL_BYTES)
        return status_field(err, "dsl", "is over %d MiB", LIMIT_DSL_BYTES >> 20);
    if (request->app_id[0] != '\0')
        return admin_check_id("app_id", request->app_id, err);
    return STATUS_OK;
}

void admin_import_app(struct rpc_call *call)
{
    const Heddle__V1__ImportAppRequest *request =
        admin_begin(call, &heddle__v1__import_app_request__descriptor);
    if (request == NULL)
        return;
    const struct admin *admin = rpc_call_service(call);
    struct status err;
    if (check_request(request, &err) != STATUS_OK) {
        admin_fail(call, &err);
        return;
    }
    Heddle__Executor__V1__CheckAppRequest check = HEDDLE__EXECUTOR__V1__CHECK_APP_REQUEST__INIT;
    check.dsl = request->dsl;
    check.unsupported = request->unsupported;
    const struct rpc_client_args args = {.method = admin->check_app,
                                         .queue = rpc_call_queue(call),
                                         .parent = call,
                                         .deadline_ms = clock_monotonic_ms() + CHECK_APP_MS,
                                         .patience = RPC_WAIT_FOR_READY};
    grpc_slice bytes = rpc_slice_pack(&check.base);
    if (rpc_client_unary(admin->executor, &args, bytes, checked, call, NULL, &err) != STATUS_OK) {
        grpc_slice_unref(bytes);
        admin_fail(call, &err);
    }
}
