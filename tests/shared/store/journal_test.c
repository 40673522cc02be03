/*
 * The journal: what is handed in is written, in order, once, by who may; and what happens when it cannot be.
 */
#include "shared/store/journal.h"
#include "tests/shared/store/fixture.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_A "01890a5d-ac96-774b-bcce-b302099a8001"
#define RUN_B "01890a5d-ac96-774b-bcce-b302099a8002"
#define APP   "01890a5d-ac96-774b-bcce-b302099a80a0"
#define CHAT  "01890a5d-ac96-774b-bcce-b302099a80c0"
#define SAID  "01890a5d-ac96-774b-bcce-b302099a80d0"
#define USER  "01890a5d-ac96-774b-bcce-b302099a80e0"

/* A run that waits for what the journal says. */
struct run {
    struct journal_run place;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int begun, ended, resumed; /* outcome + 1; 0: not told */
};

static struct run *run_of(struct journal_run *place)
{
    return CONTAINER_OF(place, struct run, place);
}

static void note(struct run *r, int *what, int value)
{
    pthread_mutex_lock(&r->lock);
    assert_int_equal(0, *what); /* told once */
    *what = value;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void begun(struct journal_run *place, enum journal_outcome outcome)
{
    note(run_of(place), &run_of(place)->begun, (int)outcome + 1);
}

static void ended(struct journal_run *place, enum journal_outcome outcome)
{
    note(run_of(place), &run_of(place)->ended, (int)outcome + 1);
}

static void resumed(struct journal_run *place)
{
    note(run_of(place), &run_of(place)->resumed, 1);
}

static const struct journal_ops ops = {.begun = begun, .ended = ended, .resumed = resumed};

static void run_init(struct run *r)
{
    *r = (struct run){.place.ops = &ops};
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
}

static enum journal_outcome wait_for(struct run *r, int *what)
{
    pthread_mutex_lock(&r->lock);
    while (*what == 0)
        pthread_cond_wait(&r->changed, &r->lock);
    int outcome = *what - 1;
    pthread_mutex_unlock(&r->lock);
    return (enum journal_outcome)outcome;
}

static struct journal_begin begin_of(const char *run_id, enum store_record record)
{
    return (struct journal_begin){.workspace_id = STR("default"),
                                  .run_id = str_c(run_id),
                                  .app_id = STR(APP),
                                  .version_id = STR(APP),
                                  .end_user_id = STR(USER),
                                  .user = STR("u-1"),
                                  .end_user_type = STR("service-api"),
                                  .record = record,
                                  .version_number = 3,
                                  .attempt = 1,
                                  .created_at_ms = 1000,
                                  .inputs = STR("{\"a\":1}")};
}

static struct journal_begin message_of(const char *run_id, enum store_record record, bool is_new)
{
    struct journal_begin begin = begin_of(run_id, record);
    begin.mode = STORE_APP_CHAT;
    begin.conversation_id = STR(CHAT);
    begin.message_id = STR(SAID);
    begin.conversation_is_new = is_new;
    begin.query = STR("hello?");
    begin.message_inputs = STR("{}");
    begin.introduction = STR("welcome");
    return begin;
}

static const struct journal_end succeeded = {.status = 2,
                                             .end_reason = 1,
                                             .finished_at_ms = 1500,
                                             .elapsed_ms = 500,
                                             .total_tokens = 7,
                                             .total_steps = 3,
                                             .outputs = {"{\"x\":2}", 7},
                                             .error = {"", 0},
                                             .usage = {"u", 1},
                                             .answer = {"hi", 2},
                                             .answer_files = {"", 0}};

static struct journal *open_journal(struct fixture *f, int64_t owner, const char *master_key)
{
    struct journal *j = NULL;
    const struct journal_options options = {.url = f->url, .master_key = master_key, .instance = owner};
    int from, to;
    assert_ok(store_migrate(f->url, STORE_RECORDS, &from, &to, &f->err));
    assert_ok(journal_open(&options, &j, &f->err));
    return j;
}

static struct db *connect(struct fixture *f)
{
    struct db *db = NULL;
    assert_ok(db_open(f->url, &(struct db_open){.part = DB_RECORDS}, &db, &f->err));
    return db;
}

/* The one text a statement gives. */
static void expect(struct fixture *f, const char *expected, const struct sql *sql)
{
    struct db *db = connect(f);
    char got[1000] = "";
    struct db_rows rows = db_query(db, sql, DB_NO_VALUES, &f->err);
    while (db_next(&rows))
        snprintf(got + strlen(got), sizeof got - strlen(got), "%.*s;", STR_ARG(db_text(&rows, 0)));
    assert_ok(db_end(&rows));
    db_close(db);
    assert_string_equal(expected, got);
}

static const struct sql runs = {
    "select hex(substr(id, 16)) || ' ' || status || ' ' || end_reason || ' ' || owner || ' ' || attempt || ' "
    "' || "
    "created_at_ms || ' ' || finished_at_ms || ' ' || elapsed_ms || ' ' || total_tokens || ' ' || "
    "total_steps || ' ' || "
    "coalesce(inputs, '-') || ' ' || coalesce(outputs, '-') || ' ' || coalesce(error, '-') || ' ' || "
    "version_number from runs order by id"};
static const struct sql nodes = {"select hex(substr(run_id, 16)) || ' ' || part || ' ' || cast(nodes as "
                                 "text) from run_nodes order by run_id, part"};
static const struct sql messages = {
    "select status || ' ' || query || ' ' || answer || ' ' || finished_at_ms || ' ' || coalesce(error, '-') "
    "from messages order by id"};
static const struct sql conversations = {"select created_at_ms || ' ' || updated_at_ms || ' ' || "
                                         "introduction || ' ' || inputs from conversations"};

static void a_run_that_begins_and_ends_is_one_row_with_its_nodes(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f, 9, NULL);
    struct run r;
    run_init(&r);
    const struct journal_begin begin = begin_of(RUN_A, STORE_RECORD_FULL);
    assert_true(journal_begin(j, &r.place, &begin));
    assert_true(journal_nodes(j, &r.place, STR("[one]")));
    assert_true(journal_nodes(j, &r.place, STR("[two]")));
    assert_true(journal_end(j, &r.place, &succeeded));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&r, &r.ended));
    journal_close(j);
    assert_int_equal(0, r.begun);
    expect(f, "01 2 1 9 1 1000 1500 500 7 3 {\"a\":1} {\"x\":2} - 3;", &runs);
    struct db *db = connect(f);
    static const struct sql all = {"select group_concat(cast(nodes as text), '') from run_nodes"};
    struct db_rows rows = db_query(db, &all, DB_NO_VALUES, &f->err);
    while (db_next(&rows))
        assert_str("[one][two]", db_text(&rows, 0));
    assert_ok(db_end(&rows));
    db_close(db);
}

