/*
 * app: one Dify application of a workspace, and its settings.
 * See store.h for calls, results, errors and threads. Fields: admin.proto.
 */
#pragma once
#include "shared/store/environment.h"

enum store_app_mode { STORE_APP_WORKFLOW, STORE_APP_CHAT };
/* "workflow", "advanced-chat": the export's app.mode. */
const char *store_app_mode_name(enum store_app_mode mode);
/* False for another word: nothing written. */
bool store_app_mode_from(struct str name, enum store_app_mode *ret);

/* Of apps, in either direction. */
#define STORE_PRIORITY_MAX 100
/* How much of a run is kept. */
enum store_record { STORE_RECORD_FULL, STORE_RECORD_SUMMARY, STORE_RECORD_NONE };

struct store_app {
    struct str workspace_id;
    struct str app_id;
    struct str name;
    enum store_app_mode mode;
    bool disabled;
    struct str published_version_id; /* there always is one */
    int32_t max_active_requests;     /* 0: no limit */
    int32_t requests_per_minute;     /* 0: no limit */
    enum store_record record;
    int32_t retention_days; /* 0: for ever */
    int32_t priority;       /* where model calls wait for a credential: the higher one first */
    int64_t created_at_ms, updated_at_ms;
};

/* One app with the verdict on its published version and its own variables (values of secrets are ""). */
struct store_app_details {
    struct store_app app;
    struct str verdict; /* as given to store_version_import() */
    struct store_environment environment;
};

struct store_app_page {
    const struct store_app *apps; /* by name */
    size_t count;
    struct str next_page_token; /* "" for the last page */
};

typedef void (*store_app_done)(void *arg, const struct store_app *app, const struct status *status);
typedef void (*store_app_details_done)(void *arg, const struct store_app_details *details,
                                       const struct status *status);
typedef void (*store_app_page_done)(void *arg, const struct store_app_page *page,
                                    const struct status *status);

/* Apps are made by store_version_import() (version.h). */

struct store_app_list {
    struct str workspace_id;
    int32_t page_size; /* 0: STORE_PAGE_DEFAULT; over STORE_PAGE_MAX or negative: INVALID_ARGUMENT */
    struct str page_token;
};
MUST_CHECK enum status_code store_app_list(struct store *store, const struct store_app_list *request,
                                           store_app_page_done done, void *arg, struct status *err);

struct store_app_ref {
    struct str workspace_id;
    struct str app_id;
};
/* NOT_FOUND   APP_NOT_FOUND */
MUST_CHECK enum status_code store_app_get(struct store *store, const struct store_app_ref *request,
                                          store_app_details_done done, void *arg, struct status *err);

/* What is not `has_…` stays as it is. */
struct store_app_update {
    struct str workspace_id;
    struct str app_id;
    bool has_name, has_disabled, has_max_active_requests, has_requests_per_minute, has_record,
        has_retention_days, has_priority;
    struct str name; /* not empty */
    bool disabled;
    int32_t max_active_requests, requests_per_minute; /* not negative */
    enum store_record record;
    int32_t retention_days; /* not negative */
    int32_t priority;       /* -STORE_PRIORITY_MAX to STORE_PRIORITY_MAX */
};
/* Gives the app as it is now. NOT_FOUND   APP_NOT_FOUND */
MUST_CHECK enum status_code store_app_update(struct store *store, const struct store_app_update *request,
                                             store_app_done done, void *arg, struct status *err);

/* With its versions, keys and variables. NOT_FOUND   APP_NOT_FOUND */
MUST_CHECK enum status_code store_app_delete(struct store *store, const struct store_app_ref *request,
                                             store_done done, void *arg, struct status *err);
