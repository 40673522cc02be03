/* retention: see the header. */
#include "shared/store/retention.h"

#include "shared/base/uuid.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ms. */
#define DAY_MS ((int64_t)24 * 3600 * 1000)

/* Whose records: what ended (runs) or was used last (conversations) before the time goes. */
struct target {
    char workspace_id[256];
    struct uuid app_id;
    int64_t before_ms;
};

/* conversations. Found by one look through an app's. */
#define FOUND_MAX 5000

static struct db_value app_id_of(const struct target *t)
{
    return DB_BLOB(((struct str){(const char *)t->app_id.bytes, sizeof t->app_id.bytes}));
}

/* A statement that returns a row for each one it has changed or found. */
static enum status_code run_counted(struct db *db, const struct sql *sql, const struct db_value *values,
                                    size_t count, size_t *ret_rows, struct status *err)
{
    struct db_rows rows = db_query(db, sql, values, count, err);
    *ret_rows = 0;
    while (db_next(&rows))
        ++*ret_rows;
    return db_end(&rows);
}

/* Begun transactions end here. */
static enum status_code finish(struct db *db, enum status_code rc, struct status *err)
{
    if (rc == STATUS_OK)
        return db_commit(db, err);
    db_rollback(db);
    return rc;
}

#define OLD_RUNS                                                                                             \
    "(select id from runs where workspace_id = $1 and app_id = $2 and created_at_ms < $3 and "               \
    "finished_at_ms <> 0 order by created_at_ms, id limit $4)"

static enum status_code remove_some_runs(struct db *db, const struct target *t, size_t *ret_removed,
                                         struct status *err)
{
    static const struct sql nodes = {"delete from run_nodes where workspace_id = $1 and run_id in " OLD_RUNS};
    static const struct sql runs = {"delete from runs where workspace_id = $1 and id in " OLD_RUNS
                                    " returning 1"};
    const struct db_value values[] = {DB_TEXT(str_c(t->workspace_id)), app_id_of(t), DB_INT(t->before_ms),
                                      DB_INT(RETENTION_STEP)};
    enum status_code rc = db_begin(db, DB_WRITE, err);
    if (rc != STATUS_OK)
        return rc;
    rc = db_run(db, &nodes, values, ARRAY_LEN(values), err);
    if (rc == STATUS_OK)
        rc = run_counted(db, &runs, values, ARRAY_LEN(values), ret_removed, err);
    return finish(db, rc, err);
}

static enum status_code remove_runs(const struct retention *r, const struct target *t, size_t *ret_removed,
                                    struct status *err)
{
    size_t removed;
    do {
        if (!r->goes_on(r->arg))
            return STATUS_OK;
        enum status_code rc = remove_some_runs(r->records, t, &removed, err);
        if (rc != STATUS_OK)
            return rc;
        *ret_removed += removed;
    } while (removed > 0);
    return STATUS_OK;
}

/*
 * Up to RETENTION_STEP messages of a conversation, and the conversation itself when they were the last. One that was used
 * again meanwhile stays. ret_is_over: nothing is left to do with it.
 */
