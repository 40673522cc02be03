/*
 * emit: the events of a run, made from its state at the moment they happen (dify-dsl.md 5.2, 5.3).
 */
#include "executor/nodes/price.h"
#include "executor/run/run_core.h"
#include <stdio.h>

static void emit(struct run *run, struct run_event *event, int64_t now_us);
static struct event_node node_of(const struct node_exec *x);
static void put_container(const struct node_exec *x, struct event_node *n);
static void emit_ended_node(struct node_exec *x, enum run_event_kind kind, enum node_status status,
                            struct str error);
static void emit_finished(struct run *run, enum run_status status, enum end_reason reason, struct str error);
static void emit_message_end(struct run *run);
static void emit_error(struct run *run, struct str error);
static struct value *files_in(struct run *run, const struct value *outputs);
static struct value *reasoning_of(struct run *run);

const char *run_event_name(enum run_event_kind kind)
{
    switch (kind) {
    case EVENT_WORKFLOW_STARTED:
        return "workflow_started";
    case EVENT_NODE_STARTED:
        return "node_started";
    case EVENT_NODE_FINISHED:
        return "node_finished";
    case EVENT_NODE_RETRY:
        return "node_retry";
    case EVENT_ITERATION_STARTED:
        return "iteration_started";
    case EVENT_ITERATION_NEXT:
        return "iteration_next";
    case EVENT_ITERATION_COMPLETED:
        return "iteration_completed";
    case EVENT_LOOP_STARTED:
        return "loop_started";
    case EVENT_LOOP_NEXT:
        return "loop_next";
    case EVENT_LOOP_COMPLETED:
        return "loop_completed";
    case EVENT_MESSAGE:
        return "message";
    case EVENT_TEXT_CHUNK:
        return "text_chunk";
    case EVENT_MESSAGE_REPLACE:
        return "message_replace";
    case EVENT_REASONING_CHUNK:
        return "reasoning_chunk";
    case EVENT_MESSAGE_END:
        return "message_end";
    case EVENT_ERROR:
        return "error";
    case EVENT_WORKFLOW_FINISHED:
        return "workflow_finished";
    case EVENT_PING:
        break;
    }
    return "ping";
}

void emit_started(struct run *run)
{
    struct value *inputs = variables_shown(run);
    struct run_event event = {.kind = EVENT_WORKFLOW_STARTED,
                              .started = {.workflow_id = run->params.workflow_id, .inputs = inputs}};
    emit(run, &event, run->started_us);
    value_unref(inputs);
}

static bool is_silent(const struct node_exec *x)
{
    return x->node->type != NULL && x->node->type->is_silent;
}

static bool is_loop(const struct node *container)
{
    return str_eq_c(container->type_name, "loop");
}

void emit_node_started(struct node_exec *x)
{
    if (is_silent(x))
        return;
    struct run_event event = {.kind = EVENT_NODE_STARTED, .node = node_of(x)};
    emit(x->run, &event, x->started_us);
}

void emit_node_finished(struct node_exec *x, enum node_status status, struct str error)
{
    enum run_event_kind kind = !node_is_container(x->node) ? EVENT_NODE_FINISHED
                               : is_loop(x->node)          ? EVENT_LOOP_COMPLETED
                                                           : EVENT_ITERATION_COMPLETED;
    if (!is_silent(x))
        emit_ended_node(x, kind, status, error);
}

void emit_container_started(struct node_exec *x, const struct value *inputs, int32_t length)
{
    struct run_event event = {.kind = is_loop(x->node) ? EVENT_LOOP_STARTED : EVENT_ITERATION_STARTED,
                              .node = node_of(x)};
    event.node.inputs = inputs;
    event.node.length = length;
    emit(x->run, &event, x->started_us);
}

void emit_container_next(struct node_exec *x, int32_t index)
{
    int64_t now_us = run_now_us(x->run);
    struct run_event event = {.kind = is_loop(x->node) ? EVENT_LOOP_NEXT : EVENT_ITERATION_NEXT,
                              .node = node_of(x)};
    event.node.index = index;
    event.node.created_at_ms = run_wall_ms(x->run, now_us);
    emit(x->run, &event, now_us);
}

void emit_node_retry(struct node_exec *x)
{
    emit_ended_node(x, EVENT_NODE_RETRY, NODE_STATUS_RETRY, x->error);
}

