/*
 * Who is alive: a process is its lock, and what a dead one left is closed. Holders are processes of their own.
 */
#include "shared/base/clock.h"
#include "shared/store/db_presence.h"
#include "shared/store/instance.h"
#include "shared/store/orphans.h"
#include "tests/shared/store/fixture.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct db *connect(struct fixture *f)
{
    struct db *db = NULL;
    assert_ok(db_open(f->url, &(struct db_open){.part = DB_RECORDS}, &db, &f->err));
    return db;
}

static int64_t number_by(struct fixture *f, const char *text)
{
    int64_t number = -1;
    struct db *db = connect(f);
    const struct sql sql = {text};
    struct db_rows rows = db_query(db, &sql, DB_NO_VALUES, &f->err);
    while (db_next(&rows))
        number = db_int(&rows, 0);
    assert_ok(db_end(&rows));
    db_close(db);
    return number;
}

static void run_script(struct fixture *f, const char *script)
{
    struct db *db = connect(f);
    assert_ok(db_script(db, script, &f->err));
    db_close(db);
}

/* Open and ended runs of an owner, each with a message. */
static void put_runs(struct fixture *f, int64_t owner, int count, bool is_ended)
{
    char script[1500];
    snprintf(
        script, sizeof script,
        "insert into runs (id, app_id, version_id, version_number, mode, record, end_user_id, "
        "conversation_id, message_id, status, end_reason, attempt, owner, created_at_ms, "
        "finished_at_ms, \"user\", end_user_type) with recursive n (n) as (select 1 union all select n + "
        "1 from n where n < %d) select randomblob(16), x'01', x'02', 1, 1, 0, x'', x'', x'', %d, %d, 1, "
        "%lld, 1000, %d, 'u', 't' from n;"
        "insert into messages (id, conversation_id, parent_id, run_id, status, attempt, owner, "
        "created_at_ms, finished_at_ms, query) select randomblob(16), x'03', x'', id, status, 1, owner, "
        "1000, finished_at_ms, 'q' from runs where owner = %lld;",
        count, is_ended ? 2 : 1, is_ended ? 1 : 0, (long long)owner, is_ended ? 1500 : 0, (long long)owner);
    run_script(f, script);
}

static int64_t open_of(struct fixture *f, int64_t owner)
{
    char text[200];
    snprintf(
        text, sizeof text,
        "select (select count(*) from runs where owner = %lld and finished_at_ms = 0) + (select count(*) "
        "from messages where owner = %lld and finished_at_ms = 0)",
        (long long)owner, (long long)owner);
    return number_by(f, text);
}

/* --- another process --- */

struct holder {
    pid_t pid;
    int64_t number;
    int stop; /* closing it ends the holder well */
};

/* Is this program, started again: says its number on stdout, ends well when stdin ends. */
static int be_holder(const char *url)
{
    struct instance *i = NULL;
    struct status err;
    char byte;
    if (instance_take(url, "executor", "held", &i, &err) != STATUS_OK)
        return 1;
    int64_t number = instance_number(i);
    bool is_well =
        write(STDOUT_FILENO, &number, sizeof number) == sizeof number && read(STDIN_FILENO, &byte, 1) == 0;
    instance_give(i);
    return is_well ? 0 : 1;
}

static void hold(struct fixture *f, struct holder *h)
{
    int numbers[2], stops[2];
    assert_int_equal(0, pipe2(numbers, O_CLOEXEC));
    assert_int_equal(0, pipe2(stops, O_CLOEXEC));
    h->pid = fork();
    assert_true(h->pid >= 0);
    if (h->pid == 0) {
        dup2(stops[0], STDIN_FILENO);
        dup2(numbers[1], STDOUT_FILENO);
        execl("/proc/self/exe", "holder", "--hold", f->url, (char *)NULL);
        _exit(127);
    }
    close(numbers[1]);
    close(stops[0]);
    h->stop = stops[1];
    assert_int_equal(sizeof h->number, read(numbers[0], &h->number, sizeof h->number));
    close(numbers[0]);
}

static int end_holder(struct holder *h, int signal)
{
    int status = 0;
    if (signal != 0)
        assert_int_equal(0, kill(h->pid, signal));
    close(h->stop);
    assert_int_equal(h->pid, waitpid(h->pid, &status, 0));
    return status;
}

static int setup(void **state)
{
    fixture_setup(state);
    struct fixture *f = *state;
    int from, to;
    assert_ok(store_migrate(f->url, STORE_RECORDS, &from, &to, &f->err));
    return 0;
}

/* Waits until a condition holds; the time it took, or that it never did. */
#define wait_until(condition, within_ms)                                                                     \
    do {                                                                                                     \
        int64_t until_ms = clock_monotonic_ms() + (within_ms);                                               \
        while (!(condition)) {                                                                               \
            assert_true(clock_monotonic_ms() < until_ms);                                                    \
            usleep(5000);                                                                                    \
        }                                                                                                    \
    } while (0)

/* --- presence --- */

