/*
 * key: see key.h.
 */
#include "shared/store/key.h"
#include "shared/store/field.h"
#include "shared/store/page.h"
#include "shared/store/version_rows.h"
#include <string.h>

/* bytes. Of the key's first characters: enough to recognise it, not to guess the rest. */
#define PREFIX_BYTES_MAX 16

#define KEY_COLUMNS "id, app_id, name, prefix, created_at_ms, last_used_at_ms"

struct key_create_call {
    struct call call;
    struct store_key_create request;
    struct store_key result;
    store_key_done done;
};
struct key_list_call {
    struct call call;
    struct store_key_list request;
    struct store_key_page result;
    store_key_page_done done;
};
struct key_delete_call {
    struct call call;
    struct store_key_ref request;
    store_done done;
};
struct key_find_call {
    struct call call;
    uint8_t hash[SHA256_BYTES];
    struct store_key_owner result;
    store_key_owner_done done;
};
struct key_touch_call {
    struct call call;
    struct store_key_use *uses;
    size_t count;
    store_done done;
};

static enum status_code create_run(struct call *call, struct db *db, struct status *err);
static void create_answer(struct call *call, const struct status *status);
static enum status_code list_run(struct call *call, struct db *db, struct status *err);
static void list_answer(struct call *call, const struct status *status);
static enum status_code delete_run(struct call *call, struct db *db, struct status *err);
static void delete_answer(struct call *call, const struct status *status);
static enum status_code find_run(struct call *call, struct db *db, struct status *err);
static void find_answer(struct call *call, const struct status *status);
static enum status_code touch_run(struct call *call, struct db *db, struct status *err);
static void touch_answer(struct call *call, const struct status *status);
static enum status_code key_not_found(struct status *err);
static struct store_key read_key(struct call *call, const struct db_rows *rows);

enum status_code store_key_create(struct store *store, const struct store_key_create *request,
                                  store_key_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_WRITE, create_run, create_answer};
    struct key_create_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    call_keep(&c->call, &c->request.workspace_id);
    call_keep(&c->call, &c->request.app_id);
    call_keep(&c->call, &c->request.name);
    call_keep(&c->call, &c->request.prefix);
    return call_submit(&c->call, err);
}

enum status_code store_key_list(struct store *store, const struct store_key_list *request,
                                store_key_page_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_READ, list_run, list_answer};
    struct key_list_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    call_keep(&c->call, &c->request.workspace_id);
    call_keep(&c->call, &c->request.app_id);
    call_keep(&c->call, &c->request.page_token);
    return call_submit(&c->call, err);
}

enum status_code store_key_delete(struct store *store, const struct store_key_ref *request, store_done done,
                                  void *arg, struct status *err)
{
    static const struct call_type type = {CALL_WRITE, delete_run, delete_answer};
    struct key_delete_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    call_keep(&c->call, &c->request.workspace_id);
    call_keep(&c->call, &c->request.key_id);
    return call_submit(&c->call, err);
}

enum status_code store_key_find(struct store *store, const uint8_t hash[SHA256_BYTES],
                                store_key_owner_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_READ, find_run, find_answer};
    struct key_find_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    memcpy(c->hash, hash, SHA256_BYTES);
    c->done = done;
    return call_submit(&c->call, err);
}

enum status_code store_key_touch(struct store *store, const struct store_key_use *uses, size_t count,
                                 store_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_QUIET_WRITE, touch_run, touch_answer};
    if (count > STORE_TOUCH_MAX)
        return status_field(err, "uses", "more than %d", STORE_TOUCH_MAX);
    struct key_touch_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->count = count;
    c->done = done;
    c->uses = call_array(&c->call, count, sizeof *c->uses);
    for (size_t i = 0; c->uses != NULL && i < count; i++) {
        c->uses[i] = uses[i];
        call_keep(&c->call, &c->uses[i].workspace_id);
        call_keep(&c->call, &c->uses[i].key_id);
    }
    return call_submit(&c->call, err);
}

static enum status_code create_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {
        "insert into api_keys (workspace_id, id, app_id, name, prefix, key_hash, "
        "created_at_ms) values ($1, $2, $3, $4, $5, $6, $7) returning " KEY_COLUMNS};
    struct key_create_call *c = CONTAINER_OF(call, struct key_create_call, call);
    struct store_key_create *r = &c->request;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_id("app_id", r->app_id, err);
    if (rc == STATUS_OK)
        rc = field_text("name", r->name, 0, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK)
        rc = field_text("prefix", r->prefix, 0, PREFIX_BYTES_MAX, err);
    if (rc == STATUS_OK)
        rc = app_require(db, r->workspace_id, r->app_id, err);
    if (rc != STATUS_OK)
        return rc;
    struct str hash = {(const char *)r->hash, SHA256_BYTES};
    struct db_rows rows =
        db_query(db, &sql,
                 DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(call_new_id(call)), DB_TEXT(r->app_id),
                           DB_TEXT(r->name), DB_TEXT(r->prefix), DB_BLOB(hash), DB_INT(call->now_ms)),
                 err);
    while (db_next(&rows))
        c->result = read_key(call, &rows);
    rc = db_end(&rows);
    if (rc == STATUS_ALREADY_EXISTS)
        return status_reason(err, rc, "KEY_EXISTS", "key: it belongs to an app already");
    return rc;
}