static void parts_that_come_after_commits_are_added(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f, 9, NULL);
    struct run r;
    run_init(&r);
    struct journal_begin begin = begin_of(RUN_A, STORE_RECORD_FULL);
    begin.must_be_first = true;
    assert_true(journal_begin(j, &r.place, &begin));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&r, &r.begun));
    expect(f, "01 1 0 9 1 1000 0 0 0 0 {\"a\":1} - - 3;", &runs);
    for (int i = 0; i < 3; i++) {
        uint64_t commits = journal_stats(j).commits;
        assert_true(journal_nodes(j, &r.place, STR("[n]")));
        while (journal_stats(j).commits == commits)
            usleep(1000);
    }
    assert_true(journal_end(j, &r.place, &succeeded));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&r, &r.ended));
    expect(f, "01 2 1 9 1 1000 1500 500 7 3 {\"a\":1} {\"x\":2} - 3;", &runs);
    expect(f, "01 0 [n];01 1 [n];01 2 [n];", &nodes);
    const struct journal_stats stats = journal_stats(j);
    assert_int_equal(0, stats.waiting_bytes);
    assert_int_equal(0, stats.waiting_runs);
    assert_int_equal(1, stats.runs);
    journal_close(j);
}

static void an_id_is_taken_once(void **state)
{
    struct fixture *f = *state;
    struct journal *mine = open_journal(f, 9, NULL), *other = open_journal(f, 10, NULL);
    struct run first, second;
    run_init(&first);
    run_init(&second);
    struct journal_begin begin = begin_of(RUN_A, STORE_RECORD_FULL);
    begin.must_be_first = true;
    assert_true(journal_begin(mine, &first.place, &begin));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&first, &first.begun));
    begin.inputs = STR("{\"a\":2}");
    assert_true(journal_begin(other, &second.place, &begin));
    assert_int_equal(JOURNAL_CLOSED, wait_for(&second, &second.begun));
    /* Whatever the second one hands in, it changes nothing; not even by the same owner. */
    assert_true(journal_nodes(other, &second.place, STR("[second]")));
    assert_true(journal_end(other, &second.place, &succeeded));
    assert_int_equal(JOURNAL_CLOSED, wait_for(&second, &second.ended));
    run_init(&second);
    assert_true(journal_begin(mine, &second.place, &begin));
    assert_true(journal_end(mine, &second.place, &succeeded));
    assert_int_equal(JOURNAL_CLOSED, wait_for(&second, &second.ended));
    assert_int_equal(JOURNAL_CLOSED + 1, second.begun);
    expect(f, "01 1 0 9 1 1000 0 0 0 0 {\"a\":1} - - 3;", &runs);
    assert_true(journal_end(mine, &first.place, &succeeded));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&first, &first.ended));
    expect(f, "", &nodes);
    journal_close(mine);
    journal_close(other);
}

