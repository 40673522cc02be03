/*
 * run: see run.h. One loop moves it: what has been noted first (a node's end makes others ready), then one ready node at a
 * time. When nothing is ready and no node lives, the run has come to its end.
 */
#include "executor/run/inputs.h"
#include "executor/run/run_core.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* Defaults of struct run_limits (dify-dsl.md 3.7). */
enum { RUN_STEPS_MAX = 500, RUN_TIME_MS_MAX = 1200000 };
/* bytes. The skeleton of a run: states of nodes and edges of a graph at its limits. */
#define RUN_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* ms. How long before the caller's deadline a run ends, so that its last events still arrive: at least this, or 2 %. */
enum { RUN_DEADLINE_MARGIN_MS = 50, RUN_DEADLINE_MARGIN_PER_CENT = 2 };

static bool copy_params(struct run *run, const struct run_params *params);
static enum status_code init_values(struct run *run, const struct run_params *params, struct status *err);
static void begin(struct run *run);
static bool end_if_due(struct run *run);
static bool advance_once(struct run *run);
static void wake_resting(struct run *run);
static void start_node(struct scope *scope, const struct node *node);
static void look_at(struct run *run, struct node_exec *x);
static void look_at_scope(struct scope *scope);
static enum run_status status_of(const struct run *run, enum end_reason reason);
static struct str text_of(enum end_reason reason);
static void ask_for_timer(struct run *run);
static void free_children(struct run *run);

enum status_code run_new(const struct run_params *params, const struct run_host *host, void *host_arg,
                         struct run **ret_run, struct status *err)
{
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "run: no memory");
    run->host = host;
    run->host_arg = host_arg;
    run->graph = graph_ref(params->graph);
    run->top.run = run;
    run->started_us = run_now_us(run);
    run->usage.first_token_ms = -1;
    arena_init(&run->arena, RUN_ARENA_BYTES_MAX);
    enum status_code rc = STATUS_OK;
    if (!copy_params(run, params))
        rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "run: no memory");
    else
        rc = init_values(run, params, err);
    if (rc != STATUS_OK) {
        run_free(run);
        return rc;
    }
    *ret_run = run;
    return STATUS_OK;
}

static bool copy_params(struct run *run, const struct run_params *params)
{
    struct run_params *p = &run->params;
    *p = *params;
    p->graph = NULL;
    p->inputs = p->files = p->environment = p->history = p->conversation = NULL;
    p->query = STR(""); /* lives on as sys.query */
    struct str *texts[] = {&p->run_id,     &p->app_id, &p->workflow_id, &p->conversation_id,
                           &p->message_id, &p->user,   &p->end_user_id};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        *texts[i] = arena_copy(&run->arena, *texts[i]);
        if (texts[i]->ptr == NULL)
            return false;
    }
    if (p->limits.max_steps == 0)
        p->limits.max_steps = RUN_STEPS_MAX;
    if (p->limits.max_time_ms == 0)
        p->limits.max_time_ms = RUN_TIME_MS_MAX;
    if (p->limits.max_bytes == 0)
        p->limits.max_bytes = LIMIT_RUN_BYTES;
    if (p->deadline_ms != 0) {
        int64_t margin = (p->deadline_ms - run->started_us / 1000) * RUN_DEADLINE_MARGIN_PER_CENT / 100;
        run->ends_ms = p->deadline_ms - (margin > RUN_DEADLINE_MARGIN_MS ? margin : RUN_DEADLINE_MARGIN_MS);
    }
    return true;
}

