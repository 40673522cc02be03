/* conversation: see the header. The lists of messages and variables are in files of their own. */
#include "shared/store/conversation.h"
#include "shared/store/conversation_rows.h"
#include "shared/store/field.h"
#include "shared/store/page.h"
#include "shared/store/record_id.h"

struct list_call {
    struct call call;
    struct store_conversation_list request;
    struct store_conversation_page result;
    store_conversation_page_done done;
};
struct rename_call {
    struct call call;
    struct store_conversation_rename request;
    struct store_conversation result;
    store_conversation_done done;
};
struct delete_call {
    struct call call;
    struct store_conversation_ref request;
    store_done done;
};

/* characters. Of a first message, for a name: white space in front and between does not count. */
#define FIRST_CHARS "400"
#define CONVERSATION_COLUMNS                                                                                 \
    "c.id, c.name, c.introduction, c.inputs, c.created_at_ms, c.updated_at_ms, case when c.name = '' then "  \
    "(select substr(m.query, 1, " FIRST_CHARS ") from messages m where m.workspace_id = c.workspace_id and " \
    "m.conversation_id = c.id order by m.id limit 1) end"

enum status_code conversation_require(struct db *db, const struct store_conversation_ref *ref,
                                      struct status *err)
{
    static const struct sql sql = {
        "select app_id, end_user_id from conversations where workspace_id = $1 and id = $2"};
    struct record_id id = record_id_of(ref->conversation_id), app = record_id_of(ref->app_id),
                     end_user = record_id_of(ref->end_user_id);
    struct str workspace_id = ref->workspace_id;
    bool is_theirs = false;
    enum status_code rc = field_workspace(&workspace_id, err);
    if (rc != STATUS_OK)
        return rc;
    struct db_rows rows = db_query(db, &sql, DB_VALUES(DB_TEXT(workspace_id), record_id_value(&id)), err);
    while (db_next(&rows))
        is_theirs = record_id_is(&app, db_text(&rows, 0)) && record_id_is(&end_user, db_text(&rows, 1));
    rc = db_end(&rows);
    if (rc == STATUS_OK && !is_theirs)
        return status_reason(err, STATUS_NOT_FOUND, "CONVERSATION_NOT_FOUND",
                             "there is no such conversation of this user");
    return rc;
}

/* The first characters of what was said, white space as single blanks. */
static struct str name_of(struct call *call, struct str first)
{
    struct buf name;
    size_t chars = 0;
    bool is_blank = true; /* at the start none is wanted */
    first.len = str_is_utf8(first) ? first.len : str_utf8_cut(first, first.len);
    buf_init(&name, 4 * (STORE_CONVERSATION_NAME_CHARS + 4));
    for (size_t i = 0; i < first.len;) {
        size_t n = str_utf8_first(str_sub(first, i, first.len));
        bool is_space = n <= 1 && (unsigned char)first.ptr[i] <= ' ';
        if (!(is_space && is_blank) && chars == STORE_CONVERSATION_NAME_CHARS) {
            if (str_trim(str_sub(first, i, first.len)).len > 0)
                buf_put_c(&name, "...");
            break;
        }
        if (is_space && !is_blank)
            buf_put_char(&name, ' ');
        else if (!is_space)
            buf_put(&name, str_sub(first, i, i + (n == 0 ? 1 : n)));
        chars += !(is_space && is_blank);
        is_blank = is_space;
        i += n == 0 ? 1 : n;
    }
    struct str text = str_trim(buf_str(&name));
    call_keep(call, &text);
    call->is_short |= name.failed;
    buf_fini(&name);
    return text;
}

static struct store_conversation read_conversation(struct call *call, const struct db_rows *rows)
{
    struct str name = db_text(rows, 1);
    return (struct store_conversation){.conversation_id = record_id_text(call, db_text(rows, 0)),
                                       .name = name.len > 0 ? call_text(call, rows, 1)
                                                            : name_of(call, db_text(rows, 6)),
                                       .introduction = call_text(call, rows, 2),
                                       .inputs = call_text(call, rows, 3),
                                       .created_at_ms = db_int(rows, 4),
                                       .updated_at_ms = db_int(rows, 5)};
}

