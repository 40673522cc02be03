/*
 * app: see app.h.
 */
#include "shared/store/app.h"
#include "shared/store/field.h"
#include "shared/store/page.h"
#include "shared/store/rows.h"

#define APP_COLUMNS                                                                                          \
    "workspace_id, id, name, mode, disabled, published_version_id, max_active_requests, "                    \
    "requests_per_minute, record, retention_days, created_at_ms, updated_at_ms, priority"

struct app_list_call {
    struct call call;
    struct store_app_list request;
    struct store_app_page result;
    store_app_page_done done;
};
struct app_get_call {
    struct call call;
    struct store_app_ref request;
    struct store_app_details result;
    store_app_details_done done;
};
struct app_update_call {
    struct call call;
    struct store_app_update request;
    struct store_app result;
    store_app_done done;
};
struct app_delete_call {
    struct call call;
    struct store_app_ref request;
    store_done done;
};

static const char *const mode_names[] = {
    [STORE_APP_WORKFLOW] = "workflow",
    [STORE_APP_CHAT] = "advanced-chat",
};

static enum status_code list_run(struct call *call, struct db *db, struct status *err);
static void list_answer(struct call *call, const struct status *status);
static enum status_code get_run(struct call *call, struct db *db, struct status *err);
static void get_answer(struct call *call, const struct status *status);
static enum status_code update_run(struct call *call, struct db *db, struct status *err);
static enum status_code update_check(const struct store_app_update *r, struct status *err);
static void update_answer(struct call *call, const struct status *status);
static enum status_code delete_run(struct call *call, struct db *db, struct status *err);
static void delete_answer(struct call *call, const struct status *status);
static enum status_code ref_check(struct store_app_ref *ref, struct status *err);
static struct store_app read_app(struct call *call, const struct db_rows *rows);

const char *store_app_mode_name(enum store_app_mode mode)
{
    return mode_names[mode];
}

bool store_app_mode_from(struct str name, enum store_app_mode *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(mode_names); i++) {
        if (str_eq_c(name, mode_names[i])) {
            *ret = (enum store_app_mode)i;
            return true;
        }
    }
    return false;
}

enum status_code store_app_list(struct store *store, const struct store_app_list *request,
                                store_app_page_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_READ, list_run, list_answer};
    struct app_list_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    call_keep(&c->call, &c->request.workspace_id);
    call_keep(&c->call, &c->request.page_token);
    return call_submit(&c->call, err);
}

enum status_code store_app_get(struct store *store, const struct store_app_ref *request,
                               store_app_details_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_SNAPSHOT, get_run, get_answer};
    struct app_get_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    call_keep(&c->call, &c->request.workspace_id);
    call_keep(&c->call, &c->request.app_id);
    return call_submit(&c->call, err);
}

enum status_code store_app_update(struct store *store, const struct store_app_update *request,
                                  store_app_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_WRITE, update_run, update_answer};
    struct app_update_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    call_keep(&c->call, &c->request.workspace_id);
    call_keep(&c->call, &c->request.app_id);
    call_keep(&c->call, &c->request.name);
    return call_submit(&c->call, err);
}

enum status_code store_app_delete(struct store *store, const struct store_app_ref *request, store_done done,
                                  void *arg, struct status *err)
{
    static const struct call_type type = {CALL_WRITE, delete_run, delete_answer};
    struct app_delete_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    call_keep(&c->call, &c->request.workspace_id);
    call_keep(&c->call, &c->request.app_id);
    return call_submit(&c->call, err);
}

enum status_code app_require(struct db *db, struct str workspace_id, struct str app_id, struct status *err)
{
    static const struct sql sql = {"select 1 from apps where workspace_id = $1 and id = $2"};
    bool found = false;
    struct db_rows rows = db_query(db, &sql, DB_VALUES(DB_TEXT(workspace_id), DB_TEXT(app_id)), err);
    while (db_next(&rows))
        found = true;
    enum status_code rc = db_end(&rows);
    return rc == STATUS_OK && !found ? app_not_found(app_id, err) : rc;
}

