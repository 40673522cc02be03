/* message_list: the messages of a conversation (conversation.h). */
#include "shared/store/conversation_rows.h"
#include "shared/store/field.h"
#include "shared/store/page.h"
#include "shared/store/record_id.h"

struct message_list_call {
    struct call call;
    struct store_message_list request;
    struct store_message_page result;
    store_message_page_done done;
};

static struct store_message read_message(struct call *call, const struct db_rows *rows)
{
    return (struct store_message){.message_id = record_id_text(call, db_text(rows, 0)),
                                  .parent_message_id = record_id_text(call, db_text(rows, 1)),
                                  .run_id = record_id_text(call, db_text(rows, 2)),
                                  .status = (int32_t)db_int(rows, 3),
                                  .created_at_ms = db_int(rows, 4),
                                  .finished_at_ms = db_int(rows, 5),
                                  .error = call_text(call, rows, 6),
                                  .usage = call_text(call, rows, 7),
                                  .user_files = call_text(call, rows, 8),
                                  .answer_files = call_text(call, rows, 9),
                                  .inputs = call_text(call, rows, 10),
                                  .query = call_text(call, rows, 11),
                                  .answer = call_text(call, rows, 12)};
}

static enum status_code require_message(struct db *db, const struct store_message_list *r,
                                        const struct record_id *conversation, const struct record_id *id,
                                        struct status *err)
{
    static const struct sql sql = {
        "select 1 from messages where workspace_id = $1 and id = $3 and conversation_id = $2"};
    bool is_there = false;
    struct db_rows rows = db_query(
        db, &sql, DB_VALUES(DB_TEXT(r->ref.workspace_id), record_id_value(conversation), record_id_value(id)),
        err);
    while (db_next(&rows))
        is_there = true;
    enum status_code rc = db_end(&rows);
    if (rc == STATUS_OK && !is_there)
        return status_reason(err, STATUS_NOT_FOUND, "MESSAGE_NOT_FOUND",
                             "page_token: there is no such message in this conversation");
    return rc;
}

/* The newest ones are asked for, and shown the oldest first. */
static enum status_code list_messages(struct call *call, struct db *db, struct status *err)
{
    static const struct sql first = {
        "select id, parent_id, run_id, status, created_at_ms, finished_at_ms, error, usage, user_files, "
        "answer_files, "
        "inputs, query, answer from messages where workspace_id = $1 and conversation_id = $2 "
        "order by id desc limit $3"};
    static const struct sql older = {
        "select id, parent_id, run_id, status, created_at_ms, finished_at_ms, error, usage, user_files, "
        "answer_files, "
        "inputs, query, answer from messages where workspace_id = $1 and conversation_id = $2 and id < $4 "
        "order by id desc limit $3"};
    struct message_list_call *c = CONTAINER_OF(call, struct message_list_call, call);
    struct store_message_list *r = &c->request;
    struct record_id conversation = record_id_of(r->ref.conversation_id),
                     before = record_id_of(r->page_token);
    struct page page;
    enum status_code rc = field_workspace(&r->ref.workspace_id, err);
    if (rc == STATUS_OK)
        rc = page_init(call, r->page_size, STR(""), 1, &page, err);
    if (rc == STATUS_OK)
        rc = conversation_require(db, &r->ref, err);
    if (rc == STATUS_OK && r->page_token.len > 0)
        rc = require_message(db, r, &conversation, &before, err);
    if (rc != STATUS_OK)
        return rc;
    struct store_message *list = call_array(call, (size_t)page.size, sizeof *list);
    int64_t count = 0, seen = 0;
    if (list == NULL)
        return STATUS_OK;
    struct db_rows rows = db_query(db, before.is_set ? &older : &first,
                                   DB_VALUES(DB_TEXT(r->ref.workspace_id), record_id_value(&conversation),
                                             DB_INT(page.size + 1), record_id_value(&before)),
                                   err);
    while (db_next(&rows)) {
        if (seen++ < page.size)
            list[page.size - 1 - count++] = read_message(call, &rows);
    }
    c->result.messages = list + (page.size - count);
    c->result.count = (size_t)count;
    c->result.next_page_token = seen > page.size ? c->result.messages[0].message_id : STR("");
    return db_end(&rows);
}

static void list_answer(struct call *call, const struct status *status)
{
    struct message_list_call *c = CONTAINER_OF(call, struct message_list_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

enum status_code store_message_list(struct store *records, const struct store_message_list *request,
                                    store_message_page_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_SNAPSHOT, list_messages, list_answer};
    struct message_list_call *c = call_new(sizeof *c, records, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    struct store_message_list *r = &c->request;
    struct str *texts[] = {&r->ref.workspace_id, &r->ref.app_id, &r->ref.end_user_id, &r->ref.conversation_id,
                           &r->page_token};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        call_keep(&c->call, texts[i]);
    return call_submit(&c->call, err);
}
