/*
 * journal_place: what is known of one run between its beginning and the commit of its end, and what of it waits to be written.
 * Used inside shared/store. Threads  under the journal's lock; what was taken for a commit is the writer's.
 */
#pragma once
#include "shared/base/buf.h"
#include "shared/base/uuid.h"
#include "shared/store/db.h"
#include "shared/store/journal.h"

/* Copies: one piece of memory each, texts behind the struct. */
struct journal_begin_copy {
    size_t bytes;
    struct journal_begin begin;
};
struct journal_end_copy {
    size_t bytes;
    struct journal_end end; /* its variables lie in the same memory */
};

struct journal_place {
    struct journal_place *prev, *next;           /* in the queue */
    struct journal_place *wait_prev, *wait_next; /* of those that wait for room */
    struct journal_run *run;                     /* NULL: has been told all it ever will be */
    /* Who it is, for every write. */
    char workspace_id[256];
    struct uuid run_id, app_id, conversation_id, message_id;
    bool is_chat;
    enum store_record record;
    uint32_t attempt;
    int parts; /* of nodes, written so far */
    int64_t created_at_ms;
    /* Waits. */
    struct journal_begin_copy *begin;
    struct buf nodes;
    struct journal_end_copy *end;
    bool is_queued, waits_for_room;
    bool is_closed; /* its row is somebody else's, or was ended by somebody else: nothing more is written */
    bool was_tried; /* something was written of it by a commit of which nobody knows how it went */
    bool owes_begun;
    bool is_withdrawn;               /* its run was told that it has not begun: nothing of it stays */
    bool is_given_up;                /* its run has been told so */
    struct journal_end_copy own_end; /* for an end without texts: it always fits */
};

/* NULL: no memory. */
struct journal_place *journal_place_new(const struct journal_begin *begin);
void journal_place_free(struct journal_place *place);
/* The end, copied. NULL: no memory; never for one whose only text is its error, which is left out then. */
struct journal_end_copy *journal_place_end(struct journal_place *place, const struct journal_end *end);
void journal_place_free_end(struct journal_place *place, struct journal_end_copy *end);
/* In place: the run has failed for the store's sake, and nothing of it is kept but that. */
void journal_end_give_up(struct journal_end_copy *copy);
/* The same for a beginning: who and when, without texts. */
void journal_begin_shorten(struct journal_begin_copy *copy);
/* A blob of a UUID; empty for a zero one. */
struct db_value journal_id(const struct uuid *id);
