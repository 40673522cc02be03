/*
 * probe: is a store there? It is asked something small now and then; who wants to know is told what the last answer was, or
 * that none comes.
 * Threads  store_probe_look() by one at a time; made before, and freed after the store is closed.
 */
#pragma once
#include "shared/base/buf.h"
#include "shared/store/store.h"

/* ms. Between two questions; and without an answer until the store counts as away. */
#define STORE_PROBE_EVERY_MS 1000
#define STORE_PROBE_LATE_MS  5000

struct store_probe;
/* name: for words ("store", "records"); static. RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code store_probe_new(struct store *store, const char *name,
                                            struct store_probe **ret_probe, struct status *err);
void store_probe_free(struct store_probe *probe); /* NULL is fine */
/* Asks when it is time to, and puts a line of words when the store is away. now_ms: monotonic. */
void store_probe_look(struct store_probe *probe, int64_t now_ms, struct buf *words);
