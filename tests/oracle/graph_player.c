/*
 * graph_player: plays many small runs and says what each came to, for tests/oracle/check.py. Cases come from stdin, one JSON
 * object a line; for each one line of JSON goes to stdout.
 *
 *   dsl        the export, as text
 *   query, inputs
 *   max_steps  0 or absent: the default
 *   pace       which of several open model calls goes on: "round" each by a word, "first" the oldest, "last" the newest
 *   budget     steps of one run_advance(); must not matter
 *
 * The clock stands still, but for the intervals of retries when nothing else can happen. The name of a model says how it
 * answers, by the word, each with the space before it:
 *
 *   say:T     says T                    echo:T    says T and the last message
 *   failN:T   fails N times, each time  halfN:T   the same, but breaks off after half of the words
 *             with T; then says T       unless:T  fails when the last message holds T, else says the message
 *   refuse:T  is refused with T
 *
 * N is one digit, 9 is for ever; it is counted by the model's name.
 */
#include "executor/run/run.h"
#include "executor/value/form.h"
#include "executor/value/parse.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALLS_MAX = 16384 }; /* of one run: 500 steps, each with its retries */
enum { LINE_BYTES_MAX = 64 * 1024 * 1024 };
enum { TURNS_MAX = 1000000 }; /* a run that needs more goes round in circles */

struct call { /* of the model */
    struct model_callbacks callbacks;
    void *arg;
    bool is_open, fails;
    char *model, *reply;
    size_t said, words_left; /* words_left counts for a call that breaks off */
};
struct game {
    struct graph *graph;
    struct run *run;
    int64_t now_us, timer_ms; /* timer_ms 0: none */
    bool is_awake;
    int ids;
    struct call calls[CALLS_MAX];
    size_t call_count, first_open; /* no call before first_open is open */
    struct buf out, text;
    bool has_events;
};

static void on_emit(void *arg, struct run *run, const struct run_event *event);
static struct model_call *on_model_start(void *arg, struct run *run, const struct model_request *request,
                                         const struct model_callbacks *callbacks, void *callback_arg,
                                         struct status *err);

static const char *const run_statuses[] = {"none",   "running", "succeeded", "partial-succeeded",
                                           "failed", "stopped", "paused"};
static const char *const end_reasons[] = {
    "none",       "completed",   "node_failed",   "stopped_by_user", "deadline",          "time_limit",
    "step_limit", "caller_gone", "executor_lost", "shutting_down",   "store_unavailable", "memory_limit"};
static const char *const node_statuses[] = {"none",      "pending", "running", "succeeded", "failed",
                                            "exception", "stopped", "paused",  "retry"};

static void on_model_cancel(void *arg, struct run *run, struct model_call *call)
{
    (void)arg;
    (void)run;
    ((struct call *)call)->is_open = false;
}

static void on_timer_start(void *arg, struct run *run, int64_t at_ms)
{
    (void)run;
    ((struct game *)arg)->timer_ms = at_ms;
}

static void on_wake(void *arg, struct run *run)
{
    (void)run;
    ((struct game *)arg)->is_awake = true;
}

static int64_t on_now_us(void *arg)
{
    return ((struct game *)arg)->now_us;
}

static void on_new_id(void *arg, char text[37])
{
    snprintf(text, 37, "00000000-0000-7000-8000-%012d", ++((struct game *)arg)->ids);
}

static const struct run_host host = {.emit = on_emit,
                                     .model_start = on_model_start,
                                     .model_cancel = on_model_cancel,
                                     .timer_start = on_timer_start,
                                     .wake = on_wake,
                                     .now_us = on_now_us,
                                     .new_id = on_new_id};

/* --- the model --- */

static char *copied(struct str s)
{
    char *text = malloc(s.len + 1);
    if (text == NULL)
        abort();
    if (s.len > 0)
        memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return text;
}

/* What follows `kind` in the model's name; false: it is of another kind. */
static bool has_kind(struct str model, const char *kind, struct str *ret_text)
{
    size_t len = strlen(kind);
    if (model.len < len || memcmp(model.ptr, kind, len) != 0)
        return false;
    *ret_text = str_sub(model, len, model.len);
    return true;
}

