/*
 * jwks_fetch: the thread that fetches sets of keys (key_source.h) over HTTP. It is there only while a source has a URL.
 * Threads  made, set and freed by the main thread.
 */
#pragma once
#include "gateway/auth/issuers_file.h"

/* ms. Of one fetch, connecting included: how long a call may wait for its key. */
#define JWKS_FETCH_MS 5000

struct jwks_fetch;
/*
 * Needs http_global_init() before it.
 * RESOURCE_EXHAUSTED   memory, threads or files
 */
MUST_CHECK enum status_code jwks_fetch_new(struct jwks_fetch **ret, struct status *err);
/* From now on these are fetched, and no others. */
void jwks_fetch_set(struct jwks_fetch *fetch, struct issuers *issuers);
/* Somebody wants keys: what is due is looked at now. Any thread. */
void jwks_fetch_wake(struct jwks_fetch *fetch);
/* Ends the thread; whoever waits for keys is told. NULL is allowed. */
void jwks_fetch_free(struct jwks_fetch *fetch);
