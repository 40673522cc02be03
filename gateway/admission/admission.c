/* admission: see the header. */
#include "gateway/admission/admission.h"

#include "shared/base/window.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define HASH_FUNCTION     HASH_FNV /* the usual one falls through between cases, which Clang warns of */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

struct admission_app {
    UT_hash_handle hh;
    struct admission_app *prev, *next; /* the one used longest ago first */
    char id[UUID_TEXT_LEN + 1];
    size_t held, inherited;
    struct window admitted;
};
struct admission {
    pthread_mutex_t lock;
    struct admission_app *all;    /* by id */
    struct admission_app *oldest; /* list */
};

struct admission *admission_new(void)
{
    struct admission *a = calloc(1, sizeof *a);
    if (a != NULL)
        pthread_mutex_init(&a->lock, NULL);
    return a;
}

static void forget(struct admission *a, struct admission_app *app)
{
    HASH_DEL(a->all, app);
    DL_DELETE(a->oldest, app);
    window_fini(&app->admitted);
    free(app);
}

void admission_free(struct admission *a)
{
    if (a == NULL)
        return;
    while (a->oldest != NULL)
        forget(a, a->oldest);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

/* Nothing of it has to be known any more. */
static bool is_idle(struct admission_app *app, int64_t now_ms)
{
    window_forget(&app->admitted, now_ms - ADMISSION_WINDOW_MS);
    return app->held + app->inherited + app->admitted.count == 0;
}

/* Two idle ones go for each that comes, so that the table shrinks again. */
static void tidy(struct admission *a, int64_t now_ms)
{
    for (int i = 0; i < 2 && a->oldest != NULL; i++) {
        struct admission_app *app = a->oldest;
        if (is_idle(app, now_ms)) {
            forget(a, app);
            continue;
        }
        DL_DELETE(a->oldest, app);
        DL_APPEND(a->oldest, app);
    }
}

static struct admission_app *find(struct admission *a, struct str app_id)
{
    struct admission_app *app = NULL;
    if (app_id.len == UUID_TEXT_LEN)
        HASH_FIND(hh, a->all, app_id.ptr, UUID_TEXT_LEN, app);
    return app;
}

/* Made when there is none. NULL: no memory, or ADMISSION_APPS_MAX. */
static struct admission_app *obtain(struct admission *a, struct str app_id, int64_t now_ms)
{
    struct admission_app *app = find(a, app_id);
    if (app != NULL)
        return app;
    tidy(a, now_ms);
    if (app_id.len != UUID_TEXT_LEN || HASH_COUNT(a->all) >= ADMISSION_APPS_MAX)
        return NULL;
    app = calloc(1, sizeof *app);
    if (app == NULL)
        return NULL;
    memcpy(app->id, app_id.ptr, UUID_TEXT_LEN);
    HASH_ADD(hh, a->all, id, UUID_TEXT_LEN, app);
    if (app->hh.tbl == NULL) { /* no memory for the table */
        free(app);
        return NULL;
    }
    DL_APPEND(a->oldest, app);
    return app;
}

/* Under the lock. */
static enum status_code take(struct admission_app *app, const struct admission_request *request,
                             struct status *err)
{
    size_t running = app->held + app->inherited;
    if (request->max_active > 0 && running >= (size_t)request->max_active) {
        status_reason(err, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_RUNS",
                      "the app has %zu runs under way, and may have %d", running, request->max_active);
        err->retry_ms = ADMISSION_RETRY_MS;
        return err->code;
    }
    if (request->per_minute > 0) {
        size_t limit = (size_t)request->per_minute;
        window_forget(&app->admitted, request->now_ms - ADMISSION_WINDOW_MS);
        if (app->admitted.count >= limit) {
            status_reason(err, STATUS_RESOURCE_EXHAUSTED, "TOO_MANY_REQUESTS",
                          "the app has begun %zu runs in the last 60 s, and may begin %d",
                          app->admitted.count, request->per_minute);
            int64_t leaves_ms = window_at(&app->admitted, app->admitted.count - limit) + ADMISSION_WINDOW_MS;
            err->retry_ms = leaves_ms > request->now_ms ? leaves_ms - request->now_ms : 1;
            return err->code;
        }
        if (!window_add(&app->admitted, request->now_ms))
            return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory to count the app's runs");
    } else {
        window_fini(&app->admitted);
    }
    app->held++;
    return STATUS_OK;
}

enum status_code admission_take(struct admission *a, const struct admission_request *request,
                                struct admission_slot *ret_slot, struct status *err)
{
    ret_slot->app = NULL;
    pthread_mutex_lock(&a->lock);
    struct admission_app *app = obtain(a, request->app_id, request->now_ms);
    enum status_code rc = app != NULL ? take(app, request, err)
                                      : status_set(err, STATUS_RESOURCE_EXHAUSTED,
                                                   "no memory to count the app's runs, or too many apps");
    if (rc == STATUS_OK)
        ret_slot->app = app;
    pthread_mutex_unlock(&a->lock);
    return rc;
}

void admission_give(struct admission *a, struct admission_slot *slot)
{
    if (slot->app == NULL)
        return;
    pthread_mutex_lock(&a->lock);
    slot->app->held--;
    pthread_mutex_unlock(&a->lock);
    slot->app = NULL;
}

void admission_undo(struct admission *a, struct admission_slot *slot, int64_t taken_at_ms)
{
    if (slot->app == NULL)
        return;
    pthread_mutex_lock(&a->lock);
    slot->app->held--;
    window_remove(&slot->app->admitted, taken_at_ms);
    pthread_mutex_unlock(&a->lock);
    slot->app = NULL;
}

bool admission_set_inherited(struct admission *a, struct str app_id, size_t count)
{
    pthread_mutex_lock(&a->lock);
    struct admission_app *app = count > 0 ? obtain(a, app_id, 0) : find(a, app_id);
    if (app != NULL)
        app->inherited = count;
    pthread_mutex_unlock(&a->lock);
    return app != NULL || count == 0;
}

bool admission_note_admitted(struct admission *a, struct str app_id, int64_t at_ms)
{
    pthread_mutex_lock(&a->lock);
    struct admission_app *app = obtain(a, app_id, at_ms);
    bool ok = app != NULL && window_add(&app->admitted, at_ms);
    pthread_mutex_unlock(&a->lock);
    return ok;
}

size_t admission_held(struct admission *a, struct str app_id)
{
    pthread_mutex_lock(&a->lock);
    const struct admission_app *app = find(a, app_id);
    size_t held = app == NULL ? 0 : app->held + app->inherited;
    pthread_mutex_unlock(&a->lock);
    return held;
}
