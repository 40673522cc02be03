/* run: see the header. */
#include "shared/store/run.h"
#include "shared/store/field.h"
#include "shared/store/record_id.h"
#include "shared/store/run_row.h"
#include "shared/store/run_statements.h"
#include <string.h>

struct run_get_call {
    struct call call;
    struct store_run_ref request;
    struct store_run result;
    store_run_done done;
};
struct run_close_call {
    struct call call;
    struct store_run_close request;
    struct store_run result;
    store_run_done done;
};
struct run_remove_call {
    struct call call;
    struct store_app_ref request;
    store_done done;
};

/* --- reading rows --- */

struct store_run run_row(struct call *call, const struct db_rows *rows)
{
    return (struct store_run){.run_id = record_id_text(call, db_text(rows, RUN_ID)),
                              .app_id = record_id_text(call, db_text(rows, RUN_APP_ID)),
                              .version_id = record_id_text(call, db_text(rows, RUN_VERSION_ID)),
                              .version_number = (int32_t)db_int(rows, RUN_VERSION_NUMBER),
                              .mode = (enum store_app_mode)db_int(rows, RUN_MODE),
                              .record = (enum store_record)db_int(rows, RUN_RECORD),
                              .end_user_id = record_id_text(call, db_text(rows, RUN_END_USER_ID)),
                              .conversation_id = record_id_text(call, db_text(rows, RUN_CONVERSATION_ID)),
                              .message_id = record_id_text(call, db_text(rows, RUN_MESSAGE_ID)),
                              .status = (int32_t)db_int(rows, RUN_STATUS),
                              .end_reason = (int32_t)db_int(rows, RUN_END_REASON),
                              .attempt = (uint32_t)db_int(rows, RUN_ATTEMPT),
                              .created_at_ms = db_int(rows, RUN_CREATED_AT_MS),
                              .finished_at_ms = db_int(rows, RUN_FINISHED_AT_MS),
                              .elapsed_ms = db_int(rows, RUN_ELAPSED_MS),
                              .total_tokens = db_int(rows, RUN_TOTAL_TOKENS),
                              .total_steps = (int32_t)db_int(rows, RUN_TOTAL_STEPS),
                              .exceptions_count = (int32_t)db_int(rows, RUN_EXCEPTIONS_COUNT),
                              .user = call_text(call, rows, RUN_USER),
                              .end_user_type = call_text(call, rows, RUN_END_USER_TYPE),
                              .usage = call_text(call, rows, RUN_USAGE),
                              .error = call_text(call, rows, RUN_ERROR)};
}

static enum status_code not_found(struct str run_id, struct status *err)
{
    return status_reason(err, STATUS_NOT_FOUND, "RUN_NOT_FOUND", "run %.*s: not found", STR_ARG(run_id));
}

static enum status_code read_nodes(struct call *call, struct db *db, const struct db_value *key,
                                   struct str *ret, struct status *err)
{
    size_t size = 0, at = 0;
    struct db_rows rows = db_query(db, &run_nodes_size_sql, key, 2, err);
    while (db_next(&rows))
        size = (size_t)db_int(&rows, 0);
    enum status_code rc = db_end(&rows);
    char *bytes = rc == STATUS_OK ? call_array(call, size + 1, 1) : NULL;
    if (bytes == NULL)
        return rc;
    rows = db_query(db, &run_nodes_sql, key, 2, err);
    while (db_next(&rows)) {
        struct str part = db_text(&rows, 0);
        if (part.len > size - at)
            continue; /* not of one moment with the size: a CALL_SNAPSHOT does not see it */
        memcpy(bytes + at, part.ptr, part.len);
        at += part.len;
    }
    *ret = (struct str){bytes, at};
    return db_end(&rows);
}

static enum status_code read_answer(struct call *call, struct db *db, struct str workspace_id,
                                    struct store_run *run, struct status *err)
{
    struct record_id message = record_id_of(run->message_id);
    struct db_rows rows =
        db_query(db, &run_answer_sql, DB_VALUES(DB_TEXT(workspace_id), record_id_value(&message)), err);
    while (db_next(&rows)) {
        run->answer = call_text(call, &rows, 0);
        run->answer_files = call_text(call, &rows, 1);
    }
    return db_end(&rows);
}

