/*
 * outcome: what the end of a node leads to: outputs stored and put together, edges taken, texts sent, and for failures the
 * next attempt, the way the export handles them, or the end of the run (dify-dsl.md 3.2, 3.5, 3.6, 3.8).
 */
#include "executor/nodes/price.h"
#include "executor/run/run_core.h"
#include <stdio.h>

static void count_tokens(const struct node_exec *x);
static void node_succeeded(struct run *run, struct node_exec *x);
static void go_on(struct node_exec *x, struct str handle, enum node_status status, struct str error);
static void node_failed(struct run *run, struct node_exec *x);
static void node_fails_its_scope(struct run *run, struct node_exec *x);
static bool node_retries(struct run *run, struct node_exec *x);
static void node_excepted(struct run *run, struct node_exec *x);
static struct value *exception_outputs(struct run *run, const struct node_exec *x);
static void check_limits(struct run *run);
static void keep_reasoning(struct run *run, const struct node_exec *x);

void outcome_of(struct node_exec *x)
{
    struct run *run = x->run;
    count_tokens(x);
    if (!x->has_failed)
        node_succeeded(run, x);
    else if (!node_retries(run, x))
        node_failed(run, x);
    else
        return; /* not an end of the node */
    check_limits(run);
}

/* Those of a container's nodes have been counted already. */
static void count_tokens(const struct node_exec *x)
{
    if (node_is_container(x->node))
        return;
    x->run->tokens += x->result.total_tokens;
    for (struct scope *s = x->scope; s->owner != NULL; s = s->around) {
        scope_child(s)->tokens += x->result.total_tokens;
        money_add(&scope_child(s)->cost, &x->result.cost);
    }
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
    frame_set_outputs(&x->scope->frame, node, x->result.outputs);
    if (node->index == run->graph->root)
        variables_set_flat(run);
    if (node->type->kind == NODE_RESPONSE)
        scope_merge_outputs(x->scope, x->result.outputs);
    keep_reasoning(run, x);
    go_on(x, node->kind == NODE_BRANCH ? handle : STR(""), NODE_STATUS_SUCCEEDED, STR(""));
}

/*
 * The edges are taken: those of `handle`, or all when it is empty. What becomes readable by that is sent before the node's
 * own end, but behind the end of a container's children (dify-dsl.md 3.9, 5.1).
 */
static void go_on(struct node_exec *x, struct str handle, enum node_status status, struct str error)
{
    struct scope *s = x->scope;
    bool is_container = node_is_container(x->node);
    if (is_container)
        emit_node_finished(x, status, error);
    if (handle.len > 0)
        frame_take_handle(&s->frame, x->node->index, handle);
    else
        frame_take_all(&s->frame, x->node->index);
    response_node_ended(&s->responses, x->node->index);
    if (!is_container)
        emit_node_finished(x, status, error);
    exec_release(x);
}

static void note_failure(struct run *run, struct node_exec *x)
{
    run->exceptions++;
    response_forget(&x->scope->responses, x->node);
}

static void node_failed(struct run *run, struct node_exec *x)
{
    note_failure(run, x);
    if (x->node->error_strategy != ERROR_STRATEGY_NONE)
        node_excepted(run, x);
    else
        node_fails_its_scope(run, x);
}

/* The run, or the child of a container; then what comes of it is the container's decision (dify-dsl.md 3.5). */
static void node_fails_its_scope(struct run *run, struct node_exec *x)
{
    struct node_child *child = scope_child(x->scope);
    /* Both may lie in the scratch memory of x. */
    struct value *error = value_string(&run->account, x->error);
    struct value *error_type = value_string(&run->account, str_c(x->result.error_type));
    struct child_failure failure = {.error = error != NULL ? value_text(error) : STR("A node failed"),
                                    .error_type = error_type != NULL ? value_text(error_type) : STR(""),
                                    .retry_ms = x->result.retry_ms};
    emit_node_finished(x, NODE_STATUS_FAILED, x->error);
    exec_release(x);
    if (child != NULL) {
        child_fail(child, &failure);
    } else {
        run->retry_ms = failure.retry_ms;
        run_end(run, END_REASON_NODE_FAILED, failure.error);
    }
    value_unref(error);
    value_unref(error_type);
}

/* False: no attempt is left, or the type has none. */
static bool node_retries(struct run *run, struct node_exec *x)
{
    const struct node *node = x->node;
    bool may_retry =
        node->retry_enabled && node->type != NULL && node->type->has_retry && node->unsupported == NULL;
    if (!may_retry || x->retries >= node->max_retries)
        return false;
    note_failure(run, x);
    x->retries++;
    emit_node_retry(x);
    exec_end_attempt(x);
    x->state = EXEC_RESTING;
    x->due_ms = run_now_us(run) / 1000 + node->retry_interval_ms;
    if (node->retry_interval_ms <= 0)
        run_note(run, x);
    return true;
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
    frame_set_outputs(&x->scope->frame, node, outputs);
    go_on(x, node->error_strategy == ERROR_STRATEGY_FAIL_BRANCH ? STR("fail-branch") : STR(""),
          NODE_STATUS_EXCEPTION, x->error);
}

static struct value *exception_outputs(struct run *run, const struct node_exec *x)
{
    struct value_builder b;
    struct value *defaults =
        x->node->error_strategy == ERROR_STRATEGY_DEFAULT_VALUE ? x->node->default_outputs : NULL;
    value_object_begin(&b, &run->account);
    value_object_put_all(&b, defaults);
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