static void the_first_end_counts(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f, 9, NULL);
    struct run r;
    run_init(&r);
    struct journal_begin begin = begin_of(RUN_A, STORE_RECORD_FULL);
    begin.must_be_first = true;
    assert_true(journal_begin(j, &r.place, &begin));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&r, &r.begun));
    struct db *db = connect(f);
    assert_ok(db_script(db, "update runs set status = 4, end_reason = 8, finished_at_ms = 1200", &f->err));
    db_close(db);
    assert_true(journal_end(j, &r.place, &succeeded));
    assert_int_equal(JOURNAL_CLOSED, wait_for(&r, &r.ended));
    assert_int_equal(1, journal_stats(j).late_ends);
    expect(f, "01 4 8 9 1 1000 1200 0 0 0 {\"a\":1} - - 3;", &runs);
    journal_close(j);
}

static void apps_keep_as_much_as_they_say(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f, 9, NULL);
    struct run none;
    run_init(&none);
    struct journal_begin begin = message_of(RUN_B, STORE_RECORD_NONE, true);
    begin.message_inputs = STR("");
    assert_true(journal_begin(j, &none.place, &begin));
    assert_true(journal_end(j, &none.place, &succeeded));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&none, &none.ended));
    expect(f, "", &runs);
    expect(f, "2 hello? hi 1500 -;", &messages);
    struct run summary;
    run_init(&summary);
    begin = begin_of(RUN_A, STORE_RECORD_SUMMARY);
    begin.must_be_first = true;
    assert_true(journal_begin(j, &summary.place, &begin));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&summary, &summary.begun));
    assert_true(journal_nodes(j, &summary.place, STR("[n]")));
    assert_true(journal_end(j, &summary.place, &succeeded));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&summary, &summary.ended));
    expect(f, "01 2 1 9 1 1000 1500 500 7 3 - - - 3;", &runs);
    expect(f, "", &nodes);
    assert_int_equal(0, journal_stats(j).waiting_bytes);
    journal_close(j);
}

static void messages_follow_their_run(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f, 9, MASTER_KEY_A);
    struct run r;
    run_init(&r);
    struct journal_begin begin = message_of(RUN_A, STORE_RECORD_FULL, true);
    begin.must_be_first = true;
    assert_true(journal_begin(j, &r.place, &begin));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&r, &r.begun));
    expect(f, "1 hello?  0 -;", &messages);
    expect(f, "1000 1000 welcome {};", &conversations);
    const struct journal_variable variables[] = {
        {STR("plain"), STR("number"), STR("d"), STR("5"), false},
        {STR("sealed"), STR("string"), STR(""), STR("\"sk-123\""), true},
    };
    struct journal_end end = succeeded;
    end.status = 4;
    end.error = STR("broke");
    end.variables = variables;
    end.variable_count = 2;
    assert_true(journal_end(j, &r.place, &end));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&r, &r.ended));
    expect(f, "4 hello? hi 1500 broke;", &messages);
    static const struct sql kept = {
        "select name || ' ' || value_type || ' ' || coalesce(value, '-') || ' ' || "
        "coalesce(key_id, '-') || ' ' || updated_at_ms from conversation_variables"};
    expect(f, "plain number 5 - 1500;sealed string - a 1500;", &kept);
    /* The next turn comes later, and sets one of them again. */
    run_init(&r);
    begin = message_of(RUN_B, STORE_RECORD_FULL, false);
    begin.message_id = STR(RUN_B);
    begin.created_at_ms = 2000;
    assert_true(journal_begin(j, &r.place, &begin));
    end = succeeded;
    end.variables = &(struct journal_variable){STR("plain"), STR("number"), STR("d"), STR("6"), false};
    end.variable_count = 1;
    end.finished_at_ms = 2500;
    assert_true(journal_end(j, &r.place, &end));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&r, &r.ended));
    expect(f, "plain number 6 - 2500;sealed string - a 1500;", &kept);
    expect(f, "1000 2000 welcome {};", &conversations);
    journal_close(j);
}

