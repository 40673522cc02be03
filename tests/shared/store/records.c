/*
 * records: see records.h.
 */
#include "tests/shared/store/records.h"
#include "shared/store/record_id.h"
#include <stdio.h>
#include <string.h>

/* --- store and rows --- */

int records_setup(void **state)
{
    fixture_setup_empty(state);
    struct fixture *f = *state;
    const struct store_options options = {
        .file = STORE_RECORDS, .role = STORE_GATEWAY, .schema = STORE_MIGRATE, .master_key = MASTER_KEY_A};
    assert_ok(store_open(f->url, &options, &f->store, &f->err));
    return 0;
}

struct db *records_connect(struct fixture *f)
{
    struct db *db = NULL;
    assert_ok(db_open(f->url, &(struct db_open){.part = DB_RECORDS, .is_relaxed = true}, &db, &f->err));
    return db;
}

int64_t records_number(struct fixture *f, const char *statement)
{
    int64_t number = -1;
    const struct sql sql = {statement};
    struct db *db = records_connect(f);
    struct db_rows rows = db_query(db, &sql, DB_NO_VALUES, &f->err);
    while (db_next(&rows))
        number = db_int(&rows, 0);
    assert_ok(db_end(&rows));
    db_close(db);
    return number;
}

void records_script(struct fixture *f, const char *script)
{
    struct db *db = records_connect(f);
    assert_ok(db_script(db, script, &f->err));
    db_close(db);
}

struct str id_of(struct fixture *f, char kind, int number)
{
    char *text = arena_printf(&f->arena, "0189%c000-0000-7000-8000-%012x", kind, (unsigned)number);
    assert_non_null(text);
    return str_c(text);
}

static void run_once(struct fixture *f, const struct sql *sql, const struct db_value *values, size_t count)
{
    struct db *db = records_connect(f);
    assert_ok(db_run(db, sql, values, count, &f->err));
    db_close(db);
}

static struct db_value blob(struct str bytes)
{
    return bytes.len == 0 ? DB_NULL : DB_BLOB(bytes);
}

static struct db_value text(struct str words)
{
    return words.len == 0 ? DB_NULL : DB_TEXT(words);
}

void put_run_as(struct fixture *f, const char *workspace_id, int owner, const struct store_run *run)
{
    static const struct sql sql = {
        "insert into runs (workspace_id, id, app_id, version_id, version_number, mode, record, end_user_id, "
        "conversation_id, message_id, status, end_reason, attempt, owner, created_at_ms, finished_at_ms, "
        "elapsed_ms, total_tokens, total_steps, exceptions_count, \"user\", end_user_type, usage, error, "
        "inputs, outputs) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, "
        "$17, $18, $19, $20, $21, $22, $23, $24, $25, $26)"};
    struct record_id id = record_id_of(run->run_id), app = record_id_of(run->app_id),
                     version = record_id_of(run->version_id), end_user = record_id_of(run->end_user_id),
                     conversation = record_id_of(run->conversation_id),
                     message = record_id_of(run->message_id);
    run_once(f, &sql,
             DB_VALUES(DB_TEXT(str_c(workspace_id)), record_id_value(&id), record_id_value(&app),
                       record_id_value(&version), DB_INT(run->version_number), DB_INT(run->mode),
                       DB_INT(run->record), record_id_value(&end_user), record_id_value(&conversation),
                       record_id_value(&message), DB_INT(run->status), DB_INT(run->end_reason),
                       DB_INT(run->attempt), DB_INT(owner), DB_INT(run->created_at_ms),
                       DB_INT(run->finished_at_ms), DB_INT(run->elapsed_ms), DB_INT(run->total_tokens),
                       DB_INT(run->total_steps), DB_INT(run->exceptions_count), DB_TEXT(run->user),
                       DB_TEXT(run->end_user_type), blob(run->usage), text(run->error), text(run->inputs),
                       text(run->outputs)));
}