static enum status_code init_values(struct run *run, const struct run_params *params, struct status *err)
{
    if (run->graph->mode == APP_MODE_CHATFLOW && params->query.len == 0)
        return status_field(err, "query", "query is required");
    /* What the caller handed in may stay as long as the run. */
    const struct value *given[] = {params->inputs, params->environment, params->history,
                                   params->conversation};
    size_t foreign = 0;
    for (size_t i = 0; i < ARRAY_LEN(given); i++)
        foreign += given[i] != NULL ? value_bytes(given[i]) : 0;
    if (foreign > run->params.limits.max_bytes)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "inputs: more than %zu bytes",
                          run->params.limits.max_bytes);
    run->account.max = run->params.limits.max_bytes - foreign;
    enum status_code rc = inputs_check(run->graph, &run->account, params->inputs, &run->inputs, err);
    struct value *files = NULL;
    if (rc == STATUS_OK)
        rc = inputs_check_files(&run->account, params->files, &files, err);
    if (rc != STATUS_OK)
        return rc;
    if (!scope_init(&run->top, run, UINT32_MAX) || !scope_begin(&run->top, NULL, NULL, false)) {
        value_unref(files);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "run: no memory");
    }
    scope_queue(&run->top);
    if (!variables_init(run, params, files))
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "run: no memory");
    return STATUS_OK;
}

void run_free(struct run *run)
{
    if (run == NULL)
        return;
    scope_cancel(&run->top, NODE_STATUS_NONE, STR(""));
    for (struct run_reasoning *r = run->reasoning; r != NULL; r = r->next)
        value_unref(r->text);
    value_unref(run->inputs);
    value_unref(run->history);
    variables_fini(run);
    free_children(run);
    scope_fini(&run->top);
    response_fini(&run->top.responses);
    arena_fini(&run->arena);
    graph_unref(run->graph);
    free(run);
}

enum run_progress run_advance(struct run *run, int budget_steps, int64_t budget_us)
{
    if (run->has_ended)
        return RUN_ENDED;
    int64_t until_us = run_now_us(run) + budget_us;
    run->is_woken = false;
    if (!run->has_begun)
        begin(run);
    wake_resting(run);
    for (int steps = 0;; steps++) {
        if (end_if_due(run))
            return RUN_ENDED;
        bool has_work = run->noted != NULL || run->queued_first != NULL;
        if (run->is_paused || (!has_work && run->execs != NULL)) {
            ask_for_timer(run);
            return RUN_IDLE;
        }
        if (has_work && steps > 0 && (steps >= budget_steps || run_now_us(run) >= until_us))
            return RUN_MORE;
        if (!advance_once(run)) {
            response_end(&run->top.responses);
            if (!end_if_due(run))
                run_end(run, END_REASON_COMPLETED, STR(""));
            return RUN_ENDED;
        }
    }
}

void run_stop(struct run *run, enum end_reason reason, struct str text)
{
    if (run->has_ended || run->stop_reason != END_REASON_NONE)
        return;
    run->stop_reason = reason;
    run->stop_text = text.len > 0 ? arena_copy(&run->arena, text) : text_of(reason);
    if (run->stop_text.ptr == NULL)
        run->stop_text = text_of(reason);
    run_wake(run);
}

void run_timer(struct run *run)
{
    run->timer_ms = 0;
    run_wake(run);
}

void run_set_paused(struct run *run, bool is_paused)
{
    bool goes_on = run->is_paused && !is_paused;
    run->is_paused = is_paused;
    if (goes_on)
        run_wake(run);
}

const struct graph *run_graph(const struct run *run)
{
    return run->graph;
}

struct str run_id(const struct run *run)
{
    return run->params.run_id;
}

const struct value *run_system_value(const struct run *run, const char *name)
{
    for (size_t i = 0; i < run->system_count; i++) {
        if (strcmp(run->system[i].name, name) == 0)
            return run->system[i].value;
    }
    return NULL;
}

const struct value *run_conversation_change(const struct run *run, uint32_t index)
{
    const struct variable_definition *d = &run->graph->conversation[index];
    bool is_set = run->top.written != NULL && run->top.written[index] && d->slot != SLOT_NONE;
    return is_set ? run->top.frame.slots[d->slot] : NULL;
}

size_t run_bytes(const struct run *run)
{
    return run->params.limits.max_bytes - run->account.max + run->account.used;
}

bool run_has_ended(const struct run *run)
{
    return run->has_ended;
}

/* --- for the other files of a run --- */

void run_wake(struct run *run)
{
    if (run->is_woken || run->has_ended)
        return;
    run->is_woken = true;
    run->host->wake(run->host_arg, run);
}

