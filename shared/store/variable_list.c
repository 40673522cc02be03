/* variable_list: the variables of a conversation (conversation.h). There are few of each: they are sorted here. */
#include "shared/store/conversation_rows.h"
#include "shared/store/field.h"
#include "shared/store/page.h"
#include "shared/store/record_id.h"
#include <stdlib.h>

struct variable_list_call {
    struct call call;
    struct store_conversation_variable_list request;
    struct store_conversation_variable_page result;
    store_conversation_variable_page_done done;
};

static struct store_conversation_variable read_variable(struct call *call, const struct db_rows *rows)
{
    bool has_secret = db_text(rows, 5).len > 0;
    return (struct store_conversation_variable){.variable_id = record_id_text(call, db_text(rows, 0)),
                                                .name = call_text(call, rows, 1),
                                                .value_type = call_text(call, rows, 2),
                                                .description = call_text(call, rows, 3),
                                                .value =
                                                    has_secret ? STR("\"***\"") : call_text(call, rows, 4),
                                                .has_secret = has_secret,
                                                .created_at_ms = db_int(rows, 6),
                                                .updated_at_ms = db_int(rows, 7)};
}

static int by_age(const void *a, const void *b)
{
    const struct store_conversation_variable *x = a, *y = b;
    if (x->created_at_ms != y->created_at_ms)
        return x->created_at_ms < y->created_at_ms ? -1 : 1;
    return str_cmp(x->variable_id, y->variable_id);
}

/* All that are asked for, the oldest first. */
static enum status_code read_all(struct call *call, struct db *db,
                                 const struct store_conversation_variable_list *r,
                                 struct store_conversation_variable **ret, size_t *ret_count,
                                 struct status *err)
{
    static const struct sql sql = {
        "select id, name, value_type, description, value, key_id, created_at_ms, updated_at_ms "
        "from conversation_variables where workspace_id = $1 and conversation_id = $2"};
    struct record_id conversation = record_id_of(r->ref.conversation_id);
    struct store_conversation_variable *list = NULL;
    size_t count = 0;
    struct db_rows rows =
        db_query(db, &sql, DB_VALUES(DB_TEXT(r->ref.workspace_id), record_id_value(&conversation)), err);
    while (db_next(&rows)) {
        if (r->name.len > 0 && !str_eq(r->name, db_text(&rows, 1)))
            continue;
        list = call_grow(call, list, count, sizeof *list);
        if (list == NULL)
            break;
        list[count++] = read_variable(call, &rows);
    }
    if (list != NULL)
        qsort(list, count, sizeof *list, by_age);
    *ret = list;
    *ret_count = list == NULL ? 0 : count;
    return db_end(&rows);
}

static enum status_code list_variables(struct call *call, struct db *db, struct status *err)
{
    struct variable_list_call *c = CONTAINER_OF(call, struct variable_list_call, call);
    struct store_conversation_variable_list *r = &c->request;
    struct store_conversation_variable *list;
    size_t count, from = 0;
    struct page page;
    enum status_code rc = field_workspace(&r->ref.workspace_id, err);
    if (rc == STATUS_OK)
        rc = page_init(call, r->page_size, STR(""), 1, &page, err);
    if (rc == STATUS_OK)
        rc = conversation_require(db, &r->ref, err);
    if (rc == STATUS_OK)
        rc = read_all(call, db, r, &list, &count, err);
    if (rc != STATUS_OK)
        return rc;
    while (r->page_token.len > 0 && from < count && !str_eq(list[from].variable_id, r->page_token))
        from++;
    if (r->page_token.len > 0 && from == count)
        return status_reason(err, STATUS_NOT_FOUND, "VARIABLE_NOT_FOUND",
                             "page_token: there is no such variable in this conversation");
    from += r->page_token.len > 0;
    size_t left = count - from, size = (size_t)page.size;
    c->result.variables = list == NULL ? NULL : list + from;
    c->result.count = left < size ? left : size;
    c->result.next_page_token = left > size ? list[from + size - 1].variable_id : STR("");
    return STATUS_OK;
}

static void list_answer(struct call *call, const struct status *status)
{
    struct variable_list_call *c = CONTAINER_OF(call, struct variable_list_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

enum status_code store_conversation_variable_list(struct store *records,
                                                  const struct store_conversation_variable_list *request,
                                                  store_conversation_variable_page_done done, void *arg,
                                                  struct status *err)
{
    static const struct call_type type = {CALL_SNAPSHOT, list_variables, list_answer};
    struct variable_list_call *c = call_new(sizeof *c, records, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    struct store_conversation_variable_list *r = &c->request;
    struct str *texts[] = {&r->ref.workspace_id,    &r->ref.app_id, &r->ref.end_user_id,
                           &r->ref.conversation_id, &r->name,       &r->page_token};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        call_keep(&c->call, texts[i]);
    return call_submit(&c->call, err);
}