static enum status_code remove_some_messages(struct db *db, const struct target *t, const struct uuid *id,
                                             size_t *ret_messages, bool *ret_is_over, size_t *ret_removed,
                                             struct status *err)
{
    static const struct sql is_old = {
        "select 1 from conversations where workspace_id = $1 and id = $2 and updated_at_ms < $3"};
    static const struct sql messages = {"delete from messages where workspace_id = $1 and id in (select id "
                                        "from messages where workspace_id = "
                                        "$1 and conversation_id = $2 limit $4) returning 1"};
    static const struct sql variables = {
        "delete from conversation_variables where workspace_id = $1 and conversation_id = $2"};
    static const struct sql conversation = {"delete from conversations where workspace_id = $1 and id = $2"};
    const struct db_value values[] = {DB_TEXT(str_c(t->workspace_id)),
                                      DB_BLOB(((struct str){(const char *)id->bytes, sizeof id->bytes})),
                                      DB_INT(t->before_ms), DB_INT(RETENTION_STEP)};
    size_t found = 0;
    *ret_messages = 0;
    *ret_is_over = true;
    enum status_code rc = run_counted(db, &is_old, values, ARRAY_LEN(values), &found, err);
    if (rc != STATUS_OK || found == 0)
        return rc;
    rc = run_counted(db, &messages, values, ARRAY_LEN(values), ret_messages, err);
    *ret_is_over = *ret_messages < RETENTION_STEP;
    if (rc != STATUS_OK || !*ret_is_over)
        return rc;
    rc = db_run(db, &variables, values, ARRAY_LEN(values), err);
    if (rc == STATUS_OK)
        rc = db_run(db, &conversation, values, ARRAY_LEN(values), err);
    *ret_removed += rc == STATUS_OK;
    return rc;
}

/* One transaction; *at moves on over what is done with. */
static enum status_code remove_some_conversations(struct db *db, const struct target *t,
                                                  const struct uuid *ids, size_t count, size_t *at,
                                                  size_t *ret_removed, struct status *err)
{
    size_t messages, rows = 0;
    enum status_code rc = db_begin(db, DB_WRITE, err);
    if (rc != STATUS_OK)
        return rc;
    while (rc == STATUS_OK && *at < count && rows < RETENTION_STEP) {
        bool is_over;
        rc = remove_some_messages(db, t, &ids[*at], &messages, &is_over, ret_removed, err);
        rows += messages + 1;
        *at += rc == STATUS_OK && is_over;
    }
    return finish(db, rc, err);
}

/* Looks through the whole of an app's conversations, without the write lock. */
static enum status_code find_conversations(struct db *db, const struct target *t, struct uuid *ids,
                                           size_t *ret_count, struct status *err)
{
    static const struct sql sql = {"select id from conversations where workspace_id = $1 and app_id = $2 and "
                                   "updated_at_ms < $3 limit $4"};
    size_t count = 0;
    struct db_rows rows = db_query(
        db, &sql,
        DB_VALUES(DB_TEXT(str_c(t->workspace_id)), app_id_of(t), DB_INT(t->before_ms), DB_INT(FOUND_MAX)),
        err);
    while (db_next(&rows)) {
        struct str id = db_text(&rows, 0);
        if (id.len == sizeof ids->bytes)
            memcpy(ids[count++].bytes, id.ptr, id.len);
    }
    *ret_count = count;
    return db_end(&rows);
}

