/*
 * stream_kinds: what is asked of a gateway and of an executor, and how their messages are read. Events are read field by
 * field: unpacking them would cost the generator more than the rest of its work.
 */
#include "heddle/executor/v1/executor.pb-c.h"
#include "heddle/v1/chat.pb-c.h"
#include "heddle/v1/events.pb-c.h"
#include "heddle/v1/task.pb-c.h"
#include "heddle/v1/workflow.pb-c.h"
#include "shared/base/uuid.h"
#include "shared/rpc/slice.h"
#include "shared/rpc/wire.h"
#include "tests/bench/stream_load.h"
#include <stdio.h>
#include <string.h>

#define BENCH_USER ((char *)"bench")

enum { QUERY_BYTES = 256, EVENT_TASK_ID = 1, EVENT_SEQUENCE = 5, TEXT_BYTES = 1, TEXT_OFFSET = 2 };
enum { FINISHED_STATUS = 2, FINISHED_ERROR = 6, EVENTS_EVENT = 1, FRAME_EVENTS = 2 };

static void copy_text(char *to, size_t size, struct str from)
{
    (void)snprintf(to, size, "%.*s", STR_ARG(from)); /* cut if longer */
}

static bool read_text(const struct load_options *options, struct str message, struct stream_seen *seen)
{
    struct wire_field field;
    struct str text = {"", 0};
    uint64_t offset = 0;
    enum wire_read rc;
    while ((rc = wire_next(&message, &field)) == WIRE_FIELD) {
        if (field.number == TEXT_BYTES)
            text = field.bytes;
        else if (field.number == TEXT_OFFSET)
            offset = field.value;
    }
    const char *answer = options->answer;
    if (answer != NULL) {
        struct str want = str_sub(str_c(answer), offset, offset + text.len);
        seen->is_wrong |= !str_eq(want, text);
    }
    seen->is_wrong |= offset != seen->answer_bytes;
    seen->answer_bytes = offset + text.len;
    return rc == WIRE_END;
}

static bool read_finished(struct str message, struct stream_seen *seen)
{
    struct wire_field field;
    enum wire_read rc;
    seen->is_wrong |= seen->verdict != STREAM_OPEN; /* sent twice */
    seen->verdict = STREAM_FAILED;
    while ((rc = wire_next(&message, &field)) == WIRE_FIELD) {
        if (field.number == FINISHED_ERROR)
            copy_text(seen->words, sizeof seen->words, field.bytes);
        if (field.number != FINISHED_STATUS)
            continue;
        if (field.value == HEDDLE__V1__RUN_STATUS__RUN_STATUS_SUCCEEDED)
            seen->verdict = STREAM_SUCCEEDED;
        else if (field.value == HEDDLE__V1__RUN_STATUS__RUN_STATUS_STOPPED)
            seen->verdict = STREAM_STOPPED;
    }
    return rc == WIRE_END;
}

static bool read_event(const struct load_options *options, struct str message, struct stream_seen *seen)
{
    struct wire_field field;
    enum wire_read rc;
    bool is_read = true, is_ping = false;
    uint64_t sequence = 0;
    while (is_read && (rc = wire_next(&message, &field)) == WIRE_FIELD) {
        switch (field.number) {
        case EVENT_TASK_ID:
            if (seen->events == 0)
                copy_text(seen->task_id, sizeof seen->task_id, field.bytes);
            break;
        case EVENT_SEQUENCE:
            sequence = field.value;
            break;
        case HEDDLE__V1__RUN_EVENT__EVENT_MESSAGE:
        case HEDDLE__V1__RUN_EVENT__EVENT_TEXT_CHUNK:
            is_read = read_text(options, field.bytes, seen);
            break;
        case HEDDLE__V1__RUN_EVENT__EVENT_WORKFLOW_FINISHED:
            is_read = read_finished(field.bytes, seen);
            break;
        case HEDDLE__V1__RUN_EVENT__EVENT_PING:
            is_ping = true;
            break;
        default:
            break;
        }
    }
    if (is_ping)
        return is_read;
    seen->is_wrong |= sequence <= seen->sequence;
    seen->sequence = sequence;
    seen->events++;
    return is_read && rc == WIRE_END;
}

static void put_query(const struct load_options *options, uint64_t number, char ret[QUERY_BYTES])
{
    (void)snprintf(ret, QUERY_BYTES, "%.200s %llu", options->query, (unsigned long long)number);
}

/* ---- a gateway ---- */

