// libs: heddle_run
/*
 * Whatever an export says, a run of it comes to its end: events in order, exactly one workflow_finished, no model call left.
 */
#include "executor/run/run.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS_MAX = 600, TURNS_MAX = 20000, STEPS_MAX = 100, RUN_BYTES_MAX = 1 << 20 };

struct call {
    struct model_callbacks callbacks;
    void *arg;
    bool is_open;
};
struct host {
    struct call calls[CALLS_MAX];
    size_t count, open;
    int64_t now_us, timer_ms;
    uint64_t sequence;
    size_t text_len;
    int ends;
    unsigned dice;
};

static void on_emit(void *arg, struct run *run, const struct run_event *event)
{
    struct host *h = arg;
    (void)run;
    assert(event->sequence == h->sequence + 1);
    h->sequence = event->sequence;
    assert(h->ends == 0 || event->kind == EVENT_MESSAGE_END || event->kind == EVENT_ERROR);
    h->ends += event->kind == EVENT_WORKFLOW_FINISHED;
    if (event->kind == EVENT_MESSAGE || event->kind == EVENT_TEXT_CHUNK) {
        assert(event->text.offset <= h->text_len);
        h->text_len = event->text.offset + event->text.text.len;
    }
}

static struct model_call *on_model_start(void *arg, struct run *run, const struct model_request *request,
                                         const struct model_callbacks *callbacks, void *callback_arg,
                                         struct status *err)
{
    struct host *h = arg;
    (void)run;
    assert(request->message_count > 0);
    if (h->count == CALLS_MAX || h->dice++ % 7 == 6) {
        status_set(err, STATUS_UNAVAILABLE, "no model");
        return NULL;
    }
    h->calls[h->count] = (struct call){*callbacks, callback_arg, true};
    h->open++;
    return (struct model_call *)&h->calls[h->count++];
}

static void on_model_cancel(void *arg, struct run *run, struct model_call *call)
{
    struct call *c = (struct call *)call;
    (void)run;
    assert(c->is_open);
    c->is_open = false;
    ((struct host *)arg)->open--;
}

static void on_timer_start(void *arg, struct run *run, int64_t at_ms)
{
    (void)run;
    ((struct host *)arg)->timer_ms = at_ms;
}

static void on_wake(void *arg, struct run *run)
{
    (void)arg;
    (void)run;
}

static int64_t on_now_us(void *arg)
{
    return ((struct host *)arg)->now_us;
}

static void on_new_id(void *arg, char text[37])
{
    (void)arg;
    snprintf(text, 37, "%036d", 1);
}

/* Something for every open call: text, an end, a failure. */
static void answer(struct host *h)
{
    const struct model_refused refused[] = {{STR("a"), "InvokeRateLimitError", STR("busy")}};
    const struct model_reply reply = {
        .usage = {.prompt_tokens = 10, .completion_tokens = 5, .latency_ms = 100, .first_token_ms = 20},
        .finish_reason = STR("stop"),
        .route = {STR("b"), STR("m"), refused, 1, 3},
        .price = {STR("0.5"), STR("1.5"), STR("0.001"), STR("USD")}};
    const struct model_failure failure = {.error_type = "InvokeError",
                                          .message = STR("broken"),
                                          .route = {STR("a"), STR("m"), refused, 1, 3},
                                          .retry_ms = 1234};
    size_t count = h->count;
    for (size_t i = 0; i < count; i++) {
        struct call *c = &h->calls[i];
        unsigned dice = h->dice++ % 4;
        if (!c->is_open)
            continue;
        c->callbacks.text(c->arg, STR("<think>a</think>true"));
        if (dice == 0)
            continue;
        c->is_open = false;
        h->open--;
        if (dice == 1)
            c->callbacks.failed(c->arg, &failure);
        else
            c->callbacks.done(c->arg, &reply);
    }
}

static void play(struct graph *graph, unsigned dice)
{
    static const struct run_host table = {on_emit, on_model_start, on_model_cancel, on_timer_start,
                                          on_wake, on_now_us,      on_new_id,       NULL};
    static struct host h;
    h = (struct host){.now_us = 1000000, .dice = dice};
    struct run_params params = {.graph = graph,
                                .run_id = STR("r"),
                                .conversation_id = STR("c"),
                                .user = STR("u"),
                                .query = STR("hello"),
                                .dialogue_count = 1,
                                .wall_ms = 1754000000000,
                                .limits = {.max_steps = STEPS_MAX, .max_bytes = RUN_BYTES_MAX}};
    struct run *run;
    struct status err;
    if (run_new(&params, &table, &h, &run, &err) != STATUS_OK)
        return; /* a required input */
    enum run_progress progress;
    for (int turn = 0; (progress = run_advance(run, 3, 1000)) != RUN_ENDED; turn++) {
        assert(turn < TURNS_MAX);
        if (progress == RUN_MORE)
            continue;
        if (h.open > 0) {
            answer(&h);
        } else {
            assert(h.timer_ms * 1000 >= h.now_us);
            h.now_us = h.timer_ms * 1000;
            run_timer(run);
        }
    }
    assert(h.ends == 1 && h.open == 0);
    run_free(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct graph_report report;
    struct graph *graph = NULL;
    struct status err;
    if (size < 1 || size > 1 << 16)
        return 0;
    graph_report_init(&report);
    struct str dsl = {(const char *)data + 1, size - 1};
    if (graph_compile(dsl, true, &report, &graph, &err) == STATUS_OK)
        play(graph, data[0]);
    graph_unref(graph);
    graph_report_fini(&report);
    return 0;
}
