/*
 * conversations: what chat apps remember from turn to turn: earlier messages, and the values of conversation variables
 * (dify-dsl.md 2.6, 4.3 "History"). Kept in memory: they end with the process, and are known to this executor alone.
 *
 * Bounds   what was used longest ago is forgotten beyond CONVERSATIONS_MAX or CONVERSATIONS_BYTES_MAX; of one conversation
 *          the newest CONVERSATION_MESSAGES_MAX messages are kept (its count goes on)
 * Secrets  a variable that holds one keeps all its texts as secrets, so that records go on to mask them
 * Threads  any; one lock, held for counting only
 */
#pragma once
#include "executor/run/run.h"

#define CONVERSATIONS_MAX         100000
#define CONVERSATIONS_BYTES_MAX   ((size_t)512 * 1024 * 1024)
#define CONVERSATION_MESSAGES_MAX 500 /* as many as a model is ever shown */

struct conversations;

/* Whose conversation: one is found only by the app and end user that began it. */
struct conversation_key {
    struct str id, app_id, end_user_id;
};
/* What a run gets; the caller owns the values. */
struct conversation_state {
    struct value *history;   /* array of {query, answer, files}, oldest first */
    struct value *variables; /* object; those that a run has ever set */
    int64_t turns;           /* messages so far */
};
void conversation_state_fini(struct conversation_state *state);

/* NULL: no memory. */
struct conversations *conversations_new(void);
void conversations_free(struct conversations *conversations); /* NULL is fine */
/* What it takes in memory, about; 0: there is none for this key. */
size_t conversations_bytes(struct conversations *conversations, const struct conversation_key *key);
/*
 * NOT_FOUND            CONVERSATION_NOT_FOUND: no such conversation, or somebody else's
 * RESOURCE_EXHAUSTED   memory
 */
MUST_CHECK enum status_code conversations_load(struct conversations *conversations,
                                               const struct conversation_key *key,
                                               struct conversation_state *ret, struct status *err);
/*
 * Adds a turn that has ended: query and files of the run, `answer` ("" when there is none), the variables it has set.
 * Two turns of one conversation at once: of a variable that both have set the later one counts. False: no memory, the
 * conversation is as it was.
 */
bool conversations_add(struct conversations *conversations, const struct conversation_key *key,
                       const struct run *run, struct str answer);
