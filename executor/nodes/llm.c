/*
 * llm: asks a model and streams its answer as output "text" (dify-dsl.md 4.3). The compiled configuration is in
 * llm_compile.c, what is sent in llm_prompt.c; here is the call and what becomes of its reply.
 */
#include "executor/nodes/llm.h"
#include "executor/nodes/model_record.h"
#include "executor/nodes/think.h"
#include "executor/nodes/types.h"
#include "executor/value/json_repair.h"

/* bytes. Of a reply that an error quotes. */
enum { QUOTED_BYTES_MAX = 500 };

struct llm_state {
    struct node_exec *x;
    const struct llm_config *config;
    struct llm_prompt prompt;
    struct buf text; /* all the model has said */
    size_t charged;
    struct think_filter filter;
    bool has_reasoned;
};

static void llm_state_fini(void *state);
static void text_came(void *arg, struct str delta);
static void reply_done(void *arg, const struct model_reply *reply);
static void reply_failed(void *arg, const struct model_failure *failure);
static bool read_structured(struct llm_state *s, const struct model_reply *reply, struct value **ret);
static void fail_for_memory(struct llm_state *s);
static struct node_result take_record(struct llm_state *s, const struct model_route *route);
static struct value *make_outputs(struct llm_state *s, struct value *take_usage, struct value *take_reason,
                                  struct value *take_structured);
static struct value *make_process_data(struct llm_state *s, struct value *take_usage,
                                       struct value *take_reason, const struct model_route *route);

static void show_text(void *arg, struct str piece)
{
    node_chunk(((struct llm_state *)arg)->x, STR("text"), piece, false);
}

static void show_reasoning(void *arg, struct str piece)
{
    struct llm_state *s = arg;
    s->has_reasoned = true;
    node_reasoning_chunk(s->x, piece, false);
}

static void end_block(void *arg)
{
    (void)arg; /* one block or several: the same channel */
}

static const struct think_sink live_sink = {show_text, show_reasoning, end_block};

static void llm_start(struct node_exec *x)
{
    static const struct model_callbacks callbacks = {text_came, reply_done, reply_failed};
    const struct llm_config *config = node_exec_node(x)->config;
    struct node_result nothing = {0};
    struct status err = {0};
    struct llm_state *s = node_exec_state(x, sizeof *s);
    if (s == NULL) {
        node_fail(x, &nothing, "no memory");
        return;
    }
    s->x = x;
    s->config = config;
    buf_init(&s->text, node_exec_account(x)->max);
    think_init(&s->filter, &live_sink, s);
    if (!arena_defer(node_exec_arena(x), llm_state_fini, s)) {
        fail_for_memory(s);
        return;
    }
    if (!llm_prompt_make(config, x, &s->prompt, &err)) {
        struct node_result result = take_record(s, NULL);
        result.error_type = s->prompt.error_type;
        node_fail(x, &result, "%s", err.message);
        return;
    }
    struct model_request request = {.provider = config->model.provider,
                                    .model = config->model.name,
                                    .is_completion = config->model.is_completion,
                                    .messages = s->prompt.messages,
                                    .message_count = s->prompt.message_count,
                                    .params = s->prompt.params};
    if (node_model_start(x, &request, &callbacks, s, &err) == NULL) {
        struct model_failure failure = model_refusal(&err);
        reply_failed(s, &failure);
    }
}

static void llm_state_fini(void *state)
{
    struct llm_state *s = state;
    value_unref(s->prompt.inputs);
    value_unref(s->prompt.record);
    value_unref(s->prompt.params);
    s->prompt = (struct llm_prompt){0};
    buf_fini(&s->text);
    think_fini(&s->filter);
}

/* --- while it streams --- */

static void text_came(void *arg, struct str delta)
{
    struct llm_state *s = arg;
    buf_put(&s->text, delta);
    bool ok = !s->text.failed;
    if (ok && s->text.cap > s->charged) {
        ok = node_exec_charge(s->x, s->text.cap - s->charged);
        s->charged = s->text.cap;
    }
    if (ok && s->config->separates_reasoning)
        ok = think_put(&s->filter, delta);
    else if (ok)
        node_chunk(s->x, STR("text"), delta, false);
    if (!ok)
        fail_for_memory(s);
}

