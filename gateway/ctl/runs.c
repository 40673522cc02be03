/* runs: see the header. */
#include "gateway/ctl/runs.h"

#include "gateway/ctl/interrupt.h"
#include "gateway/ctl/table.h"
#include "grpc/health/v1/health.pb-c.h"
#include "heddle/v1/chat.pb-c.h"
#include "heddle/v1/events.pb-c.h"
#include "heddle/v1/task.pb-c.h"
#include "heddle/v1/workflow.pb-c.h"
#include "shared/base/clock.h"
#include "shared/rpc/slice.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum show {
    SHOW_TEXT,   /* the answer as it streams */
    SHOW_OUTPUT, /* the outputs at the end */
    SHOW_EVENTS, /* a line per event */
    SHOW_JSON    /* a JSON object per event */
};
struct reading {
    enum show show;
    bool is_interrupted;
    bool has_text; /* some was printed, and the line is open */
    bool has_finished;
    bool is_good;       /* it finished, and well */
    struct buf failure; /* the node that failed */
};

bool inputs_json(const struct ctl_args *args, struct buf *ret)
{
    size_t index = 0, count = 0;
    buf_put_char(ret, '{');
    for (const char *word = args_next(args, "input", &index); word != NULL;
         word = args_next(args, "input", &index)) {
        struct str text = str_c(word);
        size_t equals = str_find(text, STR("="), 0);
        if (equals == SIZE_MAX || equals == 0) {
            say_error("--input: \"%s\": write NAME=VALUE", word);
            return false;
        }
        if (count++ > 0)
            buf_put_c(ret, ", ");
        buf_put_json_string(ret, str_sub(text, 0, equals));
        buf_put_c(ret, ": ");
        buf_put_json_string(ret, str_sub(text, equals + 1, text.len));
    }
    buf_put_char(ret, '}');
    return true;
}

/* --input and --inputs-json as one JSON text, owned; NULL: said why. */
static char *read_inputs(struct ctl *ctl, const struct ctl_args *args)
{
    const char *json = args_option(args, "inputs-json");
    if (json != NULL && args_has(args, "input")) {
        say_error("give --input or --inputs-json, not both");
        return NULL;
    }
    size_t len;
    if (json != NULL)
        return json[0] == '@' ? read_text(ctl, json + 1, &len) : str_dup(str_c(json));
    struct buf text;
    buf_init(&text, CTL_INPUT_BYTES_MAX);
    char *taken = inputs_json(args, &text) ? buf_take(&text, &len) : NULL;
    buf_fini(&text);
    return taken;
}

static void print_now(struct str text)
{
    struct buf safe;
    buf_init(&safe, CTL_OUTPUT_BYTES_MAX);
    text_put_safe(&safe, text);
    (void)print_buf(&safe); /* a reader who left ends us by SIGPIPE, or is of no interest */
}

static const char *status_word(Heddle__V1__RunStatus status)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&heddle__v1__run_status__descriptor, (int)status);
    return value == NULL ? "ended" : value->name;
}

static void note_failed_node(struct reading *reading, const Heddle__V1__NodeFinished *node)
{
    if (node->status != HEDDLE__V1__NODE_STATUS__NODE_STATUS_FAILED || reading->failure.len > 0)
        return;
    buf_printf(&reading->failure, "node \"%s\" (%s) failed: %s", node->title, node->node_type, node->error);
}

static void finish_reading(struct reading *reading, const Heddle__V1__WorkflowFinished *end)
{
    reading->has_finished = true;
    reading->is_good = end->status == HEDDLE__V1__RUN_STATUS__RUN_STATUS_SUCCEEDED ||
                       end->status == HEDDLE__V1__RUN_STATUS__RUN_STATUS_PARTIAL_SUCCEEDED;
    if (reading->show == SHOW_OUTPUT && reading->is_good) {
        struct buf json;
        buf_init(&json, CTL_OUTPUT_BYTES_MAX);
        json_put_safe(&json, str_c(end->outputs_json));
        buf_put_char(&json, '\n');
        (void)print_buf(&json); /* as print_now() */
    }
    if (reading->has_text)
        print_now(STR("\n"));
    reading->has_text = false;
    if (reading->is_good || reading->show == SHOW_JSON)
        return;
    if (reading->failure.len > 0)
        say_error("%.*s", STR_ARG(buf_str(&reading->failure)));
    say_error("%s: %s", status_word(end->status), end->error);
}