int64_t run_now_us(const struct run *run)
{
    return run->host->now_us(run->host_arg);
}

int64_t run_wall_ms(const struct run *run, int64_t at_us)
{
    return run->params.wall_ms + (at_us - run->started_us) / 1000;
}

void run_note(struct run *run, struct node_exec *x)
{
    if (x->is_noted)
        return;
    x->is_noted = true;
    DL_APPEND2(run->noted, x, prev_noted, next_noted);
}

void run_unnote(struct run *run, struct node_exec *x)
{
    if (!x->is_noted)
        return;
    x->is_noted = false;
    DL_DELETE2(run->noted, x, prev_noted, next_noted);
}

bool run_charge(struct run *run, size_t bytes)
{
    if (bytes > run->account.max - run->account.used) {
        run->account.is_full = true;
        return false;
    }
    run->account.used += bytes;
    return true;
}

void run_uncharge(struct run *run, size_t bytes)
{
    run->account.used -= bytes;
}

/* --- its course --- */

static void begin(struct run *run)
{
    run->has_begun = true;
    emit_started(run);
}

/* Ends a run that has been stopped or has come to a limit that holds at any time. */
static bool end_if_due(struct run *run)
{
    int64_t now_us = run_now_us(run);
    if (run->has_ended)
        return true;
    if (run->stop_reason != END_REASON_NONE) {
        run_end(run, run->stop_reason, run->stop_text);
    } else if (run->account.is_full || run->has_no_memory || run->top.responses.has_failed) {
        run_end(run, END_REASON_MEMORY_LIMIT, text_of(END_REASON_MEMORY_LIMIT));
    } else if (run->ends_ms != 0 && now_us / 1000 >= run->ends_ms) {
        run_end(run, END_REASON_DEADLINE, text_of(END_REASON_DEADLINE));
    } else if (now_us - run->started_us > run->params.limits.max_time_ms * 1000) {
        char text[128];
        snprintf(text, sizeof text, "Maximum execution time exceeded: %.2fs > %llds",
                 (double)(now_us - run->started_us) / 1e6,
                 (long long)(run->params.limits.max_time_ms / 1000));
        run_end(run, END_REASON_TIME_LIMIT, str_c(text));
    }
    return run->has_ended;
}

/* False: there was nothing to do. */
static bool advance_once(struct run *run)
{
    uint32_t node;
    if (run->noted != NULL) {
        look_at(run, run->noted);
        return true;
    }
    struct scope *scope = scope_pop(run, &node);
    if (scope == NULL)
        return false;
    start_node(scope, &run->graph->nodes[node]);
    return true;
}

/* Nodes whose time to be tried again has come. */
static void wake_resting(struct run *run)
{
    int64_t now_ms = run_now_us(run) / 1000;
    struct node_exec *x;
    DL_FOREACH (run->execs, x) {
        if (x->state == EXEC_RESTING && x->due_ms <= now_ms)
            run_note(run, x);
    }
}

static void start_node(struct scope *scope, const struct node *node)
{
    struct run *run = scope->run;
    struct node_exec *x = exec_new(scope, node);
    if (x == NULL) {
        run->has_no_memory = true;
        return;
    }
    if (node->type == NULL || !node->type->is_silent)
        x->index = ++run->starts;
    if (!node_is_container(node))
        emit_node_started(x);
    else if (node->unsupported != NULL)
        emit_container_started(x, NULL, 0); /* else it says itself what it goes over */
    exec_start(x);
}

static void look_at(struct run *run, struct node_exec *x)
{
    struct scope *scope = x->scope;
    if (x->state == EXEC_RUNNING)
        exec_deliver(x); /* still noted: a report it makes is looked at right here */
    run_unnote(run, x);
    if (x->state == EXEC_RESTING) {
        exec_start(x);
    } else if (x->state == EXEC_REPORTED && !run->account.is_full && !run->has_no_memory) {
        outcome_of(x); /* without memory a report is not to be trusted; the run ends next */
        if (!run->has_ended)
            look_at_scope(scope);
    }
}

