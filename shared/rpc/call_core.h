/*
 * call_core: what call.c and server.c share about a call. Private to shared/rpc.
 */
#pragma once
#include "shared/rpc/call.h"
#include "shared/rpc/op.h"
#include <stdatomic.h>

struct rpc_server;

/* One method as a server has it. */
struct rpc_entry {
    struct rpc_server *server;
    const struct rpc_method *method;
    void *service;
    void *handle;                /* the library's */
    atomic_uint_fast64_t *ended; /* calls, by the code they ended with: STATUS_CODES of them */
};

/* codes. OK to UNAUTHENTICATED. */
enum { STATUS_CODES = STATUS_UNAUTHENTICATED + 1 };

/* Bits of rpc_call.flags, which owner and queue thread both change. */
enum { CALL_SENDING = 1, CALL_FINISHING = 2, CALL_CANCELLED = 4 };

struct rpc_call {
    const struct rpc_entry *entry;
    struct rpc_queue *queue;
    struct rpc_op arrived, closed, sent, received, finished; /* one per kind of batch */

    /* Filled in by the library. */
    grpc_call *handle;
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_byte_buffer *payload;  /* the request as it came */
    grpc_byte_buffer *incoming; /* RPC_BIDI: a further message */
    int was_cancelled;

    grpc_slice request;
    char *peer; /* asked for and kept */
    /* The owner's one (carried on by the batch that finishes), and one per batch in flight. At 0, the call has ended. */
    atomic_uint refs;
    atomic_uint flags;
    bool headers_sent;     /* changed by whoever sends */
    bool is_close_watched; /* the batch that tells of cancellation is out */
    bool is_lasting;       /* in its lane's list (intake.c) */
    bool is_started;       /* its handler has seen it */
    bool needs_request;    /* there was no memory for a successor: to be posted again itself */

    /* How it is to be finished, kept while a send is in flight. */
    grpc_status_code code;
    grpc_slice words, details; /* details empty: none */
    grpc_byte_buffer *reply;   /* RPC_UNARY, with OK */

    struct rpc_call *prev, *next; /* in that list */
    max_align_t state[];
};

/* On the queue's thread: has arrived, is accepted; hands it to its handler or refuses it. */
void rpc_call_begin(struct rpc_call *call);
/* NULL without memory. */
struct rpc_call *rpc_call_new(const struct rpc_entry *entry, struct rpc_queue *queue);
/* As new: drops what the last use has left. */
void rpc_call_reset(struct rpc_call *call);
void rpc_call_free(struct rpc_call *call);
/* intake.c: the last batch of the call is done. Queue's thread. */
void rpc_intake_ended(struct rpc_call *call);
