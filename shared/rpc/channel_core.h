/*
 * channel_core: what channel.c and client.c share. Private to shared/rpc.
 */
#pragma once
#include "shared/rpc/client.h"

struct rpc_channel {
    grpc_channel *core;
    const struct rpc_client_method *methods;
    size_t method_count;
    char *target;             /* as the library has it; never spelled like a peer, unless peer_is_vague */
    bool peer_is_vague;       /* the name of a peer may equal the target */
    grpc_slice authorization; /* value of the header; empty: none */
    void *handles[];          /* the library's, of each method */
};
