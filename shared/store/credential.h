/*
 * credential: what a model provider knows us by. Its secret is sealed at rest (AES-256-GCM, bound to its row).
 * See store.h for calls, results, errors and threads. Fields: admin.proto.
 */
#pragma once
#include "shared/store/store.h"

/* globs of one credential, and bytes of them together. */
#define STORE_GLOBS_MAX       100
#define STORE_GLOBS_BYTES_MAX 4096
/* bytes. base_url. */
#define STORE_URL_BYTES_MAX 2048
/* requests. Per minute: each is remembered for 60 s. */
#define STORE_REQUESTS_MAX 1000000
/* Weights of a pool are added up in 32 bits. */
#define STORE_WEIGHT_MAX 1000000
/* bytes. Why a credential was disabled, or rests. */
#define STORE_REASON_BYTES_MAX 500
/* rests. Of one credential, that are listed with it. */
#define STORE_CREDENTIAL_RESTS_MAX 50
/* credentials. Of all workspaces together: every executor holds them all in memory. */
#define STORE_CREDENTIALS_MAX 2000

struct store_rest; /* rest.h */

struct store_credential {
    struct str workspace_id;
    struct str credential_id;
    struct str provider;
    struct str protocol;
    struct str name;
    struct str base_url;
    const struct str *models; /* globs; at least one */
    size_t model_count;
    int32_t weight; /* at least 1 */
    bool disabled;
    struct str disabled_reason;                  /* why, when an executor has disabled it; "" else */
    int32_t requests_per_minute, max_concurrent; /* 0: no limit */
    int64_t tokens_per_minute;                   /* 0: no limit */
    /*
     * Since when its provider may see it in a new light: its last new secret, enabling, or end of rests by hand; another
     * number each time. What was learnt of it before (rests, refusals in a row) is void then.
     */
    int64_t fresh_since_ms;
    int64_t created_at_ms, updated_at_ms;
    const struct store_rest *rests; /* by model, at most STORE_CREDENTIAL_RESTS_MAX; none when loaded */
    size_t rest_count;
};

struct store_credential_page {
    const struct store_credential *credentials; /* by provider and name */
    size_t count;
    struct str next_page_token; /* "" for the last page */
};

/*
 * A credential with its secret.
 * secret    "" when it has none, or when it could not be opened
 * problem   "" or why it could not be opened (words for people); such a credential is not to be used
 */
struct store_credential_opened {
    struct store_credential credential;
    struct str secret;
    struct str problem;
};

struct store_credential_set {
    const struct store_credential_opened *credentials; /* by workspace, provider and name */
    size_t count;
};

typedef void (*store_credential_done)(void *arg, const struct store_credential *credential,
                                      const struct status *status);
typedef void (*store_credential_page_done)(void *arg, const struct store_credential_page *page,
                                           const struct status *status);
typedef void (*store_credential_set_done)(void *arg, const struct store_credential_set *set,
                                          const struct status *status);

struct store_credential_create {
    struct str workspace_id;
    struct str provider; /* not empty */
    struct str protocol; /* "": "openai" */
    struct str name;     /* not empty */
    struct str base_url; /* not empty */
    struct str secret;   /* "": none */
    const struct str *models;
    size_t model_count; /* 0: "*" */
    int32_t weight;     /* 0: 1 */
    bool disabled;
    int32_t requests_per_minute, max_concurrent; /* 0: no limit */
    int64_t tokens_per_minute;                   /* 0: no limit */
};
/*
 * FAILED_PRECONDITION   NO_MASTER_KEY: there is a secret and nothing to seal it with
 * ALREADY_EXISTS        CREDENTIAL_EXISTS: the provider has one of this name
 * RESOURCE_EXHAUSTED    there are STORE_CREDENTIALS_MAX
 */
MUST_CHECK enum status_code store_credential_create(struct store *store,
                                                    const struct store_credential_create *request,
                                                    store_credential_done done, void *arg,
                                                    struct status *err);

struct store_credential_list {
    struct str workspace_id;
    struct str provider; /* "": of all */
    int32_t page_size;   /* as store_app_list */
    struct str page_token;
};
MUST_CHECK enum status_code store_credential_list(struct store *store,
                                                  const struct store_credential_list *request,
                                                  store_credential_page_done done, void *arg,
                                                  struct status *err);

/* What is not `has_…` stays as it is. */
struct store_credential_update {
    struct str workspace_id;
    struct str credential_id;
    bool has_name, has_base_url, has_secret, has_models, has_weight, has_disabled, has_protocol,
        has_requests_per_minute, has_tokens_per_minute, has_max_concurrent;
    bool ends_rests;
    struct str protocol; /* "": "openai" */
    int32_t requests_per_minute, max_concurrent;
    int64_t tokens_per_minute;
    struct str name;     /* not empty */
    struct str base_url; /* not empty */
    struct str secret;   /* "": none any more */
    const struct str *models;
    size_t model_count; /* 0: "*" */
    int32_t weight;     /* 0: 1 */
    bool disabled;
};
/*
 * Gives the credential as it is now. A new secret, and being enabled, end its rests and clear disabled_reason.
 * NOT_FOUND   CREDENTIAL_NOT_FOUND; and the errors of store_credential_create()
 */
MUST_CHECK enum status_code store_credential_update(struct store *store,
                                                    const struct store_credential_update *request,
                                                    store_credential_done done, void *arg,
                                                    struct status *err);

struct store_credential_ref {
    struct str workspace_id;
    struct str credential_id;
};
/* NOT_FOUND   CREDENTIAL_NOT_FOUND */
MUST_CHECK enum status_code store_credential_delete(struct store *store,
                                                    const struct store_credential_ref *request,
                                                    store_done done, void *arg, struct status *err);

/*
 * All credentials of all workspaces (request NULL), or one, with secrets; disabled ones too. The memory of the secrets is
 * wiped after `done`.
 * NOT_FOUND             CREDENTIAL_NOT_FOUND
 * FAILED_PRECONDITION   NO_MASTER_KEY: there are secrets, and no master key at all. (With other master keys than those
 *                       that sealed: OK, and `problem` says it.)
 */
MUST_CHECK enum status_code store_credential_load(struct store *store,
                                                  const struct store_credential_ref *request,
                                                  store_credential_set_done done, void *arg,
                                                  struct status *err);

/* For executors: a provider does not take it any more. NOT_FOUND   CREDENTIAL_NOT_FOUND */
struct store_credential_disable {
    struct store_credential_ref ref;
    struct str reason; /* for people; cut to STORE_REASON_BYTES_MAX */
    int64_t
        fresh_since_ms; /* of the credential that was refused: nothing happens when it has changed; 0: whatever it is */
};
MUST_CHECK enum status_code store_credential_disable(struct store *store,
                                                     const struct store_credential_disable *request,
                                                     store_done done, void *arg, struct status *err);
