/* snapshot: see the header. */
#include "executor/model/snapshot.h"

#include <stdlib.h>

/* bytes. Texts of STORE_CREDENTIALS_MAX credentials. */
#define SNAPSHOT_BYTES_MAX ((size_t)64 * 1024 * 1024)

enum status_code snapshot_new(const struct store_credential_set *credentials, struct settings *take_settings,
                              struct snapshot **ret_snapshot, struct status *err)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "credentials: out of memory");
    atomic_init(&snapshot->refs, 1);
    arena_init(&snapshot->arena, SNAPSHOT_BYTES_MAX);
    snapshot->credentials =
        arena_array(&snapshot->arena, credentials->count + 1, sizeof *snapshot->credentials);
    bool has_memory = snapshot->credentials != NULL;
    while (has_memory && snapshot->count < credentials->count) {
        size_t i = snapshot->count++; /* also half of one: it has headers to free */
        has_memory =
            credential_read(&snapshot->arena, &credentials->credentials[i], &snapshot->credentials[i]);
    }
    if (!has_memory) {
        snapshot_unref(snapshot);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "credentials: out of memory");
    }
    snapshot->settings = take_settings;
    *ret_snapshot = snapshot;
    return STATUS_OK;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot == NULL || atomic_fetch_sub(&snapshot->refs, 1) != 1)
        return;
    for (size_t i = 0; i < snapshot->count; i++)
        credential_fini(&snapshot->credentials[i]);
    settings_free(snapshot->settings);
    arena_fini(&snapshot->arena);
    free(snapshot);
}
