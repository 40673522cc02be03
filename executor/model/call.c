/* call: see the header. */
#include "executor/model/call.h"

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include <stdlib.h>

/* bytes. Of what refused tries said, for the error when none is left. */
#define REFUSALS_BYTES_MAX 2000
/* bytes. Records of refusals: names and words. */
#define ROUTE_BYTES_MAX ((size_t)4 * 1024 * 1024)
/* tokens. A reply of which nobody says how long it may get. */
#define REPLY_TOKENS 256

struct model_call {
    struct call_host *host;
    struct model_request request;
    struct model_callbacks callbacks;
    void *arg;
    struct pool *pool; /* the pick's */
    struct pool_pick pick;
    struct attempt *attempt; /* NULL: it waits, or is between two */
    struct line_seat seat;
    bool has_pick, is_paused;
    struct arena arena; /* of what follows */
    struct str *tried;  /* ids */
    struct model_refused *refused;
    size_t tried_count, tried_cap;
    int64_t waits_since_ms, waited_ms;
    struct buf refusals; /* words of the tries before, each with "; " behind it */
};

static enum status_code go_on(struct model_call *call, struct status *err);

/* --- what is shared --- */

static void count(atomic_uint_fast64_t *what)
{
    atomic_fetch_add_explicit(what, 1, memory_order_relaxed);
}

/* Somebody may be waiting for what has become free. */
static void look_through_line(struct call_host *host)
{
    if (line_is_empty(host->line))
        return;
    struct pool *pool = host->pool(host);
    line_look(host->line, pool, clock_monotonic_ms());
    pool_unref(pool);
}

static void drop_pick(struct model_call *call, enum pool_outcome outcome,
                      const struct attempt_failure *failure, int64_t tokens)
{
    if (!call->has_pick)
        return;
    struct standing_change change =
        pool_end(call->pool, &call->pick, outcome, failure, tokens, clock_monotonic_ms());
    call->has_pick = false;
    if (change.for_ms > 0 || change.is_disabled)
        call->host->note(call->host, &call->pick, &change, failure);
    look_through_line(call->host);
}

static void call_free(struct model_call *call)
{
    drop_pick(call, POOL_CANCELLED, NULL, -1);
    pool_unref(call->pool);
    buf_fini(&call->refusals);
    arena_fini(&call->arena);
    free(call);
}

static int64_t text_bytes(const struct model_request *request)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < request->message_count; i++)
        bytes += (int64_t)request->messages[i].text.len;
    return bytes;
}

/* About 4 bytes make a token; a reply is as long as it may be. */
static int64_t estimate(const struct model_request *request)
{
    static const char *const names[] = {"max_tokens", "max_completion_tokens", "max_output_tokens"};
    int64_t reply = REPLY_TOKENS;
    for (size_t i = 0; request->params != NULL && i < ARRAY_LEN(names); i++) {
        const struct value *v = value_get_c(request->params, names[i]);
        if (v != NULL && value_type(v) == VALUE_INT && value_as_int(v) > 0)
            reply = value_as_int(v);
    }
    return text_bytes(request) / 4 + reply;
}

/* --- how it came to its credential --- */

static struct model_route route_of(const struct model_call *call)
{
    bool has_asked = call->pick.credential != NULL;
    return (struct model_route){.credential = has_asked ? call->pick.credential->name : STR(""),
                                .model = has_asked ? call->pick.model : STR(""),
                                .refused = call->refused,
                                .refused_count = call->tried_count,
                                .waited_ms = call->waited_ms};
}

/* False: no memory for another try. */
static bool note_refused(struct model_call *call, const struct attempt_failure *failure)
{
    if (call->tried_count == call->tried_cap) {
        size_t cap = call->tried_cap == 0 ? 4 : call->tried_cap * 2;
        struct str *tried = arena_array(&call->arena, cap, sizeof *tried);
        struct model_refused *refused = arena_array(&call->arena, cap, sizeof *refused);
        if (tried == NULL || refused == NULL)
            return false;
        for (size_t i = 0; i < call->tried_count; i++) {
            tried[i] = call->tried[i];
            refused[i] = call->refused[i];
        }
        call->tried = tried;
        call->refused = refused;
        call->tried_cap = cap;
    }
    struct str id = arena_copy(&call->arena, call->pick.credential->id),
               name = arena_copy(&call->arena, call->pick.credential->name),
               words = arena_copy(&call->arena, failure->words);
    if (call->arena.failed)
        return false;
    call->tried[call->tried_count] = id;
    call->refused[call->tried_count++] =
        (struct model_refused){.credential = name, .error_type = failure->error_type, .words = words};
    return true;
}

