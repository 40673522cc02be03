/*
 * What is removed with age, and with its app; how much at a time.
 */
#include "shared/store/retention.h"
#include "tests/shared/store/fixture.h"
#include <stdio.h>
#include <string.h>

#define DAY_MS ((int64_t)24 * 3600 * 1000)
#define NOW_MS (1000 * DAY_MS)

struct tidy {
    struct fixture *f;
    struct db *records, *control;
    char app_id[UUID_TEXT_LEN + 1], app_hex[33];
    int steps_left;             /* before it is to stop; -1: never */
    int64_t rows, largest_step; /* of all tables; by how much they went down at once */
};

static int64_t number_by(struct tidy *t, const char *text)
{
    int64_t number = -1;
    struct db *db = NULL;
    const struct sql sql = {text};
    assert_ok(db_open(t->f->url, &(struct db_open){.part = DB_RECORDS}, &db, &t->f->err));
    struct db_rows rows = db_query(db, &sql, DB_NO_VALUES, &t->f->err);
    while (db_next(&rows))
        number = db_int(&rows, 0);
    assert_ok(db_end(&rows));
    db_close(db);
    return number;
}

static int64_t count_rows(struct tidy *t)
{
    return number_by(t, "select (select count(*) from runs) + (select count(*) from messages)");
}

static bool goes_on(void *arg)
{
    struct tidy *t = arg;
    int64_t rows = count_rows(t);
    t->largest_step = t->rows - rows > t->largest_step ? t->rows - rows : t->largest_step;
    t->rows = rows;
    if (t->steps_left > 0)
        t->steps_left--;
    else if (t->steps_left == 0)
        return false;
    return true;
}

static size_t tidy_up(struct tidy *t, int64_t now_ms)
{
    const struct retention r = {.control = t->control, .records = t->records, .goes_on = goes_on, .arg = t};
    size_t removed = 0;
    t->rows = count_rows(t);
    assert_ok(retention_run(&r, now_ms, &removed, &t->f->err));
    return removed;
}

/* An app that keeps records for a week. */
static void tidy_init(struct tidy *t, struct fixture *f)
{
    int from, to;
    struct store_app app;
    *t = (struct tidy){.f = f, .steps_left = -1};
    assert_ok(store_migrate(f->url, STORE_RECORDS, &from, &to, &f->err));
    struct store_imported imported = import_text(f, "", "One", "x: 1");
    snprintf(t->app_id, sizeof t->app_id, "%.*s", STR_ARG(imported.version.app_id));
    size_t n = 0;
    for (const char *c = t->app_id; *c != '\0'; c++) {
        if (*c != '-')
            t->app_hex[n++] = *c;
    }
    const struct store_app_update update = {
        .app_id = str_c(t->app_id), .has_retention_days = true, .retention_days = 7};
    assert_ok(update_app(f, &update, &app));
    assert_ok(db_open(f->url, &(struct db_open){.part = DB_RECORDS}, &t->records, &f->err));
    assert_ok(
        db_open(f->url, &(struct db_open){.part = DB_CONTROL, .query_only = true}, &t->control, &f->err));
}

static void tidy_fini(struct tidy *t)
{
    db_close(t->records);
    db_close(t->control);
}

/* Runs with two pieces of nodes each; days: their age. */
static void put_runs(struct tidy *t, const char *app_hex, int days, int count, bool is_ended)
{
    char script[2000];
    snprintf(
        script, sizeof script,
        "insert into runs (id, app_id, version_id, version_number, mode, record, end_user_id, "
        "conversation_id, message_id, status, end_reason, attempt, owner, created_at_ms, "
        "finished_at_ms, \"user\", end_user_type) with recursive n (n) as (select 1 union all select n + "
        "1 from n where n < %d) select randomblob(16), x'%s', x'02', 1, 1, 0, x'', x'', x'', 2, 1, 1, "
        "1, %lld, %d, 'u', 't' from n;"
        "insert into run_nodes (run_id, part, nodes) select runs.id, p.value, x'00' from runs, "
        "json_each('[0, 1]') p where runs.id not in (select run_id from run_nodes);",
        count, app_hex, (long long)(NOW_MS - days * DAY_MS), is_ended);
    assert_ok(db_script(t->records, script, &t->f->err));
}