/* The whole of it. ret->run_id "": there is none. */
static enum status_code read_whole(struct call *call, struct db *db, struct str workspace_id,
                                   struct str run_id, struct store_run *ret, struct status *err)
{
    struct record_id id = record_id_of(run_id);
    const struct db_value key[] = {DB_TEXT(workspace_id), record_id_value(&id)};
    *ret = (struct store_run){.run_id = STR("")};
    struct db_rows rows = db_query(db, &run_get_sql, key, ARRAY_LEN(key), err);
    while (db_next(&rows)) {
        *ret = run_row(call, &rows);
        ret->inputs = call_text(call, &rows, RUN_INPUTS);
        ret->outputs = call_text(call, &rows, RUN_OUTPUTS);
    }
    enum status_code rc = db_end(&rows);
    if (rc == STATUS_OK && ret->run_id.len > 0)
        rc = read_nodes(call, db, key, &ret->nodes, err);
    if (rc == STATUS_OK && ret->run_id.len > 0 && ret->message_id.len > 0)
        rc = read_answer(call, db, workspace_id, ret, err);
    return rc;
}

/* --- get --- */

static enum status_code get_run(struct call *call, struct db *db, struct status *err)
{
    struct run_get_call *c = CONTAINER_OF(call, struct run_get_call, call);
    struct store_run_ref *r = &c->request;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_id("run_id", r->run_id, err);
    if (rc == STATUS_OK)
        rc = read_whole(call, db, r->workspace_id, r->run_id, &c->result, err);
    if (rc != STATUS_OK)
        return rc;
    bool is_theirs = (r->app_id.len == 0 || str_eq(r->app_id, c->result.app_id)) &&
                     (r->end_user_id.len == 0 || str_eq(r->end_user_id, c->result.end_user_id));
    return c->result.run_id.len > 0 && is_theirs ? STATUS_OK : not_found(r->run_id, err);
}