void put_run(struct fixture *f, const struct store_run *run)
{
    put_run_as(f, "default", 1, run);
}

void put_nodes(struct fixture *f, struct str run_id, int part, struct str nodes)
{
    static const struct sql sql = {"insert into run_nodes (run_id, part, nodes) values ($1, $2, $3)"};
    struct record_id id = record_id_of(run_id);
    run_once(f, &sql, DB_VALUES(record_id_value(&id), DB_INT(part), DB_BLOB(nodes)));
}

void put_conversation(struct fixture *f, const struct conversation_row *row)
{
    static const struct sql sql = {
        "insert into conversations (id, app_id, end_user_id, created_at_ms, updated_at_ms, name, "
        "introduction, inputs) values ($1, $2, $3, $4, $5, $6, 'Welcome.', $7)"};
    struct record_id id = record_id_of(row->id), app = record_id_of(row->app_id),
                     end_user = record_id_of(row->end_user_id);
    run_once(f, &sql,
             DB_VALUES(record_id_value(&id), record_id_value(&app), record_id_value(&end_user),
                       DB_INT(row->created_at_ms), DB_INT(row->updated_at_ms), DB_TEXT(row->name),
                       text(row->inputs)));
}

void put_message(struct fixture *f, struct str conversation_id, const struct store_message *m)
{
    static const struct sql sql = {
        "insert into messages (id, conversation_id, parent_id, run_id, status, attempt, owner, "
        "created_at_ms, finished_at_ms, error, usage, user_files, answer_files, inputs, query, answer) "
        "values ($1, $2, $3, $4, $5, 1, 1, $6, $7, $8, $9, $10, $11, $12, $13, $14)"};
    struct record_id id = record_id_of(m->message_id), conversation = record_id_of(conversation_id),
                     parent = record_id_of(m->parent_message_id), run = record_id_of(m->run_id);
    run_once(f, &sql,
             DB_VALUES(record_id_value(&id), record_id_value(&conversation), record_id_value(&parent),
                       record_id_value(&run), DB_INT(m->status), DB_INT(m->created_at_ms),
                       DB_INT(m->finished_at_ms), text(m->error), blob(m->usage), blob(m->user_files),
                       blob(m->answer_files), text(m->inputs), DB_TEXT(m->query), DB_TEXT(m->answer)));
}

void put_query_files(struct fixture *f, struct str message_id, const char *json)
{
    static const struct sql sql = {"update messages set query_files = $2 where id = $1"};
    struct record_id id = record_id_of(message_id);
    run_once(f, &sql, DB_VALUES(record_id_value(&id), DB_TEXT(str_c(json))));
}

void put_variable(struct fixture *f, struct str conversation_id, const struct variable_row *row)
{
    static const struct sql sql = {
        "insert into conversation_variables (conversation_id, name, id, value_type, description, "
        "created_at_ms, updated_at_ms, value) values ($1, $2, $3, 'string', 'What it is for.', $4, $4 + 1, "
        "$5)"};
    struct record_id conversation = record_id_of(conversation_id), id = record_id_of(row->id);
    run_once(f, &sql,
             DB_VALUES(record_id_value(&conversation), DB_TEXT(row->name), record_id_value(&id),
                       DB_INT(row->created_at_ms), DB_TEXT(row->value)));
}

/* --- copies of results --- */

static void keep(struct fixture *f, struct str *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        *texts[i] = arena_copy(&f->arena, *texts[i]);
}
#define KEEP(f, ...)                                                                                         \
    keep((f), (struct str *const[]){__VA_ARGS__},                                                            \
         sizeof((struct str *[]){__VA_ARGS__}) / sizeof(struct str *))

static void *keep_array(struct fixture *f, const void *items, size_t count, size_t size)
{
    void *copy = arena_array(&f->arena, count + 1, size);
    assert_non_null(copy);
    if (count > 0)
        memcpy(copy, items, count * size);
    return copy;
}