/* What all of them said; the last one's words come last. The call is gone afterwards. */
static void fail(struct model_call *call, const char *error_type, struct str message, int64_t retry_ms)
{
    buf_put(&call->refusals, message);
    const struct model_failure failure = {.error_type = error_type,
                                          .message =
                                              call->refusals.failed ? message : buf_str(&call->refusals),
                                          .route = route_of(call),
                                          .retry_ms = retry_ms};
    call->callbacks.failed(call->arg, &failure);
    call_free(call);
}

/* --- an attempt --- */

static void on_text(void *arg, struct str delta)
{
    struct model_call *call = arg;
    call->callbacks.text(call->arg, delta);
}

static void on_done(void *arg, const struct model_reply *reply)
{
    struct model_call *call = arg;
    struct model_reply own = *reply;
    bool is_said = reply->has_usage;
    call->attempt = NULL;
    drop_pick(call, POOL_ANSWERED, NULL,
              is_said ? reply->usage.prompt_tokens + reply->usage.completion_tokens : -1);
    own.route = route_of(call);
    own.price = call->pick.settings->price;
    call->callbacks.done(call->arg, &own);
    call_free(call);
}

static const char *error_type_of(const struct status *err)
{
    if (err->code == STATUS_UNAVAILABLE || err->code == STATUS_RESOURCE_EXHAUSTED)
        return "InvokeRateLimitError"; /* all rest until after the deadline, or none is left */
    return err->code == STATUS_FAILED_PRECONDITION ? "InvokeAuthorizationError" : "InvokeConnectionError";
}

/* Goes on after a refusal, or fails with what was said. */
static void on_failed(void *arg, const struct attempt_failure *failure)
{
    struct model_call *call = arg;
    struct status err = {.code = STATUS_OK};
    call->attempt = NULL;
    count(&call->host->stats->refusals);
    drop_pick(call, POOL_REFUSED, failure, -1);
    bool may_go_on =
        !failure->has_spoken && failure->refusal != REFUSAL_REQUEST && note_refused(call, failure);
    if (!may_go_on) {
        fail(call, failure->error_type, failure->message, 0);
        return;
    }
    size_t before = call->refusals.len;
    buf_put(&call->refusals, failure->message);
    buf_put_c(&call->refusals, "; ");
    if (go_on(call, &err) == STATUS_OK)
        return;
    call->refusals.len = before; /* the last words stand alone */
    fail(call, failure->error_type, failure->message, err.retry_ms);
}

/* With the pick it has. */
static enum status_code ask(struct model_call *call, struct status *err)
{
    static const struct attempt_callbacks ours = {.text = on_text, .done = on_done, .failed = on_failed};
    const struct attempt_params params = {.protocol = call->pick.protocol,
                                          .headers = call->pick.headers,
                                          .base_url = call->pick.credential->base_url,
                                          .name = call->pick.credential->name,
                                          .model = call->pick.model,
                                          .request = &call->request};
    count(&call->host->stats->picks);
    if (call->tried_count > 0)
        count(&call->host->stats->failovers);
    call->attempt = attempt_start(call->host->http, &params, &ours, call, err);
    if (call->attempt == NULL) {
        drop_pick(call, POOL_CANCELLED, NULL, 0);
        return err->code;
    }
    if (call->is_paused)
        attempt_pause(call->attempt);
    return STATUS_OK;
}

/* --- the line --- */

static enum status_code wait_in_line(struct model_call *call, int64_t back_ms, struct status *err)
{
    struct call_host *host = call->host;
    const struct line_seat *seat = &call->seat;
    bool is_too_late = seat->deadline_ms != 0 && back_ms != INT64_MAX && back_ms >= seat->deadline_ms;
    if (!host->may_wait || is_too_late || !line_enter(host->line, &call->seat)) {
        count(&host->stats->gave_up);
        err->code = STATUS_RESOURCE_EXHAUSTED;
        return err->code;
    }
    count(&host->stats->waits);
    host->waiting++;
    call->waits_since_ms = clock_monotonic_ms();
    host->home.wake(&host->home); /* it looks again from now on */
    return STATUS_OK;
}