/* Do the N failures of "failN:" still come? */
static bool still_fails(const struct game *g, struct str model, char digit)
{
    size_t times = (size_t)(digit - '0'), before = 0;
    for (size_t i = 0; i < g->call_count; i++)
        before += str_eq_c(model, g->calls[i].model);
    return times == 9 || before % (times + 1) < times;
}

static size_t word_count(const char *text)
{
    size_t count = text[0] != '\0';
    for (size_t i = 1; text[0] != '\0' && text[i] != '\0'; i++)
        count += text[i] == ' ';
    return count;
}

static struct model_call *on_model_start(void *arg, struct run *run, const struct model_request *request,
                                         const struct model_callbacks *callbacks, void *callback_arg,
                                         struct status *err)
{
    struct game *g = arg;
    struct str text = {0}, model = request->model;
    struct str prompt =
        request->message_count > 0 ? request->messages[request->message_count - 1].text : (struct str){0};
    (void)run;
    if (has_kind(model, "refuse:", &text)) {
        status_set(err, STATUS_FAILED_PRECONDITION, "%.*s", STR_ARG(text));
        return NULL;
    }
    if (g->call_count == CALLS_MAX) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "too many calls");
        return NULL;
    }
    struct call call = {.callbacks = *callbacks, .arg = callback_arg, .is_open = true};
    struct buf said;
    buf_init(&said, LINE_BYTES_MAX);
    if (has_kind(model, "say:", &text)) {
        buf_put(&said, text);
    } else if (has_kind(model, "echo:", &text)) {
        buf_put(&said, text);
        buf_put(&said, prompt);
    } else if (has_kind(model, "unless:", &text)) {
        buf_put(&said, prompt);
        call.fails = str_find(prompt, text, 0) != SIZE_MAX;
    } else if ((has_kind(model, "fail", &text) || has_kind(model, "half", &text)) && text.len >= 2) {
        call.fails = still_fails(g, model, text.ptr[0]);
        buf_put(&said, str_sub(text, 2, text.len));
    } else {
        status_set(err, STATUS_FAILED_PRECONDITION, "no such model");
        buf_fini(&said);
        return NULL;
    }
    call.reply = copied(buf_str(&said));
    call.model = copied(model);
    call.words_left = model.ptr[0] == 'h' ? word_count(call.reply) / 2 : 0;
    buf_fini(&said);
    g->calls[g->call_count] = call;
    return (struct model_call *)&g->calls[g->call_count++];
}

static void call_go_on(struct call *call)
{
    struct str rest = str_c(call->reply + call->said);
    if (call->fails && call->words_left == 0) {
        call->is_open = false;
        struct model_failure failure = {.error_type = "InvokeServerUnavailableError",
                                        .message =
                                            call->reply[0] != '\0' ? str_c(call->reply) : STR("failed")};
        call->callbacks.failed(call->arg, &failure);
    } else if (rest.len > 0) {
        struct str word = str_sub(rest, 0, str_find(rest, STR(" "), 1));
        call->said += word.len;
        call->words_left -= call->fails;
        call->callbacks.text(call->arg, word);
    } else {
        struct model_reply reply = {
            .usage = {.prompt_tokens = 10, .completion_tokens = 5, .latency_ms = 200, .first_token_ms = 50},
            .finish_reason = STR("stop")};
        call->is_open = false;
        call->callbacks.done(call->arg, &reply);
    }
}

/* --- events --- */

static void put_value(struct buf *b, const struct value *v)
{
    if (v == NULL)
        buf_put_c(b, "null");
    else
        value_put_json(b, v, JSON_COMPACT, false);
}

static void put_member(struct buf *b, struct str s)
{
    buf_put_char(b, ',');
    buf_put_json_string(b, s);
}

/* "iteration#2", "loop#0" or "iteration#2/loop#0". */
static void put_place(struct buf *b, const struct event_node *n)
{
    struct buf place;
    buf_init(&place, 4096);
    if (n->iteration_id.len > 0)
        buf_printf(&place, "%.*s#%d", STR_ARG(n->iteration_id), (int)n->iteration_index);
    if (n->loop_id.len > 0)
        buf_printf(&place, n->iteration_id.len > 0 ? "/%.*s#%d" : "%.*s#%d", STR_ARG(n->loop_id),
                   (int)n->loop_index);
    put_member(b, buf_str(&place));
    buf_fini(&place);
}

