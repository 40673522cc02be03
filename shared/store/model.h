/*
 * model: settings of a provider's model: how it is spoken to and what it costs. (provider, model) is its key.
 * See store.h for calls, results, errors and threads. Fields: admin.proto.
 */
#pragma once
#include "shared/store/store.h"

/* models. Of all workspaces together: every executor holds them all in memory. */
#define STORE_MODELS_MAX 10000

struct store_model {
    struct str workspace_id;
    struct str provider, model; /* not empty */
    struct str protocol;        /* "": as the credential says */
    struct str upstream_model;  /* "": model */
    int64_t context_size;       /* tokens; 0: not known */
    struct str prompt_unit_price, completion_unit_price,
        price_unit; /* decimal text, "" for none or default; not checked here */
    struct str currency;
    bool affinity; /* calls of one conversation prefer one credential */
};

struct store_model_page {
    const struct store_model *models; /* by provider and model */
    size_t count;
    struct str next_page_token; /* "" for the last page */
};

typedef void (*store_model_done)(void *arg, const struct store_model *model, const struct status *status);
typedef void (*store_model_page_done)(void *arg, const struct store_model_page *page,
                                      const struct status *status);

/* Puts all of it in place of what was there. RESOURCE_EXHAUSTED   there are STORE_MODELS_MAX */
MUST_CHECK enum status_code store_model_set(struct store *store, const struct store_model *request,
                                            store_model_done done, void *arg, struct status *err);

struct store_model_ref {
    struct str workspace_id;
    struct str provider, model;
};
/* NOT_FOUND   MODEL_NOT_FOUND */
MUST_CHECK enum status_code store_model_remove(struct store *store, const struct store_model_ref *request,
                                               store_done done, void *arg, struct status *err);

struct store_model_list {
    struct str workspace_id;
    struct str provider; /* "": of all */
    int32_t page_size;   /* as store_app_list */
    struct str page_token;
};
MUST_CHECK enum status_code store_model_list(struct store *store, const struct store_model_list *request,
                                             store_model_page_done done, void *arg, struct status *err);

/* All of all workspaces in one page, by workspace, provider and model. */
MUST_CHECK enum status_code store_model_load(struct store *store, store_model_page_done done, void *arg,
                                             struct status *err);