static void a_conversation_that_was_deleted_gets_nothing_any_more(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f, 9, NULL);
    struct run r;
    run_init(&r);
    const struct journal_begin begin = message_of(RUN_A, STORE_RECORD_FULL, false);
    struct journal_end end = succeeded;
    end.variables = &(struct journal_variable){STR("plain"), STR("number"), STR(""), STR("6"), false};
    end.variable_count = 1;
    assert_true(journal_begin(j, &r.place, &begin));
    assert_true(journal_end(j, &r.place, &end));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&r, &r.ended));
    expect(f, "", &messages);
    static const struct sql kept = {"select name from conversation_variables"};
    expect(f, "", &kept);
    journal_close(j);
}

static void texts_that_no_database_takes_are_mended(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f, 9, NULL);
    struct run r;
    run_init(&r);
    const struct journal_begin begin = begin_of(RUN_A, STORE_RECORD_FULL);
    struct journal_end end = succeeded;
    end.error = (struct str){"a\0b\xff\xc3\xa9", 6};
    assert_true(journal_begin(j, &r.place, &begin));
    assert_true(journal_end(j, &r.place, &end));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&r, &r.ended));
    static const struct sql error = {"select error from runs"};
    expect(f, "a?b?\xc3\xa9;", &error);
    journal_close(j);
}

struct crowd {
    struct journal *j;
    int first;
};

static void *begin_and_end(void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; i < 200; i++) {
        struct run r;
        char id[UUID_TEXT_LEN + 1];
        snprintf(id, sizeof id, "01890a5d-ac96-774b-bcce-%012d", c->first + i);
        run_init(&r);
        const struct journal_begin begin = begin_of(id, STORE_RECORD_FULL);
        assert_true(journal_begin(c->j, &r.place, &begin));
        assert_true(journal_nodes(c->j, &r.place, STR("n")));
        assert_true(journal_end(c->j, &r.place, &succeeded));
        assert_int_equal(JOURNAL_DURABLE, wait_for(&r, &r.ended));
    }
    return NULL;
}

static void many_runs_of_many_threads_are_all_there(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f, 9, NULL);
    pthread_t threads[4];
    struct crowd crowds[4];
    for (int i = 0; i < 4; i++) {
        crowds[i] = (struct crowd){j, i * 1000};
        assert_int_equal(0, pthread_create(&threads[i], NULL, begin_and_end, &crowds[i]));
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    const struct journal_stats stats = journal_stats(j);
    assert_int_equal(800, stats.runs);
    assert_true(stats.commits <= 1600);
    assert_int_equal(0, stats.waiting_bytes);
    journal_close(j);
    static const struct sql count = {"select (select count(*) from runs where status = 2) || ' ' || "
                                     "(select sum(length(nodes)) from run_nodes)"};
    expect(f, "800 800;", &count);
}

/* --- when it cannot be written --- */

