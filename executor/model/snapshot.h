/*
 * snapshot: the credentials and model settings of all workspaces at one moment. A change in the store makes another one; calls
 * in flight keep theirs.
 * Threads  immutable once it is made; the count is anybody's.
 */
#pragma once
#include "executor/model/credential.h"
#include "executor/model/settings.h"
#include <stdatomic.h>

struct snapshot {
    atomic_size_t refs;
    struct arena arena;
    struct credential *credentials;
    size_t count;
    struct settings *settings; /* NULL: none */
};

/* take_settings: NULL for none; taken on success only. RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code snapshot_new(const struct store_credential_set *credentials,
                                         struct settings *take_settings, struct snapshot **ret_snapshot,
                                         struct status *err);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* NULL is fine */
