/* conversations: list, messages, variables, rename, delete. See records.h. */
#include "gateway/ctl/records.h"

#include "gateway/ctl/list.h"
#include "heddle/v1/conversation.pb-c.h"

/* messages. Of one page, and without --limit. */
enum { LIMIT_DEFAULT = 20, LIMIT_MAX = 100 };

static void put_conversation_row(struct table *t, const ProtobufCMessage *item)
{
    const Heddle__V1__Conversation *conversation = (const Heddle__V1__Conversation *)item;
    table_put(t, str_c(conversation->conversation_id));
    table_put_time(t, conversation->created_at_ms);
    table_put_time(t, conversation->updated_at_ms);
    table_put(t, str_c(conversation->name));
}

enum ctl_exit conversations_list(struct ctl *ctl, const struct ctl_args *args)
{
    static const char *const headings[] = {"CONVERSATION", "BEGUN (UTC)", "LAST USED (UTC)", "NAME"};
    Heddle__V1__ListConversationsRequest request = HEDDLE__V1__LIST_CONVERSATIONS_REQUEST__INIT;
    request.user = text_of(user_option(args));
    request.page_size = LIMIT_MAX;
    request.payloads = HEDDLE__V1__PAYLOADS__PAYLOADS_JSON;
    if (!session_open(ctl, CTL_PUBLIC))
        return CTL_FAILED;
    return list_print(ctl, METHOD_LIST_CONVERSATIONS, &request.base, &request.page_token, ARRAY_LEN(headings),
                      headings, put_conversation_row);
}

static void put_variable_row(struct table *t, const ProtobufCMessage *item)
{
    const Heddle__V1__ConversationVariable *variable = (const Heddle__V1__ConversationVariable *)item;
    table_put(t, str_c(variable->name));
    table_put(t, str_c(variable->value_type));
    table_put_time(t, variable->updated_at_ms);
    table_put(t, str_c(variable->value));
}

enum ctl_exit conversations_variables(struct ctl *ctl, const struct ctl_args *args)
{
    static const char *const headings[] = {"NAME", "TYPE", "CHANGED (UTC)", "VALUE"};
    Heddle__V1__ListVariablesRequest request = HEDDLE__V1__LIST_VARIABLES_REQUEST__INIT;
    request.user = text_of(user_option(args));
    request.conversation_id = text_of(args->positional[0]);
    request.page_size = LIMIT_MAX;
    if (!session_open(ctl, CTL_PUBLIC))
        return CTL_FAILED;
    return list_print(ctl, METHOD_LIST_VARIABLES, &request.base, &request.page_token, ARRAY_LEN(headings),
                      headings, put_variable_row);
}

static void put_message(struct buf *b, const Heddle__V1__ConversationMessage *message)
{
    char word[ENUM_WORD_BYTES];
    buf_printf(b, "%s  ", message->message_id);
    put_time(b, message->created_at_ms);
    buf_printf(b, " UTC  run %s  %s\n", message->run_id,
               enum_word(&heddle__v1__run_status__descriptor, (int)message->status, "RUN_STATUS_", word));
    buf_printf(b, "> %s\n", message->query);
    if (message->answer[0] != '\0')
        buf_printf(b, "%s\n", message->answer);
    if (message->error[0] != '\0')
        buf_printf(b, "! %s\n", message->error);
    buf_put_char(b, '\n');
}

enum ctl_exit conversations_messages(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__ListMessagesRequest request = HEDDLE__V1__LIST_MESSAGES_REQUEST__INIT;
    int64_t limit = LIMIT_DEFAULT;
    const char *limit_text = args_option(args, "limit");
    if (limit_text != NULL && !read_number("limit", limit_text, 1, LIMIT_MAX, &limit))
        return CTL_USAGE;
    request.user = text_of(user_option(args));
    request.conversation_id = text_of(args->positional[0]);
    request.page_size = (int32_t)limit;
    request.page_token = text_of(args_option(args, "before"));
    request.payloads = HEDDLE__V1__PAYLOADS__PAYLOADS_JSON;
    struct status err;
    if (!session_open(ctl, CTL_PUBLIC))
        return CTL_FAILED;
    ProtobufCMessage *reply = session_try(ctl, METHOD_LIST_MESSAGES, &request.base, 30000, &err);
    if (reply == NULL) {
        say_status(ctl, &err);
        return CTL_FAILED;
    }
    const Heddle__V1__ListMessagesResponse *page = (const Heddle__V1__ListMessagesResponse *)reply;
    struct buf text, safe;
    buf_init(&text, CTL_OUTPUT_BYTES_MAX);
    buf_init(&safe, CTL_OUTPUT_BYTES_MAX);
    if (!ctl->is_json && page->next_page_token[0] != '\0')
        buf_printf(&text, "(older ones: --before %s)\n\n", page->next_page_token);
    for (size_t i = 0; i < page->n_messages; i++) {
        if (ctl->is_json)
            message_put_json(&safe, &page->messages[i]->base, JSON_ONE_LINE);
        else
            put_message(&text, page->messages[i]);
    }
    text_put_safe(&safe, buf_str(&text));
    safe.failed |= text.failed;
    buf_fini(&text);
    protobuf_c_message_free_unpacked(reply, NULL);
    return print_buf(&safe);
}

enum ctl_exit conversations_rename(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__RenameConversationRequest request = HEDDLE__V1__RENAME_CONVERSATION_REQUEST__INIT;
    bool is_auto = args_has(args, "auto");
    if (is_auto == (args->positional_count > 1)) {
        say_error("give the new name, or --auto for one made from the first message");
        return CTL_USAGE;
    }
    request.user = text_of(user_option(args));
    request.conversation_id = text_of(args->positional[0]);
    request.auto_generate = is_auto;
    request.name = text_of(is_auto ? "" : args->positional[1]);
    request.payloads = HEDDLE__V1__PAYLOADS__PAYLOADS_JSON;
    if (!session_open(ctl, CTL_PUBLIC))
        return CTL_FAILED;
    return session_change(ctl, METHOD_RENAME_CONVERSATION, &request.base, "renamed");
}

enum ctl_exit conversations_delete(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__DeleteConversationRequest request = HEDDLE__V1__DELETE_CONVERSATION_REQUEST__INIT;
    if (!args_has(args, "yes")) {
        say_error("this removes its messages and variables: say --yes");
        return CTL_USAGE;
    }
    request.user = text_of(user_option(args));
    request.conversation_id = text_of(args->positional[0]);
    if (!session_open(ctl, CTL_PUBLIC))
        return CTL_FAILED;
    return session_change(ctl, METHOD_DELETE_CONVERSATION, &request.base, "deleted");
}
