/*
 * run_reply: see the header. Nodes are bytes on the wire already, with payloads as text; only payloads are written anew, and only
 * where another form is wanted.
 */
#include "gateway/api/run_reply.h"

#include "gateway/api/outcome.h"
#include "shared/rpc/wire.h"
#include <stdlib.h>

/* Field numbers of heddle.v1.Run and NodeFinished. */
enum {
    RUN_ID = 1,
    RUN_APP_ID = 2,
    RUN_WORKFLOW_ID = 3,
    RUN_VERSION_NUMBER = 4,
    RUN_STATUS = 5,
    RUN_END_REASON = 6,
    RUN_INPUTS = 7,
    RUN_OUTPUTS = 9,
    RUN_ERROR = 11,
    RUN_ELAPSED = 12,
    RUN_TOTAL_TOKENS = 13,
    RUN_TOTAL_STEPS = 14,
    RUN_EXCEPTIONS = 15,
    RUN_CREATED_AT = 16,
    RUN_FINISHED_AT = 17,
    RUN_CONVERSATION_ID = 18,
    RUN_MESSAGE_ID = 19,
    RUN_END_USER_ID = 20,
    RUN_USER = 21,
    RUN_END_USER_TYPE = 22,
    RUN_ATTEMPT = 23,
    RUN_NODES = 24,
    RUN_USAGE = 25,
    RUN_PAYLOADS_LEFT_OUT = 26,
    RUN_NODES_LEFT_OUT = 27,
    NODE_INPUTS_JSON = 16,
    NODE_PROCESS_DATA_JSON = 18,
    NODE_OUTPUTS_JSON = 20,
    NODE_PAYLOADS_LEFT_OUT = 30
};

void run_reply_put_row(struct buf *b, const struct store_run *run)
{
    wire_put_bytes_if(b, RUN_ID, run->run_id);
    wire_put_bytes_if(b, RUN_APP_ID, run->app_id);
    wire_put_bytes_if(b, RUN_WORKFLOW_ID, run->version_id);
    wire_put_int_if(b, RUN_VERSION_NUMBER, run->version_number);
    wire_put_int_if(b, RUN_STATUS, run->status);
    wire_put_int_if(b, RUN_END_REASON, run->end_reason);
    wire_put_bytes_if(b, RUN_ERROR, run->error);
    wire_put_int_if(b, RUN_ELAPSED, run->elapsed_ms);
    wire_put_int_if(b, RUN_TOTAL_TOKENS, run->total_tokens);
    wire_put_int_if(b, RUN_TOTAL_STEPS, run->total_steps);
    wire_put_int_if(b, RUN_EXCEPTIONS, run->exceptions_count);
    wire_put_int_if(b, RUN_CREATED_AT, run->created_at_ms);
    wire_put_int_if(b, RUN_FINISHED_AT, run->finished_at_ms);
    wire_put_bytes_if(b, RUN_CONVERSATION_ID, run->conversation_id);
    wire_put_bytes_if(b, RUN_MESSAGE_ID, run->message_id);
    wire_put_bytes_if(b, RUN_END_USER_ID, run->end_user_id);
    wire_put_bytes_if(b, RUN_USER, run->user);
    wire_put_bytes_if(b, RUN_END_USER_TYPE, run->end_user_type);
    wire_put_uint_if(b, RUN_ATTEMPT, run->attempt);
    wire_put_bytes_if(b, RUN_USAGE, run->usage);
}

static bool is_payload(const struct wire_field *field)
{
    return field->type == WIRE_BYTES &&
           (field->number == NODE_INPUTS_JSON || field->number == NODE_PROCESS_DATA_JSON ||
            field->number == NODE_OUTPUTS_JSON);
}

enum node_payloads { NODE_WHOLE, NODE_BARE };

static void put_node(struct buf *b, struct str node, enum payload_form form, enum node_payloads payloads)
{
    struct wire_field field;
    size_t mark = wire_put_begin(b, RUN_NODES);
    for (struct str before = node; wire_next(&node, &field) == WIRE_FIELD; before = node) {
        if (!is_payload(&field))
            buf_put(b, (struct str){before.ptr, (size_t)(node.ptr - before.ptr)});
        else if (payloads == NODE_WHOLE)
            payload_put(b, field.number - 1, field.bytes, form);
    }
    if (payloads == NODE_BARE)
        wire_put_uint(b, NODE_PAYLOADS_LEFT_OUT, true);
    wire_put_end(b, mark);
}

/* The next node of field `nodes`; false: there is none. */
static bool next_node(struct str *rest, struct str *ret)
{
    struct wire_field field;
    while (wire_next(rest, &field) == WIRE_FIELD) {
        if (field.number != RUN_NODES || field.type != WIRE_BYTES)
            continue;
        *ret = field.bytes;
        return true;
    }
    return false;
}

/* --- what is left out of a Run that would be too large --- */

/* Of a node, or of the Run's own pair. */
struct part {
    size_t index;
    size_t bare, payloads; /* bytes */
};
enum { OWN_INPUTS, OWN_OUTPUTS, OWN_COUNT };
struct plan {
    size_t node_count, first_node;
    bool leaves_own[OWN_COUNT];
    bool *leaves_node; /* payloads of each; owned */
};