/* --- list --- */

#define CONVERSATION_LIST(column, compared, order)                                                           \
    "select " CONVERSATION_COLUMNS " from conversations c where c.workspace_id = $1 and c.app_id = $2 and "  \
    "c.end_user_id = $3 and (c." column ", c.id) " compared " ($4, $5) order by c." column " " order         \
    ", c.id " order " limit $6"
static const struct sql list_sql[] = {
    [STORE_LAST_USED_FIRST] = {CONVERSATION_LIST("updated_at_ms", "<", "desc")},
    [STORE_LAST_USED_LAST] = {CONVERSATION_LIST("updated_at_ms", ">", "asc")},
    [STORE_NEWEST_FIRST] = {CONVERSATION_LIST("created_at_ms", "<", "desc")},
    [STORE_OLDEST_FIRST] = {CONVERSATION_LIST("created_at_ms", ">", "asc")},
};

static bool is_descending(enum store_conversation_order order)
{
    return order == STORE_LAST_USED_FIRST || order == STORE_NEWEST_FIRST;
}

static bool is_by_use(enum store_conversation_order order)
{
    return order == STORE_LAST_USED_FIRST || order == STORE_LAST_USED_LAST;
}

/* Where the page begins: behind the conversation of the token. */
static enum status_code find_start(struct db *db, const struct store_conversation_list *r, int64_t *ret_time,
                                   struct record_id *ret_id, struct status *err)
{
    static const struct sql sql = {
        "select created_at_ms, updated_at_ms from conversations where workspace_id = $1 and id = $2"};
    *ret_time = is_descending(r->order) ? INT64_MAX : INT64_MIN;
    *ret_id = record_id_of(r->page_token);
    if (r->page_token.len == 0)
        return STATUS_OK;
    const struct store_conversation_ref ref = {r->workspace_id, r->app_id, r->end_user_id, r->page_token};
    enum status_code rc = conversation_require(db, &ref, err);
    if (rc != STATUS_OK)
        return rc;
    struct db_rows rows =
        db_query(db, &sql, DB_VALUES(DB_TEXT(r->workspace_id), record_id_value(ret_id)), err);
    while (db_next(&rows))
        *ret_time = db_int(&rows, is_by_use(r->order) ? 1 : 0);
    return db_end(&rows);
}

static enum status_code list_conversations(struct call *call, struct db *db, struct status *err)
{
    struct list_call *c = CONTAINER_OF(call, struct list_call, call);
    struct store_conversation_list *r = &c->request;
    struct record_id app = record_id_of(r->app_id), end_user = record_id_of(r->end_user_id), from;
    int64_t time;
    struct page page;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK && (size_t)r->order >= ARRAY_LEN(list_sql))
        rc = status_field(err, "sort_by", "is no order");
    if (rc == STATUS_OK)
        rc = page_init(call, r->page_size, STR(""), 1, &page, err);
    if (rc == STATUS_OK)
        rc = find_start(db, r, &time, &from, err);
    if (rc != STATUS_OK)
        return rc;
    struct store_conversation *list = call_array(call, (size_t)page.size, sizeof *list);
    int64_t count = 0, seen = 0;
    if (list == NULL)
        return STATUS_OK;
    struct db_rows rows =
        db_query(db, &list_sql[r->order],
                 DB_VALUES(DB_TEXT(r->workspace_id), record_id_value(&app), record_id_value(&end_user),
                           DB_INT(time), record_id_value(&from), DB_INT(page.size + 1)),
                 err);
    while (db_next(&rows)) {
        if (seen++ < page.size)
            list[count++] = read_conversation(call, &rows);
    }
    c->result.conversations = list;
    c->result.count = (size_t)count;
    c->result.next_page_token = seen > page.size ? list[count - 1].conversation_id : STR("");
    return db_end(&rows);
}

