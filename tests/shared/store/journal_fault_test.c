/*
 * The journal beside a disk that is full, read-only, slow or broken for a while, and records that a database refuses.
 */
#include "shared/base/clock.h"
#include "shared/store/journal.h"
#include "tests/shared/store/fault_vfs.h"
#include "tests/shared/store/fixture.h"
#include "tests/support/alloc_fail.h"
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APP "01890a5d-ac96-774b-bcce-b302099a80a0"

struct run {
    struct journal_run place;
    char id[UUID_TEXT_LEN + 1];
    int begun, ended; /* outcome + 1; 0: not told */
};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void note(int *what, int value)
{
    pthread_mutex_lock(&lock);
    assert_int_equal(0, *what); /* told once */
    *what = value;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void begun(struct journal_run *place, enum journal_outcome outcome)
{
    note(&CONTAINER_OF(place, struct run, place)->begun, (int)outcome + 1);
}

static void ended(struct journal_run *place, enum journal_outcome outcome)
{
    note(&CONTAINER_OF(place, struct run, place)->ended, (int)outcome + 1);
}

static const struct journal_ops ops = {.begun = begun, .ended = ended};

static enum journal_outcome wait_for(const int *what)
{
    pthread_mutex_lock(&lock);
    while (*what == 0)
        pthread_cond_wait(&changed, &lock);
    int outcome = *what - 1;
    pthread_mutex_unlock(&lock);
    return (enum journal_outcome)outcome;
}

static void run_init(struct run *r, int number)
{
    *r = (struct run){.place.ops = &ops};
    snprintf(r->id, sizeof r->id, "01890a5d-ac96-774b-bcce-%012d", number);
}

static struct journal_begin begin_of(const struct run *r, const char *inputs)
{
    return (struct journal_begin){.workspace_id = STR("default"),
                                  .run_id = str_c(r->id),
                                  .app_id = STR(APP),
                                  .version_id = STR(APP),
                                  .user = STR("u"),
                                  .record = STORE_RECORD_FULL,
                                  .attempt = 1,
                                  .created_at_ms = 1000,
                                  .inputs = str_c(inputs)};
}

static const struct journal_end succeeded = {.status = 2,
                                             .end_reason = 1,
                                             .finished_at_ms = 1500,
                                             .outputs = {"{\"x\":2}", 7},
                                             .error = {"", 0},
                                             .usage = {"", 0},
                                             .answer = {"", 0},
                                             .answer_files = {"", 0}};

static void make_run(struct journal *j, struct run *r, int number, const char *inputs)
{
    run_init(r, number);
    const struct journal_begin begin = begin_of(r, inputs);
    assert_true(journal_begin(j, &r->place, &begin));
    assert_true(journal_nodes(j, &r->place, STR("[n]")));
    assert_true(journal_end(j, &r->place, &succeeded));
}

static struct journal *open_journal(struct fixture *f)
{
    struct journal *j = NULL;
    int from, to;
    assert_ok(store_migrate(f->url, STORE_RECORDS, &from, &to, &f->err));
    assert_ok(journal_open(&(struct journal_options){.url = f->url, .instance = 9}, &j, &f->err));
    return j;
}

static void expect(struct fixture *f, const char *expected, const struct sql *sql)
{
    struct db *db = NULL;
    char got[2000] = "";
    assert_ok(db_open(f->url, &(struct db_open){.part = DB_RECORDS}, &db, &f->err));
    struct db_rows rows = db_query(db, sql, DB_NO_VALUES, &f->err);
    while (db_next(&rows))
        snprintf(got + strlen(got), sizeof got - strlen(got), "%.*s;", STR_ARG(db_text(&rows, 0)));
    assert_ok(db_end(&rows));
    db_close(db);
    assert_string_equal(expected, got);
}

static const struct sql counts = {
    "select count(*) || ' ' || sum(status = 2) || ' ' || sum(end_reason = 1) || ' ' || (select count(*) from "
    "run_nodes) || ' ' || (select count(distinct id) from runs) from runs"};
static const struct sql rows = {
    "select cast(substr(hex(id), 31) as integer) || ' ' || status || ' ' || end_reason || ' ' || "
    "coalesce(inputs, '-') || ' ' || coalesce(outputs, '-') from runs order by id"};

static int setup(void **state)
{
    fault_vfs_install();
    return fixture_setup_empty(state);
}

static int teardown(void **state)
{
    fault_vfs_remove();
    return fixture_teardown(state);
}

/* --- a store that cannot be written for a while --- */

static void after_trouble_everything_is_there_once(void **state)
{
    static const struct {
        const char *name, *reason;
        int write_code, sync_code;
        int64_t room; /* bytes that can still be written */
    } troubles[] = {
        {"the disk is full", "STORE_FULL", SQLITE_FULL, 0, 0},
        {"the disk is full in the middle of a commit", "STORE_FULL", 0, 0, 30000},
        {"writes fail", "STORE_IO", SQLITE_IOERR_WRITE, 0, 0},
        {"syncs fail", "STORE_IO", 0, SQLITE_IOERR_FSYNC, 0},
        {"it has become read-only", "STORE_READ_ONLY", SQLITE_READONLY, 0, 0},
    };
    enum { BEFORE = 5, DURING = 40 };
    struct fixture *f = *state;
    struct journal *j = open_journal(f);
    struct status err;
    int number = 0;
    for (size_t i = 0; i < ARRAY_LEN(troubles); i++) {
        struct run runs[BEFORE + DURING];
        for (int k = 0; k < BEFORE; k++)
            make_run(j, &runs[k], number++, "{}");
        for (int k = 0; k < BEFORE; k++)
            assert_int_equal(JOURNAL_DURABLE, wait_for(&runs[k].ended));
        uint64_t failed = journal_stats(j).failed_commits;
        fault_vfs_fail_writes(troubles[i].write_code);
        fault_vfs_fail_syncs(troubles[i].sync_code);
        fault_vfs_bound_writes(troubles[i].room);
        for (int k = BEFORE; k < BEFORE + DURING; k++)
            make_run(j, &runs[k], number++, "{}");
        while (journal_stats(j).failed_commits == failed) /* the first may still have found room */
            usleep(1000);
        while (!journal_stats(j).is_failing)
            usleep(1000);
        assert_code(STATUS_UNAVAILABLE, journal_admits(j, &err));
        assert_string_equal(troubles[i].reason, err.reason);
        assert_true(err.retry_ms > 0);
        fault_vfs_fail_writes(0);
        fault_vfs_fail_syncs(0);
        fault_vfs_bound_writes(0);
        for (int k = BEFORE; k < BEFORE + DURING; k++)
            assert_int_equal(JOURNAL_DURABLE, wait_for(&runs[k].ended));
        assert_ok(journal_admits(j, &err));
        assert_false(journal_stats(j).is_failing);
    }
    assert_int_equal(0, journal_stats(j).waiting_bytes);
    journal_close(j);
    expect(f, "225 225 225 225 225;", &counts);
}

static void a_journal_that_is_closed_meanwhile_gives_up(void **state)
{
    enum { RUNS = 3000 };
    struct fixture *f = *state;
    struct journal *j = open_journal(f);
    struct run *all = calloc(RUNS, sizeof *all);
    fault_vfs_fail_writes(SQLITE_FULL);
    for (int i = 0; i < RUNS; i++)
        make_run(j, &all[i], i, "{}");
    int64_t from_ms = clock_monotonic_ms();
    journal_close(j);
    assert_in_range(clock_monotonic_ms() - from_ms, JOURNAL_PATIENCE_MS - 1000, JOURNAL_PATIENCE_MS + 5000);
    for (int i = 0; i < RUNS; i++)
        assert_int_equal(JOURNAL_GIVEN_UP + 1, all[i].ended);
    free(all);
    fault_vfs_fail_writes(0);
    static const struct sql nothing = {"select '' || count(*) from runs"};
    expect(f, "0;", &nothing);
}

static void a_beginning_that_was_given_up_leaves_nothing(void **state)
{
    static const struct sql nothing = {
        "select (select count(*) from runs) || ' ' || (select count(*) from messages) "
        "|| ' ' || (select count(*) from conversations)"};
    struct fixture *f = *state;
    struct journal *j = open_journal(f);
    struct run r;
    run_init(&r, 1);
    struct journal_begin begin = begin_of(&r, "{}");
    begin.must_be_first = true;
    begin.mode = STORE_APP_CHAT;
    begin.conversation_id = begin.message_id = str_c(r.id);
    begin.conversation_is_new = true;
    fault_vfs_fail_syncs(SQLITE_IOERR_FSYNC); /* nobody knows what is on the disk then */
    assert_true(journal_begin(j, &r.place, &begin));
    assert_int_equal(JOURNAL_GIVEN_UP, wait_for(&r.begun));
    fault_vfs_fail_syncs(0);
    assert_true(journal_end(j, &r.place, &succeeded));
    assert_int_not_equal(JOURNAL_DURABLE, wait_for(&r.ended));
    journal_close(j);
    expect(f, "0 0 0;", &nothing);
}

static void a_slow_disk_makes_larger_commits(void **state)
{
    enum { RUNS = 200 };
    struct fixture *f = *state;
    struct journal *j = open_journal(f);
    struct run all[RUNS];
    struct status err;
    fault_vfs_delay_syncs(50000);
    for (int i = 0; i < RUNS; i++) {
        make_run(j, &all[i], i, "{}");
        assert_ok(journal_admits(j, &err));
    }
    for (int i = 0; i < RUNS; i++)
        assert_int_equal(JOURNAL_DURABLE, wait_for(&all[i].ended));
    assert_true(journal_stats(j).commits <= 20);
    fault_vfs_delay_syncs(0);
    journal_close(j);
    expect(f, "200 200 200 200 200;", &counts);
}

/* --- records that cannot be written --- */

static void a_record_that_is_refused_holds_up_nobody(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f);
    struct run good[20], bad_text, bad_id;
    struct db *db = NULL;
    assert_ok(db_open(f->url, &(struct db_open){.part = DB_RECORDS}, &db, &f->err));
    assert_ok(db_script(
        db,
        "create trigger refuse_text before insert on runs when new.inputs = 'bad' "
        "begin select raise(abort, 'not this text'); end;"
        "create trigger refuse_id before insert on runs when new.id = x'01890a5dac96774bbcce000000000099' "
        "begin select raise(abort, 'not this run'); end;",
        &f->err));
    /* All in one commit. */
    assert_ok(db_begin(db, DB_WRITE, &f->err));
    for (int i = 0; i < 10; i++)
        make_run(j, &good[i], i, "{}");
    make_run(j, &bad_text, 10, "bad");
    run_init(&bad_id, 99);
    struct journal_begin begin = begin_of(&bad_id, "{}");
    begin.must_be_first = true;
    assert_true(journal_begin(j, &bad_id.place, &begin));
    assert_true(journal_end(j, &bad_id.place, &succeeded));
    for (int i = 10; i < 20; i++)
        make_run(j, &good[i], i + 1, "{}");
    db_rollback(db);
    db_close(db);
    for (int i = 0; i < 20; i++)
        assert_int_equal(JOURNAL_DURABLE, wait_for(&good[i].ended));
    assert_int_equal(JOURNAL_GIVEN_UP, wait_for(&bad_text.ended));
    assert_int_equal(JOURNAL_GIVEN_UP, wait_for(&bad_id.ended));
    assert_int_equal(JOURNAL_GIVEN_UP + 1, bad_id.begun);
    assert_int_equal(0, journal_stats(j).waiting_bytes);
    assert_int_equal(0, journal_stats(j).failed_commits);
    journal_close(j);
    expect(f, "21 20 20 20 21;", &counts);
    static const struct sql short_one = {
        "select status || ' ' || end_reason || ' ' || coalesce(inputs, '-') || ' ' || error from runs where "
        "status <> 2"};
    expect(f, "4 10 - the run has ended, but its record could not be written;", &short_one);
}

