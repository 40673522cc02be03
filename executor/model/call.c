/* call: see the header. */
#include "executor/model/call.h"

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include <stdlib.h>

/* bytes. Of what refused tries said, for the error when none is left. */
#define REFUSALS_BYTES_MAX 2000

struct model_call {
    struct http_client *http;
    struct pool *pool;
    struct model_request request;
    struct model_callbacks callbacks;
    void *arg;
    struct attempt *attempt;
    struct pool_choice choice;
    const struct credential **tried;
    size_t tried_count, tried_cap;
    bool is_paused;
    struct buf refusals; /* words of the tries before, each with "; " behind it */
};

static enum status_code try_next(struct model_call *call, struct status *err);

static void call_free(struct model_call *call)
{
    pool_unref(call->pool);
    buf_fini(&call->refusals);
    free(call->tried);
    free(call);
}

static void on_text(void *arg, struct str delta)
{
    struct model_call *call = arg;
    call->callbacks.text(call->arg, delta);
}

static void on_done(void *arg, const struct model_reply *reply)
{
    struct model_call *call = arg;
    rest_forgive(call->choice.rest);
    call->callbacks.done(call->arg, reply);
    call_free(call);
}

static void begin_rest(struct model_call *call, const struct attempt_refusal *refusal, const char *error_type)
{
    int64_t ms = rest_begin(call->choice.rest, refusal->cause, refusal->asked_ms, clock_monotonic_ms());
    log_warn("credential_rests", LOG_STR("name", call->choice.credential->name),
             LOG_STR("model", call->request.model), LOG_C("why", error_type), LOG_INT("for_ms", ms));
}

/* What all of them said; the last one's words come last. */
static void fail(struct model_call *call, const char *error_type, struct str message)
{
    buf_put(&call->refusals, message);
    struct str words = call->refusals.failed ? message : buf_str(&call->refusals);
    call->callbacks.failed(call->arg, error_type, words);
    call_free(call);
}

static void on_failed(void *arg, const char *error_type, struct str message)
{
    struct model_call *call = arg;
    struct status err;
    struct attempt_refusal refusal = attempt_refusal(call->attempt);
    call->attempt = NULL;
    if (refusal.must_rest)
        begin_rest(call, &refusal, error_type);
    if (!refusal.may_try_another || try_next(call, &err) != STATUS_OK) {
        fail(call, error_type, message);
        return;
    }
    buf_put(&call->refusals, message);
    buf_put_c(&call->refusals, "; ");
}

static bool note_tried(struct model_call *call)
{
    if (call->tried_count == call->tried_cap) {
        size_t cap = call->tried_cap == 0 ? 4 : call->tried_cap * 2;
        const struct credential **more = realloc(call->tried, cap * sizeof *more);
        if (more == NULL)
            return false;
        call->tried = more;
        call->tried_cap = cap;
    }
    call->tried[call->tried_count++] = call->choice.credential;
    return true;
}

/* With the next credential, or the first. */
static enum status_code try_next(struct model_call *call, struct status *err)
{
    static const struct model_callbacks ours = {.text = on_text, .done = on_done, .failed = on_failed};
    if (call->choice.credential != NULL && !note_tried(call))
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for another try");
    const struct pool_query query = {.provider = call->request.provider,
                                     .model = call->request.model,
                                     .tried = call->tried,
                                     .tried_count = call->tried_count,
                                     .now_ms = clock_monotonic_ms()};
    struct pool_choice choice;
    if (pool_pick(call->pool, &query, &choice, err) != STATUS_OK)
        return err->code;
    call->choice = choice;
    call->attempt = attempt_start(call->http, choice.credential, &call->request, &ours, call, err);
    if (call->attempt == NULL)
        return err->code;
    if (call->is_paused)
        attempt_pause(call->attempt);
    return STATUS_OK;
}

struct model_call *model_call_start(struct http_client *http, struct pool *pool,
                                    const struct model_request *request,
                                    const struct model_callbacks *callbacks, void *arg, struct status *err)
{
    struct model_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for a model call");
        return NULL;
    }
    *call = (struct model_call){
        .http = http, .pool = pool_ref(pool), .request = *request, .callbacks = *callbacks, .arg = arg};
    buf_init(&call->refusals, REFUSALS_BYTES_MAX);
    if (try_next(call, err) == STATUS_OK)
        return call;
    call_free(call);
    return NULL;
}

void model_call_cancel(struct model_call *call)
{
    attempt_cancel(call->attempt);
    call_free(call);
}

void model_call_pause(struct model_call *call)
{
    call->is_paused = true;
    attempt_pause(call->attempt);
}

void model_call_resume(struct model_call *call)
{
    call->is_paused = false;
    attempt_resume(call->attempt);
}
