/* runs: WorkflowService/GetRun and ListRuns. See record_call.h. */
#include "gateway/api/record_call.h"

#include "gateway/api/run_reply.h"
#include "heddle/v1/workflow.pb-c.h"
#include "shared/rpc/wire.h"

/* bytes. Of a text to look for. */
#define KEYWORD_BYTES_MAX 255
/* Field numbers of ListRunsResponse. */
enum { LIST_RUNS = 1, LIST_NEXT_PAGE_TOKEN = 2, LIST_TOTAL = 3 };

static void got(void *arg, const struct store_run *run, const struct status *status)
{
    struct record_call *rc = arg;
    if (status->code != STATUS_OK) {
        record_call_fail(rc, status);
        return;
    }
    struct buf reply;
    buf_init(&reply, RECORD_REPLY_BYTES);
    run_reply_put(&reply, run, rc->form, RECORD_REPLY_BYTES);
    record_call_reply(rc, &reply);
}

static void get_run(struct record_call *rc)
{
    const Heddle__V1__GetRunRequest *request = (const Heddle__V1__GetRunRequest *)rc->request;
    struct store_run_ref ref = {.workspace_id = rc->grant->target.workspace_id,
                                .run_id = str_c(request->run_id),
                                .app_id = rc->grant->target.app_id};
    struct status err;
    if (record_call_user_if_any(rc, "", &err) != STATUS_OK) {
        record_call_fail(rc, &err);
        return;
    }
    ref.end_user_id = str_c(rc->end_user_id);
    if (record_call_id("run_id", request->run_id, &err) != STATUS_OK ||
        record_call_form(rc, (int)request->payloads, &err) != STATUS_OK ||
        store_run_get(record_call_store(rc), &ref, got, rc, &err) != STATUS_OK)
        record_call_fail(rc, &err);
}

void get_run_start(struct rpc_call *call)
{
    record_call_start(call, get_run);
}

static void listed(void *arg, const struct store_run_page *page, const struct status *status)
{
    struct record_call *rc = arg;
    if (status->code != STATUS_OK) {
        record_call_fail(rc, status);
        return;
    }
    struct buf reply;
    buf_init(&reply, RECORD_REPLY_BYTES_MAX);
    for (size_t i = 0; i < page->count; i++) {
        size_t mark = wire_put_begin(&reply, LIST_RUNS);
        run_reply_put_row(&reply, &page->runs[i]);
        wire_put_end(&reply, mark);
    }
    wire_put_bytes_if(&reply, LIST_NEXT_PAGE_TOKEN, page->next_page_token);
    wire_put_int_if(&reply, LIST_TOTAL, page->total);
    record_call_reply(rc, &reply);
}

static enum status_code check_list(const Heddle__V1__ListRunsRequest *request, struct status *err)
{
    int status = (int)request->status, end_reason = (int)request->end_reason;
    if (protobuf_c_enum_descriptor_get_value(&heddle__v1__run_status__descriptor, status) == NULL)
        return status_field(err, "status", "has no value %d", status);
    if (protobuf_c_enum_descriptor_get_value(&heddle__v1__end_reason__descriptor, end_reason) == NULL)
        return status_field(err, "end_reason", "has no value %d", end_reason);
    if (str_c(request->keyword).len > KEYWORD_BYTES_MAX)
        return status_field(err, "keyword", "is over %d bytes", KEYWORD_BYTES_MAX);
    if (request->conversation_id[0] != '\0')
        return record_call_id("conversation_id", request->conversation_id, err);
    return STATUS_OK;
}

static void list_runs(struct record_call *rc)
{
    const Heddle__V1__ListRunsRequest *request = (const Heddle__V1__ListRunsRequest *)rc->request;
    struct store_run_list list = {.workspace_id = rc->grant->target.workspace_id,
                                  .app_id = rc->grant->target.app_id,
                                  .conversation_id = str_c(request->conversation_id),
                                  .status = (int32_t)request->status,
                                  .end_reason = (int32_t)request->end_reason,
                                  .created_after_ms = request->created_after_ms,
                                  .created_before_ms = request->created_before_ms,
                                  .keyword = str_c(request->keyword),
                                  .page_size = request->page_size,
                                  .page_token = str_c(request->page_token),
                                  .page = request->page,
                                  .with_total = request->with_total};
    struct status err;
    enum status_code code = check_list(request, &err);
    if (code == STATUS_OK)
        code = record_call_user_if_any(rc, request->user, &err);
    list.end_user_id = str_c(rc->end_user_id);
    if (code != STATUS_OK || store_run_list(record_call_store(rc), &list, listed, rc, &err) != STATUS_OK)
        record_call_fail(rc, &err);
}

void list_runs_start(struct rpc_call *call)
{
    record_call_start(call, list_runs);
}
