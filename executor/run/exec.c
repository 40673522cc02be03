/*
 * exec: one execution of a node, and what a node may ask of its run (node.h). A node's report is kept until the run looks at
 * it, so a node may end from inside its own start() or from a callback.
 */
#include "executor/nodes/model_record.h"
#include "executor/nodes/price.h"
#include "executor/run/run_core.h"
#include <assert.h>
#include <stdio.h>
#include <utlist.h>

/* bytes. Scratch memory of one attempt of a node (texts under construction have limits of their own). */
#define EXEC_SCRATCH_BYTES_MAX ((size_t)16 * 1024 * 1024)

static void model_text(void *arg, struct str delta);
static void model_done(void *arg, const struct model_reply *reply);
static void model_failed(void *arg, const struct model_failure *failure);
static bool keep_price(struct run *run, struct model_price *price);
static void note_from_outside(struct node_exec *x);
static void add_usage(struct usage *sum, const struct usage *more);
static void drop_result(struct node_exec *x);
static void no_memory(struct node_exec *x);

struct node_exec *exec_new(struct scope *scope, const struct node *node)
{
    struct run *run = scope->run;
    struct node_exec *x = run->spare;
    if (x != NULL)
        run->spare = x->next;
    else
        x = arena_alloc(&run->arena, sizeof *x);
    if (x == NULL)
        return NULL;
    *x = (struct node_exec){.run = run,
                            .scope = scope,
                            .node = node,
                            .predecessor = frame_node(&scope->frame, node->index)->predecessor,
                            .started_us = run_now_us(run)};
    arena_init(&x->scratch, EXEC_SCRATCH_BYTES_MAX);
    buf_init(&x->model.text, run->params.limits.max_bytes);
    run->host->new_id(run->host_arg, x->id);
    DL_APPEND(run->execs, x);
    scope->living++;
    return x;
}

void exec_start(struct node_exec *x)
{
    struct node_result nothing = {0};
    x->state = EXEC_RUNNING;
    x->attempt_us = x->retries == 0 ? x->started_us : run_now_us(x->run);
    if (x->scope == &x->run->top)
        x->run->steps++;
    if (x->node->unsupported != NULL)
        node_fail(x, &nothing, "%s", x->node->unsupported);
    else
        x->node->type->start(x);
}

void exec_deliver(struct node_exec *x)
{
    struct exec_model *m = &x->model;
    child_deliver_ends(x);
    if (m->text.len > 0) {
        m->callbacks.text(m->arg, buf_str(&m->text));
        buf_clear(&m->text);
    }
    if (x->state != EXEC_RUNNING || m->call == NULL || (!m->is_done && !m->has_failed))
        return;
    m->call = NULL;
    if (m->is_done) {
        add_usage(&x->run->usage, &m->reply.usage);
        m->callbacks.done(m->arg, &m->reply);
    } else {
        m->callbacks.failed(m->arg, &m->failure);
    }
}

void exec_end_attempt(struct node_exec *x)
{
    /* A node that failed for a reason of its own may leave a call behind. */
    if (x->model.call != NULL && !x->model.is_done && !x->model.has_failed)
        x->run->host->model_cancel(x->run->host_arg, x->run, x->model.call);
    buf_fini(&x->model.text);
    x->model = (struct exec_model){0};
    buf_init(&x->model.text, x->run->params.limits.max_bytes);
    while (x->children != NULL)
        node_child_end(x->children);
    x->ended_first = NULL;
    drop_result(x);
    arena_fini(&x->scratch);
    x->node_state = NULL;
    run_uncharge(x->run, x->charged);
    x->charged = 0;
    x->has_failed = false;
    x->error = STR("");
}

void exec_cancel(struct node_exec *x)
{
    if (x->state == EXEC_RUNNING && x->node->type != NULL && x->node->type->cancel != NULL)
        x->node->type->cancel(x);
    exec_end_attempt(x);
}

void exec_release(struct node_exec *x)
{
    struct run *run = x->run;
    assert(!x->is_noted);
    exec_end_attempt(x);
    x->state = EXEC_ENDED;
    DL_DELETE(run->execs, x);
    x->scope->living--;
    x->next = run->spare;
    run->spare = x;
}

static void drop_result(struct node_exec *x)
{
    value_unref(x->result.inputs);
    value_unref(x->result.process_data);
    value_unref(x->result.outputs);
    x->result = (struct node_result){0};
}

/* --- what a node may ask (node.h) --- */

const struct node *node_exec_node(struct node_exec *x)
{
    return x->node;
}

void *node_exec_state(struct node_exec *x, size_t size)
{
    if (x->node_state == NULL)
        x->node_state = arena_alloc(&x->scratch, size);
    if (x->node_state == NULL)
        no_memory(x);
    return x->node_state;
}

struct arena *node_exec_arena(struct node_exec *x)
{
    return &x->scratch;
}

struct value_account *node_exec_account(struct node_exec *x)
{
    return &x->run->account;
}

bool node_exec_charge(struct node_exec *x, size_t bytes)
{
    if (!run_charge(x->run, bytes))
        return false;
    x->charged += bytes;
    return true;
}

struct value *node_exec_get(struct node_exec *x, const struct selector *selector)
{
    return frame_get(&x->scope->frame, selector);
}

struct value *node_exec_lookup(void *x, const struct selector *selector)
{
    return node_exec_get(x, selector);
}

