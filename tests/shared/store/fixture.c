/*
 * fixture: see fixture.h.
 */
#include "tests/shared/store/fixture.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* bytes. All results of one test. */
#define ARENA_BYTES_MAX ((size_t)256 * 1024 * 1024)

/* A call on its way: where its result goes. */
struct waiting {
    struct store_wait wait;
    struct fixture *f;
    void *ret;
};

int fixture_setup_empty(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    const char *tmp = getenv("TMPDIR");
    snprintf(f->dir, sizeof f->dir, "%s/heddle-store-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/heddle.db", f->dir);
    snprintf(f->url, sizeof f->url, "sqlite:%s", f->path);
    arena_init(&f->arena, ARENA_BYTES_MAX);
    *state = f;
    return 0;
}

int fixture_setup(void **state)
{
    fixture_setup_empty(state);
    fixture_reopen(*state, MASTER_KEY_A);
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    arena_fini(&f->arena);
    DIR *dir = opendir(f->dir);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char path[sizeof f->dir + sizeof entry->d_name + 1];
        snprintf(path, sizeof path, "%s/%s", f->dir, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    closedir(dir);
    assert_int_equal(0, rmdir(f->dir));
    free(f);
    return 0;
}

void fixture_reopen(struct fixture *f, const char *master_key)
{
    store_close(f->store);
    f->store = NULL;
    struct store_options options = {.role = STORE_GATEWAY, .schema = STORE_MIGRATE, .master_key = master_key};
    assert_ok(store_open(f->url, &options, &f->store, &f->err));
}

enum status_code fixture_open(struct fixture *f, enum store_role role, enum store_schema schema,
                              struct store **ret)
{
    struct store_options options = {.role = role, .schema = schema, .master_key = MASTER_KEY_A};
    return store_open(f->url, &options, ret, &f->err);
}

struct db *fixture_connect(struct fixture *f)
{
    struct db *db = NULL;
    assert_ok(db_open(f->url, &(struct db_open){.create = true}, &db, &f->err));
    return db;
}

int64_t fixture_number(struct fixture *f, const struct sql *sql)
{
    int64_t number = -1;
    struct db *db = fixture_connect(f);
    struct db_rows rows = db_query(db, sql, DB_NO_VALUES, &f->err);
    while (db_next(&rows))
        number = db_int(&rows, 0);
    assert_ok(db_end(&rows));
    db_close(db);
    return number;
}

void fixture_script(struct fixture *f, const char *script)
{
    struct db *db = fixture_connect(f);
    assert_ok(db_script(db, script, &f->err));
    db_close(db);
}

/* --- copies of results --- */

static void keep(struct fixture *f, struct str *s)
{
    *s = arena_copy(&f->arena, *s);
}

static void *keep_array(struct fixture *f, const void *items, size_t count, size_t size)
{
    void *copy = arena_array(&f->arena, count, size);
    if (count > 0)
        memcpy(copy, items, count * size);
    return copy;
}

static void keep_app(struct fixture *f, struct store_app *app)
{
    keep(f, &app->workspace_id);
    keep(f, &app->app_id);
    keep(f, &app->name);
    keep(f, &app->published_version_id);
}

static void keep_environment(struct fixture *f, struct store_environment *e)
{
    struct store_variable *list = keep_array(f, e->variables, e->count, sizeof *list);
    for (size_t i = 0; i < e->count; i++) {
        keep(f, &list[i].name);
        keep(f, &list[i].value_type);
        keep(f, &list[i].value);
    }
    e->variables = list;
}

static void keep_version(struct fixture *f, struct store_version *v)
{
    keep(f, &v->version_id);
    keep(f, &v->app_id);
    keep(f, &v->dsl_version);
}

static void keep_target(struct fixture *f, struct store_target *t)
{
    keep(f, &t->workspace_id);
    keep(f, &t->app_id);
    keep(f, &t->version_id);
}

static void keep_key(struct fixture *f, struct store_key *key)
{
    keep(f, &key->key_id);
    keep(f, &key->app_id);
    keep(f, &key->name);
    keep(f, &key->prefix);
}

static const struct store_rest *keep_rests(struct fixture *f, const struct store_rest *rests, size_t count)
{
    struct store_rest *list = keep_array(f, rests, count, sizeof *list);
    for (size_t i = 0; i < count; i++) {
        struct str *texts[] = {&list[i].workspace_id, &list[i].credential_id, &list[i].model, &list[i].reason,
                               &list[i].seen_by};
        for (size_t k = 0; k < ARRAY_LEN(texts); k++)
            keep(f, texts[k]);
    }
    return list;
}

static void keep_credential(struct fixture *f, struct store_credential *c)
{
    struct str *texts[] = {&c->workspace_id, &c->credential_id, &c->provider,       &c->protocol,
                           &c->name,         &c->base_url,      &c->disabled_reason};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        keep(f, texts[i]);
    struct str *models = keep_array(f, c->models, c->model_count, sizeof *models);
    for (size_t i = 0; i < c->model_count; i++)
        keep(f, &models[i]);
    c->models = models;
    c->rests = keep_rests(f, c->rests, c->rest_count);
}

static void keep_model(struct fixture *f, struct store_model *m)
{
    struct str *texts[] = {&m->workspace_id,
                           &m->provider,
                           &m->model,
                           &m->protocol,
                           &m->upstream_model,
                           &m->prompt_unit_price,
                           &m->completion_unit_price,
                           &m->price_unit,
                           &m->currency};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        keep(f, texts[i]);
}

/* --- callbacks: one for each kind of result --- */

static void got_app(void *arg, const struct store_app *app, const struct status *status)
{
    struct waiting *w = arg;
    if (app != NULL) {
        *(struct store_app *)w->ret = *app;
        keep_app(w->f, w->ret);
    }
    store_wait_done(&w->wait, status);
}

static void got_app_details(void *arg, const struct store_app_details *details, const struct status *status)
{
    struct waiting *w = arg;
    struct store_app_details *ret = w->ret;
    if (details != NULL) {
        *ret = *details;
        keep_app(w->f, &ret->app);
        keep(w->f, &ret->verdict);
        keep_environment(w->f, &ret->environment);
    }
    store_wait_done(&w->wait, status);
}

static void got_app_page(void *arg, const struct store_app_page *page, const struct status *status)
{
    struct waiting *w = arg;
    struct store_app_page *ret = w->ret;
    if (page != NULL) {
        *ret = *page;
        struct store_app *list = keep_array(w->f, page->apps, page->count, sizeof *list);
        for (size_t i = 0; i < page->count; i++)
            keep_app(w->f, &list[i]);
        ret->apps = list;
        keep(w->f, &ret->next_page_token);
    }
    store_wait_done(&w->wait, status);
}

static void got_environment(void *arg, const struct store_environment *environment,
                            const struct status *status)
{
    struct waiting *w = arg;
    if (environment != NULL) {
        *(struct store_environment *)w->ret = *environment;
        keep_environment(w->f, w->ret);
    }
    store_wait_done(&w->wait, status);
}

static void got_imported(void *arg, const struct store_imported *imported, const struct status *status)
{
    struct waiting *w = arg;
    struct store_imported *ret = w->ret;
    if (imported != NULL) {
        *ret = *imported;
        keep_version(w->f, &ret->version);
    }
    store_wait_done(&w->wait, status);
}

static void got_version(void *arg, const struct store_version *version, const struct status *status)
{
    struct waiting *w = arg;
    if (version != NULL) {
        *(struct store_version *)w->ret = *version;
        keep_version(w->f, w->ret);
    }
    store_wait_done(&w->wait, status);
}

static void got_version_page(void *arg, const struct store_version_page *page, const struct status *status)
{
    struct waiting *w = arg;
    struct store_version_page *ret = w->ret;
    if (page != NULL) {
        *ret = *page;
        struct store_version *list = keep_array(w->f, page->versions, page->count, sizeof *list);
        for (size_t i = 0; i < page->count; i++)
            keep_version(w->f, &list[i]);
        ret->versions = list;
        keep(w->f, &ret->next_page_token);
    }
    store_wait_done(&w->wait, status);
}

static void got_target(void *arg, const struct store_target *target, const struct status *status)
{
    struct waiting *w = arg;
    if (target != NULL) {
        *(struct store_target *)w->ret = *target;
        keep_target(w->f, w->ret);
    }
    store_wait_done(&w->wait, status);
}

static void got_runnable(void *arg, const struct store_runnable *runnable, const struct status *status)
{
    struct waiting *w = arg;
    struct store_runnable *ret = w->ret;
    if (runnable != NULL) {
        *ret = *runnable;
        keep_target(w->f, &ret->target);
        keep(w->f, &ret->dsl);
        keep_environment(w->f, &ret->environment);
    }
    store_wait_done(&w->wait, status);
}

static void got_key(void *arg, const struct store_key *key, const struct status *status)
{
    struct waiting *w = arg;
    if (key != NULL) {
        *(struct store_key *)w->ret = *key;
        keep_key(w->f, w->ret);
    }
    store_wait_done(&w->wait, status);
}

static void got_key_page(void *arg, const struct store_key_page *page, const struct status *status)
{
    struct waiting *w = arg;
    struct store_key_page *ret = w->ret;
    if (page != NULL) {
        *ret = *page;
        struct store_key *list = keep_array(w->f, page->keys, page->count, sizeof *list);
        for (size_t i = 0; i < page->count; i++)
            keep_key(w->f, &list[i]);
        ret->keys = list;
        keep(w->f, &ret->next_page_token);
    }
    store_wait_done(&w->wait, status);
}

static void got_key_owner(void *arg, const struct store_key_owner *owner, const struct status *status)
{
    struct waiting *w = arg;
    struct store_key_owner *ret = w->ret;
    if (owner != NULL) {
        *ret = *owner;
        keep(w->f, &ret->key_id);
        keep_target(w->f, &ret->target);
    }
    store_wait_done(&w->wait, status);
}

static void got_credential(void *arg, const struct store_credential *credential, const struct status *status)
{
    struct waiting *w = arg;
    if (credential != NULL) {
        *(struct store_credential *)w->ret = *credential;
        keep_credential(w->f, w->ret);
    }
    store_wait_done(&w->wait, status);
}

static void got_credential_page(void *arg, const struct store_credential_page *page,
                                const struct status *status)
{
    struct waiting *w = arg;
    struct store_credential_page *ret = w->ret;
    if (page != NULL) {
        *ret = *page;
        struct store_credential *list = keep_array(w->f, page->credentials, page->count, sizeof *list);
        for (size_t i = 0; i < page->count; i++)
            keep_credential(w->f, &list[i]);
        ret->credentials = list;
        keep(w->f, &ret->next_page_token);
    }
    store_wait_done(&w->wait, status);
}

static void got_credential_set(void *arg, const struct store_credential_set *set, const struct status *status)
{
    struct waiting *w = arg;
    struct store_credential_set *ret = w->ret;
    if (set != NULL) {
        *ret = *set;
        struct store_credential_opened *list = keep_array(w->f, set->credentials, set->count, sizeof *list);
        for (size_t i = 0; i < set->count; i++) {
            keep_credential(w->f, &list[i].credential);
            keep(w->f, &list[i].secret);
            keep(w->f, &list[i].problem);
        }
        ret->credentials = list;
    }
    store_wait_done(&w->wait, status);
}

static void got_rests(void *arg, const struct store_rest_set *set, const struct status *status)
{
    struct waiting *w = arg;
    struct store_rest_set *ret = w->ret;
    if (set != NULL)
        *ret = (struct store_rest_set){keep_rests(w->f, set->rests, set->count), set->count};
    store_wait_done(&w->wait, status);
}

static void got_model(void *arg, const struct store_model *model, const struct status *status)
{
    struct waiting *w = arg;
    if (model != NULL) {
        *(struct store_model *)w->ret = *model;
        keep_model(w->f, w->ret);
    }
    store_wait_done(&w->wait, status);
}

static void got_model_page(void *arg, const struct store_model_page *page, const struct status *status)
{
    struct waiting *w = arg;
    struct store_model_page *ret = w->ret;
    if (page != NULL) {
        *ret = *page;
        struct store_model *list = keep_array(w->f, page->models, page->count, sizeof *list);
        for (size_t i = 0; i < page->count; i++)
            keep_model(w->f, &list[i]);
        ret->models = list;
        keep(w->f, &ret->next_page_token);
    }
    store_wait_done(&w->wait, status);
}

/* --- calls that wait --- */

static void begin(struct waiting *w, struct fixture *f, void *ret)
{
    w->f = f;
    w->ret = ret;
    store_wait_init(&w->wait);
    f->err = (struct status){0};
}

static enum status_code end(struct waiting *w, enum status_code submitted)
{
    if (submitted != STATUS_OK) {
        store_wait_fini(&w->wait);
        return submitted;
    }
    return store_wait(&w->wait, &w->f->err);
}

enum status_code import_version(struct fixture *f, const struct store_version_import *r,
                                struct store_imported *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    return end(&w, store_version_import(f->store, r, got_imported, &w, &f->err));
}

struct store_imported import_text(struct fixture *f, const char *app_id, const char *name, const char *dsl)
{
    struct store_imported imported;
    struct store_version_import r = {.app_id = str_c(app_id),
                                     .name = str_c(name),
                                     .mode = STORE_APP_WORKFLOW,
                                     .dsl = str_c(dsl),
                                     .verdict = STR("{}"),
                                     .publish = true};
    sha256(r.dsl, r.content_hash);
    assert_ok(import_version(f, &r, &imported));
    return imported;
}

enum status_code get_app(struct fixture *f, struct str app_id, struct store_app_details *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    struct store_app_ref r = {.app_id = app_id};
    return end(&w, store_app_get(f->store, &r, got_app_details, &w, &f->err));
}

enum status_code update_app(struct fixture *f, const struct store_app_update *r, struct store_app *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    return end(&w, store_app_update(f->store, r, got_app, &w, &f->err));
}

enum status_code delete_app(struct fixture *f, struct str app_id)
{
    struct waiting w;
    begin(&w, f, NULL);
    struct store_app_ref r = {.app_id = app_id};
    return end(&w, store_app_delete(f->store, &r, store_wait_done, &w.wait, &f->err));
}

enum status_code list_apps(struct fixture *f, int32_t page_size, struct str page_token,
                           struct store_app_page *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    struct store_app_list r = {.page_size = page_size, .page_token = page_token};
    return end(&w, store_app_list(f->store, &r, got_app_page, &w, &f->err));
}

enum status_code list_versions(struct fixture *f, struct str app_id, int32_t page_size, struct str page_token,
                               struct store_version_page *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    struct store_version_list r = {.app_id = app_id, .page_size = page_size, .page_token = page_token};
    return end(&w, store_version_list(f->store, &r, got_version_page, &w, &f->err));
}

enum status_code publish_version(struct fixture *f, struct str app_id, struct str version_id,
                                 struct store_version *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    struct store_version_ref r = {.app_id = app_id, .version_id = version_id};
    return end(&w, store_version_publish(f->store, &r, got_version, &w, &f->err));
}

enum status_code find_version(struct fixture *f, struct str app_id, struct str version_id,
                              struct store_target *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    struct store_version_ref r = {.app_id = app_id, .version_id = version_id};
    return end(&w, store_version_find(f->store, &r, got_target, &w, &f->err));
}

enum status_code load_version(struct fixture *f, const struct store_version_load *r,
                              struct store_runnable *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    return end(&w, store_version_load(f->store, r, got_runnable, &w, &f->err));
}

enum status_code change_environment(struct fixture *f, const struct store_environment_change *r,
                                    struct store_environment *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    return end(&w, store_environment_change(f->store, r, got_environment, &w, &f->err));
}

enum status_code create_key(struct fixture *f, struct str app_id, const char *key, struct store_key *ret)
{
    struct store_key_create r = {.app_id = app_id, .name = STR("a key"), .prefix = str_sub(str_c(key), 0, 3)};
    sha256(str_c(key), r.hash);
    return create_key_as(f, &r, ret);
}

enum status_code create_key_as(struct fixture *f, const struct store_key_create *r, struct store_key *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    return end(&w, store_key_create(f->store, r, got_key, &w, &f->err));
}

enum status_code list_keys(struct fixture *f, struct str app_id, int32_t page_size, struct str page_token,
                           struct store_key_page *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    struct store_key_list r = {.app_id = app_id, .page_size = page_size, .page_token = page_token};
    return end(&w, store_key_list(f->store, &r, got_key_page, &w, &f->err));
}

enum status_code delete_key(struct fixture *f, struct str key_id)
{
    struct waiting w;
    begin(&w, f, NULL);
    struct store_key_ref r = {.key_id = key_id};
    return end(&w, store_key_delete(f->store, &r, store_wait_done, &w.wait, &f->err));
}

enum status_code find_key(struct fixture *f, const char *key, struct store_key_owner *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    uint8_t hash[SHA256_BYTES];
    sha256(str_c(key), hash);
    return end(&w, store_key_find(f->store, hash, got_key_owner, &w, &f->err));
}

enum status_code touch_keys(struct fixture *f, const struct store_key_use *uses, size_t count)
{
    struct waiting w;
    begin(&w, f, NULL);
    return end(&w, store_key_touch(f->store, uses, count, store_wait_done, &w.wait, &f->err));
}

enum status_code create_credential(struct fixture *f, const struct store_credential_create *r,
                                   struct store_credential *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    return end(&w, store_credential_create(f->store, r, got_credential, &w, &f->err));
}

enum status_code list_credentials(struct fixture *f, const struct store_credential_list *r,
                                  struct store_credential_page *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    return end(&w, store_credential_list(f->store, r, got_credential_page, &w, &f->err));
}

enum status_code update_credential(struct fixture *f, const struct store_credential_update *r,
                                   struct store_credential *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    return end(&w, store_credential_update(f->store, r, got_credential, &w, &f->err));
}

enum status_code delete_credential(struct fixture *f, struct str credential_id)
{
    struct waiting w;
    begin(&w, f, NULL);
    struct store_credential_ref r = {.credential_id = credential_id};
    return end(&w, store_credential_delete(f->store, &r, store_wait_done, &w.wait, &f->err));
}

enum status_code disable_credential(struct fixture *f, const struct store_credential_disable *r)
{
    struct waiting w;
    begin(&w, f, NULL);
    return end(&w, store_credential_disable(f->store, r, store_wait_done, &w.wait, &f->err));
}

enum status_code put_rest(struct fixture *f, const struct store_rest_put *r)
{
    struct waiting w;
    begin(&w, f, NULL);
    return end(&w, store_rest_put(f->store, r, store_wait_done, &w.wait, &f->err));
}

enum status_code load_rests(struct fixture *f, struct store_rest_set *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    return end(&w, store_rest_load(f->store, got_rests, &w, &f->err));
}

enum status_code load_credentials(struct fixture *f, const char *credential_id,
                                  struct store_credential_set *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    struct store_credential_ref r = {.credential_id = str_c(credential_id)};
    return end(&w, store_credential_load(f->store, credential_id == NULL ? NULL : &r, got_credential_set, &w,
                                         &f->err));
}

enum status_code set_model(struct fixture *f, const struct store_model *r, struct store_model *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    return end(&w, store_model_set(f->store, r, got_model, &w, &f->err));
}

enum status_code remove_model(struct fixture *f, const char *provider, const char *model)
{
    struct waiting w;
    begin(&w, f, NULL);
    struct store_model_ref r = {.provider = str_c(provider), .model = str_c(model)};
    return end(&w, store_model_remove(f->store, &r, store_wait_done, &w.wait, &f->err));
}

enum status_code list_models(struct fixture *f, const struct store_model_list *r,
                             struct store_model_page *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    return end(&w, store_model_list(f->store, r, got_model_page, &w, &f->err));
}

enum status_code load_models(struct fixture *f, struct store_model_page *ret)
{
    struct waiting w;
    begin(&w, f, ret);
    return end(&w, store_model_load(f->store, got_model_page, &w, &f->err));
}
