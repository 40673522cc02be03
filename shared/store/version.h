/*
 * version: one stored export of an app. Its text never changes; one version of each app is the published one.
 * See store.h for calls, results, errors and threads. Fields: admin.proto.
 */
#pragma once
#include "shared/base/crypto.h"
#include "shared/store/app.h"

/* bytes. verdict: what the admin service can say of an export at all. */
#define STORE_VERDICT_BYTES_MAX (12 * 1024 * 1024)

struct store_version {
    struct str version_id;
    struct str app_id;
    int32_t number; /* from 1 */
    enum store_app_mode mode;
    uint8_t content_hash[SHA256_BYTES];
    bool published;
    bool fail_when_reached; /* imported with UNSUPPORTED_FAIL_WHEN_REACHED */
    struct str dsl_version; /* the export's own `version` */
    int64_t created_at_ms;
};

struct store_version_page {
    const struct store_version *versions; /* newest first */
    size_t count;
    struct str next_page_token; /* "" for the last page */
};

/*
 * app_id              "": a new app; unknown: an app with this id is made; else a new version of it
 * name                "": new apps get fallback_name, others keep theirs
 * fallback_name       the export's name
 * dsl                 the export, up to LIMIT_DSL_BYTES
 * content_hash        SHA-256 of dsl. The same hash in one app is the same version: its number and text stay, verdict and
 *                     fail_when_reached become those given here
 * verdict             what the compiler said, for GetApp; opaque here (JSON by convention). No secrets: it is stored as it is
 * publish             make it the published version; an app's first version is published in any case
 */
struct store_version_import {
    struct str workspace_id;
    struct str app_id;
    struct str name;
    struct str fallback_name;
    enum store_app_mode mode;
    struct str dsl;
    uint8_t content_hash[SHA256_BYTES];
    struct str dsl_version;
    struct str verdict;
    bool fail_when_reached;
    bool publish;
};

struct store_imported {
    struct store_version version; /* version.published: it is the published one now */
    bool app_created;
    bool created; /* false: the version was there */
};

/* What is known of an app that is to run, and of the version to run: what a gateway needs. */
struct store_target {
    struct str workspace_id;
    struct str app_id;
    enum store_app_mode mode; /* the app's and the version's: they are the same */
    bool disabled;
    int32_t max_active_requests, requests_per_minute; /* 0: no limit */
    enum store_record record;
    int32_t priority; /* as store_app's */
    struct str version_id;
    int32_t version_number; /* of the app's, from 1 */
    uint8_t content_hash[SHA256_BYTES];
    bool fail_when_reached;
};

/* What an executor needs of it. Values of secrets are opened. */
struct store_runnable {
    struct store_target target;
    struct str dsl;
    struct store_environment environment;
};

typedef void (*store_imported_done)(void *arg, const struct store_imported *imported,
                                    const struct status *status);
typedef void (*store_version_done)(void *arg, const struct store_version *version,
                                   const struct status *status);
typedef void (*store_version_page_done)(void *arg, const struct store_version_page *page,
                                        const struct status *status);
typedef void (*store_target_done)(void *arg, const struct store_target *target, const struct status *status);
typedef void (*store_runnable_done)(void *arg, const struct store_runnable *runnable,
                                    const struct status *status);

/* FAILED_PRECONDITION   APP_MODE_MISMATCH: the app is of another mode */
MUST_CHECK enum status_code store_version_import(struct store *store,
                                                 const struct store_version_import *request,
                                                 store_imported_done done, void *arg, struct status *err);

struct store_version_list {
    struct str workspace_id;
    struct str app_id;
    int32_t page_size; /* as store_app_list */
    struct str page_token;
};
/* NOT_FOUND   APP_NOT_FOUND */
MUST_CHECK enum status_code store_version_list(struct store *store, const struct store_version_list *request,
                                               store_version_page_done done, void *arg, struct status *err);

struct store_version_ref {
    struct str workspace_id;
    struct str app_id;
    struct str version_id;
};
/* Makes it the published one. NOT_FOUND   APP_NOT_FOUND, VERSION_NOT_FOUND (also: one of another app) */
MUST_CHECK enum status_code store_version_publish(struct store *store,
                                                  const struct store_version_ref *request,
                                                  store_version_done done, void *arg, struct status *err);

/* version_id "": the published one. NOT_FOUND   APP_NOT_FOUND, VERSION_NOT_FOUND */
MUST_CHECK enum status_code store_version_find(struct store *store, const struct store_version_ref *request,
                                               store_target_done done, void *arg, struct status *err);

/* omit_dsl: the caller has the text (or its graph) by its hash already; result.dsl is "" then. */
struct store_version_load {
    struct store_version_ref ref;
    bool omit_dsl;
};
/*
 * version_id "": the published one.
 * NOT_FOUND             APP_NOT_FOUND, VERSION_NOT_FOUND
 * FAILED_PRECONDITION   NO_MASTER_KEY: a secret variable cannot be opened
 */
MUST_CHECK enum status_code store_version_load(struct store *store, const struct store_version_load *request,
                                               store_runnable_done done, void *arg, struct status *err);
