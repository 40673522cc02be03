/*
 * gateway: heddle.v1.ChatService, WorkflowService, TaskService and ConversationService: who calls, what for, where it goes;
 * and the relay (architecture.md section 4).
 * Threads  made by the main thread; lives until its servers and queues are ended and the store is closed.
 */
#pragma once
#include "gateway/api/links.h"
#include "gateway/api/live.h"
#include "gateway/api/lookups.h"
#include "gateway/api/meters.h"
#include "gateway/api/tasks.h"
#include "gateway/auth/key_cache.h"
#include "shared/rpc/server.h"

struct otlp;
struct tokens;
/*
 * store, records   STORE_CONTROL and STORE_RECORDS of one store
 * instance_id      of this process, for people
 * tokens           JSON Web Tokens (gateway/auth/tokens.h)
 * otlp             where spans go (shared/otlp/exporter.h); NULL: nowhere
 * meters           what is counted
 * runs_max         that may be under way at a time
 */
struct gateway_options {
    struct rpc_queues *queues;
    struct store *store, *records;
    const char *instance_id;
    struct links *links;
    struct tokens *tokens;
    struct otlp *otlp;
    struct meters *meters;
    size_t runs_max;
};
struct gateway { /* read-only once made, but for what locks itself */
    struct store *store, *records;
    struct links *links;
    struct tasks *tasks;
    struct live *live;
    struct lookups *lookups;
    struct key_cache *keys, *apps; /* what API keys open; what tokens open, by app */
    struct tokens *tokens;
    struct otlp *otlp;
    struct meters *meters;
    char instance_id[UUID_TEXT_LEN + 1];
    atomic_bool is_draining;
    size_t runs_max;
    atomic_size_t live_runs;
    _Atomic int64_t complained_at_ms;
};

/* Follows the store's changes. RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code gateway_new(const struct gateway_options *options, struct gateway **ret_gateway,
                                        struct status *err);
void gateway_free(struct gateway *gateway); /* NULL is fine */
/* Adds the services to a server before its start. Errors as rpc_server_add(). */
MUST_CHECK enum status_code gateway_add(struct gateway *gateway, struct rpc_server *server,
                                        struct status *err);
/* New runs are refused from now on (UNAVAILABLE, SHUTTING_DOWN). */
void gateway_drain(struct gateway *gateway);
/*
 * Ends the runs under way: their executors are asked to, and their last events still come. Runs with on_disconnect CONTINUE
 * go on, and only their callers are sent away. Any thread.
 */
void gateway_end_runs(struct gateway *gateway);
/* An app was deleted: its runs are stopped, its records are removed. Any thread. */
void gateway_app_deleted(void *gateway, struct str app_id);
/* Every LOOKUP_TICK_MS or more often, from the main thread: nobody waits for the records without end. */
void gateway_tick(struct gateway *gateway);
/* Runs that are relayed, or whose streams have not quite ended. Any thread. */
size_t gateway_live_runs(const struct gateway *gateway);
/* Notes in the store which keys were used lately; now and then, from the main thread. */
void gateway_note_key_uses(struct gateway *gateway);

/* --- inside gateway/api --- */

/* Which of the two a call is: what it takes and what may use it. */
enum run_service { RUN_CHAT, RUN_WORKFLOW };
/* Bytes of rpc_call_state() of a call that is for a run. */
struct run_state {
    struct run_call *run; /* a reference */
};
void chat_start(struct rpc_call *call);
void workflow_start(struct rpc_call *call);
void run_sent(struct rpc_call *call, bool ok);
void run_cancelled(struct rpc_call *call);
void run_ended(struct rpc_call *call);
