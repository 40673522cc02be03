// libs: heddle_gateway_api
/* Frames of an executor gone mad: the relay hands down what lies in them, asks once at a time, and ends once. */
#include "gateway/api/relay.h"
#include "shared/rpc/slice.h"
#include <stdlib.h>

struct ends {
    size_t asked, sending, ended, lost;
};

static void source_next(void *arg)
{
    ((struct ends *)arg)->asked++;
}

static void sink_begun(void *arg, struct str address)
{
    (void)arg;
    if (address.len > 0 && address.ptr == NULL)
        abort();
}

static void sink_send(void *arg, grpc_slice take_event, bool has_more)
{
    (void)has_more;
    struct ends *ends = arg;
    if (ends->sending > 0 || ends->ended > 0)
        abort();
    ends->sending++;
    grpc_slice_unref(take_event);
}

static void sink_lost(void *arg)
{
    ((struct ends *)arg)->lost++;
}

static void sink_ended(void *arg, const struct status *status, bool not_begun)
{
    (void)status;
    (void)not_begun;
    ((struct ends *)arg)->ended++;
}

/* Cuts what one step needs off the input: its length in one byte, then so many. */
static struct str cut(struct str *rest)
{
    size_t len = rest->len == 0 ? 0 : (unsigned char)rest->ptr[0];
    struct str piece = str_sub(*rest, 1, 1 + len);
    *rest = str_sub(*rest, 1 + len, rest->len);
    return piece;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct relay_source source = {.next = source_next};
    static const struct relay_sink sink = {
        .begun = sink_begun, .send = sink_send, .lost = sink_lost, .ended = sink_ended};
    struct ends ends = {0};
    struct str rest = {(const char *)data, size};
    unsigned leaves = size > 0 ? data[size - 1] : 0; /* after so many events the sink goes */
    struct relay relay = {.source = &source, .sink = &sink, .source_arg = &ends, .sink_arg = &ends};
    relay_start(&relay);
    while (ends.ended == 0) {
        if (ends.sending > 0) {
            ends.sending--;
            if (leaves-- == 0)
                relay_sink_gone(&relay);
            else
                relay_sent(&relay, true);
        } else if (ends.lost > 0) {
            ends.lost = 0;
            const struct store_run run = {.message_id = size % 2 == 0 ? STR("m") : STR("")};
            struct outcome outcome;
            outcome_of_run(&outcome, &run, &(struct outcome_form){.payloads = PAYLOAD_NONE}, 1);
            relay_close(&relay, &outcome);
        } else if (ends.asked != 1) {
            abort();
        } else if (rest.len > 0) {
            ends.asked--;
            grpc_slice frame = rpc_slice_copy(cut(&rest));
            relay_frame(&relay, &frame);
            grpc_slice_unref(frame);
        } else {
            relay_source_ended(&relay,
                               &(struct status){.code = size % 3 == 0 ? STATUS_OK : STATUS_UNAVAILABLE});
        }
    }
    if (ends.ended != 1)
        abort();
    return 0;
}
