/*
 * version_import: store_version_import() of version.h: makes an app when there is none, and a version of it when its text is
 * new, in one transaction.
 */
#include "shared/limits.h"
#include "shared/store/field.h"
#include "shared/store/version_rows.h"

struct import_call {
    struct call call;
    struct store_version_import request;
    struct store_imported result;
    store_imported_done done;
};

static enum status_code import_run(struct call *call, struct db *db, struct status *err);
static void import_answer(struct call *call, const struct status *status);
static enum status_code import_check(struct store_version_import *r, struct status *err);
static enum status_code find_app(struct import_call *c, struct db *db, bool *ret_found, struct status *err);
static enum status_code find_same(struct import_call *c, struct db *db, struct str *ret_version_id,
                                  struct status *err);
static enum status_code create_app(struct import_call *c, struct db *db, struct str version_id,
                                   struct status *err);
static enum status_code change_app(struct import_call *c, struct db *db, struct str version_id,
                                   struct status *err);
static enum status_code create_version(struct import_call *c, struct db *db, struct str version_id,
                                       struct status *err);
static enum status_code renew_version(struct import_call *c, struct db *db, struct str version_id,
                                      struct status *err);
static struct str hash_of(struct import_call *c);

enum status_code store_version_import(struct store *store, const struct store_version_import *request,
                                      store_imported_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_WRITE, import_run, import_answer};
    struct import_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    struct store_version_import *r = &c->request;
    struct str *texts[] = {&r->workspace_id, &r->app_id,      &r->name,   &r->fallback_name,
                           &r->dsl,          &r->dsl_version, &r->verdict};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        call_keep(&c->call, texts[i]);
    return call_submit(&c->call, err);
}

static enum status_code import_run(struct call *call, struct db *db, struct status *err)
{
    struct import_call *c = CONTAINER_OF(call, struct import_call, call);
    struct store_version_import *r = &c->request;
    bool has_app = false;
    struct str version_id = STR("");
    enum status_code rc = import_check(r, err);
    if (rc == STATUS_OK && r->app_id.len > 0)
        rc = find_app(c, db, &has_app, err);
    if (rc == STATUS_OK && has_app)
        rc = find_same(c, db, &version_id, err);
    if (rc != STATUS_OK)
        return rc;
    if (r->app_id.len == 0)
        r->app_id = call_new_id(call);
    c->result.app_created = !has_app;
    c->result.created = version_id.len == 0;
    if (c->result.created)
        version_id = call_new_id(call);
    rc = call_end(call, STATUS_OK, err);
    if (rc == STATUS_OK && !has_app)
        rc = create_app(c, db, version_id, err);
    if (rc == STATUS_OK)
        rc = c->result.created ? create_version(c, db, version_id, err)
                               : renew_version(c, db, version_id, err);
    if (rc == STATUS_OK && has_app)
        rc = change_app(c, db, version_id, err);
    if (rc == STATUS_OK)
        rc = version_get(call, db, r->workspace_id, r->app_id, version_id, &c->result.version, err);
    return rc;
}

static void import_answer(struct call *call, const struct status *status)
{
    struct import_call *c = CONTAINER_OF(call, struct import_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

static enum status_code import_check(struct store_version_import *r, struct status *err)
{
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK && r->app_id.len > 0)
        rc = field_id("app_id", r->app_id, err);
    if (rc == STATUS_OK)
        rc = field_text("name", r->name, 0, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK)
        rc = field_text("dsl", r->dsl, 1, LIMIT_DSL_BYTES, err);
    if (rc == STATUS_OK)
        rc = field_text("dsl_version", r->dsl_version, 0, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK)
        rc = field_text("verdict", r->verdict, 0, STORE_VERDICT_BYTES_MAX, err);
    return rc;
}

static enum status_code find_app(struct import_call *c, struct db *db, bool *ret_found, struct status *err)
{
    static const struct sql sql = {"select mode from apps where workspace_id = $1 and id = $2"};
    struct store_version_import *r = &c->request;
    enum store_app_mode mode = r->mode;
    struct db_rows rows = db_query(db, &sql, DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id)), err);
    while (db_next(&rows)) {
        mode = app_mode_column(&c->call, &rows, 0);
        *ret_found = true;
    }
    enum status_code rc = call_end(&c->call, db_end(&rows), err);
    if (rc == STATUS_OK && mode != r->mode)
        return status_reason(err, STATUS_FAILED_PRECONDITION, "APP_MODE_MISMATCH",
                             "app %.*s is a %s app; the export is %s", STR_ARG(r->app_id),
                             store_app_mode_name(mode), store_app_mode_name(r->mode));
    return rc;
}

