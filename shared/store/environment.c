/*
 * environment: see environment.h. The value of a secret is sealed for its workspace, app and name.
 */
#include "shared/store/environment.h"
#include "shared/store/field.h"
#include "shared/store/rows.h"

/* bytes. "array[boolean]" is the longest there is; room for kinds to come. */
#define VALUE_TYPE_BYTES_MAX 64

struct change_call {
    struct call call;
    struct store_environment_change request;
    struct store_variable *set; /* request.set */
    struct store_environment result;
    store_environment_done done;
};

static enum status_code change_run(struct call *call, struct db *db, struct status *err);
static enum status_code change_check(struct change_call *c, struct status *err);
static enum status_code put_variable(struct change_call *c, struct db *db, const struct store_variable *v,
                                     struct status *err);
static enum status_code check_size(struct change_call *c, struct db *db, struct status *err);
static void change_answer(struct call *call, const struct status *status);
static struct str bound_to(struct call *call, struct str workspace_id, struct str app_id, struct str name);

enum status_code store_environment_change(struct store *store, const struct store_environment_change *request,
                                          store_environment_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_WRITE, change_run, change_answer};
    if (request->set_count > STORE_ENVIRONMENT_MAX)
        return status_field(err, "set", "more than %d variables", STORE_ENVIRONMENT_MAX);
    if (request->remove_count > STORE_ENVIRONMENT_MAX)
        return status_field(err, "remove", "more than %d names", STORE_ENVIRONMENT_MAX);
    struct change_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    call_keep(&c->call, &c->request.workspace_id);
    call_keep(&c->call, &c->request.app_id);
    call_keep_list(&c->call, &c->request.remove, request->remove_count);
    c->set = call_array(&c->call, request->set_count, sizeof *c->set);
    for (size_t i = 0; c->set != NULL && i < request->set_count; i++) {
        c->set[i] = request->set[i];
        call_keep(&c->call, &c->set[i].name);
        call_keep(&c->call, &c->set[i].value_type);
        call_keep_secret(&c->call, &c->set[i].value);
    }
    c->request.set = c->set;
    return call_submit(&c->call, err);
}

enum status_code environment_read(struct call *call, struct db *db, struct str workspace_id,
                                  struct str app_id, enum environment_secrets secrets,
                                  struct store_environment *ret, struct status *err)
{
    static const struct sql sql = {"select name, value_type, value, sealed, key_id from app_environment "
                                   "where workspace_id = $1 and app_id = $2 order by name"};
    struct store_variable *list = NULL;
    size_t count = 0;
    enum status_code opened = STATUS_OK;
    struct db_rows rows = db_query(db, &sql, DB_VALUES(DB_TEXT(workspace_id), DB_TEXT(app_id)), err);
    while (opened == STATUS_OK && db_next(&rows)) {
        list = call_grow(call, list, count, sizeof *list);
        if (list == NULL)
            break; /* call_end() tells */
        struct store_variable *v = &list[count++];
        struct str sealed = db_text(&rows, 3);
        *v = (struct store_variable){.name = call_text(call, &rows, 0),
                                     .value_type = call_text(call, &rows, 1),
                                     .value = STR(""),
                                     .secret = sealed.len > 0};
        if (!v->secret)
            v->value = call_text(call, &rows, 2);
        else if (secrets == ENVIRONMENT_OPEN_SECRETS)
            opened = call_open(call, bound_to(call, workspace_id, app_id, v->name), db_text(&rows, 4), sealed,
                               &v->value, err);
    }
    enum status_code rc = db_end(&rows);
    if (rc != STATUS_OK || opened != STATUS_OK)
        return rc != STATUS_OK ? rc : opened;
    *ret = (struct store_environment){list, count};
    return call_end(call, STATUS_OK, err);
}

static enum status_code change_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql_remove = {
        "delete from app_environment where workspace_id = $1 and app_id = $2 and name = $3"};
    static const struct sql sql_touch = {
        "update apps set updated_at_ms = $3 where workspace_id = $1 and id = $2"};
    struct change_call *c = CONTAINER_OF(call, struct change_call, call);
    struct store_environment_change *r = &c->request;
    enum status_code rc = change_check(c, err);
    if (rc == STATUS_OK)
        rc = app_require(db, r->workspace_id, r->app_id, err);
    for (size_t i = 0; rc == STATUS_OK && i < r->remove_count; i++)
        rc = db_run(db, &sql_remove,
                    DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id), DB_TEXT(r->remove[i])), err);
    for (size_t i = 0; rc == STATUS_OK && i < r->set_count; i++)
        rc = put_variable(c, db, &c->set[i], err);
    if (rc == STATUS_OK)
        rc = check_size(c, db, err);
    if (rc == STATUS_OK)
        rc = db_run(db, &sql_touch,
                    DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id), DB_INT(call->now_ms)), err);
    if (rc != STATUS_OK)
        return rc;
    return environment_read(call, db, r->workspace_id, r->app_id, ENVIRONMENT_HIDE_SECRETS, &c->result, err);
}