/* Conversations that were used so many days ago, with messages and a variable each. */
static void put_conversations(struct tidy *t, const char *app_hex, int days, int count, int messages)
{
    char script[2000];
    snprintf(script, sizeof script,
             "insert into conversations (id, app_id, end_user_id, created_at_ms, updated_at_ms, name, "
             "introduction) with recursive n (n) as (select 1 union all select n + 1 from n where n < %d) "
             "select randomblob(16), x'%s', randomblob(16), 1, %lld, '', '' from n;"
             "insert into messages (id, conversation_id, parent_id, run_id, status, attempt, owner, "
             "created_at_ms, finished_at_ms, query) with recursive n (n) as (select 1 union all select n + 1 "
             "from n where n < %d) select randomblob(16), c.id, x'', x'', 2, 1, 1, 1, 2, 'q' from "
             "conversations c, n where c.id not in (select conversation_id from messages);"
             "insert into conversation_variables (conversation_id, name, id, value_type, description, "
             "created_at_ms, updated_at_ms, value) select id, 'v', randomblob(16), 'string', '', 1, 1, '1' "
             "from conversations where id not in (select conversation_id from conversation_variables);",
             count, app_hex, (long long)(NOW_MS - days * DAY_MS), messages);
    assert_ok(db_script(t->records, script, &t->f->err));
}

static void runs_go_when_their_app_does_not_want_them_any_longer(void **state)
{
    struct tidy t;
    tidy_init(&t, *state);
    char other[33] = "01890a5dac96774bbcceb302099a80ff";
    put_runs(&t, t.app_hex, 8, 330, true);
    put_runs(&t, t.app_hex, 8, 2, false); /* nobody has closed them yet */
    put_runs(&t, t.app_hex, 6, 20, true);
    put_runs(&t, other, 400, 5, true); /* an app that is not known here, and not said to be gone */
    assert_int_equal(330, tidy_up(&t, NOW_MS));
    assert_int_equal(22, number_by(&t, "select count(*) from runs where app_id <> x'"
                                       "01890a5dac96774bbcceb302099a80ff'"));
    assert_int_equal(5, number_by(&t, "select count(*) from runs where app_id = x'"
                                      "01890a5dac96774bbcceb302099a80ff'"));
    assert_int_equal(27 * 2, number_by(&t, "select count(*) from run_nodes"));
    assert_in_range(t.largest_step, 1, RETENTION_STEP);
    assert_int_equal(20, tidy_up(&t, NOW_MS + 2 * DAY_MS));
    assert_int_equal(0, tidy_up(&t, NOW_MS + 2 * DAY_MS));
    tidy_fini(&t);
}

static void conversations_go_when_they_were_not_used_for_so_long(void **state)
{
    struct tidy t;
    tidy_init(&t, *state);
    put_conversations(&t, t.app_hex, 8, 150, 2);
    put_conversations(&t, t.app_hex, 8, 1, 450); /* more than one step */
    put_conversations(&t, t.app_hex, 6, 3, 4);
    assert_int_equal(151, tidy_up(&t, NOW_MS));
    assert_int_equal(3, number_by(&t, "select count(*) from conversations"));
    assert_int_equal(12, number_by(&t, "select count(*) from messages"));
    assert_int_equal(3, number_by(&t, "select count(*) from conversation_variables"));
    assert_in_range(t.largest_step, 1, 2 * RETENTION_STEP);
    tidy_fini(&t);
}

