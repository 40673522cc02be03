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

#define OLD_RUNS                                                                                             \
    "(select id from runs where workspace_id = $1 and app_id = $2 and created_at_ms < $3 and "               \
    "finished_at_ms <> 0 "                                                                                   \
    "order by created_at_ms limit $4)"
static const struct sql remove_nodes = {
    "delete from run_nodes where workspace_id = $1 and run_id in " OLD_RUNS};
static const struct sql remove_runs = {"delete from runs where workspace_id = $1 and id in " OLD_RUNS
                                       " returning 1"};
#define OLD_CONVERSATIONS                                                                                    \
    "(select id from conversations where workspace_id = $1 and app_id = $2 and updated_at_ms < $3 limit $4)"
static const struct sql remove_messages = {
    "delete from messages where workspace_id = $1 and conversation_id in " OLD_CONVERSATIONS};
static const struct sql remove_variables = {
    "delete from conversation_variables where workspace_id = $1 and conversation_id in " OLD_CONVERSATIONS};
static const struct sql remove_conversations = {
    "delete from conversations where workspace_id = $1 and id in " OLD_CONVERSATIONS " returning 1"};

/* One transaction: the last statement says how many rows went. */
static enum status_code step(struct db *db, const struct target *t, const struct sql *const *statements,
                             size_t count, size_t *ret_removed, struct status *err)
{
    const struct db_value values[] = {
        DB_TEXT(str_c(t->workspace_id)),
        DB_BLOB(((struct str){(const char *)t->app_id.bytes, sizeof t->app_id.bytes})), DB_INT(t->before_ms),
        DB_INT(RETENTION_STEP)};
    *ret_removed = 0;
    enum status_code rc = db_begin(db, DB_WRITE, err);
    for (size_t i = 0; rc == STATUS_OK && i < count; i++) {
        struct db_rows rows = db_query(db, statements[i], values, ARRAY_LEN(values), err);
        while (db_next(&rows))
            ++*ret_removed;
        rc = db_end(&rows);
    }
    if (rc != STATUS_OK) {
        db_rollback(db);
        return rc;
    }
    return db_commit(db, err);
}

static enum status_code remove_old(const struct retention *r, const struct target *t, size_t *ret_removed,
                                   struct status *err)
{
    static const struct sql *const runs[] = {&remove_nodes, &remove_runs};
    static const struct sql *const conversations[] = {&remove_messages, &remove_variables,
                                                      &remove_conversations};
    static const struct {
        const struct sql *const *statements;
        size_t count;
    } kinds[] = {{runs, ARRAY_LEN(runs)}, {conversations, ARRAY_LEN(conversations)}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t removed;
        do {
            if (r->should_stop(r->arg))
                return STATUS_OK;
            if (step(r->records, t, kinds[i].statements, kinds[i].count, &removed, err) != STATUS_OK)
                return err->code;
            *ret_removed += removed;
        } while (removed > 0);
    }
    return STATUS_OK;
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

/* An app's last runs may still be ending: its removal is over when nothing of it was left to remove. */
static enum status_code remove_app(const struct retention *r, const struct target *t, size_t *ret_removed,
                                   struct status *err)
{
    static const struct sql has_open = {
        "select 1 from runs where workspace_id = $1 and app_id = $2 and finished_at_ms = 0 limit 1"};
    static const struct sql done = {"delete from removals where workspace_id = $1 and app_id = $2"};
    const struct db_value values[] = {
        DB_TEXT(str_c(t->workspace_id)),
        DB_BLOB(((struct str){(const char *)t->app_id.bytes, sizeof t->app_id.bytes}))};
    bool is_open = false;
    enum status_code rc = remove_old(r, t, ret_removed, err);
    if (rc != STATUS_OK || r->should_stop(r->arg))
        return rc;
    struct db_rows rows = db_query(r->records, &has_open, values, ARRAY_LEN(values), err);
    while (db_next(&rows))
        is_open = true;
    rc = db_end(&rows);
    return rc == STATUS_OK && !is_open ? db_run(r->records, &done, values, ARRAY_LEN(values), err) : rc;
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