/* --- no memory --- */

static void without_memory_a_run_does_not_begin(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f);
    struct run r;
    run_init(&r, 1);
    const struct journal_begin begin = begin_of(&r, "{}");
    for (size_t n = 0;; n++) {
        alloc_fail_after(n);
        bool has_begun = journal_begin(j, &r.place, &begin);
        alloc_fail_reset();
        if (!alloc_fail_hit()) {
            assert_true(has_begun);
            break;
        }
        assert_false(has_begun);
        assert_null(r.place.place);
        assert_int_equal(0, journal_stats(j).waiting_bytes);
    }
    assert_true(journal_end(j, &r.place, &succeeded));
    assert_int_equal(JOURNAL_DURABLE, wait_for(&r.ended));
    journal_close(j);
}

static void without_memory_an_end_without_texts_still_fits(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f);
    struct run r;
    run_init(&r, 1);
    const struct journal_begin begin = begin_of(&r, "{}");
    struct journal_end end = succeeded;
    end.error = STR("words");
    assert_true(journal_begin(j, &r.place, &begin));
    alloc_fail_after(0);
    assert_true(journal_nodes(j, &r.place, STR("[left out]")));
    alloc_fail_after(0);
    assert_false(journal_end(j, &r.place, &end));
    end.outputs = STR("");
    alloc_fail_after(0);
    assert_true(journal_end(j, &r.place, &end));
    alloc_fail_reset();
    assert_int_equal(JOURNAL_DURABLE, wait_for(&r.ended));
    journal_close(j);
    expect(f, "1 2 1 {} -;", &rows);
}

