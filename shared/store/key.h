/*
 * key: an API key of an app. Only its SHA-256 is kept; the key itself never comes here.
 * See store.h for calls, results, errors and threads. Fields: admin.proto.
 */
#pragma once
#include "shared/store/version.h"

/* keys. Of one store_key_touch(): what one gateway may have seen in a minute is sent in pieces. */
#define STORE_TOUCH_MAX 1000

struct store_key {
    struct str key_id;
    struct str app_id;
    struct str name;
    struct str prefix; /* first characters, for display */
    int64_t created_at_ms;
    int64_t last_used_at_ms; /* 0: never; coarse */
};

struct store_key_page {
    const struct store_key *keys; /* newest first */
    size_t count;
    struct str next_page_token; /* "" for the last page */
};

/* Whose key it is, and what runs with it. */
struct store_key_owner {
    struct str key_id;
    struct store_target target; /* the published version */
};

typedef void (*store_key_done)(void *arg, const struct store_key *key, const struct status *status);
typedef void (*store_key_page_done)(void *arg, const struct store_key_page *page,
                                    const struct status *status);
typedef void (*store_key_owner_done)(void *arg, const struct store_key_owner *owner,
                                     const struct status *status);

struct store_key_create {
    struct str workspace_id;
    struct str app_id;
    struct str name;            /* may be empty */
    uint8_t hash[SHA256_BYTES]; /* of the whole key */
    struct str prefix;          /* at most 16 bytes; nothing one could guess the key from */
};
/*
 * NOT_FOUND        APP_NOT_FOUND
 * ALREADY_EXISTS   KEY_EXISTS: this key belongs to an app already, in whatever workspace
 */
MUST_CHECK enum status_code store_key_create(struct store *store, const struct store_key_create *request,
                                             store_key_done done, void *arg, struct status *err);

struct store_key_list {
    struct str workspace_id;
    struct str app_id; /* "": of all apps */
    int32_t page_size; /* as store_app_list */
    struct str page_token;
};
MUST_CHECK enum status_code store_key_list(struct store *store, const struct store_key_list *request,
                                           store_key_page_done done, void *arg, struct status *err);

struct store_key_ref {
    struct str workspace_id;
    struct str key_id;
};
/* NOT_FOUND   KEY_NOT_FOUND */
MUST_CHECK enum status_code store_key_delete(struct store *store, const struct store_key_ref *request,
                                             store_done done, void *arg, struct status *err);

/* In all workspaces. NOT_FOUND   KEY_NOT_FOUND */
MUST_CHECK enum status_code store_key_find(struct store *store, const uint8_t hash[SHA256_BYTES],
                                           store_key_owner_done done, void *arg, struct status *err);

struct store_key_use {
    struct str workspace_id;
    struct str key_id;
    int64_t used_at_ms;
};
/* Notes when keys were last used; unknown keys and earlier times are ignored. No change that watches hear of. */
MUST_CHECK enum status_code store_key_touch(struct store *store, const struct store_key_use *uses,
                                            size_t count, store_done done, void *arg, struct status *err);
