/*
 * message_thread: what a run of a chat app has to know of its conversation: the turns that led here, and the values of
 * conversation variables. See store.h for calls, results, errors and threads; the store is one of records (STORE_RECORDS).
 * Source   dify-dsl.md 2.6, 4.3 "History".
 */
#pragma once
#include "shared/store/store.h"

/* turns. As many as a model is ever shown (dify-dsl.md 4.3); the newest are given. */
#define STORE_THREAD_TURNS_MAX 500
/* messages. Of a thread that are counted; older ones are not looked at. */
#define STORE_THREAD_MESSAGES_MAX 10000

struct store_turn {
    struct str query, answer;
    struct str query_files; /* as journal_begin has them */
};
struct store_message_thread_variable {
    struct str name, value_type;
    struct str value; /* JSON, opened */
    bool has_secret;
};
/*
 * turn_count            those in `turns`, oldest first
 * message_count         of the whole thread, STORE_THREAD_MESSAGES_MAX at most
 * parent_message_id     the message the new one follows: as asked for, or the newest of the conversation that has ended; "": none
 */
struct store_message_thread {
    const struct store_turn *turns;
    size_t turn_count;
    int64_t message_count;
    struct str parent_message_id;
    const struct store_message_thread_variable *variables;
    size_t variable_count;
};
typedef void (*store_message_thread_done)(void *arg, const struct store_message_thread *thread,
                                          const struct status *status);

struct store_message_thread_load {
    struct str workspace_id, app_id, end_user_id, conversation_id;
    struct str parent_message_id; /* "": the newest message */
};
/*
 * Messages whose run has not ended are left out, as are those without an answer that failed before they said something.
 * NOT_FOUND   CONVERSATION_NOT_FOUND: there is none, or it is another app's or end user's; MESSAGE_NOT_FOUND: parent_message_id
 */
MUST_CHECK enum status_code store_message_thread_load(struct store *records,
                                                      const struct store_message_thread_load *request,
                                                      store_message_thread_done done, void *arg,
                                                      struct status *err);
