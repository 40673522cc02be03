/* hop: see the header. Its events are like those of a run: the first and the last tell of it, the others carry a word each. */
#include "tests/bench/hop.h"

#include "heddle/v1/chat.pb-c.h"
#include "heddle/v1/events.pb-c.h"
#include "shared/limits.h"
#include "shared/rpc/slice.h"

#define HOP_ID ((char *)"019aaf00-0000-7000-8000-000000000000")

struct hop_state {
    unsigned sent;
};

static char *const words[HOP_MESSAGES - 2] = {(char *)"one",    (char *)" two",  (char *)" three",
                                              (char *)" four",  (char *)" five", (char *)" six",
                                              (char *)" seven", (char *)" eight"};

const char *hop_answer(void)
{
    return "one two three four five six seven eight";
}

static grpc_slice event_at(unsigned index)
{
    Heddle__V1__RunEvent event = HEDDLE__V1__RUN_EVENT__INIT;
    Heddle__V1__WorkflowStarted started = HEDDLE__V1__WORKFLOW_STARTED__INIT;
    Heddle__V1__Message message = HEDDLE__V1__MESSAGE__INIT;
    Heddle__V1__WorkflowFinished finished = HEDDLE__V1__WORKFLOW_FINISHED__INIT;
    event.task_id = event.workflow_run_id = event.conversation_id = event.message_id = HOP_ID;
    event.sequence = index + 1;
    if (index == 0) {
        event.event_case = HEDDLE__V1__RUN_EVENT__EVENT_WORKFLOW_STARTED;
        event.workflow_started = &started;
    } else if (index < HOP_MESSAGES - 1) {
        event.event_case = HEDDLE__V1__RUN_EVENT__EVENT_MESSAGE;
        event.message = &message;
        message.answer = words[index - 1];
        for (unsigned i = 1; i < index; i++)
            message.offset += str_c(words[i - 1]).len;
    } else {
        event.event_case = HEDDLE__V1__RUN_EVENT__EVENT_WORKFLOW_FINISHED;
        event.workflow_finished = &finished;
        finished.status = HEDDLE__V1__RUN_STATUS__RUN_STATUS_SUCCEEDED;
    }
    return rpc_slice_pack(&event.base);
}

static void send_next(struct rpc_call *call)
{
    struct hop_state *state = rpc_call_state(call);
    rpc_call_send(call, event_at(state->sent++), RPC_SEND_MORE);
}

static void hop_sent(struct rpc_call *call, bool ok)
{
    const struct hop_state *state = rpc_call_state(call);
    if (ok && state->sent < HOP_MESSAGES) {
        send_next(call);
        return;
    }
    struct status status = {.code = STATUS_OK};
    rpc_call_finish(call, &status);
}

static const struct rpc_method methods[] = {{.path = "/heddle.bench.Hop/Stream",
                                             .kind = RPC_SERVER_STREAM,
                                             .request = &heddle__v1__send_message_request__descriptor,
                                             .state_bytes = sizeof(struct hop_state),
                                             .start = send_next,
                                             .sent = hop_sent}};

enum status_code hop_start(struct rpc_queues *queues, struct rpc_server **ret_server, struct status *err)
{
    struct rpc_server_options options = {.address = "127.0.0.1:0",
                                         .message_bytes_max = LIMIT_PUBLIC_MESSAGE_BYTES};
    struct rpc_server *server = NULL;
    enum status_code rc = rpc_server_new(queues, &options, &server, err);
    if (rc == STATUS_OK)
        rc = rpc_server_add(server, methods, ARRAY_LEN(methods), NULL, err);
    if (rc == STATUS_OK)
        rc = rpc_server_start(server, err);
    if (rc != STATUS_OK) {
        rpc_server_free(server);
        return rc;
    }
    *ret_server = server;
    return STATUS_OK;
}