/* "" when no version has this text. */
static enum status_code find_same(struct import_call *c, struct db *db, struct str *ret_version_id,
                                  struct status *err)
{
    static const struct sql sql = {
        "select id from app_versions where workspace_id = $1 and app_id = $2 and content_hash = $3"};
    struct store_version_import *r = &c->request;
    struct db_rows rows =
        db_query(db, &sql, DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id), DB_BLOB(hash_of(c))), err);
    while (db_next(&rows))
        *ret_version_id = call_text(&c->call, &rows, 0);
    return db_end(&rows);
}

/* Before its version: that the two name each other is checked at commit. */
static enum status_code create_app(struct import_call *c, struct db *db, struct str version_id,
                                   struct status *err)
{
    static const struct sql sql = {"insert into apps (workspace_id, id, name, mode, published_version_id, "
                                   "created_at_ms, updated_at_ms) values ($1, $2, $3, $4, $5, $6, $6)"};
    struct store_version_import *r = &c->request;
    struct str name = r->name.len > 0 ? r->name : r->fallback_name;
    enum status_code rc = field_text("name", name, 1, STORE_NAME_BYTES_MAX, err);
    if (rc != STATUS_OK)
        return rc;
    return db_run(db, &sql,
                  DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id), DB_TEXT(name),
                            DB_TEXT(str_c(store_app_mode_name(r->mode))), DB_TEXT(version_id),
                            DB_INT(c->call.now_ms)),
                  err);
}

static enum status_code change_app(struct import_call *c, struct db *db, struct str version_id,
                                   struct status *err)
{
    static const struct sql sql = {"update apps set name = coalesce($3, name), "
                                   "published_version_id = coalesce($4, published_version_id), "
                                   "updated_at_ms = $5 where workspace_id = $1 and id = $2"};
    struct store_version_import *r = &c->request;
    return db_run(db, &sql,
                  DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id),
                            r->name.len > 0 ? DB_TEXT(r->name) : DB_NULL,
                            r->publish ? DB_TEXT(version_id) : DB_NULL, DB_INT(c->call.now_ms)),
                  err);
}

static enum status_code create_version(struct import_call *c, struct db *db, struct str version_id,
                                       struct status *err)
{
    static const struct sql sql = {
        "insert into app_versions (workspace_id, app_id, id, number, mode, content_hash, fail_when_reached, "
        "dsl_version, created_at_ms, verdict, dsl) "
        "select $1, $2, $3, coalesce(max(number), 0) + 1, $4, $5, $6, $7, $8, $9, $10 from app_versions "
        "where workspace_id = $1 and app_id = $2"};
    struct store_version_import *r = &c->request;
    return db_run(db, &sql,
                  DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id), DB_TEXT(version_id),
                            DB_TEXT(str_c(store_app_mode_name(r->mode))), DB_BLOB(hash_of(c)),
                            DB_INT(r->fail_when_reached), DB_TEXT(r->dsl_version), DB_INT(c->call.now_ms),
                            DB_TEXT(r->verdict), DB_TEXT(r->dsl)),
                  err);
}

/* What this Heddle says of a text may be another thing than what an older one said. */
static enum status_code renew_version(struct import_call *c, struct db *db, struct str version_id,
                                      struct status *err)
{
    static const struct sql sql = {"update app_versions set verdict = $4, fail_when_reached = $5 "
                                   "where workspace_id = $1 and app_id = $2 and id = $3"};
    struct store_version_import *r = &c->request;
    return db_run(db, &sql,
                  DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id), DB_TEXT(version_id),
                            DB_TEXT(r->verdict), DB_INT(r->fail_when_reached)),
                  err);
}

static struct str hash_of(struct import_call *c)
{
    return (struct str){(const char *)c->request.content_hash, SHA256_BYTES};
}