const struct value *node_exec_history(struct node_exec *x)
{
    return x->run->history;
}

void node_exec_assign(struct node_exec *x, const struct selector *target, struct value *v)
{
    scope_set(x->scope, target, v);
}

struct value *node_exec_inputs(struct node_exec *x)
{
    return x->run->inputs;
}

struct value *node_exec_render(struct node_exec *x, const struct template *t, enum template_form form)
{
    struct buf text;
    buf_init(&text, x->run->params.limits.max_bytes);
    template_render(t, form, node_exec_lookup, x, &text);
    return value_string_take(&x->run->account, &text);
}

void node_succeed(struct node_exec *x, struct node_result *take_result)
{
    assert(x->state == EXEC_RUNNING);
    x->state = EXEC_REPORTED;
    x->result = *take_result;
    x->result.error_type = NULL; /* set in advance by some */
    run_note(x->run, x);
}

void node_fail(struct node_exec *x, struct node_result *take_result, const char *fmt, ...)
{
    assert(x->state == EXEC_RUNNING);
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    char *text = len < 0 ? NULL : arena_alloc(&x->scratch, (size_t)len + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)len + 1, fmt, again);
    else
        no_memory(x);
    va_end(again);
    va_end(args);
    x->state = EXEC_REPORTED;
    x->has_failed = true;
    x->error = str_c(text);
    x->result = *take_result;
    run_note(x->run, x);
}

void node_chunk(struct node_exec *x, struct str name, struct str text, bool is_final)
{
    for (uint32_t i = 0; i < x->node->slot_count; i++) {
        if (str_eq(x->node->slots[i].name, name)) {
            response_chunk(&x->scope->responses, x->node->slots[i].slot, text, is_final);
            return;
        }
    }
}

void node_reasoning_chunk(struct node_exec *x, struct str text, bool is_final)
{
    if (response_mentions_reasoning(&x->scope->responses, x->node))
        emit_reasoning(x, text, is_final);
}

int64_t node_exec_model_context(struct node_exec *x, struct str provider, struct str model)
{
    const struct run_host *host = x->run->host;
    return host->model_context == NULL ? 0 : host->model_context(x->run->host_arg, x->run, provider, model);
}

struct model_call *node_model_start(struct node_exec *x, const struct model_request *request,
                                    const struct model_callbacks *callbacks, void *arg, struct status *err)
{
    static const struct model_callbacks noting = {model_text, model_done, model_failed};
    struct exec_model *m = &x->model;
    struct model_request own = *request;
    assert(m->call == NULL);
    own.execution_id = (struct str){x->id, UUID_TEXT_LEN};
    m->callbacks = *callbacks;
    m->arg = arg;
    m->is_done = m->has_failed = false;
    m->call = x->run->host->model_start(x->run->host_arg, x->run, &own, &noting, x, err);
    return m->call;
}

void node_model_cancel(struct node_exec *x, struct model_call *call)
{
    assert(x->model.call == call);
    if (!x->model.is_done && !x->model.has_failed)
        x->run->host->model_cancel(x->run->host_arg, x->run, call);
    x->model.call = NULL;
    buf_clear(&x->model.text);
}

/* --- what the host tells: only noted --- */

static void model_text(void *arg, struct str delta)
{
    struct node_exec *x = arg;
    buf_put(&x->model.text, delta);
    if (x->model.text.failed)
        no_memory(x);
    note_from_outside(x);
}

static void model_done(void *arg, const struct model_reply *reply)
{
    struct node_exec *x = arg;
    x->model.is_done = true;
    if (!model_reply_copy(&x->scratch, reply, &x->model.reply) || !keep_price(x->run, &x->model.reply.price))
        no_memory(x);
    else
        price_of_usage(&x->model.reply.price, &x->model.reply.usage);
    note_from_outside(x);
}

/* Sums outlive the attempt. False: no memory. */
static bool keep_price(struct run *run, struct model_price *price)
{
    struct str *texts[] = {&price->prompt_unit_price, &price->completion_unit_price, &price->price_unit,
                           &price->currency};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct run_text *kept = run->texts;
        if (texts[i]->len == 0)
            continue;
        while (kept != NULL && !str_eq(kept->text, *texts[i]))
            kept = kept->next;
        if (kept == NULL) {
            kept = arena_alloc(&run->arena, sizeof *kept);
            if (kept == NULL)
                return false;
            *kept = (struct run_text){run->texts, arena_copy(&run->arena, *texts[i])};
            if (kept->text.ptr == NULL)
                return false;
            run->texts = kept;
        }
        *texts[i] = kept->text;
    }
    return true;
}

static void model_failed(void *arg, const struct model_failure *failure)
{
    struct node_exec *x = arg;
    x->model.has_failed = true;
    if (!model_failure_copy(&x->scratch, failure, &x->model.failure))
        no_memory(x);
    note_from_outside(x);
}

static void note_from_outside(struct node_exec *x)
{
    run_note(x->run, x);
    run_wake(x->run);
}

static void add_usage(struct usage *sum, const struct usage *more)
{
    if (sum->first_token_ms < 0)
        sum->first_token_ms = more->first_token_ms;
    sum->prompt_tokens += more->prompt_tokens;
    sum->completion_tokens += more->completion_tokens;
    sum->latency_ms += more->latency_ms;
    price_add(&sum->price, &more->price);
}

static void no_memory(struct node_exec *x)
{
    x->run->has_no_memory = true;
}
