/* orphans: see the header. */
#include "shared/store/orphans.h"

/* owners. Looked at in one go. */
#define OWNERS_MAX 1000

#define ORPHAN_WORDS "the executor that ran it was lost"

static enum status_code list_owners(struct db *db, int64_t own, int64_t owners[OWNERS_MAX], size_t *ret_count,
                                    struct status *err)
{
    /* From owner to owner by the index, not from row to row: there may be thousands of open runs. */
    static const struct sql sql = {
        "with recursive of_runs (owner) as (select min(owner) from runs where finished_at_ms = 0 union all "
        "select (select min(r.owner) from runs r where r.finished_at_ms = 0 and r.owner > of_runs.owner) "
        "from of_runs where of_runs.owner is not null), "
        "of_messages (owner) as (select min(owner) from messages where finished_at_ms = 0 union all "
        "select (select min(m.owner) from messages m where m.finished_at_ms = 0 and m.owner > "
        "of_messages.owner) from of_messages where of_messages.owner is not null) "
        "select id from instances where died_at_ms = 0 and id <> $1 "
        "union select owner from of_runs where owner <> $1 "
        "union select owner from of_messages where owner <> $1 limit $2"};
    size_t count = 0;
    struct db_rows rows = db_query(db, &sql, DB_VALUES(DB_INT(own), DB_INT(OWNERS_MAX)), err);
    while (db_next(&rows) && count < OWNERS_MAX)
        owners[count++] = db_int(&rows, 0);
    *ret_count = count;
    return db_end(&rows);
}

static enum status_code mark_dead(struct db *db, int64_t owner, int64_t now_ms, struct status *err)
{
    static const struct sql sql = {"update instances set died_at_ms = $2 where id = $1 and died_at_ms = 0"};
    return db_run(db, &sql, DB_VALUES(DB_INT(owner), DB_INT(now_ms)), err);
}

static enum status_code close_step(struct db *db, const struct sql *sql, int64_t owner, int64_t now_ms,
                                   size_t *ret_closed, struct status *err)
{
    *ret_closed = 0;
    struct db_rows rows = db_query(
        db, sql, DB_VALUES(DB_INT(owner), DB_INT(now_ms), DB_TEXT(STR(ORPHAN_WORDS)), DB_INT(ORPHANS_STEP)),
        err);
    while (db_next(&rows))
        ++*ret_closed;
    return db_end(&rows);
}

/* status 4: failed; end_reason 8: executor lost (numbers of heddle.v1). A clock that was set back makes no negative time. */
static const struct sql close_runs = {
    "update runs set status = 4, end_reason = 8, finished_at_ms = max($2, created_at_ms), "
    "elapsed_ms = max($2 - created_at_ms, 0), error = $3 where (workspace_id, id) in "
    "(select workspace_id, id from runs where owner = $1 and finished_at_ms = 0 limit $4) returning 1"};
static const struct sql close_messages = {
    "update messages set status = 4, finished_at_ms = max($2, created_at_ms), error = $3 where "
    "(workspace_id, id) in "
    "(select workspace_id, id from messages where owner = $1 and finished_at_ms = 0 limit $4) returning 1"};

static enum status_code close_owner(struct db *db, int64_t owner, int64_t now_ms, size_t *ret_closed,
                                    struct status *err)
{
    size_t runs = 0, messages = 0;
    bool is_first = true;
    do {
        enum status_code rc = db_begin(db, DB_WRITE, err);
        if (rc == STATUS_OK && is_first)
            rc = mark_dead(db, owner, now_ms, err);
        if (rc == STATUS_OK)
            rc = close_step(db, &close_runs, owner, now_ms, &runs, err);
        if (rc == STATUS_OK)
            rc = close_step(db, &close_messages, owner, now_ms, &messages, err);
        if (rc != STATUS_OK) {
            db_rollback(db);
            return rc;
        }
        rc = db_commit(db, err);
        if (rc != STATUS_OK)
            return rc;
        *ret_closed += runs;
        is_first = false;
    } while (runs + messages > 0);
    return STATUS_OK;
}

enum status_code orphans_close(struct db *db, const struct db_presence *presence, int64_t own, int64_t now_ms,
                               size_t *ret_closed, struct status *err)
{
    int64_t owners[OWNERS_MAX];
    size_t count, dead;
    *ret_closed = 0;
    do {
        enum status_code rc = list_owners(db, own, owners, &count, err);
        dead = 0;
        for (size_t i = 0; rc == STATUS_OK && i < count; i++) {
            if (!db_presence_is_free(presence, owners[i]))
                continue;
            dead++;
            rc = close_owner(db, owners[i], now_ms, ret_closed, err);
        }
        if (rc != STATUS_OK)
            return rc;
    } while (count == OWNERS_MAX && dead > 0); /* those are not listed again */
    return STATUS_OK;
}
