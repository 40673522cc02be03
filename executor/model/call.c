/* call: see the header. */
#include "executor/model/call.h"

#include "executor/model/call_trace.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include <stdlib.h>

/* bytes. Of what refused tries said, for the error when none is left. */
#define REFUSALS_BYTES_MAX 2000
/* bytes. Records of refusals: names and words. */
#define ROUTE_BYTES_MAX ((size_t)4 * 1024 * 1024)
/* tokens. A reply of which nobody says how long it may get. */
#define REPLY_TOKENS 256
/* ms. Between two lines of the log about calls that wait. */
#define LOG_WAITS_MS 1000

struct model_call {
    struct call_host *host;
    struct model_request request;
    struct model_callbacks callbacks;
    void *arg;
    struct pool_ticket ticket;
    struct attempt *attempt; /* NULL: it waits, or has none to ask */
    struct model_caller caller;
    struct call_trace trace; /* of the attempt */
    bool is_paused;
    bool has_spoken;        /* the attempt */
    int64_t asked_us;       /* when the attempt was sent */
    const char *error_type; /* of the last refusal; NULL: none */
    struct buf refusals;    /* words of all of them, with "; " between */
    struct arena arena;     /* of what follows */
    struct model_refused *refused;
    size_t refused_count, refused_cap;
};

static void count(atomic_uint_fast64_t *what)
{
    atomic_fetch_add_explicit(what, 1, memory_order_relaxed);
}

static void note(struct model_call *call, const struct standing_change *change,
                 const struct attempt_failure *failure)
{
    if (change->for_ms > 0 || change->is_disabled || change->is_back)
        call->host->note(call->host, &call->ticket, change, failure);
}

static void give_back(struct model_call *call, enum pool_outcome outcome,
                      const struct attempt_failure *failure, int64_t tokens)
{
    struct standing_change change =
        pool_give_back(call->host->pool, &call->ticket, outcome, failure, tokens, clock_monotonic_ms());
    note(call, &change, change.is_back ? NULL : failure);
}

static void call_free(struct model_call *call)
{
    pool_leave(call->host->pool, &call->ticket, clock_monotonic_ms());
    buf_fini(&call->refusals);
    arena_fini(&call->arena);
    free(call);
}

/* About 4 bytes make a token; a reply is as long as it may be. */
static int64_t estimate(const struct model_request *request)
{
    static const char *const names[] = {"max_tokens", "max_completion_tokens", "max_output_tokens"};
    int64_t bytes = 0, reply = REPLY_TOKENS;
    for (size_t i = 0; i < request->message_count; i++)
        bytes += (int64_t)request->messages[i].text.len;
    for (size_t i = 0; request->params != NULL && i < ARRAY_LEN(names); i++) {
        const struct value *v = value_get_c(request->params, names[i]);
        if (v != NULL && value_type(v) == VALUE_INT && value_as_int(v) > 0)
            reply = value_as_int(v) < INT32_MAX ? value_as_int(v) : INT32_MAX;
    }
    return bytes / 4 + reply;
}

/* --- how it came to its credential --- */

static struct model_route route_of(const struct model_call *call)
{
    const struct pool_ticket *ticket = &call->ticket;
    return (struct model_route){.credential = ticket->credential == NULL ? STR("") : ticket->credential->name,
                                .model = ticket->model,
                                .refused = call->refused,
                                .refused_count = call->refused_count,
                                .waited_ms = ticket->waited_ms};
}

/* Room for one more. */
static bool reserve_refused(struct model_call *call)
{
    if (call->refused_count < call->refused_cap)
        return true;
    size_t cap = call->refused_cap == 0 ? 4 : call->refused_cap * 2;
    struct model_refused *refused = arena_array(&call->arena, cap, sizeof *refused);
    if (refused == NULL)
        return false;
    for (size_t i = 0; i < call->refused_count; i++)
        refused[i] = call->refused[i];
    call->refused = refused;
    call->refused_cap = cap;
    return true;
}

/* What there is no memory for is missing in the record, and in nothing else. */
static void note_refused(struct model_call *call, const char *error_type, struct str message,
                         struct str words)
{
    struct str name = arena_copy(&call->arena, call->ticket.credential->name),
               copy = arena_copy(&call->arena, words);
    call->error_type = error_type;
    if (call->refusals.len > 0)
        buf_put_c(&call->refusals, "; ");
    buf_put(&call->refusals, message);
    if (name.ptr != NULL && copy.ptr != NULL && reserve_refused(call))
        call->refused[call->refused_count++] =
            (struct model_refused){.credential = name, .error_type = error_type, .words = copy};
}

