/* records_fill: see records_fill.h. */
#include "tests/bench/records_fill.h"
#include <stdio.h>

enum { COMMIT_ROWS = 20000 }; /* runs of one transaction */

struct records records_of(int64_t runs)
{
    int64_t chats = runs / (2 * RECORDS_MESSAGES);
    return (struct records){.runs = chats * 2 * RECORDS_MESSAGES, .chats = chats, .users = runs / 50};
}

/* Version 7, with the time of run n: keys of records grow as in a real store. */
struct uuid records_id(enum records_group group, int64_t n)
{
    struct uuid id = {{0}};
    int64_t ms = group == APP_GROUP || group == USER_GROUP ? n : records_first_ms + n * RECORDS_RUN_MS;
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    id.bytes[6] = 0x70;
    id.bytes[7] = (uint8_t)group;
    id.bytes[8] = 0x80;
    for (int i = 0; i < 4; i++)
        id.bytes[12 + i] = (uint8_t)(n >> (24 - 8 * i));
    return id;
}

static bool is_chat(int64_t run)
{
    return run % 2 == 1;
}

/* Of ten runs in a row of a chat app, one conversation; they lie two apart, since every other run is a workflow's. */
static int64_t chat_of(int64_t run)
{
    return run / 2 / RECORDS_MESSAGES;
}

/* One user has a fifth of all. */
static int64_t user_of(const struct records *r, int64_t run)
{
    int64_t n = is_chat(run) ? chat_of(run) : run / 2;
    return n % 5 == 0 ? 0 : 1 + (n * 7919) % (r->users - 1);
}

int64_t records_user_of_chat(const struct records *r, int64_t chat)
{
    return user_of(r, 2 * RECORDS_MESSAGES * chat + 1);
}

/* Status and reason: 94 % succeed, 4 % fail, the rest is stopped by users, by time, or partly succeeds. */
static void end_of(int64_t run, int *ret_status, int *ret_reason)
{
    int64_t n = run * 2654435761 / 64 % 1000;
    *ret_status = n < 940 ? 2 : n < 980 ? 4 : n < 990 ? 5 : n < 995 ? 4 : 3;
    *ret_reason = n < 940 ? 1 : n < 980 ? 2 : n < 990 ? 3 : n < 995 ? 5 : 1;
}

static struct db_value blob_of(const struct uuid *id)
{
    return DB_BLOB(((struct str){(const char *)id->bytes, sizeof id->bytes}));
}

static enum status_code put_run(const struct records *r, struct db *db, int64_t n, struct status *err)
{
    static const struct sql run_sql = {
        "insert into runs (id, app_id, version_id, version_number, mode, record, end_user_id, "
        "conversation_id, message_id, status, end_reason, attempt, owner, created_at_ms, finished_at_ms, "
        "elapsed_ms, total_tokens, total_steps, \"user\", end_user_type, error, inputs, outputs) values "
        "($1, $2, $2, 1, $3, 0, $4, $5, $6, $7, $8, 1, 1, $9, $9 + 1500, 1500, 321, 3, $10, 'service-api', "
        "$11, $12, $13)"};
    static const struct sql nodes_sql = {"insert into run_nodes (run_id, part, nodes) values ($1, 0, $2)"};
    static const char nodes[RECORDS_NODES_BYTES];
    struct uuid id = records_id(RUN_GROUP, n), app = records_id(APP_GROUP, is_chat(n) ? CHAT : WORKFLOW),
                user = records_id(USER_GROUP, user_of(r, n)), chat = records_id(CHAT_GROUP, chat_of(n)),
                message = records_id(MESSAGE_GROUP, n);
    const struct db_value none = DB_BLOB(STR(""));
    char who[32], in[256], out[512];
    int status, reason;
    end_of(n, &status, &reason);
    (void)snprintf(who, sizeof who, "user-%lld", (long long)user_of(r, n));
    (void)snprintf(in, sizeof in,
                   "{\"sys.query\":\"question number %lld of this bench, about as long as people ask\","
                   "\"sys.user_id\":\"%s\",\"topic\":\"t%lld\"}",
                   (long long)n, who, (long long)(n % 100));
    (void)snprintf(out, sizeof out, "{\"answer\":\"%.*s number %lld\"}", 300,
                   "An answer of some three hundred characters, which is what a model says when it is asked "
                   "to be brief and "
                   "nevertheless begins with a friendly sentence, goes on with what was asked, adds a list "
                   "of three things "
                   "nobody had thought of, and ends with the offer to say more about any of them if that "
                   "were wanted now.",
                   (long long)n);
    enum status_code rc =
        db_run(db, &run_sql,
               DB_VALUES(blob_of(&id), blob_of(&app), DB_INT(is_chat(n)), blob_of(&user),
                         is_chat(n) ? blob_of(&chat) : none, is_chat(n) ? blob_of(&message) : none,
                         DB_INT(status), DB_INT(reason), DB_INT(records_first_ms + n * RECORDS_RUN_MS),
                         DB_TEXT(str_c(who)), status == 4 ? DB_TEXT(STR("a node failed")) : DB_NULL,
                         DB_TEXT(str_c(in)), DB_TEXT(str_c(out))),
               err);
    if (rc == STATUS_OK)
        rc = db_run(db, &nodes_sql, DB_VALUES(blob_of(&id), DB_BLOB(((struct str){nodes, sizeof nodes}))),
                    err);
    return rc;
}

