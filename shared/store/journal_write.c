/* journal_write: see the header. */
#include "shared/store/journal_write.h"

#include "shared/base/log.h"
#include <stdlib.h>

/* Numbers of heddle.v1.RunStatus. */
enum { STATUS_RUNNING = 1 };

size_t journal_taken_bytes(const struct journal_taken *taken)
{
    return (taken->begin == NULL ? 0 : taken->begin->bytes) + taken->nodes.len +
           (taken->end == NULL ? 0 : taken->end->bytes);
}

void journal_taken_fini(struct journal_taken *taken)
{
    free(taken->begin);
    journal_place_free_end(taken->place, taken->end);
    buf_fini(&taken->nodes);
}

size_t journal_taken_shorten(struct journal_taken *taken)
{
    size_t freed = taken->nodes.len;
    buf_fini(&taken->nodes);
    if (taken->begin != NULL)
        journal_begin_shorten(taken->begin);
    if (taken->end != NULL)
        journal_end_give_up(taken->end);
    taken->is_short = true;
    return freed;
}

static struct db_value text_or_null(struct str text)
{
    return text.len == 0 ? DB_NULL : DB_TEXT(text);
}

/* Inputs and outputs: of full records only. */
static struct db_value payload(const struct journal_place *place, struct str text)
{
    return place->record == STORE_RECORD_FULL ? text_or_null(text) : DB_NULL;
}

static struct db_value blob_or_null(struct str bytes)
{
    return bytes.len == 0 ? DB_NULL : DB_BLOB(bytes);
}

/* A statement that returns a row for each one it has changed. */
static enum status_code run_counted(struct db *db, const struct sql *sql, const struct db_value *values,
                                    size_t count, bool *ret_changed, struct status *err)
{
    *ret_changed = false;
    struct db_rows rows = db_query(db, sql, values, count, err);
    while (db_next(&rows))
        *ret_changed = true;
    return db_end(&rows);
}

static struct str workspace_of(const struct journal_place *place)
{
    return str_c(place->workspace_id);
}

static struct uuid parsed(struct str text)
{
    struct uuid id = {{0}};
    (void)uuid_parse(text, &id);
    return id;
}

/* The row is there already: is it the one of this very beginning, whose commit seemed to have failed? */
static enum status_code is_ours(const struct journal_writer *w, const struct journal_place *place, bool *ret,
                                struct status *err)
{
    static const struct sql sql = {
        "select 1 from runs where workspace_id = $1 and id = $2 and owner = $3 and attempt = $4 and "
        "created_at_ms = $5"};
    if (!place->was_tried) {
        *ret = false;
        return STATUS_OK;
    }
    return run_counted(w->db, &sql,
                       DB_VALUES(DB_TEXT(workspace_of(place)), journal_id(&place->run_id), DB_INT(w->owner),
                                 DB_INT(place->attempt), DB_INT(place->created_at_ms)),
                       ret, err);
}

static enum status_code insert_run(const struct journal_writer *w, struct journal_taken *taken,
                                   struct status *err)
{
    static const struct sql sql = {
        "insert into runs (workspace_id, id, app_id, version_id, version_number, mode, record, end_user_id, "
        "conversation_id, message_id, status, end_reason, attempt, owner, created_at_ms, finished_at_ms, "
        "elapsed_ms, total_tokens, total_steps, exceptions_count, \"user\", end_user_type, usage, error, "
        "inputs, "
        "outputs) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, "
        "$19, "
        "$20, $21, $22, $23, $24, $25, $26) on conflict (workspace_id, id) do nothing returning 1"};
    static const struct journal_end open = {.status = STATUS_RUNNING};
    const struct journal_place *place = taken->place;
    const struct journal_begin *b = &taken->begin->begin;
    const struct journal_end *e = taken->end == NULL ? &open : &taken->end->end;
    struct uuid version = parsed(b->version_id), end_user = parsed(b->end_user_id);
    bool is_new = false;
    enum status_code rc = run_counted(
        w->db, &sql,
        DB_VALUES(DB_TEXT(workspace_of(place)), journal_id(&place->run_id), journal_id(&place->app_id),
                  journal_id(&version), DB_INT(b->version_number), DB_INT(b->mode), DB_INT(b->record),
                  journal_id(&end_user), journal_id(&place->conversation_id), journal_id(&place->message_id),
                  DB_INT(e->status), DB_INT(e->end_reason), DB_INT(b->attempt), DB_INT(w->owner),
                  DB_INT(b->created_at_ms), DB_INT(e->finished_at_ms), DB_INT(e->elapsed_ms),
                  DB_INT(e->total_tokens), DB_INT(e->total_steps), DB_INT(e->exceptions_count),
                  DB_TEXT(b->user), DB_TEXT(b->end_user_type), blob_or_null(e->usage), text_or_null(e->error),
                  payload(place, b->inputs), payload(place, e->outputs)),
        &is_new, err);
    if (rc == STATUS_OK && !is_new)
        rc = is_ours(w, place, &is_new, err);
    if (rc == STATUS_OK)
        taken->is_closed = !is_new;
    return rc;
}