static void without_memory_no_journal_is_opened(void **state)
{
    struct fixture *f = *state;
    journal_close(open_journal(f));
    for (size_t n = 0;; n++) {
        struct journal *j = NULL;
        alloc_fail_after(n);
        enum status_code rc =
            journal_open(&(struct journal_options){.url = f->url, .instance = 9}, &j, &f->err);
        alloc_fail_reset();
        if (!alloc_fail_hit()) {
            assert_ok(rc);
            journal_close(j);
            break;
        }
        assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
        assert_null(j);
    }
}

/* --- the log --- */

static int64_t log_bytes(struct fixture *f)
{
    char path[160];
    struct stat file;
    snprintf(path, sizeof path, "%s/heddle.records.db-wal", f->dir);
    return stat(path, &file) == 0 ? file.st_size : 0;
}

static int64_t grow(struct fixture *f, struct journal *j, int *number, int commits)
{
    int64_t most = 0;
    char *nodes = malloc(40000);
    memset(nodes, 'n', 40000);
    for (int i = 0; i < commits; i++) {
        struct run r;
        run_init(&r, (*number)++);
        const struct journal_begin begin = begin_of(&r, "{}");
        assert_true(journal_begin(j, &r.place, &begin));
        assert_true(journal_nodes(j, &r.place, (struct str){nodes, 40000}));
        assert_true(journal_end(j, &r.place, &succeeded));
        assert_int_equal(JOURNAL_DURABLE, wait_for(&r.ended));
        int64_t bytes = log_bytes(f);
        most = bytes > most ? bytes : most;
    }
    free(nodes);
    return most;
}

