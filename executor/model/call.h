/*
 * call: one model call: takes a credential of the pool, or waits for one; asks one after the other until one answers. As long as
 * nothing has been delivered a call goes on to the next credential that it has not tried, bounded by the pool and its deadline;
 * afterwards it never sends again.
 * Threads  the loop's of its HTTP client. text() comes from inside libcurl and must only note things (client.h).
 */
#pragma once
#include "executor/model/meters.h"
#include "executor/model/pool.h"
#include "executor/worker/job.h"
#include "shared/http/client.h"

struct model_call;

/* Counts since the start, over all credentials; by credential and kind count the meters. Any thread. */
struct model_stats {
    atomic_uint_fast64_t picks;     /* credentials that were asked, */
    atomic_uint_fast64_t failovers; /* not as the first of their call */
    atomic_uint_fast64_t waits;     /* calls that waited in line, */
    atomic_uint_fast64_t gave_up;   /* and that found no credential in time */
};

/* ms, of one attempt; 0: the defaults of attempt.h and client.h. */
struct call_times {
    int64_t connect_ms, first_content_ms, idle_ms, total_ms;
};

/*
 * What calls of one loop share.
 * note()  what has become of a credential; to be told to others. failure: NULL when it has become well. On the loop
 */
struct call_host {
    struct http_client *http;
    struct call_times times;
    struct pool *pool;
    struct pool_home home;
    void (*note)(struct call_host *host, const struct pool_ticket *ticket,
                 const struct standing_change *change, const struct attempt_failure *failure);
    struct model_stats *stats;
    const struct model_meters *meters; /* NULL: nothing is counted by credential */
};

/*
 * The request is borrowed until done, failed or cancel, what it points at as well; so is the caller. Exactly one of done and
 * failed comes, unless it is cancelled before; the call is gone then. None comes from inside this function.
 * NULL: err says why (no credential at all, no memory).
 */
struct model_call *model_call_start(struct call_host *host, const struct model_caller *caller,
                                    const struct model_request *request,
                                    const struct model_callbacks *callbacks, void *arg, struct status *err);
/* Ends it at once, without a callback; the connection is closed before this returns. */
void model_call_cancel(struct model_call *call);
void model_call_pause(struct model_call *call);
void model_call_resume(struct model_call *call); /* text() may come before this returns */
/* Goes on with those that do not wait any more (pool_told()). On the loop, not from inside a callback. */
void model_calls_go_on(struct call_host *host);