static void get_answer(struct call *call, const struct status *status)
{
    struct run_get_call *c = CONTAINER_OF(call, struct run_get_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

enum status_code store_run_get(struct store *records, const struct store_run_ref *request,
                               store_run_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_SNAPSHOT, get_run, get_answer};
    struct run_get_call *c = call_new(sizeof *c, records, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    struct str *texts[] = {&c->request.workspace_id, &c->request.run_id, &c->request.app_id,
                           &c->request.end_user_id};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        call_keep(&c->call, texts[i]);
    return call_submit(&c->call, err);
}

/* --- close --- */

static enum status_code insert_tombstone(struct db *db, const struct store_run_close *r, struct status *err)
{
    struct record_id id = record_id_of(r->run_id), app = record_id_of(r->app_id),
                     version = record_id_of(r->version_id), end_user = record_id_of(r->end_user_id),
                     conversation = record_id_of(r->conversation_id), message = record_id_of(r->message_id);
    int64_t finished_at_ms = r->finished_at_ms > r->created_at_ms ? r->finished_at_ms : r->created_at_ms;
    return db_run(db, &run_insert_closed_sql,
                  DB_VALUES(DB_TEXT(r->workspace_id), record_id_value(&id), record_id_value(&app),
                            record_id_value(&version), DB_INT(r->mode), DB_INT(r->record),
                            record_id_value(&end_user), record_id_value(&conversation),
                            record_id_value(&message), DB_INT(r->status), DB_INT(r->end_reason),
                            DB_INT(r->attempt), DB_INT(r->created_at_ms), DB_INT(finished_at_ms),
                            DB_INT(finished_at_ms - r->created_at_ms), DB_TEXT(r->user),
                            DB_TEXT(r->end_user_type), DB_TEXT(r->error)),
                  err);
}

static enum status_code close_open(struct db *db, const struct store_run_close *r, struct status *err)
{
    struct record_id run = record_id_of(r->run_id), message = record_id_of(r->message_id),
                     app = record_id_of(r->app_id);
    struct db_value values[] = {DB_TEXT(r->workspace_id), record_id_value(&run),     DB_INT(r->status),
                                DB_INT(r->end_reason),    DB_INT(r->finished_at_ms), DB_TEXT(r->error),
                                record_id_value(&app),    DB_INT(r->attempt),        record_id_value(&run)};
    enum status_code rc = db_run(db, &run_close_sql, values, ARRAY_LEN(values), err);
    values[1] = record_id_value(&message);
    if (rc == STATUS_OK && message.is_set)
        rc = db_run(db, &message_close_sql, values, ARRAY_LEN(values), err);
    return rc;
}

/* A run of which nothing is recorded, or whose id is another app's: the caller's own words are all there is. */
static struct store_run as_asked(const struct store_run_close *r)
{
    return (struct store_run){.run_id = r->run_id,
                              .app_id = r->app_id,
                              .version_id = r->version_id,
                              .end_user_id = r->end_user_id,
                              .conversation_id = r->conversation_id,
                              .message_id = r->message_id,
                              .user = r->user,
                              .end_user_type = r->end_user_type,
                              .mode = r->mode,
                              .record = r->record,
                              .status = r->status,
                              .end_reason = r->end_reason,
                              .attempt = r->attempt,
                              .created_at_ms = r->created_at_ms,
                              .finished_at_ms = r->finished_at_ms,
                              .error = r->error};
}

static enum status_code close_run(struct call *call, struct db *db, struct status *err)
{
    struct run_close_call *c = CONTAINER_OF(call, struct run_close_call, call);
    struct store_run_close *r = &c->request;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_id("run_id", r->run_id, err);
    if (rc == STATUS_OK)
        rc = close_open(db, r, err);
    if (rc == STATUS_OK && r->record != STORE_RECORD_NONE)
        rc = insert_tombstone(db, r, err);
    if (rc == STATUS_OK && r->record != STORE_RECORD_NONE)
        rc = read_whole(call, db, r->workspace_id, r->run_id, &c->result, err);
    if (rc == STATUS_OK && !str_eq(c->result.app_id, r->app_id))
        c->result = as_asked(r);
    return rc;
}

static void close_answer(struct call *call, const struct status *status)
{
    struct run_close_call *c = CONTAINER_OF(call, struct run_close_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

enum status_code store_run_close(struct store *records, const struct store_run_close *request,
                                 store_run_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_QUIET_WRITE, close_run, close_answer};
    struct run_close_call *c = call_new(sizeof *c, records, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    struct store_run_close *r = &c->request;
    struct str *texts[] = {
        &r->workspace_id,    &r->run_id,     &r->app_id, &r->version_id,    &r->end_user_id,
        &r->conversation_id, &r->message_id, &r->user,   &r->end_user_type, &r->error};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        call_keep(&c->call, texts[i]);
    return call_submit(&c->call, err);
}

/* --- remove --- */

static enum status_code remove_app(struct call *call, struct db *db, struct status *err)
{
    struct store_app_ref *r = &CONTAINER_OF(call, struct run_remove_call, call)->request;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_id("app_id", r->app_id, err);
    struct record_id app = record_id_of(r->app_id);
    if (rc == STATUS_OK)
        rc = db_run(db, &removal_insert_sql, DB_VALUES(DB_TEXT(r->workspace_id), record_id_value(&app)), err);
    return rc;
}

static void remove_answer(struct call *call, const struct status *status)
{
    CONTAINER_OF(call, struct run_remove_call, call)->done(call->arg, status);
}

enum status_code store_run_remove_app(struct store *records, const struct store_app_ref *request,
                                      store_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_QUIET_WRITE, remove_app, remove_answer};
    struct run_remove_call *c = call_new(sizeof *c, records, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    call_keep(&c->call, &c->request.workspace_id);
    call_keep(&c->call, &c->request.app_id);
    return call_submit(&c->call, err);
}