static void put_node(struct buf *b, enum run_event_kind kind, const struct event_node *n)
{
    put_member(b, n->node_id);
    put_place(b, n);
    switch (kind) {
    case EVENT_NODE_FINISHED:
        put_member(b, str_c(node_statuses[n->status]));
        put_member(b, n->error);
        put_member(b, n->error_type);
        buf_put_char(b, ',');
        put_value(b, n->outputs);
        return;
    case EVENT_NODE_RETRY:
        buf_printf(b, ",%d", (int)n->retry_index);
        put_member(b, n->error);
        return;
    case EVENT_ITERATION_STARTED:
    case EVENT_LOOP_STARTED:
        buf_printf(b, ",%d", (int)n->length);
        return;
    case EVENT_ITERATION_NEXT:
    case EVENT_LOOP_NEXT:
        buf_printf(b, ",%d", (int)n->index);
        return;
    case EVENT_ITERATION_COMPLETED:
    case EVENT_LOOP_COMPLETED:
        put_member(b, str_c(node_statuses[n->status]));
        put_member(b, n->error);
        buf_printf(b, ",%d", (int)n->steps);
        put_member(b, n->completed_reason);
        buf_put_char(b, ',');
        put_value(b, n->outputs);
        return;
    default: /* a start says no more */
        return;
    }
}

static void put_text(struct game *g, const struct event_text *t)
{
    struct buf selector;
    buf_init(&selector, 4096);
    for (size_t i = 0; i < t->selector_count; i++)
        buf_printf(&selector, i > 0 ? ".%.*s" : "%.*s", STR_ARG(t->selector[i]));
    put_member(&g->out, t->node_id);
    put_member(&g->out, buf_str(&selector));
    put_member(&g->out, t->text);
    buf_put_c(&g->out, t->is_final ? ",true" : ",false");
    buf_printf(&g->out, ",%zu", (size_t)t->offset);
    buf_cut(&g->text, t->offset);
    buf_put(&g->text, t->text);
    buf_fini(&selector);
}

static void on_emit(void *arg, struct run *run, const struct run_event *event)
{
    struct game *g = arg;
    (void)run;
    if (event->kind == EVENT_WORKFLOW_FINISHED) {
        const struct event_finished *end = &event->finished;
        buf_printf(&g->out, "],\"status\":\"%s\",\"reason\":\"%s\",\"steps\":%d,\"exceptions\":%d,\"error\":",
                   run_statuses[end->status], end_reasons[end->reason], (int)end->total_steps,
                   (int)end->exceptions_count);
        buf_put_json_string(&g->out, end->error);
        buf_put_c(&g->out, ",\"outputs\":");
        put_value(&g->out, end->outputs);
        return;
    }
    if (event->kind == EVENT_WORKFLOW_STARTED || event->kind == EVENT_MESSAGE_END ||
        event->kind == EVENT_ERROR)
        return; /* the end says it */
    buf_put_c(&g->out, g->has_events ? ",[" : "[");
    g->has_events = true;
    buf_put_json_string(&g->out, str_c(run_event_name(event->kind)));
    if (event->kind == EVENT_MESSAGE || event->kind == EVENT_TEXT_CHUNK)
        put_text(g, &event->text);
    else if (event->kind != EVENT_REASONING_CHUNK && event->kind != EVENT_MESSAGE_REPLACE)
        put_node(&g->out, event->kind, &event->node);
    buf_put_char(&g->out, ']');
}

/* --- one case --- */