enum status_code app_not_found(struct str app_id, struct status *err)
{
    return status_reason(err, STATUS_NOT_FOUND, "APP_NOT_FOUND", "app %.*s: not found", STR_ARG(app_id));
}

enum store_app_mode app_mode_column(struct call *call, const struct db_rows *rows, int column)
{
    enum store_app_mode mode = STORE_APP_WORKFLOW;
    if (!store_app_mode_from(db_text(rows, column), &mode))
        call->is_corrupt = true;
    return mode;
}

static enum status_code list_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {"select " APP_COLUMNS " from apps "
                                   "where workspace_id = $1 and (name, id) > ($2, $3) "
                                   "order by workspace_id, name, id limit $4"};
    struct app_list_call *c = CONTAINER_OF(call, struct app_list_call, call);
    struct page page;
    enum status_code rc = field_workspace(&c->request.workspace_id, err);
    if (rc == STATUS_OK)
        rc = page_init(call, c->request.page_size, c->request.page_token, 2, &page, err);
    if (rc != STATUS_OK)
        return rc;
    struct store_app *apps = call_array(call, (size_t)page.size, sizeof *apps);
    if (apps == NULL)
        return call_end(call, STATUS_OK, err);
    size_t count = 0;
    bool has_more = false;
    struct db_rows rows = db_query(db, &sql,
                                   DB_VALUES(DB_TEXT(c->request.workspace_id), DB_TEXT(page.key[0]),
                                             DB_TEXT(page.key[1]), DB_INT(page.size + 1)),
                                   err);
    while (db_next(&rows)) {
        has_more = count == (size_t)page.size;
        if (!has_more)
            apps[count++] = read_app(call, &rows);
    }
    rc = db_end(&rows);
    c->result = (struct store_app_page){.apps = apps, .count = count};
    if (has_more)
        c->result.next_page_token =
            page_token(call, (struct str[]){apps[count - 1].name, apps[count - 1].app_id}, 2);
    return rc;
}

static void list_answer(struct call *call, const struct status *status)
{
    struct app_list_call *c = CONTAINER_OF(call, struct app_list_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

static enum status_code get_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql_app = {"select " APP_COLUMNS
                                       " from apps where workspace_id = $1 and id = $2"};
    static const struct sql sql_verdict = {
        "select verdict from app_versions where workspace_id = $1 and app_id = $2 and id = $3"};
    struct app_get_call *c = CONTAINER_OF(call, struct app_get_call, call);
    struct store_app_ref *r = &c->request;
    enum status_code rc = ref_check(r, err);
    if (rc != STATUS_OK)
        return rc;
    bool found = false;
    struct db_rows rows =
        db_query(db, &sql_app, DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id)), err);
    while (db_next(&rows)) {
        c->result.app = read_app(call, &rows);
        found = true;
    }
    rc = db_end(&rows);
    if (rc != STATUS_OK || !found)
        return rc != STATUS_OK ? rc : app_not_found(r->app_id, err);
    rows = db_query(
        db, &sql_verdict,
        DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id), DB_TEXT(c->result.app.published_version_id)),
        err);
    while (db_next(&rows))
        c->result.verdict = call_text(call, &rows, 0);
    rc = db_end(&rows);
    if (rc != STATUS_OK)
        return rc;
    return environment_read(call, db, r->workspace_id, r->app_id, ENVIRONMENT_HIDE_SECRETS,
                            &c->result.environment, err);
}

