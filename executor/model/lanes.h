/*
 * lanes: which lane and which settings a model of an export leads to. Several names may lead to one lane.
 * Threads  under the lock of the pool.
 */
#pragma once
#include "executor/model/lane.h"

/* names of models. When there are more, those that nobody waits for are forgotten, which costs them no more than their turn. */
#define LANES_ROUTES_MAX 8192

struct lanes_route {
    struct lanes_route *next;
    uint64_t hash;
    struct str workspace_id, provider, model; /* provider: its last part */
    struct snapshot *snapshot; /* that settings and lane were found by; not held, to be compared only */
    const struct model_settings *settings;
    struct lane *lane;
    char texts[];
};
struct lanes {
    struct lanes_route *routes[4096];
    struct lane *lanes[4096];
    size_t route_count;
};

void lanes_fini(struct lanes *lanes); /* a zeroed one is empty; nobody waits */
/*
 * The route of what is asked for, by this snapshot; its lane is fitted to it. NULL: no memory. Lives until the next call of any
 * function here.
 */
struct lanes_route *lanes_route(struct lanes *lanes, struct standings *standings, struct snapshot *snapshot,
                                struct str workspace_id, struct str provider, struct str model);
/* There is another snapshot: all lanes let go of the old one, and routes are found anew. */
void lanes_follow(struct lanes *lanes);
/* Nobody waits in it any more: it is gone when no route leads to it either. */
void lanes_let_go(struct lanes *lanes, struct lane *lane);