static enum status_code end_run(const struct journal_writer *w, struct journal_taken *taken,
                                struct status *err)
{
    static const struct sql sql = {
        "update runs set status = $5, end_reason = $6, finished_at_ms = $7, elapsed_ms = $8, total_tokens = "
        "$9, "
        "total_steps = $10, exceptions_count = $11, usage = $12, error = $13, outputs = $14 "
        "where workspace_id = $1 and id = $2 and attempt = $3 and owner = $4 and finished_at_ms = 0 "
        "returning 1"};
    const struct journal_place *place = taken->place;
    const struct journal_end *e = &taken->end->end;
    bool is_changed = false;
    enum status_code rc =
        run_counted(w->db, &sql,
                    DB_VALUES(DB_TEXT(workspace_of(place)), journal_id(&place->run_id),
                              DB_INT(place->attempt), DB_INT(w->owner), DB_INT(e->status),
                              DB_INT(e->end_reason), DB_INT(e->finished_at_ms), DB_INT(e->elapsed_ms),
                              DB_INT(e->total_tokens), DB_INT(e->total_steps), DB_INT(e->exceptions_count),
                              blob_or_null(e->usage), text_or_null(e->error), payload(place, e->outputs)),
                    &is_changed, err);
    if (rc == STATUS_OK)
        taken->is_closed = !is_changed;
    return rc;
}

static enum status_code insert_nodes(const struct journal_writer *w, struct journal_taken *taken,
                                     struct status *err)
{
    static const struct sql sql = {"insert into run_nodes (workspace_id, run_id, part, nodes) "
                                   "values ($1, $2, $3, $4) on conflict do nothing"};
    const struct journal_place *place = taken->place;
    taken->parts = place->parts + 1;
    return db_run(w->db, &sql,
                  DB_VALUES(DB_TEXT(workspace_of(place)), journal_id(&place->run_id), DB_INT(place->parts),
                            DB_BLOB(buf_str(&taken->nodes))),
                  err);
}

static enum status_code keep_conversation(const struct journal_writer *w, const struct journal_taken *taken,
                                          struct status *err)
{
    static const struct sql insert = {
        "insert into conversations (workspace_id, id, app_id, end_user_id, created_at_ms, updated_at_ms, "
        "name, "
        "introduction, inputs) values ($1, $2, $3, $4, $5, $5, '', $6, $7) on conflict do nothing"};
    static const struct sql touch = {
        "update conversations set updated_at_ms = $3 where workspace_id = $1 and "
        "id = $2 and updated_at_ms < $3"};
    const struct journal_place *place = taken->place;
    const struct journal_begin *b = &taken->begin->begin;
    struct uuid end_user = parsed(b->end_user_id);
    if (!b->conversation_is_new)
        return db_run(w->db, &touch,
                      DB_VALUES(DB_TEXT(workspace_of(place)), journal_id(&place->conversation_id),
                                DB_INT(b->created_at_ms)),
                      err);
    return db_run(w->db, &insert,
                  DB_VALUES(DB_TEXT(workspace_of(place)), journal_id(&place->conversation_id),
                            journal_id(&place->app_id), journal_id(&end_user), DB_INT(b->created_at_ms),
                            DB_TEXT(b->introduction), text_or_null(b->message_inputs)),
                  err);
}

/* A conversation that was deleted meanwhile gets no message any more. */
static enum status_code insert_message(const struct journal_writer *w, const struct journal_taken *taken,
                                       struct status *err)
{
    static const struct sql sql = {
        "insert into messages (workspace_id, id, conversation_id, parent_id, run_id, status, attempt, owner, "
        "created_at_ms, finished_at_ms, error, usage, query_files, user_files, answer_files, inputs, query, "
        "answer) "
        "select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18 "
        "where exists (select 1 from conversations where workspace_id = $1 and id = $3) on conflict do "
        "nothing"};
    static const struct journal_end open = {.status = STATUS_RUNNING};
    const struct journal_place *place = taken->place;
    const struct journal_begin *b = &taken->begin->begin;
    const struct journal_end *e = taken->end == NULL ? &open : &taken->end->end;
    struct uuid parent = parsed(b->parent_message_id);
    return db_run(w->db, &sql,
                  DB_VALUES(DB_TEXT(workspace_of(place)), journal_id(&place->message_id),
                            journal_id(&place->conversation_id), journal_id(&parent),
                            journal_id(&place->run_id), DB_INT(e->status), DB_INT(b->attempt),
                            DB_INT(w->owner), DB_INT(b->created_at_ms), DB_INT(e->finished_at_ms),
                            text_or_null(e->error), blob_or_null(e->usage), text_or_null(b->query_files),
                            blob_or_null(b->user_files), blob_or_null(e->answer_files),
                            text_or_null(b->message_inputs), DB_TEXT(b->query), DB_TEXT(e->answer)),
                  err);
}

