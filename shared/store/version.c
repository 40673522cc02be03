/*
 * version: see version.h. Importing is in version_import.c.
 */
#include "shared/store/version.h"
#include "shared/store/field.h"
#include "shared/store/page.h"
#include "shared/store/version_rows.h"
#include <stdio.h>
#include <string.h>

struct version_list_call {
    struct call call;
    struct store_version_list request;
    struct store_version_page result;
    store_version_page_done done;
};
struct version_publish_call {
    struct call call;
    struct store_version_ref request;
    struct store_version result;
    store_version_done done;
};
struct version_find_call {
    struct call call;
    struct store_version_ref request;
    struct store_target result;
    store_target_done done;
};
struct version_load_call {
    struct call call;
    struct store_version_load request;
    struct store_runnable result;
    store_runnable_done done;
};

static enum status_code list_run(struct call *call, struct db *db, struct status *err);
static void list_answer(struct call *call, const struct status *status);
static enum status_code publish_run(struct call *call, struct db *db, struct status *err);
static void publish_answer(struct call *call, const struct status *status);
static enum status_code find_run(struct call *call, struct db *db, struct status *err);
static void find_answer(struct call *call, const struct status *status);
static enum status_code load_run(struct call *call, struct db *db, struct status *err);
static void load_answer(struct call *call, const struct status *status);
static enum status_code find_target(struct call *call, struct db *db, struct store_version_ref *ref,
                                    struct store_target *ret, struct status *err);
static void keep_ref(struct call *call, struct store_version_ref *ref);

enum status_code store_version_list(struct store *store, const struct store_version_list *request,
                                    store_version_page_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_SNAPSHOT, list_run, list_answer};
    struct version_list_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    call_keep(&c->call, &c->request.workspace_id);
    call_keep(&c->call, &c->request.app_id);
    call_keep(&c->call, &c->request.page_token);
    return call_submit(&c->call, err);
}

enum status_code store_version_publish(struct store *store, const struct store_version_ref *request,
                                       store_version_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_WRITE, publish_run, publish_answer};
    struct version_publish_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    keep_ref(&c->call, &c->request);
    return call_submit(&c->call, err);
}

enum status_code store_version_find(struct store *store, const struct store_version_ref *request,
                                    store_target_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_SNAPSHOT, find_run, find_answer};
    struct version_find_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    keep_ref(&c->call, &c->request);
    return call_submit(&c->call, err);
}

enum status_code store_version_load(struct store *store, const struct store_version_load *request,
                                    store_runnable_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_SNAPSHOT, load_run, load_answer};
    struct version_load_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    keep_ref(&c->call, &c->request.ref);
    return call_submit(&c->call, err);
}

struct store_version version_read(struct call *call, const struct db_rows *rows)
{
    struct store_version v = {
        .version_id = call_text(call, rows, 0),
        .app_id = call_text(call, rows, 1),
        .number = (int32_t)db_int(rows, 2),
        .mode = app_mode_column(call, rows, 3),
        .fail_when_reached = db_int(rows, 5) != 0,
        .dsl_version = call_text(call, rows, 6),
        .created_at_ms = db_int(rows, 7),
        .published = db_int(rows, 8) != 0,
    };
    version_hash_column(call, rows, 4, v.content_hash);
    return v;
}

struct store_target target_read(struct call *call, const struct db_rows *rows, int column)
{
    struct store_target t = {
        .workspace_id = call_text(call, rows, column),
        .app_id = call_text(call, rows, column + 1),
        .mode = app_mode_column(call, rows, column + 2),
        .disabled = db_int(rows, column + 3) != 0,
        .max_active_requests = (int32_t)db_int(rows, column + 4),
        .requests_per_minute = (int32_t)db_int(rows, column + 5),
        .record = (enum store_record)db_int(rows, column + 6),
        .version_id = call_text(call, rows, column + 7),
        .fail_when_reached = db_int(rows, column + 9) != 0,
        .version_number = (int32_t)db_int(rows, column + 10),
        .priority = (int32_t)db_int(rows, column + 11),
    };
    version_hash_column(call, rows, column + 8, t.content_hash);
    return t;
}

void version_hash_column(struct call *call, const struct db_rows *rows, int column, uint8_t ret[SHA256_BYTES])
{
    struct str hash = db_text(rows, column);
    if (hash.len == SHA256_BYTES)
        memcpy(ret, hash.ptr, SHA256_BYTES);
    else
        call->is_corrupt = true;
}

enum status_code version_get(struct call *call, struct db *db, struct str workspace_id, struct str app_id,
                             struct str version_id, struct store_version *ret, struct status *err)
{
    static const struct sql sql = {"select " VERSION_COLUMNS " from " VERSION_TABLES
                                   " where v.workspace_id = $1 and v.app_id = $2 and v.id = $3"};
    bool found = false;
    struct db_rows rows =
        db_query(db, &sql, DB_VALUES(DB_TEXT(workspace_id), DB_TEXT(app_id), DB_TEXT(version_id)), err);
    while (db_next(&rows)) {
        *ret = version_read(call, &rows);
        found = true;
    }
    enum status_code rc = db_end(&rows);
    if (rc == STATUS_OK && !found)
        return status_reason(err, STATUS_NOT_FOUND, "VERSION_NOT_FOUND", "version %.*s: not found",
                             STR_ARG(version_id));
    return rc;
}

