/* messages: ConversationService/ListMessages and ListVariables: what is in a conversation. See record_call.h. */
#include "gateway/api/page_reply.h"
#include "heddle/v1/conversation.pb-c.h"
#include "shared/rpc/wire.h"

/* bytes. Of a variable's name. */
#define NAME_BYTES_MAX 255
/* Field numbers of ConversationMessage, ConversationVariable and of the two answers. */
enum {
    MESSAGE_ID = 1,
    MESSAGE_CONVERSATION_ID = 2,
    MESSAGE_PARENT_ID = 3,
    MESSAGE_RUN_ID = 4,
    MESSAGE_INPUTS = 5,
    MESSAGE_QUERY = 7,
    MESSAGE_ANSWER = 8,
    MESSAGE_STATUS = 9,
    MESSAGE_ERROR = 10,
    MESSAGE_USAGE = 11,
    MESSAGE_CREATED_AT = 14,
    MESSAGE_FINISHED_AT = 15,
    VARIABLE_ID = 1,
    VARIABLE_NAME = 2,
    VARIABLE_TYPE = 3,
    VARIABLE_VALUE = 4,
    VARIABLE_DESCRIPTION = 5,
    VARIABLE_CREATED_AT = 6,
    VARIABLE_UPDATED_AT = 7,
    LIST_NEXT_PAGE_TOKEN = 2
};

/* User, conversation and page of either request. */
static enum status_code check(struct record_call *rc, const char *user, const char *conversation_id,
                              const char *page_token, struct status *err)
{
    if (record_call_user(rc, user, err) != STATUS_OK ||
        record_call_id("conversation_id", conversation_id, err) != STATUS_OK)
        return err->code;
    return page_token[0] == '\0' ? STATUS_OK : record_call_id("page_token", page_token, err);
}

/* --- ListMessages --- */

static void put_message(struct buf *b, const struct store_message *m, struct str conversation_id,
                        enum payload_form form)
{
    wire_put_bytes_if(b, MESSAGE_ID, m->message_id);
    wire_put_bytes_if(b, MESSAGE_CONVERSATION_ID, conversation_id);
    wire_put_bytes_if(b, MESSAGE_PARENT_ID, m->parent_message_id);
    wire_put_bytes_if(b, MESSAGE_RUN_ID, m->run_id);
    payload_put(b, MESSAGE_INPUTS, m->inputs, form);
    wire_put_bytes_if(b, MESSAGE_QUERY, m->query);
    wire_put_bytes_if(b, MESSAGE_ANSWER, m->answer);
    wire_put_int_if(b, MESSAGE_STATUS, m->status);
    wire_put_bytes_if(b, MESSAGE_ERROR, m->error);
    wire_put_bytes_if(b, MESSAGE_USAGE, m->usage);
    buf_put(b, m->user_files); /* fields of this message already */
    buf_put(b, m->answer_files);
    wire_put_int_if(b, MESSAGE_CREATED_AT, m->created_at_ms);
    wire_put_int_if(b, MESSAGE_FINISHED_AT, m->finished_at_ms);
}

static void messages_listed(void *arg, const struct store_message_page *page, const struct status *status)
{
    struct record_call *rc = arg;
    if (status->code != STATUS_OK) {
        record_call_fail(rc, status);
        return;
    }
    const Heddle__V1__ListMessagesRequest *request = (const Heddle__V1__ListMessagesRequest *)rc->request;
    struct page_reply reply;
    page_reply_init(&reply);
    for (size_t i = 0; i < page->count; i++) {
        struct buf *b;
        size_t mark = page_reply_begin(&reply, &b);
        put_message(b, &page->messages[i], str_c(request->conversation_id), rc->form);
        page_reply_end(&reply, mark);
    }
    page_reply_cut(&reply, PAGE_CUT_FRONT); /* the older ones come with the next page */
    wire_put_bytes_if(&reply.bytes, LIST_NEXT_PAGE_TOKEN,
                      reply.first > 0 ? page->messages[reply.first].message_id : page->next_page_token);
    record_call_reply(rc, &reply.bytes);
}

static void list_messages(struct record_call *rc)
{
    const Heddle__V1__ListMessagesRequest *request = (const Heddle__V1__ListMessagesRequest *)rc->request;
    struct status err;
    if (check(rc, request->user, request->conversation_id, request->page_token, &err) != STATUS_OK ||
        record_call_form(rc, (int)request->payloads, &err) != STATUS_OK) {
        record_call_fail(rc, &err);
        return;
    }
    const struct store_message_list list = {.ref = record_call_conversation(rc, request->conversation_id),
                                            .page_size = request->page_size,
                                            .page_token = str_c(request->page_token)};
    if (store_message_list(record_call_store(rc), &list, messages_listed, rc, &err) != STATUS_OK)
        record_call_fail(rc, &err);
}

void list_messages_start(struct rpc_call *call)
{
    record_call_start(call, list_messages);
}

/* --- ListVariables --- */

static void put_variable(struct buf *b, const struct store_conversation_variable *v)
{
    wire_put_bytes_if(b, VARIABLE_ID, v->variable_id);
    wire_put_bytes_if(b, VARIABLE_NAME, v->name);
    wire_put_bytes_if(b, VARIABLE_TYPE, v->value_type);
    payload_put_text(b, VARIABLE_VALUE, v->value);
    wire_put_bytes_if(b, VARIABLE_DESCRIPTION, v->description);
    wire_put_int_if(b, VARIABLE_CREATED_AT, v->created_at_ms);
    wire_put_int_if(b, VARIABLE_UPDATED_AT, v->updated_at_ms);
}

static void variables_listed(void *arg, const struct store_conversation_variable_page *page,
                             const struct status *status)
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
        put_variable(b, &page->variables[i]);
        page_reply_end(&reply, mark);
    }
    page_reply_cut(&reply, PAGE_CUT_BACK);
    wire_put_bytes_if(&reply.bytes, LIST_NEXT_PAGE_TOKEN,
                      reply.end < page->count ? page->variables[reply.end - 1].variable_id
                                              : page->next_page_token);
    record_call_reply(rc, &reply.bytes);
}

static void list_variables(struct record_call *rc)
{
    const Heddle__V1__ListVariablesRequest *request = (const Heddle__V1__ListVariablesRequest *)rc->request;
    struct status err;
    enum status_code code = check(rc, request->user, request->conversation_id, request->page_token, &err);
    if (code == STATUS_OK && str_c(request->variable_name).len > NAME_BYTES_MAX)
        code = status_field(&err, "variable_name", "is over %d bytes", NAME_BYTES_MAX);
    const struct store_conversation_variable_list list = {
        .ref = record_call_conversation(rc, request->conversation_id),
        .name = str_c(request->variable_name),
        .page_size = request->page_size,
        .page_token = str_c(request->page_token)};
    if (code != STATUS_OK || store_conversation_variable_list(record_call_store(rc), &list, variables_listed,
                                                              rc, &err) != STATUS_OK)
        record_call_fail(rc, &err);
}

void list_variables_start(struct rpc_call *call)
{
    record_call_start(call, list_variables);
}