/* A node without a title is named by its id. */
static const char *name_of(const char *title, const char *node_id)
{
    return title[0] != '\0' ? title : node_id;
}

/* Which element or round, or how it ended. */
static void put_container_words(struct buf *text, const Heddle__V1__RunEvent *event)
{
    switch (event->event_case) {
    case HEDDLE__V1__RUN_EVENT__EVENT_ITERATION_STARTED:
        buf_printf(text, "  %s: %d elements",
                   name_of(event->iteration_started->title, event->iteration_started->node_id),
                   (int)event->iteration_started->iteration_length);
        break;
    case HEDDLE__V1__RUN_EVENT__EVENT_ITERATION_NEXT:
        buf_printf(text, "  %s: element %d",
                   name_of(event->iteration_next->title, event->iteration_next->node_id),
                   (int)event->iteration_next->index);
        break;
    case HEDDLE__V1__RUN_EVENT__EVENT_ITERATION_COMPLETED:
        buf_printf(text, "  %s: %lld ms  %s",
                   name_of(event->iteration_completed->title, event->iteration_completed->node_id),
                   (long long)event->iteration_completed->elapsed_ms, event->iteration_completed->error);
        break;
    case HEDDLE__V1__RUN_EVENT__EVENT_LOOP_STARTED:
        buf_printf(text, "  %s: up to %d rounds",
                   name_of(event->loop_started->title, event->loop_started->node_id),
                   (int)event->loop_started->loop_length);
        break;
    case HEDDLE__V1__RUN_EVENT__EVENT_LOOP_NEXT:
        buf_printf(text, "  %s: round %d", name_of(event->loop_next->title, event->loop_next->node_id),
                   (int)event->loop_next->index);
        break;
    case HEDDLE__V1__RUN_EVENT__EVENT_LOOP_COMPLETED:
        buf_printf(text, "  %s: %lld ms  %s",
                   name_of(event->loop_completed->title, event->loop_completed->node_id),
                   (long long)event->loop_completed->elapsed_ms, event->loop_completed->error);
        break;
    default:
        break;
    }
}

static void show_event_words(const Heddle__V1__RunEvent *event)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(event->base.descriptor, (unsigned)event->event_case);
    struct buf text;
    buf_init(&text, CTL_OUTPUT_BYTES_MAX);
    buf_printf(&text, "%6llu  %-18s", (unsigned long long)event->sequence, field == NULL ? "?" : field->name);
    put_container_words(&text, event);
    if (event->event_case == HEDDLE__V1__RUN_EVENT__EVENT_NODE_STARTED)
        buf_printf(&text, "  %s (%s)", name_of(event->node_started->title, event->node_started->node_id),
                   event->node_started->node_type);
    else if (event->event_case == HEDDLE__V1__RUN_EVENT__EVENT_WORKFLOW_STARTED &&
             event->conversation_id[0] != '\0')
        buf_printf(&text, "  conversation %s", event->conversation_id);
    else if (event->event_case == HEDDLE__V1__RUN_EVENT__EVENT_NODE_FINISHED)
        buf_printf(&text, "  %s: %lld ms  %s",
                   name_of(event->node_finished->title, event->node_finished->node_id),
                   (long long)event->node_finished->elapsed_ms, event->node_finished->error);
    else if (event->event_case == HEDDLE__V1__RUN_EVENT__EVENT_MESSAGE)
        buf_put_c(&text, "  "), buf_put_json_string(&text, str_c(event->message->answer));
    else if (event->event_case == HEDDLE__V1__RUN_EVENT__EVENT_TEXT_CHUNK)
        buf_put_c(&text, "  "), buf_put_json_string(&text, str_c(event->text_chunk->text));
    else if (event->event_case == HEDDLE__V1__RUN_EVENT__EVENT_WORKFLOW_FINISHED)
        buf_printf(&text, "  %s  %lld ms  %s", status_word(event->workflow_finished->status),
                   (long long)event->workflow_finished->elapsed_ms, event->workflow_finished->outputs_json);
    buf_put_char(&text, '\n');
    print_now(buf_str(&text));
    buf_fini(&text);
}

