/*
 * call: see call.h.
 */
#include "shared/store/call.h"
#include "shared/base/clock.h"
#include "shared/base/uuid.h"
#include "shared/store/core.h"
#include <stdlib.h>
#include <string.h>

/* bytes. Request and result of one call: two exports or verdicts and an environment; all credentials or models. */
#define CALL_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* items. First room of a growing array. */
#define FIRST_ITEMS 16

struct secret {
    char *ptr;
    size_t len;
};

static enum status_code run_in_transaction(struct call *call, struct db *db, uint64_t *ret_generation,
                                           struct status *err);
static bool moves_generation(enum call_kind kind);
static enum status_code move_generation(struct db *db, uint64_t *ret, struct status *err);
static bool wipe_at_end(struct call *call, char *ptr, size_t len);
static void wipe_secret(void *arg);

void *call_new(size_t size, struct store *store, const struct call_type *type, void *arg, struct status *err)
{
    struct call *call = calloc(1, size);
    if (call == NULL) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no memory");
        return NULL;
    }
    call->store = store;
    call->type = type;
    call->arg = arg;
    arena_init(&call->arena, CALL_BYTES_MAX);
    return call;
}

void call_free(struct call *call)
{
    if (call == NULL)
        return;
    arena_fini(&call->arena);
    free(call);
}

enum status_code call_submit(struct call *take_call, struct status *err)
{
    struct store *store = take_call->store;
    bool is_gateways = take_call->type->kind == CALL_WRITE || take_call->type->kind == CALL_QUIET_WRITE;
    enum status_code rc = call_end(take_call, STATUS_OK, err);
    if (rc == STATUS_OK && is_gateways && store->file == STORE_CONTROL && store->role != STORE_GATEWAY)
        rc = status_reason(err, STATUS_FAILED_PRECONDITION, "STORE_READ_ONLY",
                           "store: only a gateway changes apps, keys, credentials and models");
    if (rc == STATUS_OK)
        rc = store_push(store, take_call, err);
    if (rc != STATUS_OK)
        call_free(take_call);
    return rc;
}

void call_keep(struct call *call, struct str *s)
{
    *s = arena_copy(&call->arena, *s);
    if (s->ptr == NULL)
        call->is_short = true;
}

void call_keep_list(struct call *call, const struct str **list, size_t count)
{
    struct str *copy = call_array(call, count, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = (*list)[i];
        call_keep(call, &copy[i]);
    }
    *list = copy;
}

void call_keep_secret(struct call *call, struct str *s)
{
    char *copy = arena_copy_c(&call->arena, *s);
    if (copy == NULL || !wipe_at_end(call, copy, s->len)) {
        call->is_short = true;
        *s = STR("");
        return;
    }
    s->ptr = copy;
}

struct str call_text(struct call *call, const struct db_rows *rows, int column)
{
    struct str s = db_text(rows, column);
    call_keep(call, &s);
    return s;
}

void *call_array(struct call *call, size_t n, size_t size)
{
    void *items = arena_array(&call->arena, n, size);
    if (items == NULL)
        call->is_short = true;
    return items;
}

void *call_grow(struct call *call, void *items, size_t count, size_t size)
{
    bool is_full = count == 0 || (count >= FIRST_ITEMS && (count & (count - 1)) == 0);
    if (!is_full)
        return items;
    void *more = call_array(call, count == 0 ? FIRST_ITEMS : 2 * count, size);
    if (more != NULL && count > 0)
        memcpy(more, items, count * size);
    return more;
}

enum status_code call_end(const struct call *call, enum status_code rc, struct status *err)
{
    if (rc == STATUS_OK && call->is_short)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: too much for one call, or no memory");
    if (rc == STATUS_OK && call->is_corrupt)
        return status_reason(err, STATUS_DATA_LOSS, "STORE_CORRUPT", "store: a row holds what cannot be");
    return rc;
}

struct str call_new_id(struct call *call)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(uuid_v7(), text);
    struct str id = {text, UUID_TEXT_LEN};
    call_keep(call, &id);
    return id;
}

struct str call_join(struct call *call, const struct str *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len + 1;
    char *text = call_array(call, len + 1, 1);
    if (text == NULL)
        return STR("");
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(text + at, parts[i].ptr, parts[i].len);
        at += parts[i].len + 1;
    }
    return (struct str){text, len - 1};
}