static enum status_code change_check(struct change_call *c, struct status *err)
{
    enum status_code rc = field_workspace(&c->request.workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_id("app_id", c->request.app_id, err);
    for (size_t i = 0; rc == STATUS_OK && i < c->request.remove_count; i++)
        rc = field_text("remove", c->request.remove[i], 0, STORE_NAME_BYTES_MAX, err);
    for (size_t i = 0; rc == STATUS_OK && i < c->request.set_count; i++) {
        struct store_variable *v = &c->set[i];
        if (v->value_type.len == 0)
            v->value_type = v->secret ? STR("secret") : STR("string");
        v->secret = v->secret || str_eq_c(v->value_type, "secret");
        rc = field_text("set.name", v->name, 1, STORE_NAME_BYTES_MAX, err);
        if (rc == STATUS_OK)
            rc = field_text("set.value_type", v->value_type, 1, VALUE_TYPE_BYTES_MAX, err);
        if (rc == STATUS_OK)
            rc = field_text("set.value", v->value, 0, STORE_ENVIRONMENT_BYTES_MAX, err);
    }
    return rc;
}

static enum status_code put_variable(struct change_call *c, struct db *db, const struct store_variable *v,
                                     struct status *err)
{
    static const struct sql sql = {
        "insert into app_environment (workspace_id, app_id, name, value_type, value, sealed, key_id, "
        "updated_at_ms) "
        "values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (workspace_id, app_id, name) do update set "
        "value_type = excluded.value_type, value = excluded.value, sealed = excluded.sealed, "
        "key_id = excluded.key_id, updated_at_ms = excluded.updated_at_ms"};
    struct store_environment_change *r = &c->request;
    struct db_value value = DB_TEXT(v->value), sealed = DB_NULL, key_id = DB_NULL;
    if (v->secret) {
        struct str sealed_text, key;
        enum status_code rc = call_seal(&c->call, bound_to(&c->call, r->workspace_id, r->app_id, v->name),
                                        v->value, &sealed_text, &key, err);
        if (rc != STATUS_OK)
            return rc;
        value = DB_NULL;
        sealed = DB_BLOB(sealed_text);
        key_id = DB_TEXT(key);
    }
    return db_run(db, &sql,
                  DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id), DB_TEXT(v->name),
                            DB_TEXT(v->value_type), value, sealed, key_id, DB_INT(c->call.now_ms)),
                  err);
}

/* Every run of the app holds all of them. */
static enum status_code check_size(struct change_call *c, struct db *db, struct status *err)
{
    static const struct sql sql = {
        "select name, value, sealed from app_environment where workspace_id = $1 and app_id = $2"};
    size_t count = 0, bytes = 0;
    struct db_rows rows =
        db_query(db, &sql, DB_VALUES(DB_TEXT(c->request.workspace_id), DB_TEXT(c->request.app_id)), err);
    while (db_next(&rows)) {
        count++;
        bytes += db_text(&rows, 0).len + db_text(&rows, 1).len + db_text(&rows, 2).len;
    }
    enum status_code rc = db_end(&rows);
    if (rc == STATUS_OK && count > STORE_ENVIRONMENT_MAX)
        return status_field(err, "set", "the app would have more than %d variables", STORE_ENVIRONMENT_MAX);
    if (rc == STATUS_OK && bytes > STORE_ENVIRONMENT_BYTES_MAX)
        return status_field(err, "set", "the app's variables would be longer than %zu bytes",
                            STORE_ENVIRONMENT_BYTES_MAX);
    return rc;
}

static void change_answer(struct call *call, const struct status *status)
{
    struct change_call *c = CONTAINER_OF(call, struct change_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

static struct str bound_to(struct call *call, struct str workspace_id, struct str app_id, struct str name)
{
    return call_join(call, (struct str[]){STR("app_environment"), workspace_id, app_id, name}, 4);
}