static void show_text(struct reading *reading, const char *text)
{
    if (reading->show != SHOW_TEXT || text[0] == '\0')
        return;
    reading->has_text = true;
    print_now(str_c(text));
}

static void read_event(struct reading *reading, const Heddle__V1__RunEvent *event)
{
    if (reading->show == SHOW_JSON)
        (void)print_json(&event->base, JSON_ONE_LINE); /* as print_now() */
    else if (reading->show == SHOW_EVENTS)
        show_event_words(event);
    switch (event->event_case) {
    case HEDDLE__V1__RUN_EVENT__EVENT_MESSAGE:
        show_text(reading, event->message->answer);
        break;
    case HEDDLE__V1__RUN_EVENT__EVENT_TEXT_CHUNK:
        show_text(reading, event->text_chunk->text);
        break;
    case HEDDLE__V1__RUN_EVENT__EVENT_NODE_FINISHED:
        note_failed_node(reading, event->node_finished);
        break;
    case HEDDLE__V1__RUN_EVENT__EVENT_WORKFLOW_FINISHED:
        finish_reading(reading, event->workflow_finished);
        break;
    default:
        break; /* shown above, if at all */
    }
}

/* Reads the stream to its end. */
static enum ctl_exit read_run(struct ctl *ctl, struct rpc_blocking_stream *take_stream, enum show show,
                              const char *user)
{
    struct reading reading = {.show = show};
    struct interrupt in;
    struct status status;
    grpc_slice message;
    buf_init(&reading.failure, 64 * 1024);
    interrupt_begin(&in, ctl, take_stream, user);
    while (rpc_blocking_stream_next(take_stream, &message, &status)) {
        struct str bytes = rpc_slice_str(&message);
        Heddle__V1__RunEvent *event =
            heddle__v1__run_event__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
        grpc_slice_unref(message);
        if (event == NULL)
            continue; /* the kit has checked it: only memory can be missing, and the status will tell */
        interrupt_task(&in, event->task_id);
        read_event(&reading, event);
        heddle__v1__run_event__free_unpacked(event, NULL);
    }
    reading.is_interrupted = interrupt_end(&in);
    rpc_blocking_stream_free(take_stream);
    buf_fini(&reading.failure);
    if (reading.has_text)
        print_now(STR("\n"));
    if (status.code != STATUS_OK && !reading.is_interrupted)
        say_status(ctl, &status);
    if (reading.is_interrupted)
        return CTL_INTERRUPTED;
    return status.code == STATUS_OK && reading.has_finished && reading.is_good ? CTL_OK : CTL_FAILED;
}

static const char *user_of(const struct ctl_args *args)
{
    const char *user = args_option(args, "user");
    return user == NULL ? "heddlectl" : user;
}

static enum show show_of(const struct ctl *ctl, const struct ctl_args *args, enum show otherwise)
{
    return ctl->is_json ? SHOW_JSON : args_has(args, "events") ? SHOW_EVENTS : otherwise;
}

static enum ctl_exit start_run(struct ctl *ctl, const struct ctl_args *args, enum ctl_method method,
                               const ProtobufCMessage *request, enum show show)
{
    interrupt_block();
    struct rpc_blocking_stream *stream;
    if (!session_open(ctl, CTL_PUBLIC) || !session_stream(ctl, method, request, &stream))
        return CTL_FAILED;
    return read_run(ctl, stream, show, user_of(args));
}

