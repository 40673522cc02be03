/*
 * fixture: a store in a new folder, and each domain function as a call that waits and copies its result into the
 * fixture's arena. Workspace is "default" unless a request says otherwise.
 */
#pragma once
#include "shared/base/arena.h"
#include "shared/base/uuid.h"
#include "shared/store/credential.h"
#include "shared/store/db.h"
#include "shared/store/key.h"
#include "shared/store/model.h"
#include "shared/store/rest.h"
#include "tests/support/check.h"

#define MASTER_KEY_A "a:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define MASTER_KEY_B "b:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define UNKNOWN_ID   "01890000-0000-7000-8000-000000000000"

struct fixture {
    char dir[64], path[96], url[112];
    struct store *store;
    struct arena arena;
    struct status err;
};

/* A gateway's store with MASTER_KEY_A. */
int fixture_setup(void **state);
/* The same without a store: f->store is NULL. */
int fixture_setup_empty(void **state);
int fixture_teardown(void **state);
/* Closes the store and opens the same file with other master keys (NULL: none). */
void fixture_reopen(struct fixture *f, const char *master_key);
MUST_CHECK enum status_code fixture_open(struct fixture *f, enum store_role role, enum store_schema schema,
                                         struct store **ret);
/* A connection of its own, to look at and change what the store has written. */
struct db *fixture_connect(struct fixture *f);
/* A number by a statement of its own connection. */
int64_t fixture_number(struct fixture *f, const struct sql *sql);
void fixture_script(struct fixture *f, const char *script);

enum status_code import_version(struct fixture *f, const struct store_version_import *r,
                                struct store_imported *ret);
/* A workflow app named `name` whose version has the text `dsl`; its hash is computed. */
struct store_imported import_text(struct fixture *f, const char *app_id, const char *name, const char *dsl);

enum status_code get_app(struct fixture *f, struct str app_id, struct store_app_details *ret);
enum status_code update_app(struct fixture *f, const struct store_app_update *r, struct store_app *ret);
enum status_code delete_app(struct fixture *f, struct str app_id);
enum status_code list_apps(struct fixture *f, int32_t page_size, struct str page_token,
                           struct store_app_page *ret);
enum status_code list_versions(struct fixture *f, struct str app_id, int32_t page_size, struct str page_token,
                               struct store_version_page *ret);
enum status_code publish_version(struct fixture *f, struct str app_id, struct str version_id,
                                 struct store_version *ret);
enum status_code find_version(struct fixture *f, struct str app_id, struct str version_id,
                              struct store_target *ret);
enum status_code load_version(struct fixture *f, const struct store_version_load *r,
                              struct store_runnable *ret);
enum status_code change_environment(struct fixture *f, const struct store_environment_change *r,
                                    struct store_environment *ret);
/* With the hash of `key`, its first three bytes as prefix. */
enum status_code create_key(struct fixture *f, struct str app_id, const char *key, struct store_key *ret);
enum status_code create_key_as(struct fixture *f, const struct store_key_create *r, struct store_key *ret);
enum status_code list_keys(struct fixture *f, struct str app_id, int32_t page_size, struct str page_token,
                           struct store_key_page *ret);
enum status_code delete_key(struct fixture *f, struct str key_id);
enum status_code find_key(struct fixture *f, const char *key, struct store_key_owner *ret);
enum status_code touch_keys(struct fixture *f, const struct store_key_use *uses, size_t count);
enum status_code create_credential(struct fixture *f, const struct store_credential_create *r,
                                   struct store_credential *ret);
enum status_code list_credentials(struct fixture *f, const struct store_credential_list *r,
                                  struct store_credential_page *ret);
enum status_code update_credential(struct fixture *f, const struct store_credential_update *r,
                                   struct store_credential *ret);
enum status_code delete_credential(struct fixture *f, struct str credential_id);
/* credential_id NULL: all. */
enum status_code load_credentials(struct fixture *f, const char *credential_id,
                                  struct store_credential_set *ret);
enum status_code disable_credential(struct fixture *f, const struct store_credential_disable *r);
enum status_code put_rest(struct fixture *f, const struct store_rest_put *r);
enum status_code load_rests(struct fixture *f, struct store_rest_set *ret);
enum status_code set_model(struct fixture *f, const struct store_model *r, struct store_model *ret);
enum status_code remove_model(struct fixture *f, const char *provider, const char *model);
enum status_code list_models(struct fixture *f, const struct store_model_list *r,
                             struct store_model_page *ret);
enum status_code load_models(struct fixture *f, struct store_model_page *ret);

/* f->err has this code and reason. */
#define assert_reason(expected_code, expected_reason, f, actual)                                             \
    do {                                                                                                     \
        assert_code((expected_code), (actual));                                                              \
        assert_non_null((f)->err.reason);                                                                    \
        assert_string_equal((expected_reason), (f)->err.reason);                                             \
    } while (0)
/* INVALID_ARGUMENT about this field. */
#define assert_field(expected_field, f, actual)                                                              \
    do {                                                                                                     \
        assert_code(STATUS_INVALID_ARGUMENT, (actual));                                                      \
        assert_string_equal((expected_field), (f)->err.field);                                               \
    } while (0)
