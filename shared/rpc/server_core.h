/*
 * server_core: what server.c and intake.c share. Private to shared/rpc.
 */
#pragma once
#include "shared/rpc/call_core.h"
#include "shared/rpc/server.h"
#include <pthread.h>

/* What belongs to one queue's thread. */
struct rpc_lane {
    struct rpc_server *server;
    struct rpc_op cancel;
    struct rpc_call *lasting; /* live calls that end when the server stops */
};

struct rpc_server {
    struct rpc_queues *queues;
    grpc_server *core;
    char *address;
    grpc_server_credentials *credentials;
    int port;
    bool is_started;
    struct rpc_entry **entries;
    size_t entry_count;
    char **services; /* sorted names */
    size_t service_count;

    atomic_bool is_draining;
    struct rpc_op shut_down;
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t changed;
    bool is_shut_down;
    size_t objects; /* requests posted, calls alive and ops out: while there are any, the server is needed */
    size_t live;
    size_t lasting; /* of the live: to be cancelled when no others are left */
    uint64_t total;

    struct rpc_lane lanes[]; /* one per queue */
};

/* Requests ready to be posted; made before the server listens, so that a start without memory has no traces. */
struct rpc_intake {
    struct rpc_call *calls;
    struct rpc_unknown *unknown;
};

MUST_CHECK enum status_code rpc_intake_prepare(struct rpc_server *server, struct rpc_intake *ret_intake,
                                               struct status *err);
void rpc_intake_discard(struct rpc_intake *intake);
/* Once the library's server has started. */
void rpc_intake_post(struct rpc_server *server, struct rpc_intake *take_intake);
/* Cancels the streams that would last for ever; on the queues' threads. Once. */
void rpc_intake_cancel_lasting(struct rpc_server *server);

/* server.c. Any thread. Changes of the counts; rpc_server_stop() waits for them. */
void rpc_server_count(struct rpc_server *server, int objects, int live);
void rpc_server_count_lasting(struct rpc_server *server, int lasting);