static grpc_slice chat_request(const struct load_options *options, uint64_t number)
{
    char query[QUERY_BYTES];
    Heddle__V1__SendMessageRequest request = HEDDLE__V1__SEND_MESSAGE_REQUEST__INIT;
    put_query(options, number, query);
    request.query = query;
    request.user = BENCH_USER;
    return rpc_slice_pack(&request.base);
}

static grpc_slice chat_stop(const struct load_options *options, const struct stream_seen *seen)
{
    (void)options;
    Heddle__V1__StopTaskRequest request = HEDDLE__V1__STOP_TASK_REQUEST__INIT;
    request.task_id = (char *)seen->task_id;
    request.user = BENCH_USER;
    return rpc_slice_pack(&request.base);
}

const struct stream_kind stream_chat = {.name = "gateway",
                                        .path = "/heddle.v1.ChatService/SendMessage",
                                        .stop_path = "/heddle.v1.TaskService/StopTask",
                                        .request = chat_request,
                                        .read = read_event,
                                        .stop = chat_stop};

static grpc_slice workflow_request(const struct load_options *options, uint64_t number)
{
    (void)number;
    Heddle__V1__RunWorkflowRequest request = HEDDLE__V1__RUN_WORKFLOW_REQUEST__INIT;
    if (options->inputs_json != NULL)
        request.inputs_json = (char *)options->inputs_json;
    request.user = BENCH_USER;
    return rpc_slice_pack(&request.base);
}

const struct stream_kind stream_workflow = {.name = "workflow",
                                            .path = "/heddle.v1.WorkflowService/RunWorkflow",
                                            .stop_path = "/heddle.v1.TaskService/StopTask",
                                            .request = workflow_request,
                                            .read = read_event,
                                            .stop = chat_stop};

const struct stream_kind stream_hop = {
    .name = "hop", .path = "/heddle.bench.Hop/Stream", .request = chat_request, .read = read_event};

/* ---- an executor ---- */

static size_t hex_bytes(const char *hex, uint8_t *ret, size_t max)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    for (; n < max && hex[2 * n] != '\0' && hex[2 * n + 1] != '\0'; n++) {
        const char *high = strchr(digits, hex[2 * n]), *low = strchr(digits, hex[2 * n + 1]);
        if (high == NULL || low == NULL)
            break;
        ret[n] = (uint8_t)((high - digits) << 4 | (low - digits));
    }
    return n;
}

static grpc_slice executor_request(const struct load_options *options, uint64_t number)
{
    char query[QUERY_BYTES], ids[4][UUID_TEXT_LEN + 1];
    uint8_t hash[32];
    Heddle__Executor__V1__ExecuteRequest request = HEDDLE__EXECUTOR__V1__EXECUTE_REQUEST__INIT;
    put_query(options, number, query);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        uuid_format(uuid_v7(), ids[i]);
    request.run_id = ids[0];
    request.conversation_id = ids[1];
    request.message_id = ids[2];
    request.end_user_id = ids[3];
    request.attempt = 1;
    request.workspace_id = (char *)"default";
    request.app_id = (char *)options->app_id;
    request.version_id = (char *)options->version_id;
    request.version_hash.data = hash;
    request.version_hash.len = hex_bytes(options->version_hash, hash, sizeof hash);
    request.mode = HEDDLE__EXECUTOR__V1__RUN_MODE__RUN_MODE_CHAT;
    request.query = query;
    request.user = BENCH_USER;
    request.end_user_type = (char *)"service-api";
    request.conversation_is_new = true;
    request.gateway_instance = BENCH_USER;
    return rpc_slice_pack(&request.base);
}

/* A frame: events hold public events; what begun and ended say beside them is not needed here. */
static bool executor_read(const struct load_options *options, struct str message, struct stream_seen *seen)
{
    struct wire_field frame, event;
    enum wire_read rc;
    while ((rc = wire_next(&message, &frame)) == WIRE_FIELD) {
        if (frame.number != FRAME_EVENTS)
            continue;
        while ((rc = wire_next(&frame.bytes, &event)) == WIRE_FIELD)
            if (event.number == EVENTS_EVENT && !read_event(options, event.bytes, seen))
                return false;
        if (rc != WIRE_END)
            return false;
    }
    return rc == WIRE_END;
}

const struct stream_kind stream_executor = {.name = "executor",
                                            .path = "/heddle.executor.v1.ExecutorService/Execute",
                                            .request = executor_request,
                                            .read = executor_read};
