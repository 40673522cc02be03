/*
 * credential_use: what executors do with credentials: read them with their secrets, disable one its provider does not take.
 */
#include "shared/store/core.h"
#include "shared/store/credential_rows.h"
#include "shared/store/field.h"

struct disable_call {
    struct call call;
    struct store_credential_disable request;
    store_done done;
};
struct load_call {
    struct call call;
    struct store_credential_ref request; /* credential_id "": all */
    struct store_credential_set result;
    store_credential_set_done done;
};

/* One that cannot be opened must not keep the others from being used, unless there is no key for any. */
static enum status_code open_secret(struct call *call, const struct db_rows *rows,
                                    struct store_credential_opened *ret, struct status *err)
{
    struct store_credential credential = credential_row(call, rows);
    *ret = (struct store_credential_opened){credential, STR(""), STR("")};
    struct str sealed = db_text(rows, COLUMN_SEALED);
    if (sealed.len == 0)
        return STATUS_OK;
    struct status failed;
    struct str aad = credential_bound_to(call, credential.workspace_id, credential.credential_id);
    enum status_code rc = call_open(call, aad, db_text(rows, COLUMN_KEY_ID), sealed, &ret->secret, &failed);
    if (rc == STATUS_OK)
        return STATUS_OK;
    bool is_of_this_one =
        rc == STATUS_DATA_LOSS || (rc == STATUS_FAILED_PRECONDITION && call->store->ring.count > 0);
    if (!is_of_this_one) {
        *err = failed;
        return rc;
    }
    ret->problem = str_c(failed.message);
    call_keep(call, &ret->problem);
    return STATUS_OK;
}

static enum status_code load_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql_all = {"select " CREDENTIAL_COLUMNS ", sealed, key_id from credentials "
                                       "order by workspace_id, provider, name"};
    static const struct sql sql_one = {"select " CREDENTIAL_COLUMNS ", sealed, key_id from credentials "
                                       "where workspace_id = $1 and id = $2"};
    struct load_call *c = CONTAINER_OF(call, struct load_call, call);
    struct store_credential_ref *r = &c->request;
    bool is_one = r->credential_id.ptr != NULL;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK && is_one)
        rc = field_id("id", r->credential_id, err);
    if (rc != STATUS_OK)
        return rc;
    struct store_credential_opened *list = NULL;
    size_t count = 0;
    enum status_code opened = STATUS_OK;
    struct db_rows rows = db_query(db, is_one ? &sql_one : &sql_all,
                                   DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->credential_id)), err);
    while (opened == STATUS_OK && db_next(&rows)) {
        list = call_grow(call, list, count, sizeof *list);
        if (list == NULL)
            break; /* call_end() tells */
        opened = open_secret(call, &rows, &list[count++], err);
    }
    rc = db_end(&rows);
    if (rc != STATUS_OK || opened != STATUS_OK)
        return rc != STATUS_OK ? rc : opened;
    c->result = (struct store_credential_set){list, count};
    return is_one && count == 0 && !call->is_short ? credential_not_found(r->credential_id, err) : STATUS_OK;
}

static void load_answer(struct call *call, const struct status *status)
{
    struct load_call *c = CONTAINER_OF(call, struct load_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

enum status_code store_credential_load(struct store *store, const struct store_credential_ref *request,
                                       store_credential_set_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_READ, load_run, load_answer};
    struct load_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->done = done;
    if (request != NULL) {
        c->request = *request;
        call_keep(&c->call, &c->request.workspace_id);
        call_keep(&c->call, &c->request.credential_id);
    }
    return call_submit(&c->call, err);
}

static enum status_code disable_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {
        "update credentials set disabled = 1, disabled_reason = $3, updated_at_ms = $4 "
        "where workspace_id = $1 and id = $2 and disabled = 0 and ($5 = 0 or fresh_since_ms = $5)"};
    static const struct sql exists = {"select 1 from credentials where workspace_id = $1 and id = $2"};
    struct store_credential_disable *r = &CONTAINER_OF(call, struct disable_call, call)->request;
    struct str reason = str_sub(r->reason, 0, str_utf8_cut(r->reason, STORE_REASON_BYTES_MAX));
    bool found = false;
    enum status_code rc = field_workspace(&r->ref.workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_id("id", r->ref.credential_id, err);
    if (rc == STATUS_OK)
        rc = field_text("reason", reason, 0, STORE_REASON_BYTES_MAX, err);
    if (rc != STATUS_OK)
        return rc;
    rc = db_run(db, &sql,
                DB_VALUES(DB_TEXT(r->ref.workspace_id), DB_TEXT(r->ref.credential_id), DB_TEXT(reason),
                          DB_INT(call->now_ms), DB_INT(r->fresh_since_ms)),
                err);
    if (rc != STATUS_OK)
        return rc;
    struct db_rows rows =
        db_query(db, &exists, DB_VALUES(DB_TEXT(r->ref.workspace_id), DB_TEXT(r->ref.credential_id)), err);
    while (db_next(&rows))
        found = true;
    rc = db_end(&rows);
    return rc == STATUS_OK && !found ? credential_not_found(r->ref.credential_id, err) : rc;
}

static void disable_answer(struct call *call, const struct status *status)
{
    CONTAINER_OF(call, struct disable_call, call)->done(call->arg, status);
}

enum status_code store_credential_disable(struct store *store, const struct store_credential_disable *request,
                                          store_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_SHARED_WRITE, disable_run, disable_answer};
    struct disable_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    call_keep(&c->call, &c->request.ref.workspace_id);
    call_keep(&c->call, &c->request.ref.credential_id);
    call_keep(&c->call, &c->request.reason);
    return call_submit(&c->call, err);
}
