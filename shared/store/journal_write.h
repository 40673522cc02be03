/*
 * journal_write: one run's waiting parts as rows. Used by the journal's writer, inside its transaction.
 */
#pragma once
#include "shared/store/journal_place.h"
#include "shared/store/keyring.h"

/* What one commit takes of a run. Owned by it. */
struct journal_taken {
    struct journal_place *place;
    struct journal_begin_copy *begin; /* or NULL */
    struct buf nodes;
    struct journal_end_copy *end; /* or NULL */
    bool is_closed;               /* what the rows said; valid once the commit is through */
    int parts;                    /* of nodes, with this one */
    bool is_short;                /* its texts were left out: with them it could not be written */
    bool is_refused;              /* nor without them: it is not written at all */
};
size_t journal_taken_bytes(const struct journal_taken *taken);
void journal_taken_fini(struct journal_taken *taken);
/* Leaves out all it can. Gives the bytes that this sets free. */
size_t journal_taken_shorten(struct journal_taken *taken);

struct journal_writer {
    struct db *db;
    const struct keyring *ring;
    int64_t owner;
};
/* Errors of db.h. On failure the transaction has to be rolled back. */
MUST_CHECK enum status_code journal_write(const struct journal_writer *writer, struct journal_taken *taken,
                                          struct status *err);