static void get_answer(struct call *call, const struct status *status)
{
    struct app_get_call *c = CONTAINER_OF(call, struct app_get_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

static enum status_code update_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {
        "update apps set name = coalesce($3, name), disabled = coalesce($4, disabled), "
        "max_active_requests = coalesce($5, max_active_requests), "
        "requests_per_minute = coalesce($6, requests_per_minute), "
        "record = coalesce($7, record), "
        "retention_days = coalesce($8, retention_days), updated_at_ms = $9, priority = coalesce($10, "
        "priority) "
        "where workspace_id = $1 and id = $2 returning " APP_COLUMNS};
    struct app_update_call *c = CONTAINER_OF(call, struct app_update_call, call);
    struct store_app_update *r = &c->request;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = update_check(r, err);
    if (rc != STATUS_OK)
        return rc;
    bool found = false;
    struct db_rows rows = db_query(
        db, &sql,
        DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id), r->has_name ? DB_TEXT(r->name) : DB_NULL,
                  r->has_disabled ? DB_INT(r->disabled) : DB_NULL,
                  r->has_max_active_requests ? DB_INT(r->max_active_requests) : DB_NULL,
                  r->has_requests_per_minute ? DB_INT(r->requests_per_minute) : DB_NULL,
                  r->has_record ? DB_INT(r->record) : DB_NULL,
                  r->has_retention_days ? DB_INT(r->retention_days) : DB_NULL, DB_INT(call->now_ms),
                  r->has_priority ? DB_INT(r->priority) : DB_NULL),
        err);
    while (db_next(&rows)) {
        c->result = read_app(call, &rows);
        found = true;
    }
    rc = db_end(&rows);
    return rc == STATUS_OK && !found ? app_not_found(r->app_id, err) : rc;
}

static enum status_code update_check(const struct store_app_update *r, struct status *err)
{
    enum status_code rc = field_id("app_id", r->app_id, err);
    if (rc == STATUS_OK && r->has_name)
        rc = field_text("name", r->name, 1, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK && r->has_max_active_requests)
        rc = field_count("max_active_requests", r->max_active_requests, INT32_MAX, err);
    if (rc == STATUS_OK && r->has_requests_per_minute)
        rc = field_count("requests_per_minute", r->requests_per_minute, INT32_MAX, err);
    if (rc == STATUS_OK && r->has_record)
        rc = field_count("record", r->record, STORE_RECORD_NONE, err);
    if (rc == STATUS_OK && r->has_retention_days)
        rc = field_count("retention_days", r->retention_days, INT32_MAX, err);
    if (rc == STATUS_OK && r->has_priority &&
        (r->priority < -STORE_PRIORITY_MAX || r->priority > STORE_PRIORITY_MAX))
        rc = status_field(err, "priority", "must be -%d to %d", STORE_PRIORITY_MAX, STORE_PRIORITY_MAX);
    return rc;
}

static void update_answer(struct call *call, const struct status *status)
{
    struct app_update_call *c = CONTAINER_OF(call, struct app_update_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

/* Versions, keys and variables go with it: their foreign keys cascade. */
static enum status_code delete_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {"delete from apps where workspace_id = $1 and id = $2 returning id"};
    struct store_app_ref *r = &CONTAINER_OF(call, struct app_delete_call, call)->request;
    enum status_code rc = ref_check(r, err);
    if (rc != STATUS_OK)
        return rc;
    bool found = false;
    struct db_rows rows = db_query(db, &sql, DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id)), err);
    while (db_next(&rows))
        found = true;
    rc = db_end(&rows);
    return rc == STATUS_OK && !found ? app_not_found(r->app_id, err) : rc;
}

static void delete_answer(struct call *call, const struct status *status)
{
    CONTAINER_OF(call, struct app_delete_call, call)->done(call->arg, status);
}

static enum status_code ref_check(struct store_app_ref *ref, struct status *err)
{
    enum status_code rc = field_workspace(&ref->workspace_id, err);
    return rc == STATUS_OK ? field_id("app_id", ref->app_id, err) : rc;
}

static struct store_app read_app(struct call *call, const struct db_rows *rows)
{
    return (struct store_app){
        .workspace_id = call_text(call, rows, 0),
        .app_id = call_text(call, rows, 1),
        .name = call_text(call, rows, 2),
        .mode = app_mode_column(call, rows, 3),
        .disabled = db_int(rows, 4) != 0,
        .published_version_id = call_text(call, rows, 5),
        .max_active_requests = (int32_t)db_int(rows, 6),
        .requests_per_minute = (int32_t)db_int(rows, 7),
        .record = (enum store_record)db_int(rows, 8),
        .retention_days = (int32_t)db_int(rows, 9),
        .created_at_ms = db_int(rows, 10),
        .updated_at_ms = db_int(rows, 11),
        .priority = (int32_t)db_int(rows, 12),
    };
}