static enum status_code remove_conversations(const struct retention *r, const struct target *t,
                                             size_t *ret_removed, struct status *err)
{
    struct uuid *ids = calloc(FOUND_MAX, sizeof *ids);
    if (ids == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no memory");
    size_t count, at;
    enum status_code rc;
    do {
        at = 0;
        rc = find_conversations(r->records, t, ids, &count, err);
        while (rc == STATUS_OK && at < count && r->goes_on(r->arg))
            rc = remove_some_conversations(r->records, t, ids, count, &at, ret_removed, err);
    } while (rc == STATUS_OK && count == FOUND_MAX && at == count);
    free(ids);
    return rc;
}

static enum status_code remove_old(const struct retention *r, const struct target *t, size_t *ret_removed,
                                   struct status *err)
{
    enum status_code rc = remove_runs(r, t, ret_removed, err);
    return rc == STATUS_OK ? remove_conversations(r, t, ret_removed, err) : rc;
}

/* Rows of (workspace, app, days) as targets; the caller frees them. */
static enum status_code list_targets(struct db *db, const struct sql *sql, bool is_text_id, int64_t now_ms,
                                     struct target **ret, size_t *ret_count, struct status *err)
{
    struct target *targets = NULL;
    size_t count = 0, cap = 0;
    bool has_memory = true;
    struct db_rows rows = db_query(db, sql, DB_NO_VALUES, err);
    while (has_memory && db_next(&rows)) {
        if (count == cap) {
            cap = cap == 0 ? 16 : cap * 2;
            struct target *more = realloc(targets, cap * sizeof *more);
            has_memory = more != NULL;
            targets = has_memory ? more : targets;
        }
        struct target t = {.before_ms = now_ms - db_int(&rows, 2) * DAY_MS};
        struct str id = db_text(&rows, 1);
        snprintf(t.workspace_id, sizeof t.workspace_id, "%.*s", STR_ARG(db_text(&rows, 0)));
        bool is_id = is_text_id ? uuid_parse(id, &t.app_id) : id.len == sizeof t.app_id.bytes;
        if (is_id && !is_text_id)
            memcpy(t.app_id.bytes, id.ptr, sizeof t.app_id.bytes);
        if (has_memory && is_id)
            targets[count++] = t;
    }
    enum status_code rc = db_end(&rows);
    if (rc == STATUS_OK && !has_memory)
        rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no memory");
    if (rc == STATUS_OK) {
        *ret = targets;
        *ret_count = count;
    } else {
        free(targets);
    }
    return rc;
}

static enum status_code remove_by_age(const struct retention *r, int64_t now_ms, size_t *ret_removed,
                                      struct status *err)
{
    static const struct sql sql = {
        "select workspace_id, id, retention_days from apps where retention_days > 0"};
    struct target *targets = NULL;
    size_t count = 0;
    enum status_code rc = list_targets(r->control, &sql, true, now_ms, &targets, &count, err);
    for (size_t i = 0; rc == STATUS_OK && i < count; i++)
        rc = remove_old(r, &targets[i], ret_removed, err);
    free(targets);
    return rc;
}

/* An app's last runs may still be under way: its removal is over when for a whole turn there was nothing to remove. */
static enum status_code remove_app(const struct retention *r, const struct target *t, size_t *ret_removed,
                                   struct status *err)
{
    static const struct sql any_run = {"select 1 from runs where workspace_id = $1 and app_id = $2 limit 1"};
    static const struct sql done = {"delete from removals where workspace_id = $1 and app_id = $2"};
    const struct db_value values[] = {DB_TEXT(str_c(t->workspace_id)), app_id_of(t)};
    size_t removed = 0, left = 0;
    enum status_code rc = remove_old(r, t, &removed, err);
    *ret_removed += removed;
    if (rc != STATUS_OK || removed > 0 || !r->goes_on(r->arg))
        return rc;
    rc = run_counted(r->records, &any_run, values, ARRAY_LEN(values), &left, err);
    return rc == STATUS_OK && left == 0 ? db_run(r->records, &done, values, ARRAY_LEN(values), err) : rc;
}

static enum status_code remove_apps(const struct retention *r, size_t *ret_removed, struct status *err)
{
    static const struct sql sql = {"select workspace_id, app_id, 0 from removals"};
    struct target *targets = NULL;
    size_t count = 0;
    enum status_code rc = list_targets(r->records, &sql, false, INT64_MAX, &targets, &count, err);
    for (size_t i = 0; rc == STATUS_OK && i < count; i++)
        rc = remove_app(r, &targets[i], ret_removed, err);
    free(targets);
    return rc;
}

enum status_code retention_run(const struct retention *r, int64_t now_ms, size_t *ret_removed,
                               struct status *err)
{
    static const struct sql forget = {"delete from instances where died_at_ms <> 0 and died_at_ms < $1"};
    *ret_removed = 0;
    enum status_code rc = remove_apps(r, ret_removed, err);
    if (rc == STATUS_OK)
        rc = remove_by_age(r, now_ms, ret_removed, err);
    if (rc == STATUS_OK)
        rc = db_run(r->records, &forget, DB_VALUES(DB_INT(now_ms - RETENTION_INSTANCES_MS)), err);
    return rc;
}