static enum status_code end_message(const struct journal_writer *w, const struct journal_taken *taken,
                                    struct status *err)
{
    static const struct sql sql = {
        "update messages set status = $5, finished_at_ms = $6, error = $7, usage = $8, "
        "answer_files = $9, answer = $10 where workspace_id = $1 and id = $2 and "
        "attempt = $3 and owner = $4 and finished_at_ms = 0"};
    const struct journal_place *place = taken->place;
    const struct journal_end *e = &taken->end->end;
    return db_run(w->db, &sql,
                  DB_VALUES(DB_TEXT(workspace_of(place)), journal_id(&place->message_id),
                            DB_INT(place->attempt), DB_INT(w->owner), DB_INT(e->status),
                            DB_INT(e->finished_at_ms), text_or_null(e->error), blob_or_null(e->usage),
                            blob_or_null(e->answer_files), DB_TEXT(e->answer)),
                  err);
}

/* Bound to its row: workspace, conversation, name (store.h, sealed texts). */
static enum status_code seal(const struct journal_writer *w, const struct journal_place *place,
                             const struct journal_variable *v, struct buf *ret, struct str *ret_key_id,
                             struct status *err)
{
    char conversation_id[UUID_TEXT_LEN + 1];
    struct buf aad;
    uuid_format(place->conversation_id, conversation_id);
    buf_init(&aad, sizeof place->workspace_id + UUID_TEXT_LEN + v->name.len + 2);
    buf_put(&aad, workspace_of(place));
    buf_put_char(&aad, '\0');
    buf_put_c(&aad, conversation_id);
    buf_put_char(&aad, '\0');
    buf_put(&aad, v->name);
    enum status_code rc = aad.failed ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "journal: no memory")
                                     : keyring_seal(w->ring, buf_str(&aad), v->value, ret, ret_key_id, err);
    buf_fini(&aad);
    return rc;
}

static enum status_code put_variable(const struct journal_writer *w, const struct journal_taken *taken,
                                     const struct journal_variable *v, struct status *err)
{
    static const struct sql sql = {
        "insert into conversation_variables (workspace_id, conversation_id, name, id, value_type, "
        "description, "
        "created_at_ms, updated_at_ms, key_id, sealed, value) select $1, $2, $3, $4, $5, $6, $7, $7, $8, $9, "
        "$10 "
        "where exists (select 1 from conversations where workspace_id = $1 and id = $2) "
        "on conflict (workspace_id, conversation_id, name) do update set value_type = excluded.value_type, "
        "description = excluded.description, updated_at_ms = excluded.updated_at_ms, key_id = "
        "excluded.key_id, "
        "sealed = excluded.sealed, value = excluded.value"};
    const struct journal_place *place = taken->place;
    struct str key_id = STR("");
    struct buf sealed;
    enum status_code rc = STATUS_OK;
    buf_init(&sealed, v->value.len + AES_NONCE_BYTES + AES_TAG_BYTES);
    if (v->has_secret)
        rc = seal(w, place, v, &sealed, &key_id, err);
    if (rc == STATUS_FAILED_PRECONDITION) { /* no key: better forgotten than readable */
        log_warn("conversation_variable_not_kept", LOG_STR("name", v->name),
                 LOG_C("why", "it holds a secret, and there is no master_key"));
        buf_fini(&sealed);
        return STATUS_OK;
    }
    struct uuid id = uuid_v7();
    if (rc == STATUS_OK)
        rc = db_run(w->db, &sql,
                    DB_VALUES(DB_TEXT(workspace_of(place)), journal_id(&place->conversation_id),
                              DB_TEXT(v->name), journal_id(&id), DB_TEXT(v->value_type),
                              DB_TEXT(v->description), DB_INT(taken->end->end.finished_at_ms),
                              v->has_secret ? DB_TEXT(key_id) : DB_NULL,
                              v->has_secret ? DB_BLOB(buf_str(&sealed)) : DB_NULL,
                              v->has_secret ? DB_NULL : DB_TEXT(v->value)),
                    err);
    buf_fini(&sealed);
    return rc;
}