static void emit_ended_node(struct node_exec *x, enum run_event_kind kind, enum node_status status,
                            struct str error)
{
    static const char *const strategies[] = {[ERROR_STRATEGY_NONE] = "",
                                             [ERROR_STRATEGY_FAIL_BRANCH] = "fail-branch",
                                             [ERROR_STRATEGY_DEFAULT_VALUE] = "default-value"};
    int64_t now_us = run_now_us(x->run);
    struct value *files = files_in(x->run, x->result.outputs);
    char price[MONEY_TEXT_BYTES];
    struct run_event event = {.kind = kind, .node = node_of(x)};
    struct event_node *n = &event.node;
    int64_t from_us = kind == EVENT_NODE_RETRY ? x->attempt_us : x->started_us;
    n->created_at_ms = run_wall_ms(x->run, from_us);
    n->finished_at_ms = run_wall_ms(x->run, now_us);
    n->elapsed_ms = (now_us - from_us) / 1000;
    n->ended_us = now_us;
    n->status = status;
    n->inputs = x->result.inputs;
    n->process_data = x->result.process_data;
    n->outputs = x->result.outputs;
    n->error = error;
    n->error_type = str_c(x->result.error_type);
    if (status == NODE_STATUS_EXCEPTION || status == NODE_STATUS_RETRY)
        n->error_strategy = str_c(strategies[x->node->error_strategy]);
    n->total_tokens = x->result.total_tokens;
    if (n->total_tokens > 0) {
        n->total_price = money_text(x->result.cost.amount, x->result.cost.currency, price);
        n->currency = money_currency(x->result.cost.currency);
    }
    n->retry_index = x->retries;
    n->retry_ms = x->result.retry_ms;
    n->files = files;
    if (node_is_container(x->node))
        put_container(x, n);
    emit(x->run, &event, now_us);
    value_unref(files);
}

/* What a container says of its children; one that could say nothing was stopped. */
static void put_container(const struct node_exec *x, struct event_node *n)
{
    const struct container_record *record = x->result.container;
    if (record == NULL)
        return;
    n->steps = record->steps;
    n->durations_ms = record->durations_ms;
    n->duration_count = record->duration_count;
    n->loop_variables = record->variables;
    n->completed_reason = str_c(record->reason);
}

/* The iteration and the loop next around it. */
static void put_nesting(const struct node_exec *x, struct event_node *n)
{
    if (x->scope->owner != NULL)
        n->container_id = (struct str){x->scope->owner->id, UUID_TEXT_LEN};
    for (struct scope *s = x->scope; s->owner != NULL; s = s->around) {
        const struct node *container = s->owner->node;
        bool in_loop = is_loop(container);
        if (in_loop && n->loop_id.len == 0) {
            n->loop_id = container->id;
            n->loop_index = scope_child(s)->index;
        } else if (!in_loop && n->iteration_id.len == 0) {
            n->iteration_id = container->id;
            n->iteration_index = scope_child(s)->index;
        }
    }
}

static struct event_node node_of(const struct node_exec *x)
{
    const struct graph *g = x->run->graph;
    struct event_node n = {.execution_id = {x->id, UUID_TEXT_LEN},
                           .node_id = x->node->id,
                           .node_type = x->node->type_name,
                           .title = x->node->title,
                           .index = x->index,
                           .predecessor_id =
                               x->predecessor == FRAME_NO_NODE ? STR("") : g->nodes[x->predecessor].id,
                           .created_at_ms = run_wall_ms(x->run, x->started_us),
                           .started_us = x->started_us};
    put_nesting(x, &n);
    return n;
}

void emit_text(struct scope *s, const struct response_text *text)
{
    struct run *run = s->run;
    const struct scope *where = scope_of(s, &run->graph->nodes[text->node]);
    struct run_event event = {.kind =
                                  run->graph->mode == APP_MODE_CHATFLOW ? EVENT_MESSAGE : EVENT_TEXT_CHUNK};
    event.text = (struct event_text){.text = text->text,
                                     .offset = run->text_offset,
                                     .selector = text->selector,
                                     .selector_count = text->selector_count,
                                     .is_fixed_text = text->is_fixed_text,
                                     .is_final = text->is_final,
                                     .node_id = run->graph->nodes[text->node].id};
    for (const struct node_exec *x = run->execs; x != NULL; x = x->next) {
        if (x->node->index == text->node && x->scope == where)
            event.text.execution_id = (struct str){x->id, UUID_TEXT_LEN};
    }
    run->text_offset += text->text.len;
    emit(run, &event, run_now_us(run));
}