/* Reads for some ms at a time, without a pause. */
struct reader {
    pthread_t thread;
    struct fixture *f;
    atomic_bool *is_over;
};

static void *read_on(void *arg)
{
    static const struct sql any = {"select count(*) from runs"};
    struct reader *r = arg;
    struct db *db = NULL;
    struct status err;
    assert_ok(db_open(r->f->url, &(struct db_open){.part = DB_RECORDS}, &db, &err));
    while (!*r->is_over) {
        assert_ok(db_begin(db, DB_READ, &err));
        assert_ok(db_run(db, &any, DB_NO_VALUES, &err));
        usleep(5000);
        db_rollback(db);
    }
    db_close(db);
    return NULL;
}

static void the_log_stays_short_beside_readers_that_take_turns(void **state)
{
    enum { READERS = 4, MIB = 1024 * 1024 };
    struct fixture *f = *state;
    struct journal *j = open_journal(f);
    struct reader readers[READERS];
    atomic_bool is_over = false;
    int number = 0;
    fault_vfs_pretend_syncs(true); /* only to be quick */
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.f = f, .is_over = &is_over};
        assert_int_equal(0, pthread_create(&readers[i].thread, NULL, read_on, &readers[i]));
    }
    int64_t most = grow(f, j, &number, 4000);
    is_over = true;
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i].thread, NULL);
    assert_true(most <
                200 * MIB); /* of more than 250: how soon it could begin anew is up to the machine, too */
    journal_close(j);
}

static void the_log_stays_short_and_what_a_reader_made_it_grow_is_given_back(void **state)
{
    enum { MIB = 1024 * 1024, KEPT = 64 * MIB };
    static const struct sql any = {"select count(*) from runs"};
    struct fixture *f = *state;
    struct journal *j = open_journal(f);
    struct db *reader = NULL;
    int number = 0;
    fault_vfs_pretend_syncs(true);                      /* only to be quick */
    assert_true(grow(f, j, &number, 4000) < 100 * MIB); /* of more than 250 */
    assert_ok(db_open(f->url, &(struct db_open){.part = DB_RECORDS}, &reader, &f->err));
    assert_ok(db_begin(reader, DB_READ, &f->err));
    assert_ok(db_run(reader, &any, DB_NO_VALUES, &f->err));
    assert_true(grow(f, j, &number, 2500) > KEPT); /* nobody can help it */
    db_rollback(reader);
    for (int i = 0; i < 50 && log_bytes(f) > KEPT; i++)
        (void)grow(f, j, &number, 100);
    assert_true(log_bytes(f) <= KEPT);
    db_close(reader);
    journal_close(j);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(after_trouble_everything_is_there_once),
        TEST(a_journal_that_is_closed_meanwhile_gives_up),
        TEST(a_beginning_that_was_given_up_leaves_nothing),
        TEST(a_slow_disk_makes_larger_commits),
        TEST(a_record_that_is_refused_holds_up_nobody),
        TEST(without_memory_a_run_does_not_begin),
        TEST(without_memory_an_end_without_texts_still_fits),
        TEST(without_memory_no_journal_is_opened),
        TEST(the_log_stays_short_beside_readers_that_take_turns),
        TEST(the_log_stays_short_and_what_a_reader_made_it_grow_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