/* An end that was tried before, and is there. */
static enum status_code is_our_end(const struct journal_writer *w, const struct journal_taken *taken,
                                   bool *ret, struct status *err)
{
    static const struct sql sql = {
        "select 1 from runs where workspace_id = $1 and id = $2 and owner = $3 and "
        "attempt = $4 and status = $5 and end_reason = $6 and finished_at_ms = $7"};
    const struct journal_place *place = taken->place;
    const struct journal_end *e = &taken->end->end;
    return run_counted(w->db, &sql,
                       DB_VALUES(DB_TEXT(workspace_of(place)), journal_id(&place->run_id), DB_INT(w->owner),
                                 DB_INT(place->attempt), DB_INT(e->status), DB_INT(e->end_reason),
                                 DB_INT(e->finished_at_ms)),
                       ret, err);
}

/* The run's own row says whether it still is this run's to write. */
static enum status_code write_run(const struct journal_writer *w, struct journal_taken *taken,
                                  struct status *err)
{
    enum status_code rc = STATUS_OK;
    if (taken->begin != NULL)
        rc = insert_run(w, taken, err);
    bool was_there = taken->begin == NULL || taken->place->was_tried;
    if (rc == STATUS_OK && !taken->is_closed && taken->end != NULL && was_there)
        rc = end_run(w, taken, err);
    if (rc == STATUS_OK && taken->is_closed && taken->end != NULL && taken->place->was_tried) {
        bool is_ours_after_all;
        rc = is_our_end(w, taken, &is_ours_after_all, err);
        taken->is_closed = !is_ours_after_all;
    }
    return rc;
}

/* A beginning that was tried before may have brought its end along. */
static enum status_code write_message(const struct journal_writer *w, const struct journal_taken *taken,
                                      struct status *err)
{
    enum status_code rc = STATUS_OK;
    if (taken->begin != NULL) {
        rc = keep_conversation(w, taken, err);
        if (rc == STATUS_OK)
            rc = insert_message(w, taken, err);
    }
    if (rc == STATUS_OK && taken->end != NULL && (taken->begin == NULL || taken->place->was_tried))
        rc = end_message(w, taken, err);
    for (size_t i = 0; rc == STATUS_OK && taken->end != NULL && i < taken->end->end.variable_count; i++)
        rc = put_variable(w, taken, &taken->end->end.variables[i], err);
    return rc;
}

/* Its run was told that it has not begun. A commit that seemed to fail may have written it all the same. */
static enum status_code withdraw(const struct journal_writer *w, const struct journal_place *place,
                                 struct status *err)
{
    static const struct sql run = {
        "delete from runs where workspace_id = $1 and id = $2 and owner = $3 and attempt = $4 and "
        "created_at_ms = $5"};
    static const struct sql message = {
        "delete from messages where workspace_id = $1 and run_id = $2 and owner = $3 and attempt = $4 and "
        "created_at_ms = $5 and id = $6"};
    static const struct sql conversation = {
        "delete from conversations where workspace_id = $1 and id = $2 and created_at_ms = $3 and not exists "
        "(select 1 from messages where workspace_id = $1 and conversation_id = $2)"};
    const struct db_value values[] = {
        DB_TEXT(workspace_of(place)), journal_id(&place->run_id),   DB_INT(w->owner),
        DB_INT(place->attempt),       DB_INT(place->created_at_ms), journal_id(&place->message_id)};
    enum status_code rc = db_run(w->db, &run, values, 5, err);
    if (rc == STATUS_OK && place->is_chat)
        rc = db_run(w->db, &message, values, 6, err);
    if (rc == STATUS_OK && place->is_chat)
        rc = db_run(w->db, &conversation,
                    DB_VALUES(DB_TEXT(workspace_of(place)), journal_id(&place->conversation_id),
                              DB_INT(place->created_at_ms)),
                    err);
    return rc;
}

enum status_code journal_write(const struct journal_writer *w, struct journal_taken *taken,
                               struct status *err)
{
    const struct journal_place *place = taken->place;
    enum status_code rc = STATUS_OK;
    taken->is_closed = place->is_closed;
    taken->parts = place->parts;
    if (place->is_closed)
        return STATUS_OK;
    if (place->is_withdrawn) {
        taken->is_closed = true;
        return place->was_tried ? withdraw(w, place, err) : STATUS_OK;
    }
    if (place->record != STORE_RECORD_NONE)
        rc = write_run(w, taken, err);
    if (rc != STATUS_OK || taken->is_closed)
        return rc;
    if (taken->nodes.len > 0)
        rc = insert_nodes(w, taken, err);
    if (rc == STATUS_OK && place->is_chat)
        rc = write_message(w, taken, err);
    return rc;
}