static void end_waiting(struct model_call *call)
{
    if (call->waits_since_ms == 0)
        return;
    call->host->waiting--;
    call->waited_ms += clock_monotonic_ms() - call->waits_since_ms;
    call->waits_since_ms = 0;
}

/* With the next credential, or the first; or in the line. */
static enum status_code go_on(struct model_call *call, struct status *err)
{
    struct pool_query *query = &call->seat.query;
    struct pool *pool = call->host->pool(call->host);
    int64_t back_ms = INT64_MAX;
    query->lane.tried = call->tried;
    query->lane.tried_count = call->tried_count;
    query->lane.now_ms = clock_monotonic_ms();
    struct pool_pick pick;
    enum status_code rc = pool_take(pool, query, &pick, &back_ms, err);
    bool is_free = rc == STATUS_OK;
    if (is_free) {
        pool_unref(call->pool);
        call->pool = pool;
        call->pick = pick;
        call->has_pick = true;
        return ask(call, err);
    }
    pool_unref(pool);
    return rc == STATUS_UNAVAILABLE ? wait_in_line(call, back_ms, err) : rc;
}

void model_call_served(struct line_seat *seat)
{
    struct model_call *call = CONTAINER_OF(seat, struct model_call, seat);
    struct status err = seat->err;
    enum status_code rc = seat->rc;
    end_waiting(call);
    if (rc == STATUS_OK) {
        pool_unref(call->pool);
        call->pool = seat->pool;
        call->pick = seat->pick;
        call->has_pick = true;
        rc = ask(call, &err);
    }
    if (rc != STATUS_OK)
        fail(call, error_type_of(&err), str_c(err.message), err.retry_ms);
}

/* --- the whole --- */

/* Those who came before are served first, by priority. */
static enum status_code begin(struct model_call *call, struct status *err)
{
    if (line_is_empty(call->host->line) || !call->host->may_wait)
        return go_on(call, err);
    status_reason(err, STATUS_UNAVAILABLE, "ALL_RESTING", "too many calls wait for a credential");
    enum status_code rc = wait_in_line(call, INT64_MAX, err);
    if (rc == STATUS_OK)
        look_through_line(call->host);
    return rc;
}

struct model_call *model_call_start(struct call_host *host, const struct model_caller *caller,
                                    const struct model_request *request,
                                    const struct model_callbacks *callbacks, void *arg, struct status *err)
{
    struct model_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for a model call");
        return NULL;
    }
    *call = (struct model_call){.host = host, .request = *request, .callbacks = *callbacks, .arg = arg};
    arena_init(&call->arena, ROUTE_BYTES_MAX);
    buf_init(&call->refusals, REFUSALS_BYTES_MAX);
    call->seat = (struct line_seat){
        .home = &host->home,
        .priority = caller->priority,
        .deadline_ms = caller->deadline_ms,
        .query = {.workspace_id = caller->workspace_id.len > 0 ? caller->workspace_id : STR("default"),
                  .provider = request->provider,
                  .model = request->model,
                  .lane = {.conversation_id = caller->conversation_id, .tokens = estimate(request)}}};
    if (begin(call, err) == STATUS_OK)
        return call;
    call_free(call);
    return NULL;
}

void model_call_cancel(struct model_call *call)
{
    if (call->attempt != NULL)
        attempt_cancel(call->attempt);
    if (call->waits_since_ms != 0) {
        bool was_waiting = line_leave(call->host->line, &call->seat);
        end_waiting(call);
        if (!was_waiting && call->seat.rc == STATUS_OK) { /* served, and not told yet: gives it back */
            pool_unref(call->pool);
            call->pool = call->seat.pool;
            call->pick = call->seat.pick;
            call->has_pick = true;
        }
    }
    call_free(call);
}

void model_call_pause(struct model_call *call)
{
    call->is_paused = true;
    if (call->attempt != NULL)
        attempt_pause(call->attempt);
}

void model_call_resume(struct model_call *call)
{
    call->is_paused = false;
    if (call->attempt != NULL)
        attempt_resume(call->attempt);
}
