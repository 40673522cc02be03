/*
 * player_log: what a run emits, as lines of text (player.h), and what tests look at afterwards.
 */
#include "tests/executor/player/player_log.h"
#include "executor/nodes/price.h"
#include "executor/value/form.h"
#include <stdio.h>

static const char *const run_statuses[] = {"none",   "running", "succeeded", "partial-succeeded",
                                           "failed", "stopped", "paused"};
static const char *const end_reasons[] = {
    "none",       "completed",   "node_failed",   "stopped_by_user", "deadline",          "time_limit",
    "step_limit", "caller_gone", "executor_lost", "shutting_down",   "store_unavailable", "memory_limit"};
static const char *const node_statuses[] = {"none",      "pending", "running", "succeeded", "failed",
                                            "exception", "stopped", "paused",  "retry"};

static void put_json(struct buf *b, const struct value *v)
{
    if (v == NULL)
        buf_put_c(b, "{}");
    else
        value_put_json(b, v, JSON_COMPACT, true);
}

static void put_error(struct buf *b, struct str error)
{
    if (error.len == 0)
        return;
    buf_put_c(b, ": ");
    buf_put(b, error);
}

static void put_record(struct player *p, const struct event_node *n)
{
    buf_clear(&p->last_record);
    buf_put_c(&p->last_record, "{\"inputs\":");
    put_json(&p->last_record, n->inputs);
    buf_put_c(&p->last_record, ",\"process_data\":");
    put_json(&p->last_record, n->process_data);
    buf_put_c(&p->last_record, ",\"outputs\":");
    put_json(&p->last_record, n->outputs);
    buf_put_c(&p->last_record, "}");
    snprintf(p->last_error_type, sizeof p->last_error_type, "%.*s", STR_ARG(n->error_type));
    snprintf(p->last_price, sizeof p->last_price, "%.*s", STR_ARG(n->total_price));
    snprintf(p->last_currency, sizeof p->last_currency, "%.*s", STR_ARG(n->currency));
    p->last_retry_ms = n->retry_ms;
}

static void keep_usage(struct player *p, const struct usage *u)
{
    char prompt[MONEY_TEXT_BYTES], completion[MONEY_TEXT_BYTES];
    const struct usage_price *price = &u->price;
    p->usage = *u;
    p->usage.price = (struct usage_price){0}; /* its texts end with the run */
    if (price->currency.len == 0)
        return;
    struct str prompt_price = money_text(price->prompt, price->currency, prompt);
    struct str completion_price = money_text(price->completion, price->currency, completion);
    snprintf(p->usage_text, sizeof p->usage_text, "%.*s + %.*s %.*s at %.*s, %.*s x %.*s",
             STR_ARG(prompt_price), STR_ARG(completion_price), STR_ARG(price->currency),
             STR_ARG(price->prompt_unit_price), STR_ARG(price->completion_unit_price),
             STR_ARG(price->price_unit));
}

/* " in loop#1", for nodes inside of containers. */
static void put_nesting(struct buf *b, const struct event_node *n)
{
    if (n->iteration_id.len > 0)
        buf_printf(b, " in %.*s#%d", STR_ARG(n->iteration_id), (int)n->iteration_index);
    if (n->loop_id.len > 0)
        buf_printf(b, " in %.*s#%d", STR_ARG(n->loop_id), (int)n->loop_index);
}

static void put_container(struct player *p, const struct event_node *n)
{
    put_record(p, n);
    p->last_durations = n->duration_count;
    p->last_container_tokens = n->total_tokens;
    buf_clear(&p->last_loop_variables);
    put_json(&p->last_loop_variables, n->loop_variables);
}

static void keep_node(struct player *p, const struct event_node *n)
{
    snprintf(p->last_execution_id, sizeof p->last_execution_id, "%.*s", STR_ARG(n->execution_id));
    snprintf(p->last_title, sizeof p->last_title, "%.*s", STR_ARG(n->title));
    snprintf(p->last_type, sizeof p->last_type, "%.*s", STR_ARG(n->node_type));
    snprintf(p->last_strategy, sizeof p->last_strategy, "%.*s", STR_ARG(n->error_strategy));
    p->last_index = n->index;
    p->last_elapsed_ms = n->elapsed_ms;
}

