/* conversations: ConversationService, but for messages and variables. See record_call.h. */
#include "gateway/api/page_reply.h"
#include "heddle/v1/conversation.pb-c.h"
#include "shared/rpc/wire.h"

/* bytes. A name for people. */
#define NAME_BYTES_MAX 255
/* Field numbers of Conversation and of ListConversationsResponse. */
enum {
    CONVERSATION_ID = 1,
    CONVERSATION_NAME = 2,
    CONVERSATION_INPUTS = 3,
    CONVERSATION_INTRODUCTION = 5,
    CONVERSATION_CREATED_AT = 6,
    CONVERSATION_UPDATED_AT = 7,
    LIST_NEXT_PAGE_TOKEN = 2
};

static void put_conversation(struct buf *b, const struct store_conversation *c, enum payload_form form)
{
    wire_put_bytes_if(b, CONVERSATION_ID, c->conversation_id);
    wire_put_bytes_if(b, CONVERSATION_NAME, c->name);
    payload_put(b, CONVERSATION_INPUTS, c->inputs, form);
    wire_put_bytes_if(b, CONVERSATION_INTRODUCTION, c->introduction);
    wire_put_int_if(b, CONVERSATION_CREATED_AT, c->created_at_ms);
    wire_put_int_if(b, CONVERSATION_UPDATED_AT, c->updated_at_ms);
}

/* --- ListConversations --- */

static void listed(void *arg, const struct store_conversation_page *page, const struct status *status)
{
    struct record_call *rc = arg;
    if (status->code != STATUS_OK) {
        record_call_fail(rc, status);
        return;
    }
    struct page_reply reply;
    page_reply_init(&reply);
    for (size_t i = 0; i < page->count; i++) {
        struct buf *b;
        size_t mark = page_reply_begin(&reply, &b);
        put_conversation(b, &page->conversations[i], rc->form);
        page_reply_end(&reply, mark);
    }
    page_reply_cut(&reply, PAGE_CUT_BACK);
    wire_put_bytes_if(&reply.bytes, LIST_NEXT_PAGE_TOKEN,
                      reply.end < page->count ? page->conversations[reply.end - 1].conversation_id
                                              : page->next_page_token);
    record_call_reply(rc, &reply.bytes);
}

static void list_conversations(struct record_call *rc)
{
    const Heddle__V1__ListConversationsRequest *request =
        (const Heddle__V1__ListConversationsRequest *)rc->request;
    struct status err;
    int order = (int)request->sort_by;
    enum status_code code = record_call_user(rc, request->user, &err);
    if (code == STATUS_OK)
        code = record_call_form(rc, (int)request->payloads, &err);
    if (code == STATUS_OK && (order < STORE_LAST_USED_FIRST || order > STORE_OLDEST_FIRST))
        code = status_field(&err, "sort_by", "has no value %d", order);
    if (code == STATUS_OK && request->page_token[0] != '\0')
        code = record_call_id("page_token", request->page_token, &err);
    const struct store_conversation_list list = {.workspace_id = rc->grant->target.workspace_id,
                                                 .app_id = rc->grant->target.app_id,
                                                 .end_user_id = str_c(rc->end_user_id),
                                                 .order = (enum store_conversation_order)order,
                                                 .page_size = request->page_size,
                                                 .page_token = str_c(request->page_token)};
    if (code != STATUS_OK ||
        store_conversation_list(record_call_store(rc), &list, listed, rc, &err) != STATUS_OK)
        record_call_fail(rc, &err);
}

void list_conversations_start(struct rpc_call *call)
{
    record_call_start(call, list_conversations);
}

/* --- RenameConversation --- */

static void renamed(void *arg, const struct store_conversation *conversation, const struct status *status)
{
    struct record_call *rc = arg;
    if (status->code != STATUS_OK) {
        record_call_fail(rc, status);
        return;
    }
    struct buf reply;
    buf_init(&reply, RECORD_REPLY_BYTES_MAX);
    put_conversation(&reply, conversation, rc->form);
    record_call_reply(rc, &reply);
}

static enum status_code check_name(const Heddle__V1__RenameConversationRequest *request, struct str *ret,
                                   struct status *err)
{
    *ret = request->auto_generate ? STR("") : str_trim(str_c(request->name));
    if (!request->auto_generate && ret->len == 0)
        return status_field(err, "name", "is required, or auto_generate");
    if (ret->len > NAME_BYTES_MAX)
        return status_field(err, "name", "is over %d bytes", NAME_BYTES_MAX);
    return STATUS_OK;
}

static void rename_conversation(struct record_call *rc)
{
    const Heddle__V1__RenameConversationRequest *request =
        (const Heddle__V1__RenameConversationRequest *)rc->request;
    struct status err;
    struct store_conversation_rename change;
    if (record_call_user(rc, request->user, &err) != STATUS_OK ||
        record_call_id("conversation_id", request->conversation_id, &err) != STATUS_OK ||
        record_call_form(rc, (int)request->payloads, &err) != STATUS_OK ||
        check_name(request, &change.name, &err) != STATUS_OK) {
        record_call_fail(rc, &err);
        return;
    }
    change.ref = record_call_conversation(rc, request->conversation_id);
    if (store_conversation_rename(record_call_store(rc), &change, renamed, rc, &err) != STATUS_OK)
        record_call_fail(rc, &err);
}

void rename_conversation_start(struct rpc_call *call)
{
    record_call_start(call, rename_conversation);
}

/* --- DeleteConversation --- */

static void deleted(void *arg, const struct status *status)
{
    struct record_call *rc = arg;
    if (status->code != STATUS_OK) {
        record_call_fail(rc, status);
        return;
    }
    struct buf empty;
    buf_init(&empty, RECORD_REPLY_BYTES_MAX);
    record_call_reply(rc, &empty);
}

static void delete_conversation(struct record_call *rc)
{
    const Heddle__V1__DeleteConversationRequest *request =
        (const Heddle__V1__DeleteConversationRequest *)rc->request;
    struct status err;
    if (record_call_user(rc, request->user, &err) != STATUS_OK ||
        record_call_id("conversation_id", request->conversation_id, &err) != STATUS_OK) {
        record_call_fail(rc, &err);
        return;
    }
    const struct store_conversation_ref ref = record_call_conversation(rc, request->conversation_id);
    if (store_conversation_delete(record_call_store(rc), &ref, deleted, rc, &err) != STATUS_OK)
        record_call_fail(rc, &err);
}

void delete_conversation_start(struct rpc_call *call)
{
    record_call_start(call, delete_conversation);
}
