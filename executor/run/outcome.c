/*
 * outcome: what the end of a node leads to: outputs stored and put together, edges taken, texts sent, and for failures the
 * next attempt, the way the export handles them, or the end of the run (dify-dsl.md 3.2, 3.5, 3.6, 3.8).
 */
#include "executor/run/run_core.h"
#include <stdio.h>

static void node_succeeded(struct run *run, struct node_exec *x);
static void node_failed(struct run *run, struct node_exec *x);
static void node_retries(struct run *run, struct node_exec *x);
static void node_excepted(struct run *run, struct node_exec *x);
static struct value *exception_outputs(struct run *run, const struct node_exec *x);
static void check_limits(struct run *run);
static void merge_outputs(struct run *run, const struct value *outputs);
static void keep_reasoning(struct run *run, const struct node_exec *x);

void outcome_of(struct node_exec *x)
{
    struct run *run = x->run;
    run->tokens += x->result.total_tokens;
    if (x->has_failed)
        node_failed(run, x);
    else
        node_succeeded(run, x);
    check_limits(run);
}

static void node_succeeded(struct run *run, struct node_exec *x)
{
    const struct node *node = x->node;
    bool chooses = node->type->kind == NODE_BRANCH;
    struct str handle = chooses ? x->result.handle : STR("source");
    if (chooses && handle.len == 0) {
        x->error = STR("The node has chosen no branch");
        node_failed(run, x);
        return;
    }
    frame_set_outputs(&run->frame, node, x->result.outputs);
    if (node->kind == NODE_ROOT)
        variables_set_flat(run);
    if (node->type->kind == NODE_RESPONSE)
        merge_outputs(run, x->result.outputs);
    keep_reasoning(run, x);
    if (node->kind == NODE_BRANCH)
        frame_take_handle(&run->frame, node->index, handle);
    else
        frame_take_all(&run->frame, node->index);
    response_node_ended(&run->responses, node->index);
    emit_node_finished(x, NODE_STATUS_SUCCEEDED, STR(""));
    exec_release(x);
}

static void node_failed(struct run *run, struct node_exec *x)
{
    const struct node *node = x->node;
    run->exceptions++;
    response_forget(&run->responses, node);
    bool may_retry =
        node->retry_enabled && node->type != NULL && node->type->has_retry && node->unsupported == NULL;
    if (may_retry && x->retries < node->max_retries) {
        node_retries(run, x);
    } else if (node->error_strategy != ERROR_STRATEGY_NONE) {
        node_excepted(run, x);
    } else {
        struct str error = arena_copy(&run->arena, x->error);
        emit_node_finished(x, NODE_STATUS_FAILED, x->error);
        exec_release(x);
        run_end(run, END_REASON_NODE_FAILED, error.ptr != NULL ? error : STR("A node failed"));
    }
}

static void node_retries(struct run *run, struct node_exec *x)
{
    x->retries++;
    emit_node_retry(x);
    exec_end_attempt(x);
    x->state = EXEC_RESTING;
    x->due_ms = run_now_us(run) / 1000 + x->node->retry_interval_ms;
    if (x->node->retry_interval_ms <= 0)
        run_note(run, x);
}

/* The failure is handled: by the branch for failures, or by values to go on with. */
static void node_excepted(struct run *run, struct node_exec *x)
{
    const struct node *node = x->node;
    struct value *outputs = exception_outputs(run, x);
    if (outputs == NULL) {
        run->has_no_memory = true;
        return;
    }
    value_unref(x->result.outputs);
    x->result.outputs = outputs;
    frame_set_outputs(&run->frame, node, outputs);
    if (node->error_strategy == ERROR_STRATEGY_FAIL_BRANCH)
        frame_take_handle(&run->frame, node->index, STR("fail-branch"));
    else
        frame_take_all(&run->frame, node->index);
    response_node_ended(&run->responses, node->index);
    emit_node_finished(x, NODE_STATUS_EXCEPTION, x->error);
    exec_release(x);
}

static struct value *exception_outputs(struct run *run, const struct node_exec *x)
{
    struct value_builder b;
    struct value *defaults =
        x->node->error_strategy == ERROR_STRATEGY_DEFAULT_VALUE ? x->node->default_outputs : NULL;
    value_object_begin(&b, &run->account);
    for (size_t i = 0; defaults != NULL && i < value_count(defaults); i++)
        value_object_put(&b, value_key(defaults, i), value_ref(value_member(defaults, i)));
    value_object_put(&b, STR("error_message"), value_string(&run->account, x->error));
    value_object_put(&b, STR("error_type"), value_string(&run->account, str_c(x->result.error_type)));
    return value_object_end(&b);
}

/* Looked at after every end of a node (dify-dsl.md 3.7). */
static void check_limits(struct run *run)
{
    if (run->has_ended || run->starts <= run->params.limits.max_steps)
        return;
    char text[96];
    snprintf(text, sizeof text, "Maximum execution steps exceeded: %d > %d", (int)run->starts,
             (int)run->params.limits.max_steps);
    run_end(run, END_REASON_STEP_LIMIT, str_c(text));
}

/* Later members win; `answer` goes behind what is there (dify-dsl.md 3.8). */
static void merge_outputs(struct run *run, const struct value *outputs)
{
    struct value_builder b;
    value_object_begin(&b, &run->account);
    for (size_t i = 0; run->outputs != NULL && i < value_count(run->outputs); i++)
        value_object_put(&b, value_key(run->outputs, i), value_ref(value_member(run->outputs, i)));
    for (size_t i = 0; outputs != NULL && i < value_count(outputs); i++) {
        struct str key = value_key(outputs, i);
        struct value *v = value_member(outputs, i);
        struct value *before = run->outputs == NULL ? NULL : value_get(run->outputs, key);
        if (before != NULL && str_eq_c(key, "answer") && value_type(before) == VALUE_STRING &&
            value_type(v) == VALUE_STRING) {
            struct buf text;
            buf_init(&text, run->params.limits.max_bytes);
            buf_put(&text, value_text(before));
            buf_put(&text, value_text(v));
            value_object_put(&b, key, value_string_take(&run->account, &text));
        } else {
            value_object_put(&b, key, value_ref(v));
        }
    }
    struct value *merged = value_object_end(&b);
    if (merged == NULL) {
        run->has_no_memory = true;
        return;
    }
    value_unref(run->outputs);
    run->outputs = merged;
}

static void keep_reasoning(struct run *run, const struct node_exec *x)
{
    struct value *text =
        x->result.outputs == NULL ? NULL : value_get_c(x->result.outputs, "reasoning_content");
    if (text == NULL || value_type(text) != VALUE_STRING || value_text(text).len == 0)
        return;
    struct run_reasoning *r = arena_alloc(&run->arena, sizeof *r);
    if (r == NULL) {
        run->has_no_memory = true;
        return;
    }
    *r = (struct run_reasoning){run->reasoning, x->node, value_ref(text)};
    run->reasoning = r;
}
