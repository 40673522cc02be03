/*
 * conversation: conversations of chat apps, their messages and variables. See store.h for calls, results, errors and threads;
 * the store is one of records (STORE_RECORDS). A conversation belongs to one end user of one app; to everybody else, and when
 * there is none, it is NOT_FOUND, CONVERSATION_NOT_FOUND.
 */
#pragma once
#include "shared/store/store.h"

/* characters. Of a name that is made from the first message (dify-api.md 5.6), before "...". */
#define STORE_CONVERSATION_NAME_CHARS 47

struct store_conversation {
    struct str conversation_id;
    struct str name; /* as given, or made from the first message */
    struct str introduction;
    struct str inputs; /* JSON of the first message's; "": not kept */
    int64_t created_at_ms, updated_at_ms;
};
struct store_conversation_page {
    const struct store_conversation *conversations;
    size_t count;
    struct str next_page_token; /* id of the last one; "" for the last page */
};
typedef void (*store_conversation_done)(void *arg, const struct store_conversation *conversation,
                                        const struct status *status);
typedef void (*store_conversation_page_done)(void *arg, const struct store_conversation_page *page,
                                             const struct status *status);

/* The order of lists: the numbers of heddle.v1.SortBy. */
enum store_conversation_order {
    STORE_LAST_USED_FIRST,
    STORE_LAST_USED_LAST,
    STORE_NEWEST_FIRST,
    STORE_OLDEST_FIRST
};
struct store_conversation_list {
    struct str workspace_id, app_id, end_user_id;
    enum store_conversation_order order;
    int32_t page_size;     /* as store_app_list */
    struct str page_token; /* id of the last one of the page before; NOT_FOUND when it is none of theirs */
};
MUST_CHECK enum status_code store_conversation_list(struct store *records,
                                                    const struct store_conversation_list *request,
                                                    store_conversation_page_done done, void *arg,
                                                    struct status *err);

struct store_conversation_ref {
    struct str workspace_id, app_id, end_user_id, conversation_id;
};
/* name "": made from the first message from now on. */
struct store_conversation_rename {
    struct store_conversation_ref ref;
    struct str name;
};
MUST_CHECK enum status_code store_conversation_rename(struct store *records,
                                                      const struct store_conversation_rename *request,
                                                      store_conversation_done done, void *arg,
                                                      struct status *err);
/* With its messages and variables. Records of its runs stay (dify-api.md 2.7), for as long as their app keeps them. */
MUST_CHECK enum status_code store_conversation_delete(struct store *records,
                                                      const struct store_conversation_ref *request,
                                                      store_done done, void *arg, struct status *err);

/* status: heddle.v1.RunStatus; usage: heddle.v1.Usage serialized; files: fields of heddle.v1.ConversationMessage on the wire. */
struct store_message {
    struct str message_id, parent_message_id, run_id;
    struct str inputs, query, answer, error, usage, user_files, answer_files;
    int32_t status;
    int64_t created_at_ms, finished_at_ms;
};
struct store_message_page {
    const struct store_message *messages; /* oldest first */
    size_t count;
    struct str next_page_token; /* id of the oldest one; "" when there are no older ones */
};
typedef void (*store_message_page_done)(void *arg, const struct store_message_page *page,
                                        const struct status *status);
struct store_message_list {
    struct store_conversation_ref ref;
    int32_t page_size;
    struct str page_token; /* id of the oldest message of the page before; NOT_FOUND, MESSAGE_NOT_FOUND */
};
MUST_CHECK enum status_code store_message_list(struct store *records,
                                               const struct store_message_list *request,
                                               store_message_page_done done, void *arg, struct status *err);

struct store_conversation_variable {
    struct str variable_id, name, value_type, description;
    struct str value; /* JSON; stars when it holds a secret */
    bool has_secret;
    int64_t created_at_ms, updated_at_ms;
};
struct store_conversation_variable_page {
    const struct store_conversation_variable *variables; /* oldest first */
    size_t count;
    struct str next_page_token; /* id of the last one; "" for the last page */
};
typedef void (*store_conversation_variable_page_done)(void *arg,
                                                      const struct store_conversation_variable_page *page,
                                                      const struct status *status);
struct store_conversation_variable_list {
    struct store_conversation_ref ref;
    struct str name; /* "": all */
    int32_t page_size;
    struct str page_token; /* id of the last variable of the page before; NOT_FOUND, VARIABLE_NOT_FOUND */
};
MUST_CHECK enum status_code store_conversation_variable_list(
    struct store *records, const struct store_conversation_variable_list *request,
    store_conversation_variable_page_done done, void *arg, struct status *err);
