/*
 * backend: model calls of the workers: a credential of the pool, a protocol, a request on the worker's loop.
 * Threads  model_source is made by the main thread and used by all; what its backend opens belongs to one loop.
 */
#pragma once
#include "executor/worker/workers.h"
#include "shared/store/store.h"

/* ms. Longest silence of a model: a long prompt may think for minutes. */
#define MODEL_IDLE_MS 300000
/* bytes. Of an answer that is not a stream, or of an error's body. */
#define MODEL_BODY_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct model_source;
/* ca_file: PEM of authorities for TLS; NULL: the system's. */
struct model_source_options {
    struct store *store;
    const char *ca_file;
};
/* Reads the credentials (waits for them) and follows their changes. Errors of the store; RESOURCE_EXHAUSTED. */
MUST_CHECK enum status_code model_source_new(const struct model_source_options *options,
                                             struct model_source **ret_source, struct status *err);
/* After the store is closed and the workers are gone. NULL is fine. */
void model_source_free(struct model_source *source);
struct model_backend model_source_backend(struct model_source *source);
/*
 * A gateway has seen this generation of the store: what is asked of the store after this is answered after the credentials have
 * been read anew, if they were behind.
 */
void model_source_catch_up(struct model_source *source, uint64_t generation);