/* With what all of them said, the last one last; or with `message` alone. */
static void fail(struct model_call *call, const char *error_type, struct str message, int64_t retry_ms)
{
    bool is_whole = call->refusals.len > 0 && !call->refusals.failed;
    const struct model_failure failure = {.error_type = error_type,
                                          .message = is_whole ? buf_str(&call->refusals) : message,
                                          .route = route_of(call),
                                          .retry_ms = retry_ms};
    call->callbacks.failed(call->arg, &failure);
    call_free(call);
}

/* --- an attempt --- */

static void try_next(struct model_call *call, struct str last_words);

static void on_text(void *arg, struct str delta)
{
    struct model_call *call = arg;
    if (!call->has_spoken)
        model_meters_spoke(call->host->meters, &call->ticket, clock_monotonic_us() - call->asked_us);
    call->has_spoken = true;
    if (call->ticket.is_trial && pool_answers(call->host->pool, &call->ticket, clock_monotonic_ms()))
        note(call, &(struct standing_change){.is_back = true}, NULL);
    call->callbacks.text(call->arg, delta);
}

static void on_done(void *arg, const struct model_reply *reply)
{
    struct model_call *call = arg;
    struct model_reply own = *reply;
    call->attempt = NULL;
    call_trace_end(&call->trace, &call->request, &call->ticket, reply, NULL);
    model_meters_answered(call->host->meters, &call->ticket, reply, clock_monotonic_us() - call->asked_us);
    give_back(call, POOL_ANSWERED, NULL,
              reply->has_usage ? reply->usage.prompt_tokens + reply->usage.completion_tokens : -1);
    own.route = route_of(call);
    own.price = call->ticket.settings->price;
    call->callbacks.done(call->arg, &own);
    call_free(call);
}

static void on_failed(void *arg, const struct attempt_failure *failure)
{
    struct model_call *call = arg;
    call->attempt = NULL;
    call_trace_end(&call->trace, &call->request, &call->ticket, NULL, failure);
    model_meters_refused(call->host->meters, &call->ticket, failure->refusal);
    /* What was turned away has used nothing; what broke off may have. */
    give_back(call, POOL_REFUSED, failure, failure->refusal == REFUSAL_UNAVAILABLE ? -1 : 0);
    note_refused(call, failure->error_type, failure->message, failure->words);
    if (failure->has_spoken || failure->refusal == REFUSAL_REQUEST)
        fail(call, failure->error_type, failure->message, 0);
    else
        try_next(call, failure->message);
}

/* False: nothing was sent; err says why. */
static bool send_request(struct model_call *call, struct status *err)
{
    static const struct attempt_callbacks ours = {.text = on_text, .done = on_done, .failed = on_failed};
    const struct pool_ticket *ticket = &call->ticket;
    struct tracing_headers told;
    call_trace_begin(&call->trace, &call->caller, &told);
    const struct attempt_params params = {.protocol = ticket->protocol,
                                          .headers = ticket->headers,
                                          .base_url = ticket->credential->base_url,
                                          .name = ticket->credential->name,
                                          .model = ticket->model,
                                          .request = &call->request,
                                          .more = told.list,
                                          .more_count = told.count,
                                          .connect_ms = call->host->times.connect_ms,
                                          .first_content_ms = call->host->times.first_content_ms,
                                          .idle_ms = call->host->times.idle_ms,
                                          .total_ms = call->host->times.total_ms};
    count(&call->host->stats->picks);
    if (ticket->tried_count > 1)
        count(&call->host->stats->failovers);
    model_meters_picked(call->host->meters, ticket);
    call->has_spoken = false;
    call->asked_us = clock_monotonic_us();
    call->attempt = attempt_start(call->host->http, &params, &ours, call, err);
    if (call->attempt != NULL && call->is_paused)
        attempt_pause(call->attempt);
    return call->attempt != NULL;
}

/*
 * Asks with what it was given; where nothing can be sent with it (an address that is none, a request its protocol has no words
 * for), with the next. POOL_GIVEN: it was sent.
 */
static enum pool_end ask_on(struct model_call *call, enum pool_end end)
{
    struct status err;
    while (end == POOL_GIVEN && !send_request(call, &err)) {
        give_back(call, POOL_DROPPED, NULL, 0);
        if (err.code == STATUS_RESOURCE_EXHAUSTED) {
            call->ticket.end = POOL_NO_MEMORY;
            return POOL_NO_MEMORY;
        }
        note_refused(call, "InvokeBadRequestError", str_c(err.message), str_c(err.message));
        end = pool_ask(call->host->pool, &call->ticket, clock_monotonic_ms());
    }
    return end;
}