static void an_app_that_keeps_them_for_ever_loses_nothing(void **state)
{
    struct tidy t;
    struct store_app app;
    tidy_init(&t, *state);
    const struct store_app_update update = {
        .app_id = str_c(t.app_id), .has_retention_days = true, .retention_days = 0};
    assert_ok(update_app(t.f, &update, &app));
    put_runs(&t, t.app_hex, 900, 10, true);
    put_conversations(&t, t.app_hex, 900, 10, 1);
    assert_int_equal(0, tidy_up(&t, NOW_MS));
    assert_int_equal(20, count_rows(&t));
    tidy_fini(&t);
}

static void an_app_that_is_gone_takes_all_of_its_records_along(void **state)
{
    struct tidy t;
    char script[200];
    tidy_init(&t, *state);
    put_runs(&t, t.app_hex, 0, 120, true);
    put_runs(&t, t.app_hex, 0, 1, false);
    put_conversations(&t, t.app_hex, 0, 120, 2);
    snprintf(script, sizeof script, "insert into removals (app_id) values (x'%s')", t.app_hex);
    assert_ok(db_script(t.records, script, &t.f->err));
    assert_int_equal(240, tidy_up(&t, NOW_MS));
    assert_int_equal(1, count_rows(&t)); /* the run that is still under way */
    assert_int_equal(0, tidy_up(&t, NOW_MS));
    assert_int_equal(1, number_by(&t, "select count(*) from removals"));
    assert_ok(db_script(t.records, "update runs set finished_at_ms = 1", &t.f->err));
    assert_int_equal(1, tidy_up(&t, NOW_MS));
    assert_int_equal(0, number_by(&t, "select count(*) from run_nodes"));
    assert_int_equal(1, number_by(&t, "select count(*) from removals")); /* something may still come */
    assert_int_equal(0, tidy_up(&t, NOW_MS));
    assert_int_equal(0, number_by(&t, "select count(*) from removals"));
    tidy_fini(&t);
}

static void a_removal_that_is_stopped_goes_on_later(void **state)
{
    struct tidy t;
    tidy_init(&t, *state);
    put_runs(&t, t.app_hex, 8, 4 * RETENTION_STEP, true);
    put_conversations(&t, t.app_hex, 8, 1, 3 * RETENTION_STEP);
    t.steps_left = 2;
    assert_int_equal(2 * RETENTION_STEP, tidy_up(&t, NOW_MS));
    t.steps_left = 3 + 2; /* two of runs and one that finds none, two of messages */
    assert_int_equal(2 * RETENTION_STEP, tidy_up(&t, NOW_MS));
    assert_int_equal(RETENTION_STEP, count_rows(&t));
    assert_int_equal(
        1, number_by(&t, "select count(*) from conversations")); /* whole to whoever looks, but for its end */
    t.steps_left = -1;
    assert_int_equal(1, tidy_up(&t, NOW_MS));
    assert_int_equal(0, count_rows(&t));
    tidy_fini(&t);
}

static void the_long_dead_are_forgotten(void **state)
{
    struct tidy t;
    char script[300];
    tidy_init(&t, *state);
    snprintf(script, sizeof script,
             "insert into instances (kind, name, started_at_ms, died_at_ms) values ('executor', 'a', 1, 0), "
             "('executor', 'b', 1, %lld), ('executor', 'c', 1, %lld)",
             (long long)NOW_MS - 5, (long long)NOW_MS - RETENTION_INSTANCES_MS - 5);
    assert_ok(db_script(t.records, script, &t.f->err));
    assert_int_equal(0, tidy_up(&t, NOW_MS));
    assert_int_equal(2, number_by(&t, "select count(*) from instances"));
    tidy_fini(&t);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(runs_go_when_their_app_does_not_want_them_any_longer),
        TEST(conversations_go_when_they_were_not_used_for_so_long),
        TEST(an_app_that_keeps_them_for_ever_loses_nothing),
        TEST(an_app_that_is_gone_takes_all_of_its_records_along),
        TEST(a_removal_that_is_stopped_goes_on_later),
        TEST(the_long_dead_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