static void keep_run(struct fixture *f, struct store_run *r)
{
    KEEP(f, &r->run_id, &r->app_id, &r->version_id, &r->end_user_id, &r->conversation_id, &r->message_id,
         &r->user, &r->end_user_type, &r->usage, &r->error, &r->inputs, &r->outputs, &r->nodes, &r->answer,
         &r->answer_files);
}

/* --- callbacks: one for each kind of result --- */

struct waiting {
    struct store_wait wait;
    struct fixture *f;
    void *ret;
};

static void got_run(void *arg, const struct store_run *run, const struct status *status)
{
    struct waiting *w = arg;
    if (run != NULL) {
        *(struct store_run *)w->ret = *run;
        keep_run(w->f, w->ret);
    }
    store_wait_done(&w->wait, status);
}

static void got_runs(void *arg, const struct store_run_page *page, const struct status *status)
{
    struct waiting *w = arg;
    struct store_run_page *ret = w->ret;
    if (page != NULL) {
        *ret = *page;
        struct store_run *list = keep_array(w->f, page->runs, page->count, sizeof *list);
        for (size_t i = 0; i < page->count; i++)
            keep_run(w->f, &list[i]);
        ret->runs = list;
        KEEP(w->f, &ret->next_page_token);
    }
    store_wait_done(&w->wait, status);
}

static void got_conversation(void *arg, const struct store_conversation *conversation,
                             const struct status *status)
{
    struct waiting *w = arg;
    struct store_conversation *ret = w->ret;
    if (conversation != NULL) {
        *ret = *conversation;
        KEEP(w->f, &ret->conversation_id, &ret->name, &ret->introduction, &ret->inputs);
    }
    store_wait_done(&w->wait, status);
}

static void got_conversations(void *arg, const struct store_conversation_page *page,
                              const struct status *status)
{
    struct waiting *w = arg;
    struct store_conversation_page *ret = w->ret;
    if (page != NULL) {
        *ret = *page;
        struct store_conversation *list = keep_array(w->f, page->conversations, page->count, sizeof *list);
        for (size_t i = 0; i < page->count; i++)
            KEEP(w->f, &list[i].conversation_id, &list[i].name, &list[i].introduction, &list[i].inputs);
        ret->conversations = list;
        KEEP(w->f, &ret->next_page_token);
    }
    store_wait_done(&w->wait, status);
}

static void got_messages(void *arg, const struct store_message_page *page, const struct status *status)
{
    struct waiting *w = arg;
    struct store_message_page *ret = w->ret;
    if (page != NULL) {
        *ret = *page;
        struct store_message *list = keep_array(w->f, page->messages, page->count, sizeof *list);
        for (struct store_message *m = list; m < list + page->count; m++)
            KEEP(w->f, &m->message_id, &m->parent_message_id, &m->run_id, &m->inputs, &m->query, &m->answer,
                 &m->error, &m->usage, &m->user_files, &m->answer_files);
        ret->messages = list;
        KEEP(w->f, &ret->next_page_token);
    }
    store_wait_done(&w->wait, status);
}

static void got_variables(void *arg, const struct store_conversation_variable_page *page,
                          const struct status *status)
{
    struct waiting *w = arg;
    struct store_conversation_variable_page *ret = w->ret;
    if (page != NULL) {
        *ret = *page;
        struct store_conversation_variable *list =
            keep_array(w->f, page->variables, page->count, sizeof *list);
        for (struct store_conversation_variable *v = list; v < list + page->count; v++)
            KEEP(w->f, &v->variable_id, &v->name, &v->value_type, &v->description, &v->value);
        ret->variables = list;
        KEEP(w->f, &ret->next_page_token);
    }
    store_wait_done(&w->wait, status);
}