/* A node of it has ended: others may be ready, or it has come to its end. */
static void look_at_scope(struct scope *scope)
{
    struct node_child *child = scope_child(scope);
    if (scope->responses.has_failed)
        scope->run->has_no_memory = true;
    if (child != NULL && child->has_ended)
        return;
    scope_queue(scope);
    if (child == NULL || scope->living > 0 || scope->is_queued)
        return;
    response_end(&scope->responses);
    child_note_end(child);
}

/* --- its end --- */

/* Nodes that still run are ended first; text lives at least until this returns. */
void run_end(struct run *run, enum end_reason reason, struct str text)
{
    assert(!run->has_ended);
    enum run_status status = status_of(run, reason);
    /* What still runs when a node fails the run is recorded as failed, with the same words (dify-dsl.md 3.5). */
    scope_cancel(&run->top, status == RUN_STATUS_FAILED ? NODE_STATUS_FAILED : NODE_STATUS_STOPPED, text);
    emit_end(run, status, reason, text);
    run->has_ended = true;
}

static enum run_status status_of(const struct run *run, enum end_reason reason)
{
    switch (reason) {
    case END_REASON_COMPLETED:
        return run->exceptions > 0 ? RUN_STATUS_PARTIAL_SUCCEEDED : RUN_STATUS_SUCCEEDED;
    case END_REASON_NODE_FAILED:
    case END_REASON_EXECUTOR_LOST:
    case END_REASON_STORE_UNAVAILABLE:
    case END_REASON_MEMORY_LIMIT:
        return RUN_STATUS_FAILED;
    case END_REASON_NONE:
    case END_REASON_STOPPED_BY_USER:
    case END_REASON_DEADLINE:
    case END_REASON_TIME_LIMIT:
    case END_REASON_STEP_LIMIT:
    case END_REASON_CALLER_GONE:
    case END_REASON_SHUTTING_DOWN:
        break;
    }
    return RUN_STATUS_STOPPED;
}

static struct str text_of(enum end_reason reason)
{
    switch (reason) {
    case END_REASON_STOPPED_BY_USER:
        return STR("User requested stop");
    case END_REASON_DEADLINE:
        return STR("The deadline of the call was about to pass");
    case END_REASON_CALLER_GONE:
        return STR("Client response stream closed before app execution completed");
    case END_REASON_EXECUTOR_LOST:
        return STR("The executor of the run is lost");
    case END_REASON_SHUTTING_DOWN:
        return STR("The executor is shutting down");
    case END_REASON_STORE_UNAVAILABLE:
        return STR("The records of the run cannot be kept");
    case END_REASON_MEMORY_LIMIT:
        return STR("The run takes more memory than a run may have");
    case END_REASON_NONE:
    case END_REASON_COMPLETED:
    case END_REASON_NODE_FAILED:
    case END_REASON_TIME_LIMIT:
    case END_REASON_STEP_LIMIT:
        break;
    }
    return STR("");
}

/* The earliest of: a node to be tried again, the deadline, the longest time. */
static void ask_for_timer(struct run *run)
{
    int64_t at_ms = run->started_us / 1000 + run->params.limits.max_time_ms + 1;
    struct node_exec *x;
    if (run->ends_ms != 0 && run->ends_ms < at_ms)
        at_ms = run->ends_ms;
    DL_FOREACH (run->execs, x) {
        if (x->state == EXEC_RESTING && !x->is_noted && x->due_ms < at_ms)
            at_ms = x->due_ms;
    }
    if (at_ms == run->timer_ms)
        return;
    run->timer_ms = at_ms;
    run->host->timer_start(run->host_arg, run, at_ms);
}

/* Those that have ended; a living one has been ended with its container. */
static void free_children(struct run *run)
{
    for (uint32_t i = 0; run->spare_children != NULL && i < run->graph->node_count; i++) {
        for (struct node_child *child = run->spare_children[i]; child != NULL; child = child->next)
            response_fini(&child->scope.responses);
    }
}
