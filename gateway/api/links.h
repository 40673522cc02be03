/*
 * links: channels to executors: the configured target for new runs, and single executors by the address they gave in Begun,
 * for stops (architecture.md section 4, Stop).
 * Threads  any; made and freed by the main thread.
 */
#pragma once
#include "shared/rpc/client.h"

/* executors. Spoken to by their own address; with more, stops go to the configured target. */
#define LINKS_MAX 256

/* ms. After which an executor may be there, or have room. */
#define LINK_RETRY_MS 1000

enum link_method { LINK_EXECUTE, LINK_STOP, LINK_CHECK_APP, LINK_TEST_CREDENTIAL };

struct links;
/* token: shown to executors; NULL: none. Errors of rpc_channel_new(). */
MUST_CHECK enum status_code links_new(const char *target, const char *token, struct links **ret_links,
                                      struct status *err);
/* After all calls have ended. NULL is fine. */
void links_free(struct links *links);
struct rpc_channel *links_target(struct links *links);
/* The channel to one executor; the configured target when `address` is empty, its own, or cannot be used. */
struct rpc_channel *links_at(struct links *links, struct str address);
/*
 * Puts what went wrong between this gateway and an executor into words for a caller, who has no part in it: UNAVAILABLE,
 * reason EXECUTOR_UNAVAILABLE. An executor's own verdict stays as it is.
 */
void links_explain(struct status *status);
