/* rest: see the header. */
#include "shared/store/rest.h"
#include "shared/store/core.h"
#include "shared/store/field.h"
#include "shared/store/rows.h"

struct put_call {
    struct call call;
    struct store_rest_put request;
    store_done done;
};
struct load_call {
    struct call call;
    struct store_rest_set result;
    store_rest_set_done done;
};

static enum status_code put_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {
        "insert into rests (workspace_id, credential_id, model, until_ms, reason, seen_by) "
        "select workspace_id, id, $3, $4, $5, $6 from credentials where workspace_id = $1 and id = $2 "
        "and ($7 = 0 or fresh_since_ms = $7) "
        "on conflict (workspace_id, credential_id, model) do update set until_ms = excluded.until_ms, "
        "reason = excluded.reason, seen_by = excluded.seen_by where rests.until_ms < excluded.until_ms"};
    static const struct sql forget = {"delete from rests where until_ms < $1"};
    struct store_rest_put *r = &CONTAINER_OF(call, struct put_call, call)->request;
    struct str reason = str_sub(r->reason, 0, str_utf8_cut(r->reason, STORE_REASON_BYTES_MAX));
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_id("credential_id", r->credential_id, err);
    if (rc == STATUS_OK)
        rc = field_text("model", r->model, 0, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK)
        rc = field_text("reason", reason, 0, STORE_REASON_BYTES_MAX, err);
    if (rc == STATUS_OK)
        rc = field_text("seen_by", r->seen_by, 0, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK && r->for_ms > STORE_REST_MS_MAX)
        rc = status_field(err, "for_ms", "is longer than a rest can be");
    if (rc == STATUS_OK)
        rc = db_run(db, &sql,
                    DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->credential_id), DB_TEXT(r->model),
                              DB_INT(call->now_ms + r->for_ms), DB_TEXT(reason), DB_TEXT(r->seen_by),
                              DB_INT(r->fresh_since_ms)),
                    err);
    return rc == STATUS_OK ? db_run(db, &forget, DB_VALUES(DB_INT(call->now_ms)), err) : rc;
}

static void put_answer(struct call *call, const struct status *status)
{
    CONTAINER_OF(call, struct put_call, call)->done(call->arg, status);
}

enum status_code store_rest_put(struct store *store, const struct store_rest_put *request, store_done done,
                                void *arg, struct status *err)
{
    static const struct call_type type = {CALL_SHARED_QUIET_WRITE, put_run, put_answer};
    struct put_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    struct store_rest_put *r = &c->request;
    struct str *texts[] = {&r->workspace_id, &r->credential_id, &r->model, &r->reason, &r->seen_by};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        call_keep(&c->call, texts[i]);
    return call_submit(&c->call, err);
}

enum status_code rests_read(struct call *call, struct db *db, struct str workspace_id,
                            struct str credential_id, int64_t count_max, struct store_rest_set *ret,
                            struct status *err)
{
    static const struct sql sql_all = {
        "select workspace_id, credential_id, model, until_ms, reason, seen_by from rests "
        "where until_ms > $1 order by workspace_id, credential_id, model limit $2"};
    static const struct sql sql_one = {
        "select workspace_id, credential_id, model, until_ms, reason, seen_by from rests "
        "where until_ms > $1 and workspace_id = $3 and credential_id = $4 order by model limit $2"};
    struct store_rest *list = NULL;
    size_t count = 0;
    struct db_rows rows = db_query(
        db, credential_id.len == 0 ? &sql_all : &sql_one,
        DB_VALUES(DB_INT(call->now_ms), DB_INT(count_max), DB_TEXT(workspace_id), DB_TEXT(credential_id)),
        err);
    while (db_next(&rows)) {
        list = call_grow(call, list, count, sizeof *list);
        if (list == NULL)
            break; /* call_end() tells */
        list[count++] = (struct store_rest){.workspace_id = call_text(call, &rows, 0),
                                            .credential_id = call_text(call, &rows, 1),
                                            .model = call_text(call, &rows, 2),
                                            .until_ms = db_int(&rows, 3),
                                            .remaining_ms = db_int(&rows, 3) - call->now_ms,
                                            .reason = call_text(call, &rows, 4),
                                            .seen_by = call_text(call, &rows, 5)};
    }
    *ret = (struct store_rest_set){list, list == NULL ? 0 : count};
    return db_end(&rows);
}

static enum status_code load_run(struct call *call, struct db *db, struct status *err)
{
    struct load_call *c = CONTAINER_OF(call, struct load_call, call);
    return rests_read(call, db, STR(""), STR(""), STORE_RESTS_MAX, &c->result, err);
}

static void load_answer(struct call *call, const struct status *status)
{
    struct load_call *c = CONTAINER_OF(call, struct load_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

enum status_code store_rest_load(struct store *store, store_rest_set_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_READ, load_run, load_answer};
    struct load_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->done = done;
    return call_submit(&c->call, err);
}

enum status_code store_rest_watch(struct store *store, void (*changed)(void *arg), void *arg,
                                  struct status *err)
{
    return signal_watch_commits(&store->signal, changed, arg, err);
}