static void a_lock_belongs_to_one_opening_and_ends_with_it(void **state)
{
    struct fixture *f = *state;
    struct db_presence *one = NULL, *other = NULL;
    char path[128];
    struct stat file;
    assert_ok(db_presence_open(f->url, &one, &f->err));
    assert_true(db_presence_is_new(one));
    assert_ok(db_presence_open(f->url, &other, &f->err));
    assert_false(db_presence_is_new(other));
    snprintf(path, sizeof path, "%s/heddle.presence", f->dir);
    assert_int_equal(0, stat(path, &file));
    assert_int_equal(0600, file.st_mode & 0777);
    assert_true(db_presence_is_free(other, 7));
    assert_ok(db_presence_hold(one, 7, &f->err));
    assert_false(db_presence_is_free(other, 7));
    assert_true(db_presence_is_free(other, 6));
    assert_true(db_presence_is_free(other, 8));
    assert_code(STATUS_ALREADY_EXISTS, db_presence_hold(other, 7, &f->err));
    /* Another descriptor of the same file may come and go. */
    int fd = open(path, O_RDWR | O_CLOEXEC);
    close(fd);
    assert_false(db_presence_is_free(other, 7));
    db_presence_close(one);
    assert_true(db_presence_is_free(other, 7));
    db_presence_close(other);
    db_presence_close(NULL);
    assert_code(STATUS_UNAVAILABLE, db_presence_open("sqlite:/nowhere/heddle.db", &one, &f->err));
    assert_field("store", f, db_presence_open("file:x", &one, &f->err));
}

static void a_program_that_a_holder_starts_does_not_keep_its_lock(void **state)
{
    struct fixture *f = *state;
    struct db_presence *mine = NULL, *looking = NULL;
    assert_ok(db_presence_open(f->url, &mine, &f->err));
    assert_ok(db_presence_open(f->url, &looking, &f->err));
    assert_ok(db_presence_hold(mine, 3, &f->err));
    int ready[2];
    assert_int_equal(0, pipe(ready));
    pid_t child = fork();
    if (child == 0) {
        dup2(ready[1], STDOUT_FILENO);
        execlp("sh", "sh", "-c", "echo; exec sleep 60", (char *)NULL);
        _exit(1);
    }
    char byte;
    close(ready[1]);
    assert_int_equal(1, read(ready[0], &byte, 1)); /* it is the other program now */
    db_presence_close(mine);
    assert_true(db_presence_is_free(looking, 3));
    assert_int_equal(0, kill(child, SIGKILL));
    waitpid(child, NULL, 0);
    close(ready[0]);
    db_presence_close(looking);
}

/* --- instances --- */

static void numbers_are_never_used_again(void **state)
{
    struct fixture *f = *state;
    int64_t last = 0;
    for (int k = 0; k < 3; k++) {
        struct instance *i = NULL;
        assert_ok(instance_take(f->url, "gateway", "g-1", &i, &f->err));
        assert_true(instance_number(i) > last);
        last = instance_number(i);
        assert_int_equal(1, number_by(f, "select count(*) from instances where died_at_ms = 0 and kind = "
                                         "'gateway' and name = 'g-1'"));
        instance_give(i);
        assert_int_equal(0, number_by(f, "select count(*) from instances where died_at_ms = 0"));
        run_script(f, "delete from instances");
    }
}

static void what_a_killed_process_left_is_closed_within_a_second(void **state)
{
    struct fixture *f = *state;
    struct instance *i = NULL;
    struct holder h;
    assert_ok(instance_take(f->url, "executor", "mine", &i, &f->err));
    hold(f, &h);
    assert_true(h.number != instance_number(i));
    put_runs(f, h.number, 1200, false); /* several steps */
    put_runs(f, instance_number(i), 3, false);
    int64_t before_ms = clock_wall_ms();
    (void)end_holder(&h, SIGKILL);
    wait_until(open_of(f, h.number) == 0, 1000);
    assert_int_equal(1200, number_by(f, "select count(*) from runs where status = 4 and end_reason = 8 and "
                                        "error = 'the executor that ran it was lost' and elapsed_ms = "
                                        "finished_at_ms - 1000"));
    assert_int_equal(1200, number_by(f, "select count(*) from messages where status = 4 and error = 'the "
                                        "executor that ran it was lost'"));
    assert_true(number_by(f, "select min(finished_at_ms) from runs where status = 4") >= before_ms);
    assert_int_equal(6, open_of(f, instance_number(i))); /* its own stay */
    wait_until(number_by(f, "select count(*) from instances where died_at_ms = 0") == 1, 1000);
    instance_give(i);
}

static void a_living_process_is_let_alone_however_still_it_is(void **state)
{
    struct fixture *f = *state;
    struct instance *i = NULL;
    struct holder h;
    hold(f, &h);
    put_runs(f, h.number, 5, false);
    assert_int_equal(0, kill(h.pid, SIGSTOP));
    assert_ok(instance_take(f->url, "executor", "mine", &i, &f->err));
    usleep(4 * INSTANCE_LOOK_MS * 1000); /* some looks */
    assert_int_equal(10, open_of(f, h.number));
    assert_int_equal(0, kill(h.pid, SIGCONT));
    assert_int_equal(0, end_holder(&h, 0));
    wait_until(open_of(f, h.number) == 0, 1000); /* it ended without ending its runs */
    instance_give(i);
}

