/* probe: see the header. */
#include "shared/store/probe.h"

#include <stdlib.h>

struct store_probe {
    struct store *store;
    const char *name;
    pthread_mutex_t lock; /* over the following */
    bool is_out;
    int64_t asked_ms; /* 0: never */
    struct status last;
};

static void answered(void *arg, const struct status *status)
{
    struct store_probe *probe = arg;
    pthread_mutex_lock(&probe->lock);
    probe->is_out = false;
    probe->last = *status;
    pthread_mutex_unlock(&probe->lock);
}

enum status_code store_probe_new(struct store *store, const char *name, struct store_probe **ret_probe,
                                 struct status *err)
{
    struct store_probe *probe = calloc(1, sizeof *probe);
    if (probe == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no memory for a probe");
    probe->store = store;
    probe->name = name;
    pthread_mutex_init(&probe->lock, NULL);
    *ret_probe = probe;
    return STATUS_OK;
}

void store_probe_free(struct store_probe *probe)
{
    if (probe == NULL)
        return;
    pthread_mutex_destroy(&probe->lock);
    free(probe);
}

/* Under the lock. A queue that is full shows that others ask in vain, too. */
static bool is_due(struct store_probe *probe, int64_t now_ms)
{
    if (probe->is_out || (probe->asked_ms != 0 && now_ms - probe->asked_ms < STORE_PROBE_EVERY_MS))
        return false;
    probe->is_out = true;
    probe->asked_ms = now_ms;
    return true;
}

void store_probe_look(struct store_probe *probe, int64_t now_ms, struct buf *words)
{
    struct status err;
    pthread_mutex_lock(&probe->lock);
    bool asks = is_due(probe, now_ms);
    pthread_mutex_unlock(&probe->lock);
    if (asks && store_ping(probe->store, answered, probe, &err) != STATUS_OK)
        answered(probe, &err);
    pthread_mutex_lock(&probe->lock);
    if (probe->is_out && now_ms - probe->asked_ms >= STORE_PROBE_LATE_MS)
        buf_printf(words, "the %s has not answered for %d s\n", probe->name, STORE_PROBE_LATE_MS / 1000);
    else if (probe->last.code != STATUS_OK)
        buf_printf(words, "the %s is away: %s\n", probe->name, probe->last.message);
    pthread_mutex_unlock(&probe->lock);
}