static bool start(struct game *g, const struct value *given, struct status *err)
{
    struct graph_report report;
    graph_report_init(&report);
    enum status_code rc =
        graph_compile(value_get_text(given, "dsl", (struct str){0}), false, &report, &g->graph, err);
    graph_report_fini(&report);
    if (rc != STATUS_OK)
        return false;
    struct run_params params = {.graph = g->graph,
                                .run_id = STR("run-1"),
                                .app_id = STR("app-1"),
                                .workflow_id = STR("version-1"),
                                .user = STR("u-1"),
                                .end_user_id = STR("end-user-1"),
                                .query = value_get_text(given, "query", (struct str){0}),
                                .dialogue_count = 1,
                                .inputs = value_get_c(given, "inputs"),
                                .wall_ms = 1754000000000,
                                .limits = {.max_steps = (int32_t)value_get_int(given, "max_steps", 0)}};
    if (g->graph->mode == APP_MODE_CHATFLOW) {
        params.conversation_id = STR("conversation-1");
        params.message_id = STR("message-1");
    }
    return run_new(&params, &host, g, &g->run, err) == STATUS_OK;
}

static bool go(struct game *g, int budget) /* true: it has ended */
{
    enum run_progress progress;
    do {
        g->is_awake = false;
        progress = run_advance(g->run, budget, 1000000);
    } while (progress == RUN_MORE || (progress == RUN_IDLE && g->is_awake));
    return progress == RUN_ENDED;
}

/* What happens next outside; false: nothing can. */
static bool pass(struct game *g, struct str pace, int budget)
{
    bool has_open = false;
    size_t count = g->call_count;
    while (g->first_open < count && !g->calls[g->first_open].is_open)
        g->first_open++;
    for (size_t i = g->first_open; i < count; i++) {
        struct call *call = &g->calls[str_eq_c(pace, "last") ? count - 1 - (i - g->first_open) : i];
        if (!call->is_open)
            continue;
        has_open = true;
        call_go_on(call);
        if (!str_eq_c(pace, "round") || go(g, budget))
            return true;
    }
    if (has_open)
        return true;
    if (g->timer_ms == 0)
        return false;
    if (g->timer_ms > g->now_us / 1000)
        g->now_us = g->timer_ms * 1000;
    g->timer_ms = 0;
    run_timer(g->run);
    return true;
}

static void play(struct game *g, const struct value *given)
{
    struct status err = {0};
    if (!start(g, given, &err)) {
        buf_put_c(&g->out, "{\"refused\":");
        buf_put_json_string(&g->out, str_c(err.message));
        buf_put_c(&g->out, "}");
        return;
    }
    struct str pace = value_get_text(given, "pace", STR("round"));
    int budget = (int)value_get_int(given, "budget", 1), turns = 0;
    buf_put_c(&g->out, "{\"events\":[");
    while (!go(g, budget) && turns < TURNS_MAX && pass(g, pace, budget))
        turns++;
    buf_put_c(&g->out, run_has_ended(g->run) ? ",\"text\":" : "],\"status\":\"stuck\",\"text\":");
    buf_put_json_string(&g->out, buf_str(&g->text));
    buf_put_c(&g->out, "}");
}

static int play_line(struct str line)
{
    struct value *given = NULL;
    struct status err = {0};
    if (value_parse_json(NULL, line, &given, &err) != STATUS_OK) {
        fprintf(stderr, "graph_player: %s\n", err.message);
        return 1;
    }
    struct game *g = calloc(1, sizeof *g);
    if (g == NULL)
        abort();
    g->now_us = 1000000000;
    buf_init(&g->out, LINE_BYTES_MAX);
    buf_init(&g->text, LINE_BYTES_MAX);
    play(g, given);
    if (g->out.failed || g->text.failed)
        fprintf(stderr, "graph_player: a case says too much\n");
    printf("%.*s\n", STR_ARG(buf_str(&g->out)));
    fflush(stdout); /* what was said before a crash is known */
    int rc = g->out.failed || g->text.failed;
    run_free(g->run);
    graph_unref(g->graph);
    for (size_t i = 0; i < g->call_count; i++) {
        free(g->calls[i].model);
        free(g->calls[i].reply);
    }
    buf_fini(&g->out);
    buf_fini(&g->text);
    free(g);
    value_unref(given);
    return rc;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    int rc = 0;
    for (ssize_t len; rc == 0 && (len = getline(&line, &cap, stdin)) > 0;) {
        if (line[len - 1] == '\n')
            len--;
        rc = play_line((struct str){line, (size_t)len});
    }
    free(line);
    return rc;
}