static void create_answer(struct call *call, const struct status *status)
{
    struct key_create_call *c = CONTAINER_OF(call, struct key_create_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

/* Ids grow with time, so newest first is by id. Two texts: each has its index. */
static enum status_code list_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql_of_all = {"select " KEY_COLUMNS " from api_keys where workspace_id = $1 "
                                          "and ($3 = '' or id < $3) order by id desc limit $4"};
    static const struct sql sql_of_app = {
        "select " KEY_COLUMNS " from api_keys where workspace_id = $1 "
        "and app_id = $2 and ($3 = '' or id < $3) order by id desc limit $4"};
    struct key_list_call *c = CONTAINER_OF(call, struct key_list_call, call);
    struct store_key_list *r = &c->request;
    struct page page;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK && r->app_id.len > 0)
        rc = field_id("app_id", r->app_id, err);
    if (rc == STATUS_OK)
        rc = page_init(call, r->page_size, r->page_token, 1, &page, err);
    if (rc != STATUS_OK)
        return rc;
    struct store_key *keys = call_array(call, (size_t)page.size, sizeof *keys);
    if (keys == NULL)
        return call_end(call, STATUS_OK, err);
    size_t count = 0;
    bool has_more = false;
    struct db_rows rows = db_query(
        db, r->app_id.len > 0 ? &sql_of_app : &sql_of_all,
        DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->app_id), DB_TEXT(page.key[0]), DB_INT(page.size + 1)),
        err);
    while (db_next(&rows)) {
        has_more = count == (size_t)page.size;
        if (!has_more)
            keys[count++] = read_key(call, &rows);
    }
    rc = db_end(&rows);
    c->result = (struct store_key_page){.keys = keys, .count = count};
    if (has_more)
        c->result.next_page_token = page_token(call, &keys[count - 1].key_id, 1);
    return rc;
}

static void list_answer(struct call *call, const struct status *status)
{
    struct key_list_call *c = CONTAINER_OF(call, struct key_list_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

static enum status_code delete_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {"delete from api_keys where workspace_id = $1 and id = $2 returning id"};
    struct store_key_ref *r = &CONTAINER_OF(call, struct key_delete_call, call)->request;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_id("id", r->key_id, err);
    if (rc != STATUS_OK)
        return rc;
    bool found = false;
    struct db_rows rows = db_query(db, &sql, DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->key_id)), err);
    while (db_next(&rows))
        found = true;
    rc = db_end(&rows);
    return rc == STATUS_OK && !found ? key_not_found(err) : rc;
}

static void delete_answer(struct call *call, const struct status *status)
{
    CONTAINER_OF(call, struct key_delete_call, call)->done(call->arg, status);
}

static enum status_code find_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {"select k.id, " TARGET_COLUMNS " from api_keys k "
                                   "join apps a on a.workspace_id = k.workspace_id and a.id = k.app_id "
                                   "join app_versions v on v.workspace_id = a.workspace_id and v.app_id = "
                                   "a.id and v.id = a.published_version_id "
                                   "where k.key_hash = $1"};
    struct key_find_call *c = CONTAINER_OF(call, struct key_find_call, call);
    struct str hash = {(const char *)c->hash, SHA256_BYTES};
    bool found = false;
    struct db_rows rows = db_query(db, &sql, DB_VALUES(DB_BLOB(hash)), err);
    while (db_next(&rows)) {
        c->result.key_id = call_text(call, &rows, 0);
        c->result.target = target_read(call, &rows, 1);
        found = true;
    }
    enum status_code rc = db_end(&rows);
    return rc == STATUS_OK && !found ? key_not_found(err) : rc;
}

static void find_answer(struct call *call, const struct status *status)
{
    struct key_find_call *c = CONTAINER_OF(call, struct key_find_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

static enum status_code touch_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {"update api_keys set last_used_at_ms = $3 "
                                   "where workspace_id = $1 and id = $2 and last_used_at_ms < $3"};
    struct key_touch_call *c = CONTAINER_OF(call, struct key_touch_call, call);
    enum status_code rc = STATUS_OK;
    for (size_t i = 0; rc == STATUS_OK && i < c->count; i++) {
        struct store_key_use *use = &c->uses[i];
        rc = field_workspace(&use->workspace_id, err);
        if (rc == STATUS_OK)
            rc = db_run(db, &sql,
                        DB_VALUES(DB_TEXT(use->workspace_id), DB_TEXT(use->key_id), DB_INT(use->used_at_ms)),
                        err);
    }
    return rc;
}

static void touch_answer(struct call *call, const struct status *status)
{
    CONTAINER_OF(call, struct key_touch_call, call)->done(call->arg, status);
}

static enum status_code key_not_found(struct status *err)
{
    return status_reason(err, STATUS_NOT_FOUND, "KEY_NOT_FOUND", "key: not found");
}

static struct store_key read_key(struct call *call, const struct db_rows *rows)
{
    return (struct store_key){
        .key_id = call_text(call, rows, 0),
        .app_id = call_text(call, rows, 1),
        .name = call_text(call, rows, 2),
        .prefix = call_text(call, rows, 3),
        .created_at_ms = db_int(rows, 4),
        .last_used_at_ms = db_int(rows, 5),
    };
}
