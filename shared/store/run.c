/* run: see the header. */
#include "shared/store/run.h"
#include "shared/base/uuid.h"
#include "shared/store/field.h"
#include "shared/store/page.h"
#include "shared/store/record_id.h"
#include "shared/store/run_statements.h"
#include <string.h>

/* texts. Of a list's sort key: time and id. */
enum { RUN_KEY = 2 };

struct run_get_call {
    struct call call;
    struct store_run_ref request;
    struct store_run result;
    store_run_done done;
};
struct run_list_call {
    struct call call;
    struct store_run_list request;
    struct store_run_page result;
    store_run_page_done done;
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

/* Columns of RUN_COLUMNS. */
static struct store_run read_run(struct call *call, const struct db_rows *rows)
{
    return (struct store_run){.run_id = record_id_text(call, db_text(rows, 0)),
                              .app_id = record_id_text(call, db_text(rows, 1)),
                              .version_id = record_id_text(call, db_text(rows, 2)),
                              .version_number = (int32_t)db_int(rows, 3),
                              .mode = (enum store_app_mode)db_int(rows, 4),
                              .record = (enum store_record)db_int(rows, 5),
                              .end_user_id = record_id_text(call, db_text(rows, 6)),
                              .conversation_id = record_id_text(call, db_text(rows, 7)),
                              .message_id = record_id_text(call, db_text(rows, 8)),
                              .status = (int32_t)db_int(rows, 9),
                              .end_reason = (int32_t)db_int(rows, 10),
                              .attempt = (uint32_t)db_int(rows, 11),
                              .created_at_ms = db_int(rows, 12),
                              .finished_at_ms = db_int(rows, 13),
                              .elapsed_ms = db_int(rows, 14),
                              .total_tokens = db_int(rows, 15),
                              .total_steps = (int32_t)db_int(rows, 16),
                              .exceptions_count = (int32_t)db_int(rows, 17),
                              .user = call_text(call, rows, 18),
                              .end_user_type = call_text(call, rows, 19),
                              .usage = call_text(call, rows, 20),
                              .error = call_text(call, rows, 21)};
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
        *ret = read_run(call, &rows);
        ret->inputs = call_text(call, &rows, 22);
        ret->outputs = call_text(call, &rows, 23);
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

/* --- list --- */

/* What is asked of each row beside its index. */
struct filter {
    const struct store_run_list *request;
    struct record_id end_user, conversation;
};

/* Columns of RUN_COLUMNS, then inputs and outputs. */
static bool matches(const struct filter *f, const struct db_rows *rows)
{
    const struct store_run_list *r = f->request;
    if (r->status != 0 && db_int(rows, 9) != r->status)
        return false;
    if (r->end_reason != 0 && db_int(rows, 10) != r->end_reason)
        return false;
    if (r->end_user_id.len > 0 && !record_id_is(&f->end_user, db_text(rows, 6)))
        return false;
    if (r->conversation_id.len > 0 && !record_id_is(&f->conversation, db_text(rows, 7)))
        return false;
    return r->keyword.len == 0 || str_find(db_text(rows, 18), r->keyword, 0) != SIZE_MAX ||
           str_find(db_text(rows, 22), r->keyword, 0) != SIZE_MAX ||
           str_find(db_text(rows, 23), r->keyword, 0) != SIZE_MAX;
}

/* The statement whose index leaves the least to look at, and its last parameter. */
static const struct sql *statement_of(const struct filter *f, struct db_value *ret_key)
{
    const struct store_run_list *r = f->request;
    *ret_key = DB_NULL;
    if (r->conversation_id.len > 0) {
        *ret_key = record_id_value(&f->conversation);
        return &run_list_by_conversation_sql;
    }
    if (r->end_reason > 1) {
        *ret_key = DB_INT(r->end_reason);
        return &run_list_by_reason_sql;
    }
    if (r->status != 0 && r->status != RUN_SUCCEEDED) {
        *ret_key = DB_INT(r->status);
        return &run_list_by_status_sql;
    }
    if (r->end_user_id.len > 0) {
        *ret_key = record_id_value(&f->end_user);
        return &run_list_by_user_sql;
    }
    return &run_list_sql;
}

/* Where a list goes on: runs before this time and id. */
struct cursor {
    int64_t created_at_ms;
    struct record_id id;
};

static enum status_code read_cursor(const struct page *page, const struct store_run_list *r,
                                    struct cursor *ret, struct status *err)
{
    *ret = (struct cursor){.created_at_ms = r->created_before_ms > 0 ? r->created_before_ms : INT64_MAX};
    if (page->is_first)
        return STATUS_OK;
    if (!str_to_i64(page->key[0], &ret->created_at_ms) || !uuid_is_canonical(page->key[1]))
        return status_field(err, "page_token", "is not one of this list");
    ret->id = record_id_of(page->key[1]);
    return STATUS_OK;
}

static struct str token_of(struct call *call, const struct cursor *at)
{
    char *time = arena_printf(&call->arena, "%lld", (long long)at->created_at_ms);
    if (time == NULL) {
        call->is_short = true;
        return STR("");
    }
    const struct str key[RUN_KEY] = {str_c(time), record_id_text(call, record_id_bytes(&at->id))};
    return page_token(call, key, RUN_KEY);
}

/* Reads on from the cursor, which moves along. limit: rows to look at, -1 for all. Puts at most `room` that match. */
struct reading {
    struct filter filter;
    struct cursor at;
    int64_t skip, room, looked, limit;
    struct store_run *runs; /* NULL: only counted */
    int64_t count;
    bool has_more; /* something that matches lies behind */
};

static enum status_code read_on(struct call *call, struct db *db, struct reading *reading, struct status *err)
{
    const struct store_run_list *r = reading->filter.request;
    struct record_id app = record_id_of(r->app_id);
    struct db_value key;
    const struct sql *sql = statement_of(&reading->filter, &key);
    struct db_rows rows = db_query(db, sql,
                                   DB_VALUES(DB_TEXT(r->workspace_id), record_id_value(&app),
                                             DB_INT(r->created_after_ms), DB_INT(reading->at.created_at_ms),
                                             record_id_value(&reading->at.id), DB_INT(reading->limit), key),
                                   err);
    while (!reading->has_more && db_next(&rows)) {
        bool is_match = matches(&reading->filter, &rows);
        if (is_match && reading->skip == 0 && reading->room == 0) {
            reading->has_more = true;
            continue;
        }
        reading->looked++;
        reading->at.created_at_ms = db_int(&rows, 12);
        reading->at.id = record_id_from(db_text(&rows, 0));
        if (!is_match)
            continue;
        if (reading->skip > 0) {
            reading->skip--;
            continue;
        }
        if (reading->runs != NULL)
            reading->runs[reading->count] = read_run(call, &rows);
        reading->count++;
        reading->room--;
    }
    return db_end(&rows);
}

static enum status_code count_all(struct call *call, struct db *db, const struct filter *filter, int64_t *ret,
                                  struct status *err)
{
    const struct store_run_list *r = filter->request;
    struct reading all = {.filter = *filter,
                          .at.created_at_ms = r->created_before_ms > 0 ? r->created_before_ms : INT64_MAX,
                          .room = INT64_MAX,
                          .limit = -1};
    enum status_code rc = read_on(call, db, &all, err);
    *ret = all.count;
    return rc;
}

static enum status_code list_check(struct store_run_list *r, struct status *err)
{
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_id("app_id", r->app_id, err);
    if (rc == STATUS_OK && r->conversation_id.len > 0)
        rc = field_id("conversation_id", r->conversation_id, err);
    if (rc == STATUS_OK)
        rc = field_text("keyword", r->keyword, 0, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK && (r->page < 0 || r->page > STORE_RUN_PAGE_MAX))
        rc = status_field(err, "page", "must be 1 to %d, or 0 for none", STORE_RUN_PAGE_MAX);
    if (rc == STATUS_OK && r->page > 0 && r->page_token.len > 0)
        rc = status_field(err, "page", "give page or page_token, not both");
    return rc;
}

static enum status_code list_runs(struct call *call, struct db *db, struct status *err)
{
    struct run_list_call *c = CONTAINER_OF(call, struct run_list_call, call);
    struct store_run_list *r = &c->request;
    struct page page;
    enum status_code rc = list_check(r, err);
    if (rc == STATUS_OK)
        rc = page_init(call, r->page_size, r->page_token, RUN_KEY, &page, err);
    if (rc != STATUS_OK)
        return rc;
    struct reading reading = {.filter = {.request = r,
                                         .end_user = record_id_of(r->end_user_id),
                                         .conversation = record_id_of(r->conversation_id)},
                              .skip = r->page > 1 ? (r->page - 1) * page.size : 0,
                              .room = page.size,
                              .limit = r->page > 0 ? -1 : STORE_RUN_SCAN_MAX,
                              .runs = call_array(call, (size_t)page.size, sizeof(struct store_run))};
    rc = read_cursor(&page, r, &reading.at, err);
    if (rc == STATUS_OK && reading.runs != NULL)
        rc = read_on(call, db, &reading, err);
    if (rc == STATUS_OK && r->with_total)
        rc = count_all(call, db, &reading.filter, &c->result.total, err);
    if (rc != STATUS_OK)
        return rc;
    bool goes_on = reading.has_more || reading.looked == STORE_RUN_SCAN_MAX;
    c->result.runs = reading.runs;
    c->result.count = (size_t)reading.count;
    c->result.next_page_token = goes_on ? token_of(call, &reading.at) : STR("");
    return STATUS_OK;
}

static void list_answer(struct call *call, const struct status *status)
{
    struct run_list_call *c = CONTAINER_OF(call, struct run_list_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

enum status_code store_run_list(struct store *records, const struct store_run_list *request,
                                store_run_page_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_SNAPSHOT, list_runs, list_answer};
    struct run_list_call *c = call_new(sizeof *c, records, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    struct str *texts[] = {&c->request.workspace_id,    &c->request.app_id,  &c->request.end_user_id,
                           &c->request.conversation_id, &c->request.keyword, &c->request.page_token};
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
    return db_run(
        db, &run_insert_closed_sql,
        DB_VALUES(DB_TEXT(r->workspace_id), record_id_value(&id), record_id_value(&app),
                  record_id_value(&version), DB_INT(r->mode), DB_INT(r->record), record_id_value(&end_user),
                  record_id_value(&conversation), record_id_value(&message), DB_INT(r->status),
                  DB_INT(r->end_reason), DB_INT(r->attempt), DB_INT(r->created_at_ms),
                  DB_INT(r->finished_at_ms),
                  DB_INT(r->finished_at_ms > r->created_at_ms ? r->finished_at_ms - r->created_at_ms : 0),
                  DB_TEXT(r->user), DB_TEXT(r->end_user_type), DB_TEXT(r->error)),
        err);
}

static enum status_code close_open(struct db *db, const struct store_run_close *r, struct status *err)
{
    struct record_id id = record_id_of(r->run_id), message = record_id_of(r->message_id);
    const struct db_value end[] = {DB_TEXT(r->workspace_id),  DB_NULL,
                                   DB_INT(r->status),         DB_INT(r->end_reason),
                                   DB_INT(r->finished_at_ms), DB_TEXT(r->error)};
    struct db_value values[ARRAY_LEN(end)];
    memcpy(values, end, sizeof end);
    values[1] = record_id_value(&id);
    enum status_code rc = db_run(db, &run_close_sql, values, ARRAY_LEN(values), err);
    values[1] = record_id_value(&message);
    if (rc == STATUS_OK && r->message_id.len > 0)
        rc = db_run(db, &message_close_sql, values, ARRAY_LEN(values), err);
    return rc;
}

/* A run of which nothing is recorded: the caller's own words are all there is. */
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
    if (rc == STATUS_OK && r->record == STORE_RECORD_NONE)
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
