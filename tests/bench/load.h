/*
 * load: what a load is asked to do, and what came of it. Shared by all kinds of load.
 * Threads  a result belongs to the thread that runs the load, and to main() after it.
 */
#pragma once
#include "shared/base/status.h"
#include "tests/bench/histogram.h"
#include <stdbool.h>

enum load_leave {
    LOAD_LEAVE_CANCEL,  /* cancel the call */
    LOAD_LEAVE_STOP,    /* call StopTask, read the stream to its end */
    LOAD_LEAVE_DEADLINE /* that moment is the call's deadline */
};

/*
 * target, token     where to call, and with what; token may be NULL
 * app_id, version_id, version_hash   for calls to an executor
 * in_flight         calls at a time, 1 to LOAD_IN_FLIGHT_MAX
 * rate              runs that become due per second, at random moments (Poisson) whatever became of the others; a run for
 *                   which no call is free waits, and its latencies count from the moment it was due. 0: a closed loop
 * count             runs to make; 0: until duration_ms has passed
 * timeout_ms        deadline of one run; a run that meets it is lost
 * query             what the user says; the number of the run is added to it
 * inputs_json       of a workflow; NULL: none
 * answer            the whole text a run has to answer with; NULL: not compared
 * leave_percent     of the runs, which of them by `seed`, are left at a random moment
 * leave_within_ms   after their start at the latest; a run that ends before is left in peace
 * keep_left         tell each of them in the result; needs a count
 * may_fail          a run that says it failed is no fault
 * wants_limit       every run has to be refused over a limit: anything else is a fault
 */
struct load_options {
    const char *target, *token;
    const char *app_id, *version_id, *version_hash;
    size_t in_flight;
    uint64_t rate, count;
    int64_t duration_ms, timeout_ms;
    const char *query, *inputs_json, *answer;
    unsigned leave_percent;
    int64_t leave_within_ms;
    enum load_leave leave_how;
    bool keep_left, may_fail, wants_limit;
    uint64_t seed;
};

/* calls. More than any machine of a bench holds, and what one connection takes (RPC_STREAMS_DEFAULT). */
#define LOAD_IN_FLIGHT_MAX 20000
/* runs. Those that keep_left can tell. */
#define LOAD_LEFT_MAX 1000000
/* runs. After so many that went wrong no further ones are started. */
#define LOAD_PROBLEMS_MAX 1000

enum load_end {
    LOAD_OK,        /* succeeded, all events in order, the answer as expected */
    LOAD_CANCELLED, /* we cancelled it */
    LOAD_STOPPED,   /* we stopped it, and it said so */
    LOAD_EXPIRED,   /* it met the deadline that we gave it */
    LOAD_LIMITED,   /* refused over a limit, as it had to be */
    LOAD_REFUSED,   /* an error before the first event */
    LOAD_FAILED,    /* the run says that it did not succeed */
    LOAD_LOST,      /* began, and never said how it ended */
    LOAD_WRONG      /* succeeded, with events out of order or another answer */
};
enum { LOAD_END_COUNT = LOAD_WRONG + 1 };

/* A run that was left: its number, and when (monotonic). */
struct load_left {
    uint64_t number;
    int64_t at_us;
};

struct load_result {
    uint64_t started, ends[LOAD_END_COUNT];
    uint64_t events, messages, answer_bytes; /* of runs that ended OK */
    int64_t began_us, ended_us;              /* first start, last end (monotonic) */
    int64_t user_us, system_us;              /* CPU of this process between them */
    struct histogram first_token, whole;     /* of runs that ended OK or LIMITED */
    struct histogram gap;                    /* from one text event of a run to its next; of all runs */
    struct histogram late;                   /* open loop: from the moment a run was due to its start */
    uint64_t segments_in, segments_out;      /* TCP segments with data, of all connections to the target */
    struct load_left *left;                  /* left_count of them */
    size_t left_count, left_max;
    char problem[512]; /* words about the first run that went wrong */
};

/* RESOURCE_EXHAUSTED: no memory for keep_left. */
MUST_CHECK enum status_code load_result_init(struct load_result *result, const struct load_options *options,
                                             struct status *err);
void load_result_fini(struct load_result *result);

/* Call before the first start and after the last end; the CPU of this process in between goes into the result. */
void load_result_begin(struct load_result *result);
void load_result_end(struct load_result *result);

/* Counts one end. problem: words for an end that is a fault; the first are kept. */
void load_result_count(struct load_result *result, enum load_end end, const char *problem);
uint64_t load_result_problems(const struct load_options *options, const struct load_result *result);
bool load_may_start(const struct load_options *options, const struct load_result *result, int64_t now_us);

void load_result_put_json(struct buf *b, const struct load_result *result, const char *kind,
                          const struct load_options *options);