static void while_another_holds_the_lock_new_runs_are_refused_and_ends_wait(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f, 9, NULL);
    struct run r;
    struct status err;
    run_init(&r);
    struct db *lock = connect(f);
    assert_ok(db_begin(lock, DB_WRITE, &f->err));
    const struct journal_begin begin = begin_of(RUN_A, STORE_RECORD_FULL);
    assert_true(journal_begin(j, &r.place, &begin));
    assert_true(journal_end(j, &r.place, &succeeded));
    while (!journal_stats(j).is_failing)
        usleep(10000);
    assert_code(STATUS_UNAVAILABLE, journal_admits(j, &err));
    assert_string_equal("STORE_BUSY", err.reason);
    assert_true(err.retry_ms > 0);
    assert_int_equal(0, r.ended);
    db_rollback(lock);
    db_close(lock);
    assert_int_equal(JOURNAL_DURABLE, wait_for(&r, &r.ended));
    while (journal_stats(j).is_failing)
        usleep(1000);
    assert_ok(journal_admits(j, &err));
    expect(f, "01 2 1 9 1 1000 1500 500 7 3 {\"a\":1} {\"x\":2} - 3;", &runs);
    journal_close(j);
}

static void after_too_long_an_end_is_given_up_and_a_beginning_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f, 9, NULL);
    struct run ending, beginning;
    run_init(&ending);
    run_init(&beginning);
    struct db *lock = connect(f);
    assert_ok(db_begin(lock, DB_WRITE, &f->err));
    struct journal_begin begin = begin_of(RUN_A, STORE_RECORD_FULL);
    assert_true(journal_begin(j, &ending.place, &begin));
    assert_true(journal_nodes(j, &ending.place, STR("[n]")));
    assert_true(journal_end(j, &ending.place, &succeeded));
    begin = begin_of(RUN_B, STORE_RECORD_FULL);
    begin.must_be_first = true;
    assert_true(journal_begin(j, &beginning.place, &begin));
    assert_int_equal(JOURNAL_GIVEN_UP, wait_for(&ending, &ending.ended));
    assert_int_equal(JOURNAL_GIVEN_UP, wait_for(&beginning, &beginning.begun));
    assert_true(journal_end(j, &beginning.place, &succeeded));
    db_rollback(lock);
    db_close(lock);
    while (journal_stats(j).waiting_runs > 0)
        usleep(1000);
    assert_int_not_equal(JOURNAL_DURABLE + 1, beginning.ended);
    expect(
        f,
        "01 4 10 9 1 1000 1500 500 7 3 {\"a\":1} - the run has ended, but its record could not be written 3;",
        &runs);
    struct run again;
    run_init(&again);
    assert_true(journal_begin(j, &again.place, &begin)); /* its id is free */
    assert_int_equal(JOURNAL_DURABLE, wait_for(&again, &again.begun));
    assert_true(journal_end(j, &again.place, &succeeded));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&again, &again.ended));
    assert_int_equal(0, journal_stats(j).waiting_bytes);
    journal_close(j);
}

static void a_run_waits_when_too_much_waits(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f, 9, NULL);
    struct run r;
    struct status err;
    run_init(&r);
    struct db *lock = connect(f);
    assert_ok(db_begin(lock, DB_WRITE, &f->err));
    const struct journal_begin begin = begin_of(RUN_A, STORE_RECORD_FULL);
    assert_true(journal_begin(j, &r.place, &begin));
    size_t size = 32 * 1024 * 1024;
    char *big = calloc(1, size);
    assert_non_null(big);
    for (int i = 0; i < 7; i++) /* 224 MiB */
        assert_true(journal_nodes(j, &r.place, (struct str){big, size}));
    assert_code(STATUS_UNAVAILABLE, journal_admits(j, &err));
    assert_false(journal_nodes(j, &r.place, (struct str){big, size}));
    free(big);
    db_rollback(lock);
    db_close(lock);
    wait_for(&r, &r.resumed);
    assert_true(journal_end(j, &r.place, &succeeded));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&r, &r.ended));
    journal_close(j);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_empty, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_run_that_begins_and_ends_is_one_row_with_its_nodes),
        TEST(parts_that_come_after_commits_are_added),
        TEST(an_id_is_taken_once),
        TEST(the_first_end_counts),
        TEST(apps_keep_as_much_as_they_say),
        TEST(messages_follow_their_run),
        TEST(a_conversation_that_was_deleted_gets_nothing_any_more),
        TEST(texts_that_no_database_takes_are_mended),
        TEST(many_runs_of_many_threads_are_all_there),
        TEST(while_another_holds_the_lock_new_runs_are_refused_and_ends_wait),
        TEST(after_too_long_an_end_is_given_up_and_a_beginning_leaves_nothing),
        TEST(a_run_waits_when_too_much_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
