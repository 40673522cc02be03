/*
 * run_list: store_run_list() of run.h.
 *
 * A list goes by the index that leaves the least to look at; what that one does not know is asked of each row. Pages by token
 * begin at a time and id, so they cost the same however far back they are, and what comes meanwhile does not move them.
 */
#include "shared/base/uuid.h"
#include "shared/store/field.h"
#include "shared/store/page.h"
#include "shared/store/record_id.h"
#include "shared/store/run_row.h"
#include "shared/store/run_statements.h"

/* texts. Of a list's sort key: time and id. */
enum { RUN_KEY = 2 };
/* rows. Counted of each index when several would do: a count costs far less than looking at as many runs. */
enum { SAMPLE_ROWS = 1000 };

struct run_list_call {
    struct call call;
    struct store_run_list request;
    struct store_run_page result;
    store_run_page_done done;
};

/* What is looked for. */
struct filter {
    const struct store_run_list *request;
    struct record_id app, end_user, conversation;
    enum run_index index;
    bool is_covered; /* every row of the index is wanted */
};

/* Where a list goes on: runs before this time and id. */
struct cursor {
    int64_t created_at_ms;
    struct record_id id;
};

/* Reads on from `at`, which moves along; `skip` of those that match are passed over, `room` are taken. */
struct reading {
    const struct filter *filter;
    struct cursor at;
    int64_t skip, room, looked, limit;
    struct store_run *runs; /* NULL: only counted */
    int64_t count;
    bool has_more; /* one that matches lies behind */
};

static enum status_code list_runs(struct call *call, struct db *db, struct status *err);
static void list_answer(struct call *call, const struct status *status);
static enum status_code list_check(struct store_run_list *r, const struct page *page, struct status *err);
static enum status_code filter_init(struct filter *f, struct db *db, const struct store_run_list *r,
                                    struct status *err);
static enum status_code find_start(struct db *db, const struct page *page, struct reading *reading,
                                   bool *ret_is_past_end, struct status *err);
static enum status_code read_on(struct call *call, struct db *db, struct reading *reading,
                                struct status *err);
static struct str token_of(struct call *call, const struct cursor *at);
static enum status_code count_all(struct call *call, struct db *db, const struct filter *filter,
                                  struct store_run_page *ret, struct status *err);

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

static enum status_code list_runs(struct call *call, struct db *db, struct status *err)
{
    struct run_list_call *c = CONTAINER_OF(call, struct run_list_call, call);
    struct store_run_list *r = &c->request;
    struct page page;
    bool is_past_end = false;
    enum status_code rc = page_init(call, r->page_size, r->page_token, RUN_KEY, &page, err);
    if (rc == STATUS_OK)
        rc = list_check(r, &page, err);
    if (rc != STATUS_OK)
        return rc;
    struct filter filter;
    rc = filter_init(&filter, db, r, err);
    if (rc != STATUS_OK)
        return rc;
    struct reading reading = {.filter = &filter,
                              .room = page.size,
                              .limit = STORE_RUN_SCAN_MAX,
                              .runs = call_array(call, (size_t)page.size, sizeof(struct store_run))};
    rc = find_start(db, &page, &reading, &is_past_end, err);
    if (rc == STATUS_OK && !is_past_end && reading.runs != NULL)
        rc = read_on(call, db, &reading, err);
    if (rc == STATUS_OK && r->with_total)
        rc = count_all(call, db, &filter, &c->result, err);
    if (rc != STATUS_OK)
        return rc;
    bool is_cut = reading.looked == reading.limit;
    if (is_cut && reading.skip > 0)
        return status_field(err, "page", "lies behind more than %d runs: go by page_token",
                            STORE_RUN_COUNT_MAX);
    c->result.runs = reading.runs;
    c->result.count = (size_t)reading.count;
    c->result.next_page_token = reading.has_more || is_cut ? token_of(call, &reading.at) : STR("");
    return STATUS_OK;
}