static void what_earlier_processes_left_is_closed_before_a_new_one_goes_on(void **state)
{
    struct fixture *f = *state;
    struct instance *i = NULL;
    char script[200];
    for (int owner = 1; owner <= 5; owner++)
        put_runs(f, owner, 700, false);
    put_runs(f, 6, 10, true);
    run_script(f, "with recursive n (n) as (select 1 union all select n + 1 from n where n < 2500) "
                  "insert into instances (kind, name, started_at_ms) select 'executor', 'old', 1 from n");
    snprintf(script, sizeof script, "update runs set created_at_ms = %lld where owner = 5",
             (long long)clock_wall_ms() + 3600000); /* the clock was set back since */
    run_script(f, script);
    assert_ok(instance_take(f->url, "executor", "mine", &i, &f->err));
    assert_int_equal(0, number_by(f, "select count(*) from runs where finished_at_ms = 0"));
    assert_int_equal(0, number_by(f, "select count(*) from messages where finished_at_ms = 0"));
    assert_int_equal(1, number_by(f, "select count(*) from instances where died_at_ms = 0"));
    assert_int_equal(0, number_by(f, "select count(*) from runs where elapsed_ms < 0 or finished_at_ms < "
                                     "created_at_ms"));
    assert_int_equal(10, number_by(f, "select count(*) from runs where status = 2")); /* as they ended */
    instance_give(i);
}

static void several_lookers_close_each_run_once(void **state)
{
    struct fixture *f = *state;
    enum { LOOKERS = 3, RUNS = 3000 };
    struct holder dead;
    hold(f, &dead);
    put_runs(f, dead.number, RUNS, false);
    run_script(f, "create table closings (id blob) strict;"
                  "create trigger closed after update on runs when new.status = 4 begin "
                  "insert into closings values (new.id); end");
    (void)end_holder(&dead, SIGKILL);
    struct holder lookers[LOOKERS];
    for (int k = 0; k < LOOKERS; k++)
        hold(f, &lookers[k]);
    wait_until(open_of(f, dead.number) == 0, 2000);
    assert_int_equal(RUNS, number_by(f, "select count(*) from closings"));
    assert_int_equal(RUNS, number_by(f, "select count(distinct id) from closings"));
    for (int k = 0; k < LOOKERS; k++)
        assert_int_equal(0, end_holder(&lookers[k], 0));
}

static void a_living_process_outlives_the_loss_of_the_file_of_locks(void **state)
{
    struct fixture *f = *state;
    struct instance *mine = NULL, *later = NULL;
    char path[128];
    assert_ok(instance_take(f->url, "executor", "mine", &mine, &f->err));
    put_runs(f, instance_number(mine), 4, false);
    snprintf(path, sizeof path, "%s/heddle.presence", f->dir);
    assert_int_equal(0, unlink(path));
    assert_ok(instance_take(f->url, "executor", "later", &later, &f->err));
    usleep(4 * INSTANCE_LOOK_MS * 1000);
    assert_int_equal(8, open_of(f, instance_number(mine)));
    instance_give(mine);
    wait_until(number_by(f, "select count(*) from runs where finished_at_ms = 0") == 0, 1000);
    instance_give(later);
}

static void a_store_that_is_locked_for_a_while_is_waited_for(void **state)
{
    struct fixture *f = *state;
    struct instance *i = NULL;
    struct holder h;
    hold(f, &h);
    put_runs(f, h.number, 2, false);
    assert_ok(instance_take(f->url, "executor", "mine", &i, &f->err));
    struct db *db = connect(f);
    assert_ok(db_begin(db, DB_WRITE, &f->err));
    (void)end_holder(&h, SIGKILL);
    usleep(600000);
    db_rollback(db);
    db_close(db);
    wait_until(open_of(f, h.number) == 0, 1000);
    instance_give(i);
}

static void without_a_store_nobody_is_taken_in(void **state)
{
    struct fixture *f = *state;
    struct instance *i = NULL;
    assert_reason(STATUS_NOT_FOUND, "STORE_NOT_FOUND", f,
                  instance_take("sqlite:/nowhere/heddle.db", "executor", "x", &i, &f->err));
    assert_null(i);
    instance_give(NULL);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--hold") == 0)
        return be_holder(argv[2]);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_lock_belongs_to_one_opening_and_ends_with_it),
        TEST(a_program_that_a_holder_starts_does_not_keep_its_lock),
        TEST(numbers_are_never_used_again),
        TEST(what_a_killed_process_left_is_closed_within_a_second),
        TEST(a_living_process_is_let_alone_however_still_it_is),
        TEST(what_earlier_processes_left_is_closed_before_a_new_one_goes_on),
        TEST(several_lookers_close_each_run_once),
        TEST(a_living_process_outlives_the_loss_of_the_file_of_locks),
        TEST(a_store_that_is_locked_for_a_while_is_waited_for),
        TEST(without_a_store_nobody_is_taken_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
