/* check_app: the verdict on an export: compiled by a helper thread, told as a message. Nothing is kept. */
#include "executor/api/executor.h"
#include "executor/value/form.h"
#include "heddle/executor/v1/executor.pb-c.h"

/* bytes. Of one verdict while it is put together; the message limit cuts it off before. */
#define VERDICT_BYTES_MAX ((size_t)64 * 1024 * 1024)

static char *text_in(struct arena *arena, struct str text)
{
    char *copy = arena_copy_c(arena, text);
    return copy == NULL ? (char *)"" : copy;
}

/* Array of pointers to `count` zeroed pieces; NULL when memory is out (the arena notes it). */
static void *items_in(struct arena *arena, size_t count, size_t size)
{
    void **items = arena_array(arena, count + 1, sizeof *items);
    char *pieces = arena_array(arena, count + 1, size);
    for (size_t i = 0; items != NULL && pieces != NULL && i < count; i++)
        items[i] = pieces + i * size;
    return pieces == NULL ? NULL : items;
}

static char *json_in(struct arena *arena, const struct value *value)
{
    if (value == NULL)
        return (char *)"";
    struct buf text;
    buf_init(&text, VERDICT_BYTES_MAX);
    value_put_json(&text, value, JSON_COMPACT, false);
    char *copy = text_in(arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

static void put_problems(struct arena *arena, const struct graph_report *report,
                         Heddle__Executor__V1__CheckAppResponse *ret)
{
    ret->problems = arena_array(arena, report->count + 1, sizeof *ret->problems);
    ret->warnings = arena_array(arena, report->count + 1, sizeof *ret->warnings);
    Heddle__V1__Problem **items = items_in(arena, report->count, sizeof(Heddle__V1__Problem));
    if (ret->problems == NULL || ret->warnings == NULL || items == NULL)
        return;
    for (size_t i = 0; i < report->count; i++) {
        const struct graph_problem *from = &report->problems[i];
        heddle__v1__problem__init(items[i]);
        items[i]->path = text_in(arena, str_c(from->path));
        items[i]->text = text_in(arena, str_c(from->text));
        items[i]->hint = text_in(arena, str_c(from->hint));
        if (from->is_warning)
            ret->warnings[ret->n_warnings++] = items[i];
        else
            ret->problems[ret->n_problems++] = items[i];
    }
}

static void put_form(struct arena *arena, const struct graph *graph,
                     Heddle__Executor__V1__CheckAppResponse *ret)
{
    ret->input_form = items_in(arena, graph->field_count, sizeof(Heddle__V1__InputField));
    for (; ret->input_form != NULL && ret->n_input_form < graph->field_count; ret->n_input_form++) {
        const struct input_field *from = &graph->fields[ret->n_input_form];
        Heddle__V1__InputField *field = ret->input_form[ret->n_input_form];
        heddle__v1__input_field__init(field);
        field->variable = text_in(arena, from->variable);
        field->label = text_in(arena, from->label);
        field->type = text_in(arena, from->type);
        field->required = from->required;
        field->default_json = json_in(arena, from->fallback);
        field->max_length = from->max_length > INT32_MAX ? INT32_MAX : (int32_t)from->max_length;
        field->options = arena_array(arena, from->option_count + 1, sizeof *field->options);
        for (; field->options != NULL && field->n_options < from->option_count; field->n_options++)
            field->options[field->n_options] = text_in(arena, from->options[field->n_options]);
    }
}

static void put_features(struct arena *arena, const struct graph *graph, Heddle__V1__Features *ret)
{
    heddle__v1__features__init(ret);
    if (graph->features == NULL)
        return;
    ret->opening_statement = text_in(arena, value_get_text(graph->features, "opening_statement", STR("")));
    const struct value *questions = value_get_c(graph->features, "suggested_questions");
    size_t count = questions != NULL && value_type(questions) == VALUE_ARRAY ? value_count(questions) : 0;
    ret->suggested_questions = arena_array(arena, count + 1, sizeof *ret->suggested_questions);
    for (size_t i = 0; ret->suggested_questions != NULL && i < count; i++) {
        const struct value *question = value_item(questions, i);
        if (value_type(question) == VALUE_STRING)
            ret->suggested_questions[ret->n_suggested_questions++] = text_in(arena, value_text(question));
    }
    const struct value *after = value_get_c(graph->features, "suggested_questions_after_answer"),
                       *upload = value_get_c(graph->features, "file_upload");
    ret->suggested_questions_after_answer = after != NULL && value_get_bool(after, "enabled", false);
    ret->file_upload = upload != NULL && value_get_bool(upload, "enabled", false);
    ret->file_upload_number_limit = upload == NULL ? 0 : (int32_t)value_get_int(upload, "number_limits", 0);
}

static void put_environment(struct arena *arena, const struct graph *graph,
                            Heddle__Executor__V1__CheckAppResponse *ret)
{
    ret->environment = items_in(arena, graph->environment_count, sizeof(Heddle__V1__EnvironmentVariable));
    for (; ret->environment != NULL && ret->n_environment < graph->environment_count; ret->n_environment++) {
        const struct variable_definition *from = &graph->environment[ret->n_environment];
        Heddle__V1__EnvironmentVariable *variable = ret->environment[ret->n_environment];
        enum value_type type = value_type(from->value);
        heddle__v1__environment_variable__init(variable);
        variable->name = text_in(arena, from->name);
        variable->value_type = text_in(arena, from->type_name);
        variable->secret = type == VALUE_SECRET;
        variable->value = type == VALUE_STRING || type == VALUE_SECRET
                              ? text_in(arena, value_text(from->value))
                              : json_in(arena, from->value);
    }
}

static void answer(struct rpc_call *call, const struct graph_report *report, const struct graph *graph,
                   struct str dsl)
{
    struct arena arena;
    arena_init(&arena, VERDICT_BYTES_MAX);
    Heddle__Executor__V1__CheckAppResponse reply = HEDDLE__EXECUTOR__V1__CHECK_APP_RESPONSE__INIT;
    Heddle__V1__Features features;
    uint8_t hash[SHA256_BYTES];
    sha256(dsl, hash);
    reply.content_hash = (ProtobufCBinaryData){sizeof hash, hash};
    put_problems(&arena, report, &reply);
    reply.mode = text_in(&arena, str_c(report->mode));
    reply.app_name = text_in(&arena, str_c(report->app_name));
    reply.dsl_version = text_in(&arena, str_c(report->dsl_version));
    if (graph != NULL) {
        put_form(&arena, graph, &reply);
        put_features(&arena, graph, &features);
        reply.features = &features;
        put_environment(&arena, graph, &reply);
    }
    if (arena.failed) {
        struct status err;
        status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for the verdict");
        rpc_call_finish(call, &err);
    } else {
        rpc_call_reply_message(call, &reply.base);
    }
    arena_fini(&arena);
}

static void check(struct helper_task *task)
{
    struct check_app_state *state = CONTAINER_OF(task, struct check_app_state, task);
    struct rpc_call *call = state->call;
    const Heddle__Executor__V1__CheckAppRequest *request = state->request;
    struct str dsl = str_c(request->dsl);
    struct graph_report report;
    struct graph *graph = NULL;
    struct status err;
    graph_report_init(&report);
    enum status_code rc =
        graph_compile(dsl, request->unsupported == HEDDLE__V1__UNSUPPORTED__UNSUPPORTED_FAIL_WHEN_REACHED,
                      &report, &graph, &err);
    if (rc == STATUS_OK || (rc == STATUS_INVALID_ARGUMENT && report.error_count > 0))
        answer(call, &report, graph, dsl);
    else
        rpc_call_finish(call, &err);
    graph_unref(graph);
    graph_report_fini(&report);
}

void check_app_start(struct rpc_call *call)
{
    if (!executor_admits(call))
        return;
    struct executor *executor = rpc_call_service(call);
    struct check_app_state *state = rpc_call_state(call);
    struct status err;
    struct str bytes = rpc_call_request(call);
    state->call = call;
    state->task.run = check;
    state->request =
        heddle__executor__v1__check_app_request__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    enum status_code rc = state->request == NULL
                              ? status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for the export")
                              : helpers_do(executor->options.helpers, &state->task, &err);
    if (rc != STATUS_OK)
        rpc_call_finish(call, &err);
}

void check_app_ended(struct rpc_call *call)
{
    struct check_app_state *state = rpc_call_state(call);
    if (state->request != NULL)
        heddle__executor__v1__check_app_request__free_unpacked(state->request, NULL);
}