/* --- waiting, and finding nobody --- */

/* At most one line in a while: thousands may wait at once. */
static void log_waits(const struct model_call *call)
{
    static atomic_int_fast64_t logged_ms;
    int64_t now_ms = clock_monotonic_ms(), last_ms = atomic_load(&logged_ms);
    if (now_ms - last_ms < LOG_WAITS_MS || !atomic_compare_exchange_strong(&logged_ms, &last_ms, now_ms))
        return;
    log_info("call_waits", LOG_STR("provider", call->request.provider), LOG_STR("model", call->request.model),
             LOG_INT("waits_so_far", atomic_load(&call->host->stats->waits)));
}

static void note_waits(struct model_call *call)
{
    count(&call->host->stats->waits);
    log_waits(call);
}

/* It gets no credential any more. last_words: of the last refusal; empty: it had none. */
static void give_up(struct model_call *call, struct str last_words)
{
    struct status err;
    enum status_code rc = pool_say(&call->ticket, &err);
    const char *error_type =
        rc == STATUS_FAILED_PRECONDITION ? "InvokeAuthorizationError" : "InvokeRateLimitError";
    count(&call->host->stats->gave_up);
    fail(call, call->error_type != NULL ? call->error_type : error_type,
         last_words.len > 0 ? last_words : str_c(err.message), call->ticket.retry_ms);
}

/* After a refusal. */
static void try_next(struct model_call *call, struct str last_words)
{
    int64_t now_ms = clock_monotonic_ms(), deadline_ms = call->ticket.ask.deadline_ms;
    if (deadline_ms != 0 && now_ms >= deadline_ms) {
        fail(call, call->error_type, last_words, 0);
        return;
    }
    enum pool_end end = ask_on(call, pool_ask(call->host->pool, &call->ticket, now_ms));
    if (end == POOL_WAITS)
        note_waits(call);
    else if (end != POOL_GIVEN)
        give_up(call, last_words);
}

void model_calls_go_on(struct call_host *host)
{
    struct pool_ticket *ticket;
    while ((ticket = pool_told(host->pool, &host->home)) != NULL) {
        struct model_call *call = CONTAINER_OF(ticket, struct model_call, ticket);
        enum pool_end end = ask_on(call, ticket->end);
        if (end == POOL_WAITS)
            note_waits(call);
        else if (end != POOL_GIVEN)
            give_up(call, STR(""));
    }
}

/* --- the whole --- */

static struct model_call *call_new(struct call_host *host, const struct model_caller *caller,
                                   const struct model_request *request)
{
    struct model_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return NULL;
    call->host = host;
    call->caller = *caller;
    call->request = *request;
    arena_init(&call->arena, ROUTE_BYTES_MAX);
    buf_init(&call->refusals, REFUSALS_BYTES_MAX);
    const struct pool_ask ask = {.workspace_id =
                                     caller->workspace_id.len > 0 ? caller->workspace_id : STR("default"),
                                 .provider = request->provider,
                                 .model = request->model,
                                 .conversation_id = caller->conversation_id,
                                 .priority = caller->priority,
                                 .deadline_ms = caller->deadline_ms,
                                 .tokens = estimate(request)};
    pool_ticket_init(&call->ticket, &ask, &host->home);
    return call;
}

struct model_call *model_call_start(struct call_host *host, const struct model_caller *caller,
                                    const struct model_request *request,
                                    const struct model_callbacks *callbacks, void *arg, struct status *err)
{
    struct model_call *call = call_new(host, caller, request);
    if (call == NULL) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for a model call");
        return NULL;
    }
    call->callbacks = *callbacks;
    call->arg = arg;
    enum pool_end end = ask_on(call, pool_ask(host->pool, &call->ticket, clock_monotonic_ms()));
    bool is_hopeless = end == POOL_NO_MEMORY || (end == POOL_NO_CREDENTIAL && call->refused_count == 0);
    if (is_hopeless) {
        (void)pool_say(&call->ticket, err); /* its words are what is wanted */
        call_free(call);
        return NULL;
    }
    if (end == POOL_WAITS)
        note_waits(call);
    else if (end != POOL_GIVEN)
        pool_tell_later(host->pool, &call->ticket, end); /* with its time and its route */
    return call;
}

void model_call_cancel(struct model_call *call)
{
    if (call->attempt != NULL) {
        call_trace_end(&call->trace, &call->request, &call->ticket, NULL, NULL);
        attempt_cancel(call->attempt);
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