static enum status_code put_conversation(const struct records *r, struct db *db, int64_t n,
                                         struct status *err)
{
    static const struct sql conversation_sql = {"insert into conversations (id, app_id, end_user_id, "
                                                "created_at_ms, updated_at_ms, name, introduction, "
                                                "inputs) values ($1, $2, $3, $4, $5, '', 'Welcome.', '{}')"};
    static const struct sql variable_sql = {
        "insert into conversation_variables (conversation_id, name, id, value_type, description, "
        "created_at_ms, "
        "updated_at_ms, value) values ($1, $2, $3, 'string', '', $4, $4, '\"a value\"')"};
    int64_t first = 2 * RECORDS_MESSAGES * n + 1, at_ms = records_first_ms + first * RECORDS_RUN_MS;
    struct uuid id = records_id(CHAT_GROUP, n), app = records_id(APP_GROUP, CHAT),
                user = records_id(USER_GROUP, user_of(r, first)), variable = records_id(VARIABLE_GROUP, n);
    enum status_code rc = db_run(db, &conversation_sql,
                                 DB_VALUES(blob_of(&id), blob_of(&app), blob_of(&user), DB_INT(at_ms),
                                           DB_INT(at_ms + 2 * (RECORDS_MESSAGES - 1) * RECORDS_RUN_MS)),
                                 err);
    static const char *const names[] = {"mood", "topic", "last_order"};
    for (size_t i = 0; rc == STATUS_OK && i < ARRAY_LEN(names); i++) {
        variable.bytes[9] = (uint8_t)i;
        rc =
            db_run(db, &variable_sql,
                   DB_VALUES(blob_of(&id), DB_TEXT(str_c(names[i])), blob_of(&variable), DB_INT(at_ms)), err);
    }
    return rc;
}

static enum status_code put_message(struct db *db, int64_t n, bool is_first, int64_t chat_number,
                                    struct status *err)
{
    static const struct sql sql = {"insert into messages (id, conversation_id, parent_id, run_id, status, "
                                   "attempt, owner, created_at_ms, "
                                   "finished_at_ms, inputs, query, answer) values ($1, $2, $3, $4, 2, 1, 1, "
                                   "$5, $5 + 1500, '{}', $6, $7)"};
    struct uuid id = records_id(MESSAGE_GROUP, n), chat = records_id(CHAT_GROUP, chat_number),
                parent = records_id(MESSAGE_GROUP, n - 2), run = records_id(RUN_GROUP, n);
    return db_run(
        db, &sql,
        DB_VALUES(
            blob_of(&id), blob_of(&chat), is_first ? DB_BLOB(STR("")) : blob_of(&parent), blob_of(&run),
            DB_INT(records_first_ms + n * RECORDS_RUN_MS),
            DB_TEXT(STR("What would people ask, if it were about as long as this question is?")),
            DB_TEXT(STR("An answer of the size a model gives when it was told to be as brief as possible, "
                        "and was not quite able to."))),
        err);
}

static enum status_code fill_runs(const struct records *r, struct db *db, struct status *err)
{
    enum status_code rc = STATUS_OK;
    for (int64_t n = 0; rc == STATUS_OK && n < r->runs; n++) {
        if (n % COMMIT_ROWS == 0)
            rc = db_begin(db, DB_WRITE, err);
        if (rc == STATUS_OK)
            rc = put_run(r, db, n, err);
        if (rc == STATUS_OK && is_chat(n) && n / 2 % RECORDS_MESSAGES == 0)
            rc = put_conversation(r, db, chat_of(n), err);
        if (rc == STATUS_OK && is_chat(n))
            rc = put_message(db, n, n / 2 % RECORDS_MESSAGES == 0, chat_of(n), err);
        if (rc == STATUS_OK && (n % COMMIT_ROWS == COMMIT_ROWS - 1 || n == r->runs - 1))
            rc = db_commit(db, err);
    }
    return rc;
}

/* The one behind all others, whose messages have no runs. */
static enum status_code fill_long(const struct records *r, struct db *db, struct status *err)
{
    int64_t first = 2 * RECORDS_MESSAGES * r->chats + 1;
    enum status_code rc = db_begin(db, DB_WRITE, err);
    if (rc == STATUS_OK)
        rc = put_conversation(r, db, r->chats, err);
    for (int64_t i = 0; rc == STATUS_OK && i < RECORDS_LONG_MESSAGES; i++)
        rc = put_message(db, first + 2 * i, i == 0, r->chats, err);
    return rc == STATUS_OK ? db_commit(db, err) : rc;
}

enum status_code records_fill(struct db *db, const struct records *r, struct status *err)
{
    enum status_code rc = fill_runs(r, db, err);
    return rc == STATUS_OK ? fill_long(r, db, err) : rc;
}