enum ctl_exit chat(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__SendMessageRequest request = HEDDLE__V1__SEND_MESSAGE_REQUEST__INIT;
    request.query = text_of(args->positional[0]);
    request.user = text_of(user_of(args));
    request.version_id = text_of(args_option(args, "version-id"));
    request.conversation_id = text_of(args_option(args, "conversation"));
    enum show show = show_of(ctl, args, SHOW_TEXT);
    request.payloads =
        show == SHOW_TEXT ? HEDDLE__V1__PAYLOADS__PAYLOADS_NONE : HEDDLE__V1__PAYLOADS__PAYLOADS_JSON;
    char *inputs = read_inputs(ctl, args);
    if (inputs == NULL)
        return CTL_USAGE;
    request.inputs_json = inputs;
    enum ctl_exit result = start_run(ctl, args, METHOD_SEND_MESSAGE, &request.base, show);
    free(inputs);
    return result;
}

enum ctl_exit run_workflow(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__RunWorkflowRequest request = HEDDLE__V1__RUN_WORKFLOW_REQUEST__INIT;
    request.user = text_of(user_of(args));
    request.version_id = text_of(args_option(args, "version-id"));
    request.payloads = HEDDLE__V1__PAYLOADS__PAYLOADS_JSON;
    char *inputs = read_inputs(ctl, args);
    if (inputs == NULL)
        return CTL_USAGE;
    request.inputs_json = inputs;
    enum show show = show_of(ctl, args, args_has(args, "stream") ? SHOW_TEXT : SHOW_OUTPUT);
    enum ctl_exit result = start_run(ctl, args, METHOD_RUN_WORKFLOW, &request.base, show);
    free(inputs);
    return result;
}

enum ctl_exit stop_task(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__StopTaskRequest request = HEDDLE__V1__STOP_TASK_REQUEST__INIT;
    request.task_id = text_of(args->positional[0]);
    request.user = text_of(user_of(args));
    if (!session_open(ctl, CTL_PUBLIC))
        return CTL_FAILED;
    struct status err;
    ProtobufCMessage *message = session_try(ctl, METHOD_STOP_TASK, &request.base, 30000, &err);
    if (message == NULL) {
        say_status(ctl, &err);
        return CTL_FAILED;
    }
    const Heddle__V1__StopTaskResponse *reply = (const Heddle__V1__StopTaskResponse *)message;
    bool is_found = reply->result != HEDDLE__V1__STOP_RESULT__STOP_RESULT_NOT_FOUND;
    enum ctl_exit result;
    if (ctl->is_json) {
        result = print_json(message, JSON_PRETTY);
    } else {
        const char *words = !is_found ? "not found: no such task of this app and user\n"
                            : reply->result == HEDDLE__V1__STOP_RESULT__STOP_RESULT_STOPPING
                                ? "stopping\n"
                                : "it has already ended\n";
        print_now(str_c(words));
        result = CTL_OK;
    }
    protobuf_c_message_free_unpacked(message, NULL);
    return is_found ? result : CTL_FAILED;
}

enum ctl_exit gateway_health(struct ctl *ctl, const struct ctl_args *args)
{
    int64_t wait_s = 0;
    const char *wait = args_option(args, "wait");
    if (wait != NULL && !read_number("wait", wait, 0, 86400, &wait_s))
        return CTL_USAGE;
    if (!session_open(ctl, CTL_PUBLIC))
        return CTL_FAILED;
    int64_t until_ms = clock_monotonic_ms() + wait_s * 1000;
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    for (;;) {
        struct status err;
        ProtobufCMessage *message = session_try(ctl, METHOD_HEALTH_CHECK, &request.base, 2000, &err);
        bool is_serving =
            message != NULL && ((const Grpc__Health__V1__HealthCheckResponse *)message)->status ==
                                   GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
        if (is_serving && ctl->is_json)
            (void)print_json(message, JSON_PRETTY); /* as print_now() */
        else if (is_serving)
            print_now(STR("serving\n"));
        if (message != NULL)
            protobuf_c_message_free_unpacked(message, NULL);
        if (is_serving)
            return CTL_OK;
        if (clock_monotonic_ms() >= until_ms) {
            if (message != NULL)
                say_error("the gateway answers, but is not serving");
            else
                say_status(ctl, &err);
            return CTL_FAILED;
        }
        nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
    }
}