static void list_answer(struct call *call, const struct status *status)
{
    struct list_call *c = CONTAINER_OF(call, struct list_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

enum status_code store_conversation_list(struct store *records, const struct store_conversation_list *request,
                                         store_conversation_page_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_SNAPSHOT, list_conversations, list_answer};
    struct list_call *c = call_new(sizeof *c, records, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    struct store_conversation_list *r = &c->request;
    struct str *texts[] = {&r->workspace_id, &r->app_id, &r->end_user_id, &r->page_token};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        call_keep(&c->call, texts[i]);
    return call_submit(&c->call, err);
}

/* --- rename --- */

static void keep_ref(struct call *call, struct store_conversation_ref *ref)
{
    struct str *texts[] = {&ref->workspace_id, &ref->app_id, &ref->end_user_id, &ref->conversation_id};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        call_keep(call, texts[i]);
}

static enum status_code rename_conversation(struct call *call, struct db *db, struct status *err)
{
    static const struct sql set = {
        "update conversations set name = $3, updated_at_ms = max($4, updated_at_ms) "
        "where workspace_id = $1 and id = $2"};
    static const struct sql get = {"select " CONVERSATION_COLUMNS
                                   " from conversations c where c.workspace_id = $1 and c.id = $2"};
    struct rename_call *c = CONTAINER_OF(call, struct rename_call, call);
    struct store_conversation_ref *ref = &c->request.ref;
    struct record_id id = record_id_of(ref->conversation_id);
    enum status_code rc = field_workspace(&ref->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_text("name", c->request.name, 0, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK && c->request.name.len > 0 && str_trim(c->request.name).len == 0)
        rc = status_field(err, "name", "is blank");
    if (rc == STATUS_OK)
        rc = conversation_require(db, ref, err);
    const struct db_value values[] = {DB_TEXT(ref->workspace_id), record_id_value(&id),
                                      DB_TEXT(c->request.name), DB_INT(call->now_ms)};
    if (rc == STATUS_OK)
        rc = db_run(db, &set, values, ARRAY_LEN(values), err);
    if (rc != STATUS_OK)
        return rc;
    struct db_rows rows = db_query(db, &get, values, 2, err);
    while (db_next(&rows))
        c->result = read_conversation(call, &rows);
    return db_end(&rows);
}

static void rename_answer(struct call *call, const struct status *status)
{
    struct rename_call *c = CONTAINER_OF(call, struct rename_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

enum status_code store_conversation_rename(struct store *records,
                                           const struct store_conversation_rename *request,
                                           store_conversation_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_QUIET_WRITE, rename_conversation, rename_answer};
    struct rename_call *c = call_new(sizeof *c, records, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    keep_ref(&c->call, &c->request.ref);
    call_keep(&c->call, &c->request.name);
    return call_submit(&c->call, err);
}

/* --- delete --- */

static enum status_code delete_conversation(struct call *call, struct db *db, struct status *err)
{
    static const struct sql statements[] = {
        {"delete from messages where workspace_id = $1 and conversation_id = $2"},
        {"delete from conversation_variables where workspace_id = $1 and conversation_id = $2"},
        {"delete from conversations where workspace_id = $1 and id = $2"}};
    struct store_conversation_ref *ref = &CONTAINER_OF(call, struct delete_call, call)->request;
    struct record_id id = record_id_of(ref->conversation_id);
    enum status_code rc = field_workspace(&ref->workspace_id, err);
    if (rc == STATUS_OK)
        rc = conversation_require(db, ref, err);
    for (size_t i = 0; rc == STATUS_OK && i < ARRAY_LEN(statements); i++)
        rc = db_run(db, &statements[i], DB_VALUES(DB_TEXT(ref->workspace_id), record_id_value(&id)), err);
    return rc;
}

static void delete_answer(struct call *call, const struct status *status)
{
    CONTAINER_OF(call, struct delete_call, call)->done(call->arg, status);
}

enum status_code store_conversation_delete(struct store *records,
                                           const struct store_conversation_ref *request, store_done done,
                                           void *arg, struct status *err)
{
    static const struct call_type type = {CALL_QUIET_WRITE, delete_conversation, delete_answer};
    struct delete_call *c = call_new(sizeof *c, records, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    keep_ref(&c->call, &c->request);
    return call_submit(&c->call, err);
}