static void reply_done(void *arg, const struct model_reply *reply)
{
    struct llm_state *s = arg;
    struct value_account *a = node_exec_account(s->x);
    struct value *structured = NULL;
    think_end(&s->filter);
    if (s->config->structured.is_on && !read_structured(s, reply, &structured))
        return;
    if (s->has_reasoned)
        node_reasoning_chunk(s->x, STR(""), true);
    node_chunk(s->x, STR("text"), STR(""), true);
    struct value *usage = model_usage(a, &reply->usage);
    struct value *reason =
        reply->finish_reason.len > 0 ? value_string(a, reply->finish_reason) : value_none();
    struct node_result result = {
        .process_data = make_process_data(s, value_ref(usage), value_ref(reason), &reply->route),
        .outputs = make_outputs(s, usage, reason, structured),
    };
    model_usage_put(&result, &reply->usage);
    result.inputs = s->prompt.inputs;
    s->prompt.inputs = NULL;
    node_succeed(s->x, &result);
}

/* False: the node has failed. */
static bool read_structured(struct llm_state *s, const struct model_reply *reply, struct value **ret)
{
    struct value_account *a = node_exec_account(s->x);
    struct str said = buf_str(&s->text);
    struct status err;
    enum status_code rc = json_repair_object(a, said, ret, &err);
    if (rc == STATUS_RESOURCE_EXHAUSTED) {
        fail_for_memory(s);
    } else if (rc != STATUS_OK) {
        struct node_result result = take_record(s, &reply->route);
        result.error_type = "OutputParserError";
        model_usage_put(&result, &reply->usage);
        said.len = str_is_utf8(said) ? str_utf8_cut(said, QUOTED_BYTES_MAX) : 0;
        node_fail(s->x, &result, "Failed to parse structured output: %.*s", STR_ARG(said));
    }
    return rc == STATUS_OK;
}

static void reply_failed(void *arg, const struct model_failure *failure)
{
    struct llm_state *s = arg;
    struct node_result result = take_record(s, &failure->route);
    model_failure_end(s->x, failure, &result);
}

static void fail_for_memory(struct llm_state *s)
{
    struct node_result nothing = {0};
    node_exec_account(s->x)->is_full = true;
    node_fail(s->x, &nothing, "no memory");
}

/* --- records and outputs --- */

/* What a failure leaves. route NULL: the model was not asked. */
static struct node_result take_record(struct llm_state *s, const struct model_route *route)
{
    struct node_result result = {.inputs = s->prompt.inputs,
                                 .process_data = make_process_data(s, NULL, NULL, route)};
    s->prompt.inputs = NULL;
    return result;
}

/* usage and reason are left out when NULL. */
static struct value *make_process_data(struct llm_state *s, struct value *take_usage,
                                       struct value *take_reason, const struct model_route *route)
{
    struct value_account *a = node_exec_account(s->x);
    struct value_builder b;
    value_object_begin(&b, a);
    value_object_put(&b, STR("model_mode"), value_string(a, s->config->model.mode));
    if (s->prompt.record != NULL)
        value_object_put(&b, STR("prompts"), value_ref(s->prompt.record));
    if (take_usage != NULL)
        value_object_put(&b, STR("usage"), take_usage);
    if (take_reason != NULL)
        value_object_put(&b, STR("finish_reason"), take_reason);
    model_identity_put(&b, a, s->config->model.provider, s->config->model.name);
    model_route_put(&b, a, route);
    return value_object_end(&b);
}

/* take_structured may be NULL: not asked for. */
static struct value *make_outputs(struct llm_state *s, struct value *take_usage, struct value *take_reason,
                                  struct value *take_structured)
{
    struct value_account *a = node_exec_account(s->x);
    bool separates = s->config->separates_reasoning;
    struct buf text, reasoning;
    buf_init(&text, a->max);
    buf_init(&reasoning, a->max);
    if (separates)
        think_split(buf_str(&s->text), &text, &reasoning);
    struct value_builder b;
    value_object_begin(&b, a);
    value_object_put(&b, STR("text"), value_string_take(a, separates ? &text : &s->text));
    value_object_put(&b, STR("reasoning_content"), value_string_take(a, &reasoning));
    value_object_put(&b, STR("usage"), take_usage);
    value_object_put(&b, STR("finish_reason"), take_reason);
    if (take_structured != NULL)
        value_object_put(&b, STR("structured_output"), take_structured);
    buf_fini(&text);
    buf_fini(&reasoning);
    return value_object_end(&b);
}

const struct node_type node_llm = {
    .name = "llm", .kind = NODE_EXECUTABLE, .has_retry = true, .compile = llm_compile, .start = llm_start};