void emit_reasoning(struct node_exec *x, struct str text, bool is_final)
{
    struct run_event event = {.kind = EVENT_REASONING_CHUNK,
                              .reasoning = {.text = text, .node_id = x->node->id, .is_final = is_final}};
    emit(x->run, &event, run_now_us(x->run));
}

void emit_end(struct run *run, enum run_status status, enum end_reason reason, struct str error)
{
    bool is_chat = run->graph->mode == APP_MODE_CHATFLOW;
    bool has_succeeded = status == RUN_STATUS_SUCCEEDED || status == RUN_STATUS_PARTIAL_SUCCEEDED;
    if (is_chat && has_succeeded)
        emit_message_end(run);
    emit_finished(run, status, reason, error);
    if (is_chat && status == RUN_STATUS_STOPPED)
        emit_message_end(run);
    if (is_chat && status == RUN_STATUS_FAILED)
        emit_error(run, error);
}

static void emit_finished(struct run *run, enum run_status status, enum end_reason reason, struct str error)
{
    int64_t now_us = run_now_us(run);
    struct value *files = files_in(run, run->top.outputs);
    struct run_event event = {.kind = EVENT_WORKFLOW_FINISHED};
    event.finished = (struct event_finished){.workflow_id = run->params.workflow_id,
                                             .status = status,
                                             .reason = reason,
                                             .outputs = run->top.outputs,
                                             .error = error,
                                             .elapsed_ms = (now_us - run->started_us) / 1000,
                                             .total_tokens = run->tokens,
                                             .usage = run->usage,
                                             .retry_ms = reason == END_REASON_NODE_FAILED ? run->retry_ms : 0,
                                             .total_steps = run->steps,
                                             .exceptions_count = run->exceptions,
                                             .created_at_ms = run->params.wall_ms,
                                             .finished_at_ms = run_wall_ms(run, now_us),
                                             .end_user_id = run->params.end_user_id,
                                             .user = run->params.user,
                                             .files = files};
    emit(run, &event, now_us);
    value_unref(files);
}

static void emit_message_end(struct run *run)
{
    struct value *files = files_in(run, run->top.outputs), *reasoning = reasoning_of(run);
    struct run_event event = {.kind = EVENT_MESSAGE_END,
                              .message_end = {.usage = run->usage, .reasoning = reasoning, .files = files}};
    emit(run, &event, run_now_us(run));
    value_unref(files);
    value_unref(reasoning);
}

static void emit_error(struct run *run, struct str error)
{
    struct buf text;
    buf_init(&text, error.len + sizeof "Run failed: ");
    buf_put(&text, STR("Run failed: "));
    buf_put(&text, error);
    struct run_event event = {
        .kind = EVENT_ERROR,
        .error = {.code = STR("invalid_param"),
                  .message = text.failed ? STR("Run failed: no memory") : buf_str(&text),
                  .status = 400}};
    emit(run, &event, run_now_us(run));
    buf_fini(&text);
}

static void emit(struct run *run, struct run_event *event, int64_t now_us)
{
    event->sequence = ++run->sequence;
    event->created_at_ms = run_wall_ms(run, now_us);
    run->host->emit(run->host_arg, run, event);
}

/* Files and lists of files among the members; NULL: none (or no memory for the list). The caller owns it. */
static struct value *files_in(struct run *run, const struct value *outputs)
{
    struct value_builder b;
    size_t count = 0;
    value_array_begin(&b, &run->account);
    for (size_t i = 0; outputs != NULL && i < value_count(outputs); i++) {
        struct value *v = value_member(outputs, i);
        if (value_type(v) == VALUE_FILE) {
            value_array_put(&b, value_ref(v));
            count++;
        } else if (value_type(v) == VALUE_ARRAY && value_elem(v) == VALUE_ELEM_FILE) {
            for (size_t k = 0; k < value_count(v); k++, count++)
                value_array_put(&b, value_ref(value_item(v, k)));
        }
    }
    if (count > 0)
        return value_array_end(&b);
    value_builder_abort(&b);
    return NULL;
}

/* Reasoning by node id, in the order in which the nodes ended; NULL: none. The caller owns it. */
static struct value *reasoning_of(struct run *run)
{
    struct value_builder b;
    if (run->reasoning == NULL)
        return NULL;
    value_object_begin(&b, &run->account);
    for (const struct run_reasoning *r = run->reasoning; r != NULL; r = r->next)
        value_object_put(&b, r->node->id, value_ref(r->text));
    return value_object_end(&b);
}