static void list_answer(struct call *call, const struct status *status)
{
    struct run_list_call *c = CONTAINER_OF(call, struct run_list_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

static enum status_code list_check(struct store_run_list *r, const struct page *page, struct status *err)
{
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_id("app_id", r->app_id, err);
    if (rc == STATUS_OK && r->end_user_id.len > 0)
        rc = field_id("end_user_id", r->end_user_id, err);
    if (rc == STATUS_OK && r->conversation_id.len > 0)
        rc = field_id("conversation_id", r->conversation_id, err);
    if (rc == STATUS_OK)
        rc = field_text("keyword", r->keyword, 0, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK && r->page < 0)
        rc = status_field(err, "page", "counts from 1; 0 is for none");
    if (rc == STATUS_OK && r->page > 0 && r->page_token.len > 0)
        rc = status_field(err, "page", "give page or page_token, not both");
    if (rc == STATUS_OK && r->page > 0 && (r->page - 1) * page->size > STORE_RUN_COUNT_MAX)
        rc =
            status_field(err, "page", "lies behind more than %d runs: go by page_token", STORE_RUN_COUNT_MAX);
    return rc;
}

/* Columns of run_search_sql, or of run_list_sql when no keyword is asked for. */
static bool matches(const struct filter *f, const struct db_rows *rows)
{
    static const enum run_column searched[] = {RUN_USER, RUN_INPUTS, RUN_OUTPUTS};
    const struct store_run_list *r = f->request;
    if (f->is_covered)
        return true;
    if (r->status != 0 && db_int(rows, RUN_STATUS) != r->status)
        return false;
    if (r->end_reason != 0 && db_int(rows, RUN_END_REASON) != r->end_reason)
        return false;
    if (f->end_user.is_set && !record_id_is(&f->end_user, db_text(rows, RUN_END_USER_ID)))
        return false;
    if (f->conversation.is_set && !record_id_is(&f->conversation, db_text(rows, RUN_CONVERSATION_ID)))
        return false;
    bool is_found = r->keyword.len == 0;
    for (size_t i = 0; !is_found && i < ARRAY_LEN(searched); i++)
        is_found = str_find(db_text(rows, (int)searched[i]), r->keyword, 0) != SIZE_MAX;
    return is_found;
}

/* Rows that a statement finds: parameters as in run_statements.h. */
static struct db_rows query(struct db *db, const struct sql statements[RUN_INDEX_COUNT],
                            const struct filter *f, const struct cursor *at, int64_t limit, int64_t skip,
                            struct db_value values[8], struct status *err)
{
    const struct store_run_list *r = f->request;
    values[0] = DB_TEXT(r->workspace_id);
    values[1] = record_id_value(&f->app);
    values[2] = DB_INT(r->created_after_ms);
    values[3] = DB_INT(at->created_at_ms);
    values[4] = record_id_value(&at->id);
    values[5] = DB_INT(limit);
    values[6] = DB_NULL;
    values[7] = DB_INT(skip);
    switch (f->index) {
    case RUNS_BY_TIME:
        break;
    case RUNS_BY_USER:
        values[6] = record_id_value(&f->end_user);
        break;
    case RUNS_BY_CONVERSATION:
        values[6] = record_id_value(&f->conversation);
        break;
    case RUNS_BY_STATUS:
        values[6] = DB_INT(r->status);
        break;
    case RUNS_BY_REASON:
        values[6] = DB_INT(r->end_reason);
        break;
    }
    return db_query(db, &statements[f->index], values, 8, err);
}

static struct cursor newest(const struct store_run_list *r)
{
    return (struct cursor){.created_at_ms = r->created_before_ms > 0 ? r->created_before_ms : INT64_MAX};
}

static bool is_asked(const struct store_run_list *r, enum run_index index)
{
    switch (index) {
    case RUNS_BY_TIME:
        return true;
    case RUNS_BY_USER:
        return r->end_user_id.len > 0;
    case RUNS_BY_CONVERSATION:
        return r->conversation_id.len > 0;
    case RUNS_BY_STATUS:
        return r->status != 0;
    case RUNS_BY_REASON:
        return r->end_reason != 0;
    }
    return false;
}

/* Those of the most frequent status and reason are in no index. */
static bool is_served(const struct store_run_list *r, enum run_index index)
{
    return is_asked(r, index) && (index != RUNS_BY_STATUS || r->status != RUN_SUCCEEDED) &&
           (index != RUNS_BY_REASON || r->end_reason > 1);
}

/* Of several indexes the one with the fewest rows; when all have many, the first of those that have fewer as a rule. */
static enum status_code choose_index(struct filter *f, struct db *db, struct status *err)
{
    static const enum run_index narrow_first[] = {RUNS_BY_CONVERSATION, RUNS_BY_REASON, RUNS_BY_STATUS,
                                                  RUNS_BY_USER};
    const struct cursor from = newest(f->request);
    enum run_index served[ARRAY_LEN(narrow_first)], chosen = RUNS_BY_TIME;
    enum status_code rc = STATUS_OK;
    int64_t least = SAMPLE_ROWS;
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(narrow_first); i++) {
        if (is_served(f->request, narrow_first[i]))
            served[count++] = narrow_first[i];
    }
    if (count > 0)
        chosen = served[0];
    for (size_t i = 0; rc == STATUS_OK && count > 1 && i < count; i++) {
        struct db_value values[8];
        int64_t n = 0;
        f->index = served[i];
        struct db_rows rows = query(db, run_count_sql, f, &from, SAMPLE_ROWS, 0, values, err);
        while (db_next(&rows))
            n = db_int(&rows, 0);
        rc = db_end(&rows);
        if (n < least) {
            least = n;
            chosen = served[i];
        }
    }
    f->index = chosen;
    return rc;
}

static enum status_code filter_init(struct filter *f, struct db *db, const struct store_run_list *r,
                                    struct status *err)
{
    *f = (struct filter){.request = r,
                         .app = record_id_of(r->app_id),
                         .end_user = record_id_of(r->end_user_id),
                         .conversation = record_id_of(r->conversation_id)};
    enum status_code rc = choose_index(f, db, err);
    f->is_covered = r->keyword.len == 0;
    for (int i = 0; i < RUN_INDEX_COUNT; i++)
        f->is_covered &= i == RUNS_BY_TIME || i == (int)f->index || !is_asked(r, (enum run_index)i);
    return rc;
}

/* Behind the token's run, or behind the pages before when the index can tell; otherwise they are skipped while reading. */
static enum status_code find_start(struct db *db, const struct page *page, struct reading *reading,
                                   bool *ret_is_past_end, struct status *err)
{
    const struct store_run_list *r = reading->filter->request;
    reading->at = newest(r);
    if (!page->is_first) {
        struct cursor at;
        if (!str_to_i64(page->key[0], &at.created_at_ms) || !uuid_is_canonical(page->key[1]))
            return status_field(err, "page_token", "is not one of this list");
        at.id = record_id_of(page->key[1]);
        if (at.created_at_ms < reading->at.created_at_ms)
            reading->at = at;
    }
    int64_t skip = r->page > 1 ? (r->page - 1) * page->size : 0;
    if (skip == 0)
        return STATUS_OK;
    if (!reading->filter->is_covered) {
        reading->skip = skip;
        reading->limit = STORE_RUN_COUNT_MAX;
        return STATUS_OK;
    }
    struct db_value values[8];
    struct cursor last = {.created_at_ms = 0};
    struct db_rows rows = query(db, run_skip_sql, reading->filter, &reading->at, 1, skip - 1, values, err);
    *ret_is_past_end = true;
    while (db_next(&rows)) {
        last = (struct cursor){db_int(&rows, 0), record_id_from(db_text(&rows, 1))};
        *ret_is_past_end = false;
    }
    enum status_code rc = db_end(&rows);
    reading->at = last;
    return rc;
}

static enum status_code read_on(struct call *call, struct db *db, struct reading *reading, struct status *err)
{
    const struct filter *f = reading->filter;
    struct db_value values[8];
    const struct cursor from = reading->at;
    struct db_rows rows = query(db, f->request->keyword.len > 0 ? run_search_sql : run_list_sql, f, &from,
                                reading->limit, 0, values, err);
    while (!reading->has_more && db_next(&rows)) {
        bool is_match = matches(f, &rows);
        if (is_match && reading->skip == 0 && reading->room == 0) {
            reading->has_more = true;
            continue;
        }
        reading->looked++;
        reading->at =
            (struct cursor){db_int(&rows, RUN_CREATED_AT_MS), record_id_from(db_text(&rows, RUN_ID))};
        if (!is_match)
            continue;
        if (reading->skip > 0) {
            reading->skip--;
            continue;
        }
        if (reading->runs != NULL)
            reading->runs[reading->count] = run_row(call, &rows);
        reading->count++;
        reading->room--;
    }
    return db_end(&rows);
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

static enum status_code count_all(struct call *call, struct db *db, const struct filter *filter,
                                  struct store_run_page *ret, struct status *err)
{
    const struct cursor from = newest(filter->request);
    struct reading all = {.filter = filter, .at = from, .room = INT64_MAX, .limit = STORE_RUN_COUNT_MAX};
    if (!filter->is_covered) {
        enum status_code rc = read_on(call, db, &all, err);
        ret->total = all.count;
        ret->total_is_least = all.looked == all.limit;
        return rc;
    }
    struct db_value values[8];
    struct db_rows rows = query(db, run_count_sql, filter, &from, STORE_RUN_COUNT_MAX, 0, values, err);
    while (db_next(&rows))
        ret->total = db_int(&rows, 0);
    ret->total_is_least = ret->total == STORE_RUN_COUNT_MAX;
    return db_end(&rows);
}
