/*
 * conversation: what a chat app remembers from turn to turn: between its records (shared/store/message_thread.h, journal.h) and
 * the values of a run (dify-dsl.md 2.6, 4.3 "History").
 * Secrets  a variable that holds one keeps all its texts as secrets, so that records go on to mask them
 * Threads  plain functions; a state belongs to one thread at a time.
 */
#pragma once
#include "executor/run/run.h"
#include "shared/base/uuid.h"
#include "shared/store/journal.h"
#include "shared/store/message_thread.h"

/* What a run gets; the owner frees it with conversation_state_fini(). Zeroed: a new conversation. */
struct conversation_state {
    struct value *history;   /* array of {query, answer, files}, oldest first */
    struct value *variables; /* object; those that a run has ever set */
    int64_t message_count;   /* of the thread */
    char parent_message_id[UUID_TEXT_LEN + 1];
    size_t bytes; /* of texts, about */
};
void conversation_state_fini(struct conversation_state *state);
/* False: no memory. */
MUST_CHECK bool conversation_state_read(const struct store_message_thread *thread,
                                        struct conversation_state *ret);

/* The variables a run has set, for its record; texts in `texts`. */
struct conversation_changes {
    struct journal_variable *variables;
    size_t count;
    struct buf texts;
};
/* False: no memory. conversation_changes_fini() in any case. */
MUST_CHECK bool conversation_changes_of(const struct run *run, struct conversation_changes *ret);
void conversation_changes_fini(struct conversation_changes *changes);