static int larger_first(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    return x->payloads < y->payloads ? 1 : x->payloads > y->payloads ? -1 : 0;
}

/* Bytes it takes; more than `max` when it is too long for any answer. */
static size_t node_size(struct str node, enum payload_form form, enum node_payloads payloads, size_t max)
{
    struct buf scratch;
    buf_init(&scratch, max);
    put_node(&scratch, node, form, payloads);
    size_t size = scratch.failed ? max + 1 : scratch.len;
    buf_fini(&scratch);
    return size;
}

static size_t payload_size(uint32_t number, struct str json, enum payload_form form, size_t max)
{
    struct buf scratch;
    buf_init(&scratch, max);
    payload_put(&scratch, number, json, form);
    size_t size = scratch.failed ? max + 1 : scratch.len;
    buf_fini(&scratch);
    return size;
}

/* parts: of the nodes in their order, then the Run's own. Returns how much all of it takes. */
static size_t measure(const struct store_run *run, enum payload_form form, size_t max, struct part *parts)
{
    size_t count = 0, total = 0;
    struct str rest = run->nodes, node;
    for (; next_node(&rest, &node); count++) {
        size_t bare = node_size(node, form, NODE_BARE, max);
        size_t whole = node_size(node, form, NODE_WHOLE, max);
        parts[count] = (struct part){count, bare, whole > bare ? whole - bare : 0};
    }
    size_t inputs = payload_size(RUN_INPUTS, run->inputs, form, max);
    size_t outputs = payload_size(RUN_OUTPUTS, outcome_outputs(run), form, max);
    parts[count] = (struct part){count, 0, inputs};
    parts[count + 1] = (struct part){count + 1, 0, outputs};
    for (size_t i = 0; i < count + OWN_COUNT; i++)
        total += parts[i].bare + parts[i].payloads;
    return total;
}

/* False: no memory. */
static bool plan_make(struct plan *plan, const struct store_run *run, enum payload_form form, size_t max)
{
    struct str rest = run->nodes, node;
    struct buf row;
    *plan = (struct plan){0};
    while (next_node(&rest, &node))
        plan->node_count++;
    size_t count = plan->node_count + OWN_COUNT;
    struct part *parts = calloc(count, sizeof *parts), *by_size = calloc(count, sizeof *by_size);
    plan->leaves_node = calloc(count, sizeof *plan->leaves_node);
    buf_init(&row, max);
    run_reply_put_row(&row, run);
    bool ok = parts != NULL && by_size != NULL && plan->leaves_node != NULL && !row.failed;
    size_t room =
        max - row.len > 16 ? max - row.len - 16 : 0; /* 16: for what says that something is missing */
    buf_fini(&row);
    size_t total = ok ? measure(run, form, max, parts) : 0;
    for (size_t i = 0; ok && i < count; i++)
        by_size[i] = parts[i];
    if (ok)
        qsort(by_size, count, sizeof *by_size, larger_first);
    for (size_t i = 0; ok && i < count && total > room && by_size[i].payloads > 0; i++) {
        size_t index = by_size[i].index;
        total -= by_size[i].payloads;
        if (index < plan->node_count)
            plan->leaves_node[index] = true;
        else
            plan->leaves_own[index - plan->node_count] = true;
    }
    while (ok && total > room && plan->first_node < plan->node_count)
        total -= parts[plan->first_node++].bare;
    free(parts);
    free(by_size);
    return ok;
}

static void put_run(struct buf *b, const struct store_run *run, enum payload_form form,
                    const struct plan *plan)
{
    struct str rest = run->nodes, node;
    run_reply_put_row(b, run);
    if (!plan->leaves_own[OWN_INPUTS])
        payload_put(b, RUN_INPUTS, run->inputs, form);
    if (!plan->leaves_own[OWN_OUTPUTS])
        payload_put(b, RUN_OUTPUTS, outcome_outputs(run), form);
    for (size_t i = 0; next_node(&rest, &node); i++) {
        if (i >= plan->first_node)
            put_node(b, node, form,
                     plan->leaves_node != NULL && plan->leaves_node[i] ? NODE_BARE : NODE_WHOLE);
    }
    wire_put_uint_if(b, RUN_PAYLOADS_LEFT_OUT, plan->leaves_own[OWN_INPUTS] || plan->leaves_own[OWN_OUTPUTS]);
    wire_put_int_if(b, RUN_NODES_LEFT_OUT, (int64_t)plan->first_node);
}

void run_reply_put(struct buf *b, const struct store_run *run, enum payload_form form, size_t max)
{
    struct buf whole;
    buf_init(&whole, max);
    put_run(&whole, run, form, &(struct plan){0});
    if (whole.failed) {
        struct plan plan;
        buf_clear(&whole);
        if (plan_make(&plan, run, form, max))
            put_run(&whole, run, form, &plan);
        else
            whole.failed = true;
        free(plan.leaves_node);
    }
    b->failed |= whole.failed;
    buf_put(b, buf_str(&whole));
    buf_fini(&whole);
}
