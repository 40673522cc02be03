/*
 * How SQLite goes about every statement over records: by an index, row by row, nothing sorted. Each connection of this process is
 * listened to, every function of the records is called, and the plan of all that was heard is looked at.
 */
#include "shared/store/run_statements.h"
#include "tests/shared/store/records.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATEMENTS_MAX = 500 };

/* What was heard, each once. */
static struct {
    pthread_mutex_t lock;
    char *texts[STATEMENTS_MAX];
    size_t count;
} heard = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool was_heard(const char *text)
{
    for (size_t i = 0; i < heard.count; i++) {
        if (strcmp(text, heard.texts[i]) == 0)
            return true;
    }
    return false;
}

static int hear(unsigned what, void *arg, void *statement, void *begins_with)
{
    (void)what;
    (void)arg;
    (void)begins_with;
    const char *text = sqlite3_sql(statement);
    pthread_mutex_lock(&heard.lock);
    if (text != NULL && heard.count < STATEMENTS_MAX && !was_heard(text))
        heard.texts[heard.count++] = strdup(text);
    pthread_mutex_unlock(&heard.lock);
    return 0;
}

static int listen_to(sqlite3 *connection, char **error, const struct sqlite3_api_routines *api)
{
    (void)error;
    (void)api;
    return sqlite3_trace_v2(connection, SQLITE_TRACE_STMT, hear, NULL);
}

/* From now on new connections are heard; before, they were not. */
static void listen_from_now_on(void)
{
    heard.count = 0;
    assert_int_equal(SQLITE_OK, sqlite3_auto_extension((void (*)(void))listen_to));
}

static void listen_no_more(void)
{
    sqlite3_reset_auto_extension();
    for (size_t i = 0; i < heard.count; i++)
        free(heard.texts[i]);
    heard.count = 0;
}

/* --- plans --- */

/* A step that looks at rows one by one, but at few: those of a recursive or an inner query, which has its own step. */
static bool is_of_a_query(const char *step)
{
    static const char *const few[] = {"SCAN thread", "SCAN t", "SCAN counted", "SCAN CONSTANT ROW"};
    for (size_t i = 0; i < ARRAY_LEN(few); i++) {
        if (strcmp(step, few[i]) == 0)
            return true;
    }
    return false;
}

/* The first step that should not be; "" when there is none. */
static void find_bad_step(sqlite3 *connection, const char *text, char *ret, size_t size)
{
    sqlite3_stmt *statement = NULL;
    char explain[8192];
    ret[0] = '\0';
    snprintf(explain, sizeof explain, "explain query plan %s", text);
    assert_int_equal(SQLITE_OK, sqlite3_prepare_v2(connection, explain, -1, &statement, NULL));
    while (sqlite3_step(statement) == SQLITE_ROW && ret[0] == '\0') {
        const char *step = (const char *)sqlite3_column_text(statement, 3);
        bool is_scan = strncmp(step, "SCAN", 4) == 0 && !is_of_a_query(step);
        if (is_scan || strstr(step, "TEMP B-TREE") != NULL || strstr(step, "AUTOMATIC") != NULL)
            snprintf(ret, size, "%s", step);
    }
    sqlite3_finalize(statement);
}

static sqlite3 *open_records(struct fixture *f)
{
    sqlite3 *connection = NULL;
    const char *path = arena_printf(&f->arena, "%s/heddle.records.db", f->dir);
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(path, &connection, SQLITE_OPEN_READWRITE, NULL));
    return connection;
}

static bool is_about_rows(const char *text)
{
    return strncmp(text, "select", 6) == 0 || strncmp(text, "insert", 6) == 0 ||
           strncmp(text, "update", 6) == 0 || strncmp(text, "delete", 6) == 0 ||
           strncmp(text, "with", 4) == 0;
}

/* --- every function, in every way that makes a difference --- */

static void list_in_every_way(struct fixture *f)
{
    for (unsigned ways = 0; ways < 1u << 8; ways++) {
        struct store_run_page page;
        struct store_run_list r = {.app_id = id_of(f, 'a', 1), .page_size = 1};
        if (ways & 1)
            r.end_user_id = id_of(f, 'e', 1);
        if (ways & 2)
            r.conversation_id = id_of(f, 'c', 1);
        if (ways & 4)
            r.status = 4;
        if (ways & 8)
            r.end_reason = 2;
        if (ways & 16)
            r.keyword = STR("word");
        if (ways & 32)
            r.with_total = true;
        if (ways & 64)
            r.page = 2;
        if (ways & 128)
            r.created_after_ms = r.created_before_ms = 1000;
        assert_ok(list_runs(f, &r, &page));
    }
}