enum status_code call_seal(struct call *call, struct str aad, struct str plain, struct str *ret_sealed,
                           struct str *ret_key_id, struct status *err)
{
    struct buf sealed;
    buf_init(&sealed, plain.len + AES_NONCE_BYTES + AES_TAG_BYTES);
    struct str key_id;
    enum status_code rc = keyring_seal(&call->store->ring, aad, plain, &sealed, &key_id, err);
    if (rc == STATUS_OK) {
        *ret_sealed = buf_str(&sealed);
        call_keep(call, ret_sealed);
        *ret_key_id = key_id;
        rc = call_end(call, rc, err);
    }
    buf_fini(&sealed);
    return rc;
}

enum status_code call_open(struct call *call, struct str aad, struct str key_id, struct str sealed,
                           struct str *ret_plain, struct status *err)
{
    struct buf plain;
    buf_init(&plain, sealed.len);
    enum status_code rc = keyring_open(&call->store->ring, aad, key_id, sealed, &plain, err);
    if (rc == STATUS_OK) {
        struct str opened = buf_str(&plain);
        call_keep_secret(call, &opened);
        rc = call_end(call, rc, err);
        if (rc == STATUS_OK)
            *ret_plain = opened;
    }
    if (plain.ptr != NULL)
        secret_wipe(plain.ptr, plain.cap);
    buf_fini(&plain);
    return rc;
}

void call_execute(struct call *take_call, struct db *db)
{
    struct status status = {0};
    uint64_t config_generation = 0;
    enum call_kind kind = take_call->type->kind;
    enum status_code rc;
    take_call->now_ms = clock_wall_ms();
    if (kind == CALL_READ)
        rc = call_end(take_call, take_call->type->run(take_call, db, &status), &status);
    else
        rc = run_in_transaction(take_call, db, &config_generation, &status);
    status.code = rc;
    if (rc == STATUS_OK && moves_generation(kind))
        signal_tell(&take_call->store->signal, config_generation);
    take_call->type->answer(take_call, &status);
    call_free(take_call);
}

static bool moves_generation(enum call_kind kind)
{
    return kind == CALL_WRITE || kind == CALL_SHARED_WRITE;
}

static enum status_code run_in_transaction(struct call *call, struct db *db, uint64_t *ret_generation,
                                           struct status *err)
{
    enum call_kind kind = call->type->kind;
    enum status_code rc = db_begin(db, kind == CALL_SNAPSHOT ? DB_READ : DB_WRITE, err);
    if (rc != STATUS_OK)
        return rc;
    rc = call_end(call, call->type->run(call, db, err), err);
    if (rc == STATUS_OK && moves_generation(kind))
        rc = move_generation(db, ret_generation, err);
    if (rc != STATUS_OK) {
        db_rollback(db);
        return rc;
    }
    return db_commit(db, err);
}

static enum status_code move_generation(struct db *db, uint64_t *ret, struct status *err)
{
    static const struct sql sql = {"update settings set value = cast(cast(value as bigint) + 1 as text) "
                                   "where workspace_id = 'default' and name = 'config_generation' "
                                   "returning value"};
    bool is_number = false;
    struct db_rows rows = db_query(db, &sql, DB_NO_VALUES, err);
    while (db_next(&rows))
        is_number = str_to_u64(db_text(&rows, 0), ret);
    enum status_code rc = db_end(&rows);
    if (rc == STATUS_OK && !is_number)
        rc = status_reason(err, STATUS_DATA_LOSS, "STORE_CORRUPT",
                           "store: setting config_generation is missing");
    return rc;
}

static bool wipe_at_end(struct call *call, char *ptr, size_t len)
{
    struct secret *secret = arena_alloc(&call->arena, sizeof *secret);
    if (secret == NULL) {
        secret_wipe(ptr, len);
        return false;
    }
    *secret = (struct secret){ptr, len};
    return arena_defer(&call->arena, wipe_secret, secret);
}

static void wipe_secret(void *arg)
{
    struct secret *secret = arg;
    secret_wipe(secret->ptr, secret->len);
}