static void got_thread(void *arg, const struct store_message_thread *thread, const struct status *status)
{
    struct waiting *w = arg;
    struct store_message_thread *ret = w->ret;
    if (thread != NULL) {
        *ret = *thread;
        struct store_turn *turns = keep_array(w->f, thread->turns, thread->turn_count, sizeof *turns);
        for (size_t i = 0; i < thread->turn_count; i++)
            KEEP(w->f, &turns[i].query, &turns[i].answer, &turns[i].query_files);
        struct store_message_thread_variable *variables =
            keep_array(w->f, thread->variables, thread->variable_count, sizeof *variables);
        for (size_t i = 0; i < thread->variable_count; i++)
            KEEP(w->f, &variables[i].name, &variables[i].value_type, &variables[i].value);
        ret->turns = turns;
        ret->variables = variables;
        KEEP(w->f, &ret->parent_message_id);
    }
    store_wait_done(&w->wait, status);
}

/* --- calls that wait --- */

static struct waiting *begin(struct waiting *w, struct fixture *f, void *ret)
{
    *w = (struct waiting){.f = f, .ret = ret};
    store_wait_init(&w->wait);
    f->err = (struct status){0};
    return w;
}

static enum status_code end(struct waiting *w, enum status_code submitted)
{
    if (submitted != STATUS_OK) {
        store_wait_fini(&w->wait);
        return submitted;
    }
    return store_wait(&w->wait, &w->f->err);
}

enum status_code get_run(struct fixture *f, const struct store_run_ref *r, struct store_run *ret)
{
    struct waiting w;
    return end(&w, store_run_get(f->store, r, got_run, begin(&w, f, ret), &f->err));
}

enum status_code list_runs(struct fixture *f, const struct store_run_list *r, struct store_run_page *ret)
{
    struct waiting w;
    return end(&w, store_run_list(f->store, r, got_runs, begin(&w, f, ret), &f->err));
}

enum status_code close_run(struct fixture *f, const struct store_run_close *r, struct store_run *ret)
{
    struct waiting w;
    return end(&w, store_run_close(f->store, r, got_run, begin(&w, f, ret), &f->err));
}

enum status_code remove_app_records(struct fixture *f, const struct store_app_ref *r)
{
    struct waiting w;
    begin(&w, f, NULL);
    return end(&w, store_run_remove_app(f->store, r, store_wait_done, &w.wait, &f->err));
}

enum status_code list_conversations(struct fixture *f, const struct store_conversation_list *r,
                                    struct store_conversation_page *ret)
{
    struct waiting w;
    return end(&w, store_conversation_list(f->store, r, got_conversations, begin(&w, f, ret), &f->err));
}

enum status_code rename_conversation(struct fixture *f, const struct store_conversation_rename *r,
                                     struct store_conversation *ret)
{
    struct waiting w;
    return end(&w, store_conversation_rename(f->store, r, got_conversation, begin(&w, f, ret), &f->err));
}

enum status_code delete_conversation(struct fixture *f, const struct store_conversation_ref *r)
{
    struct waiting w;
    begin(&w, f, NULL);
    return end(&w, store_conversation_delete(f->store, r, store_wait_done, &w.wait, &f->err));
}

enum status_code list_messages(struct fixture *f, const struct store_message_list *r,
                               struct store_message_page *ret)
{
    struct waiting w;
    return end(&w, store_message_list(f->store, r, got_messages, begin(&w, f, ret), &f->err));
}

enum status_code list_variables(struct fixture *f, const struct store_conversation_variable_list *r,
                                struct store_conversation_variable_page *ret)
{
    struct waiting w;
    return end(&w, store_conversation_variable_list(f->store, r, got_variables, begin(&w, f, ret), &f->err));
}

enum status_code load_thread(struct fixture *f, const struct store_message_thread_load *r,
                             struct store_message_thread *ret)
{
    struct waiting w;
    return end(&w, store_message_thread_load(f->store, r, got_thread, begin(&w, f, ret), &f->err));
}
