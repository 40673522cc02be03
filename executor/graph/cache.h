/*
 * cache: compiled graphs by the text they were compiled of, so that a version is compiled once and not once per run.
 * Bounded by count and by memory; what was used longest ago goes first. A graph in use lives on after it has gone.
 * Threads  any; one lock, never held while something is compiled or freed.
 */
#pragma once
#include "executor/graph/graph.h"
#include "shared/base/crypto.h"

struct graph_cache;

/* What a graph is compiled of. */
struct graph_key {
    uint8_t hash[SHA256_BYTES]; /* of the export's text */
    bool fail_when_reached;
};

/* count_max > 0; bytes_max as graph.bytes counts. NULL: no memory. */
struct graph_cache *graph_cache_new(size_t count_max, size_t bytes_max);
void graph_cache_free(struct graph_cache *cache); /* NULL is fine */
struct graph_key graph_key_of(struct str dsl, bool fail_when_reached);
/* A reference of the caller's own; NULL: not there. */
struct graph *graph_cache_get(struct graph_cache *cache, const struct graph_key *key);
/*
 * Adds a graph (the cache takes a reference of its own); one that is there already stays. Without memory, or when it alone
 * is over bytes_max, the cache just stays as it is.
 */
void graph_cache_put(struct graph_cache *cache, const struct graph_key *key, struct graph *g);
/* As graph_compile(), but takes the graph from the cache, or adds it. The report stays empty when it was there. */
MUST_CHECK enum status_code graph_cache_compile(struct graph_cache *cache, struct str dsl,
                                                bool fail_when_reached, struct graph_report *report,
                                                struct graph **ret, struct status *err);
