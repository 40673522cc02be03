/*
 * call: one model call: waits for a credential when it must, asks one after the other until one answers. As long as nothing has
 * been delivered a call goes on to the next credential that has not been tried; afterwards it never sends again.
 * Threads  the loop's of its HTTP client. text() comes from inside libcurl and must only note things (client.h).
 */
#pragma once
#include "executor/model/line.h"
#include "executor/worker/job.h"
#include "shared/http/client.h"

struct model_call;

/*
 * What calls of one loop share.
 * pool()        the pool of the moment, with a reference
 * note()        what has become of a credential that was refused; to be kept and told to others. Any time, on the loop
 */
struct call_host {
    struct http_client *http;
    struct line *line;
    struct line_home home;
    bool may_wait; /* all_resting: wait */
    struct pool *(*pool)(struct call_host *host);
    void (*note)(struct call_host *host, const struct pool_pick *pick, const struct standing_change *change,
                 const struct attempt_failure *failure);
    struct model_stats *stats;
    size_t waiting; /* calls of this loop in the line */
};

/* What operators watch: counts since the start. */
struct model_stats {
    atomic_uint_fast64_t picks, failovers, refusals, rests, disabled, waits, gave_up;
};

/*
 * The request is borrowed until done, failed or cancel, what it points at as well; so is the caller. Exactly one of done and
 * failed comes, unless it is cancelled before; the call is gone then. None comes from inside this function.
 * NULL: err says why (no credential, all resting and it may not wait, memory, an address that is none).
 */
struct model_call *model_call_start(struct call_host *host, const struct model_caller *caller,
                                    const struct model_request *request,
                                    const struct model_callbacks *callbacks, void *arg, struct status *err);
/* Ends it at once, without a callback; the connection is closed before this returns. */
void model_call_cancel(struct model_call *call);
void model_call_pause(struct model_call *call);
void model_call_resume(struct model_call *call); /* text() may come before this returns */
/* Its seat was served: goes on. On the loop, not from inside a callback. */
void model_call_served(struct line_seat *seat);