void player_log(struct player *p, const struct run_event *event)
{
    struct buf *b = &p->log;
    if (event->kind >= EVENT_NODE_STARTED && event->kind <= EVENT_LOOP_COMPLETED)
        keep_node(p, &event->node);
    buf_put_c(b, run_event_name(event->kind));
    switch (event->kind) {
    case EVENT_WORKFLOW_STARTED:
        buf_put_char(b, ' ');
        put_json(b, event->started.inputs);
        break;
    case EVENT_NODE_STARTED:
        buf_printf(b, " %.*s", STR_ARG(event->node.node_id));
        put_nesting(b, &event->node);
        assert_int_equal(event->node.execution_id.len, 36);
        snprintf(p->last_predecessor, sizeof p->last_predecessor, "%.*s",
                 STR_ARG(event->node.predecessor_id));
        break;
    case EVENT_NODE_FINISHED:
    case EVENT_NODE_RETRY:
        buf_printf(b, " %.*s %s", STR_ARG(event->node.node_id), node_statuses[event->node.status]);
        put_nesting(b, &event->node);
        if (event->kind == EVENT_NODE_RETRY)
            buf_printf(b, " %d", (int)event->node.retry_index);
        put_error(b, event->node.error);
        put_record(p, &event->node);
        break;
    case EVENT_MESSAGE:
    case EVENT_TEXT_CHUNK:
        buf_put_char(b, ' ');
        for (size_t i = 0; i < event->text.selector_count; i++)
            buf_printf(b, i > 0 ? ".%.*s" : "%.*s", STR_ARG(event->text.selector[i]));
        buf_put_char(b, ' ');
        buf_put_json_string(b, event->text.text);
        if (event->text.is_final)
            buf_put_c(b, " final");
        snprintf(p->last_text_node, sizeof p->last_text_node, "%.*s", STR_ARG(event->text.node_id));
        break;
    case EVENT_REASONING_CHUNK:
        buf_printf(b, " %.*s ", STR_ARG(event->reasoning.node_id));
        buf_put_json_string(b, event->reasoning.text);
        if (event->reasoning.is_final)
            buf_put_c(b, " final");
        break;
    case EVENT_MESSAGE_END:
        keep_usage(p, &event->message_end.usage);
        buf_clear(&p->last_record);
        if (event->message_end.reasoning != NULL)
            value_put_json(&p->last_record, event->message_end.reasoning, JSON_COMPACT, true);
        snprintf(p->reasoning, sizeof p->reasoning, "%.*s", STR_ARG(buf_str(&p->last_record)));
        break;
    case EVENT_ERROR:
        buf_printf(b, " %.*s %d: %.*s", STR_ARG(event->error.code), (int)event->error.status,
                   STR_ARG(event->error.message));
        break;
    case EVENT_WORKFLOW_FINISHED:
        p->ends++;
        p->status = event->finished.status;
        p->reason = event->finished.reason;
        p->steps = event->finished.total_steps;
        p->exceptions = event->finished.exceptions_count;
        p->tokens = event->finished.total_tokens;
        p->finish_retry_ms = event->finished.retry_ms;
        keep_usage(p, &event->finished.usage);
        snprintf(p->error, sizeof p->error, "%.*s", STR_ARG(event->finished.error));
        put_json(&p->outputs, event->finished.outputs);
        buf_printf(b, " %s %s ", run_statuses[p->status], end_reasons[p->reason]);
        put_json(b, event->finished.outputs);
        put_error(b, event->finished.error);
        break;
    case EVENT_ITERATION_STARTED:
    case EVENT_LOOP_STARTED:
        buf_printf(b, " %.*s %d ", STR_ARG(event->node.node_id), (int)event->node.length);
        put_json(b, event->node.inputs);
        put_nesting(b, &event->node);
        break;
    case EVENT_ITERATION_NEXT:
    case EVENT_LOOP_NEXT:
        buf_printf(b, " %.*s %d", STR_ARG(event->node.node_id), (int)event->node.index);
        put_nesting(b, &event->node);
        break;
    case EVENT_ITERATION_COMPLETED:
    case EVENT_LOOP_COMPLETED:
        buf_printf(b, " %.*s %s ", STR_ARG(event->node.node_id), node_statuses[event->node.status]);
        put_json(b, event->node.outputs);
        buf_printf(b, " steps %d", (int)event->node.steps);
        if (event->node.completed_reason.len > 0)
            buf_printf(b, " %.*s", STR_ARG(event->node.completed_reason));
        put_nesting(b, &event->node);
        put_error(b, event->node.error);
        put_container(p, &event->node);
        break;
    case EVENT_MESSAGE_REPLACE:
    case EVENT_PING:
        break;
    }
    buf_put_char(b, '\n');
}