static void call_all(struct fixture *f)
{
    struct store_run run;
    struct store_run_page page;
    const struct store_conversation_ref chat = {
        .app_id = id_of(f, 'a', 1), .end_user_id = id_of(f, 'e', 1), .conversation_id = id_of(f, 'c', 1)};
    const struct conversation_row row = {.id = chat.conversation_id,
                                         .app_id = chat.app_id,
                                         .end_user_id = chat.end_user_id,
                                         .name = STR(""),
                                         .inputs = STR("{}")};
    const struct store_message message = {.message_id = id_of(f, 'd', 1), .status = 2, .finished_at_ms = 1};
    const struct store_run_close lost = {.run_id = id_of(f, 'f', 1),
                                         .app_id = chat.app_id,
                                         .conversation_id = chat.conversation_id,
                                         .message_id = message.message_id,
                                         .status = 4,
                                         .end_reason = 8,
                                         .attempt = 1,
                                         .created_at_ms = 1,
                                         .finished_at_ms = 2};
    put_conversation(f, &row);
    put_message(f, chat.conversation_id, &message);
    assert_ok(close_run(f, &lost, &run));
    assert_ok(get_run(f, &(struct store_run_ref){.run_id = lost.run_id}, &run));
    list_in_every_way(f);
    assert_ok(list_runs(f, &(struct store_run_list){.app_id = chat.app_id}, &page));
    for (int order = STORE_LAST_USED_FIRST; order <= STORE_OLDEST_FIRST; order++) {
        struct store_conversation_page conversations;
        struct store_conversation_list r = {.app_id = chat.app_id,
                                            .end_user_id = chat.end_user_id,
                                            .order = (enum store_conversation_order)order};
        assert_ok(list_conversations(f, &r, &conversations));
        r.page_token = chat.conversation_id;
        assert_ok(list_conversations(f, &r, &conversations));
    }
    struct store_message_page messages;
    struct store_conversation_variable_page variables;
    struct store_message_thread thread;
    struct store_conversation conversation;
    assert_ok(list_messages(f, &(struct store_message_list){.ref = chat}, &messages));
    assert_ok(list_messages(f, &(struct store_message_list){.ref = chat, .page_token = message.message_id},
                            &messages));
    assert_ok(list_variables(f, &(struct store_conversation_variable_list){.ref = chat}, &variables));
    struct store_message_thread_load load = {
        .app_id = chat.app_id, .end_user_id = chat.end_user_id, .conversation_id = chat.conversation_id};
    assert_ok(load_thread(f, &load, &thread));
    load.parent_message_id = message.message_id;
    assert_ok(load_thread(f, &load, &thread));
    assert_ok(rename_conversation(f, &(struct store_conversation_rename){.ref = chat, .name = STR("A name")},
                                  &conversation));
    assert_ok(delete_conversation(f, &chat));
    assert_ok(remove_app_records(f, &(struct store_app_ref){.app_id = chat.app_id}));
}

static void no_statement_scans_or_sorts(void **state)
{
    struct fixture *f = *state;
    listen_from_now_on();
    store_close(f->store); /* opened before anybody listened */
    const struct store_options options = {.file = STORE_RECORDS, .role = STORE_GATEWAY};
    assert_ok(store_open(f->url, &options, &f->store, &f->err));
    call_all(f);
    sqlite3_reset_auto_extension();
    sqlite3 *connection = open_records(f);
    size_t looked_at = 0;
    for (size_t i = 0; i < heard.count; i++) {
        char step[256];
        if (!is_about_rows(heard.texts[i]) || strstr(heard.texts[i], "sqlite_schema") != NULL)
            continue;
        find_bad_step(connection, heard.texts[i], step, sizeof step);
        if (step[0] != '\0')
            print_error("%s\n  in the plan of: %s\n", step, heard.texts[i]);
        assert_string_equal("", step);
        looked_at++;
    }
    sqlite3_close(connection);
    assert_true(looked_at > 30);
    for (int i = 0; i < RUN_INDEX_COUNT; i++) {
        assert_true(was_heard(run_list_sql[i].text));
        assert_true(was_heard(run_search_sql[i].text));
        assert_true(was_heard(run_count_sql[i].text));
        assert_true(was_heard(run_skip_sql[i].text));
    }
    listen_no_more();
}

/* What the test above relies on. */
static void a_bad_plan_is_seen(void **state)
{
    static const struct {
        const char *text;
        bool is_bad;
    } cases[] = {{"select id from runs where workspace_id = $1 and id = $2", false},
                 {"select id from runs", true},
                 {"select id from runs where workspace_id = $1 and app_id = $2 order by error", true},
                 {"delete from messages where query = $1", true},
                 {"select * from (select 1 from runs where error = $1 limit 3) counted", true}};
    struct fixture *f = *state;
    sqlite3 *connection = open_records(f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char step[256];
        find_bad_step(connection, cases[i].text, step, sizeof step);
        assert_int_equal(cases[i].is_bad, step[0] != '\0');
    }
    sqlite3_close(connection);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_statement_scans_or_sorts, records_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_bad_plan_is_seen, records_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