static enum status_code list_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {"select " VERSION_COLUMNS " from " VERSION_TABLES
                                   " where v.workspace_id = $1 and v.app_id = $2 and v.number < $3"
                                   " order by v.number desc limit $4"};
    struct version_list_call *c = CONTAINER_OF(call, struct version_list_call, call);
    struct store_version_list *r = &c->request;
    struct page page;
    int64_t below = INT64_MAX;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_id("app_id", r->app_id, err);
    if (rc == STATUS_OK)
        rc = page_init(call, r->page_size, r->page_token, 1, &page, err);
    if (rc == STATUS_OK && !page.is_first && !str_to_i64(page.key[0], &below))
        rc = status_field(err, "page_token", "is not one of this list");
    if (rc == STATUS_OK)
        rc = app_require(db, r->workspace_id, r->app_id, err);
    if (rc != STATUS_OK)
        return rc;
    struct store_version *versions = call_array(call, (size_t)page.size, sizeof *versions);
    if (versions == NULL)
        return call_end(call, STATUS_OK, err);
    size_t count = 0;
    bool has_more = false;
    struct db_rows rows = db_query(
        db, &sql,
        DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id), DB_INT(below), DB_INT(page.size + 1)), err);
    while (db_next(&rows)) {
        has_more = count == (size_t)page.size;
        if (!has_more)
            versions[count++] = version_read(call, &rows);
    }
    rc = db_end(&rows);
    c->result = (struct store_version_page){.versions = versions, .count = count};
    if (has_more) {
        char number[16];
        int len = snprintf(number, sizeof number, "%d", versions[count - 1].number);
        c->result.next_page_token = page_token(call, &(struct str){number, (size_t)len}, 1);
    }
    return rc;
}

static void list_answer(struct call *call, const struct status *status)
{
    struct version_list_call *c = CONTAINER_OF(call, struct version_list_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

static enum status_code publish_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {"update apps set published_version_id = $3, updated_at_ms = $4 "
                                   "where workspace_id = $1 and id = $2"};
    struct version_publish_call *c = CONTAINER_OF(call, struct version_publish_call, call);
    struct store_version_ref *r = &c->request;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_id("app_id", r->app_id, err);
    if (rc == STATUS_OK)
        rc = field_id("version_id", r->version_id, err);
    if (rc == STATUS_OK)
        rc = app_require(db, r->workspace_id, r->app_id, err);
    if (rc == STATUS_OK)
        rc = version_get(call, db, r->workspace_id, r->app_id, r->version_id, &c->result, err);
    if (rc != STATUS_OK)
        return rc;
    c->result.published = true;
    return db_run(
        db, &sql,
        DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id), DB_TEXT(r->version_id), DB_INT(call->now_ms)),
        err);
}

static void publish_answer(struct call *call, const struct status *status)
{
    struct version_publish_call *c = CONTAINER_OF(call, struct version_publish_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

static enum status_code find_run(struct call *call, struct db *db, struct status *err)
{
    struct version_find_call *c = CONTAINER_OF(call, struct version_find_call, call);
    return find_target(call, db, &c->request, &c->result, err);
}

static void find_answer(struct call *call, const struct status *status)
{
    struct version_find_call *c = CONTAINER_OF(call, struct version_find_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

static enum status_code load_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {
        "select dsl from app_versions where workspace_id = $1 and app_id = $2 and id = $3"};
    struct version_load_call *c = CONTAINER_OF(call, struct version_load_call, call);
    struct store_target *t = &c->result.target;
    enum status_code rc = find_target(call, db, &c->request.ref, t, err);
    if (rc != STATUS_OK)
        return rc;
    c->result.dsl = STR("");
    if (!c->request.omit_dsl) {
        struct db_rows rows = db_query(
            db, &sql, DB_VALUES(DB_TEXT(t->workspace_id), DB_TEXT(t->app_id), DB_TEXT(t->version_id)), err);
        while (db_next(&rows))
            c->result.dsl = call_text(call, &rows, 0);
        rc = db_end(&rows);
        if (rc != STATUS_OK)
            return rc;
    }
    return environment_read(call, db, t->workspace_id, t->app_id, ENVIRONMENT_OPEN_SECRETS,
                            &c->result.environment, err);
}

static void load_answer(struct call *call, const struct status *status)
{
    struct version_load_call *c = CONTAINER_OF(call, struct version_load_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

static enum status_code find_target(struct call *call, struct db *db, struct store_version_ref *ref,
                                    struct store_target *ret, struct status *err)
{
    static const struct sql sql = {
        "select " TARGET_COLUMNS " from apps a join app_versions v on v.workspace_id = a.workspace_id and "
        "v.app_id = a.id and v.id = case when $3 = '' then a.published_version_id else $3 end "
        "where a.workspace_id = $1 and a.id = $2"};
    enum status_code rc = field_workspace(&ref->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_id("app_id", ref->app_id, err);
    if (rc == STATUS_OK && ref->version_id.len > 0)
        rc = field_id("version_id", ref->version_id, err);
    if (rc != STATUS_OK)
        return rc;
    bool found = false;
    struct db_rows rows = db_query(
        db, &sql, DB_VALUES(DB_TEXT(ref->workspace_id), DB_TEXT(ref->app_id), DB_TEXT(ref->version_id)), err);
    while (db_next(&rows)) {
        *ret = target_read(call, &rows, 0);
        found = true;
    }
    rc = db_end(&rows);
    if (rc != STATUS_OK || found)
        return rc;
    rc = app_require(db, ref->workspace_id, ref->app_id, err);
    if (rc != STATUS_OK)
        return rc;
    return status_reason(err, STATUS_NOT_FOUND, "VERSION_NOT_FOUND", "version %.*s: not found",
                         STR_ARG(ref->version_id));
}

static void keep_ref(struct call *call, struct store_version_ref *ref)
{
    call_keep(call, &ref->workspace_id);
    call_keep(call, &ref->app_id);
    call_keep(call, &ref->version_id);
}
