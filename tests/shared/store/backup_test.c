/*
 * A backup: whole, of one moment, made beside a busy writer, and nothing left of one that failed.
 */
#include "shared/store/backup.h"
#include "tests/shared/store/fixture.h"
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place { /* where the backup goes */
    char dir[64], url[96];
};

static void place_make(struct fixture *f, struct place *p)
{
    (void)f;
    snprintf(p->dir, sizeof p->dir, "/tmp/heddle-backup-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->url, sizeof p->url, "sqlite:%s/heddle.db", p->dir);
}

static int count_files(const char *dir)
{
    int count = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(d);
    return count;
}

static void place_remove(struct place *p)
{
    DIR *d = opendir(p->dir);
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (entry->d_name[0] != '.')
            assert_int_equal(0, unlinkat(dirfd(d), entry->d_name, 0));
    }
    closedir(d);
    assert_int_equal(0, rmdir(p->dir));
}

static void migrate_records(struct fixture *f)
{
    int from, to;
    assert_ok(store_migrate(f->url, STORE_RECORDS, &from, &to, &f->err));
}

static void both_files_are_copied_and_can_be_used(void **state)
{
    struct fixture *f = *state;
    struct place p;
    struct store_backup_sizes sizes = {0};
    struct store_imported imported = import_text(f, "", "One", "x: 1");
    migrate_records(f);
    place_make(f, &p);
    assert_ok(store_backup(f->url, p.dir, NULL, &sizes, &f->err));
    assert_int_equal(2, count_files(p.dir)); /* nothing beside them */
    char path[160];
    struct stat file;
    snprintf(path, sizeof path, "%s/heddle.records.db", p.dir);
    assert_int_equal(0, stat(path, &file));
    assert_int_equal(0600, file.st_mode & 0777);
    assert_int_equal(file.st_size, sizes.records_bytes);
    snprintf(path, sizeof path, "%s/heddle.db", p.dir);
    assert_int_equal(0, stat(path, &file));
    assert_int_equal(0600, file.st_mode & 0777);
    assert_int_equal(file.st_size, sizes.control_bytes);
    struct fixture copy = {.err = {0}};
    snprintf(copy.url, sizeof copy.url, "%s", p.url);
    arena_init(&copy.arena, 1 << 20);
    assert_ok(fixture_open(&copy, STORE_GATEWAY, STORE_AS_IS, &copy.store));
    assert_ok(store_check(copy.store, &copy.err));
    struct store_app_details app;
    char id[UUID_TEXT_LEN + 1];
    snprintf(id, sizeof id, "%.*s", STR_ARG(imported.version.app_id));
    assert_ok(get_app(&copy, str_c(id), &app));
    assert_str("One", app.app.name);
    store_close(copy.store);
    arena_fini(&copy.arena);
    place_remove(&p);
}

static void without_records_the_control_file_is_copied_alone(void **state)
{
    struct fixture *f = *state;
    struct place p;
    struct store_backup_sizes sizes = {.records_bytes = 1};
    place_make(f, &p);
    assert_ok(store_backup(f->url, p.dir, NULL, &sizes, &f->err));
    assert_int_equal(1, count_files(p.dir));
    assert_int_equal(0, sizes.records_bytes);
    assert_true(sizes.control_bytes > 0);
    place_remove(&p);
}

static void a_file_that_is_there_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct place p;
    place_make(f, &p);
    migrate_records(f);
    assert_ok(store_backup(f->url, p.dir, NULL, NULL, &f->err));
    assert_reason(STATUS_ALREADY_EXISTS, "STORE_EXISTS", f, store_backup(f->url, p.dir, NULL, NULL, &f->err));
    assert_int_equal(2, count_files(p.dir));
    char path[160];
    snprintf(path, sizeof path, "%s/heddle.records.db", p.dir);
    unlink(path); /* one of them is enough; the other one's copy goes, too */
    assert_reason(STATUS_ALREADY_EXISTS, "STORE_EXISTS", f, store_backup(f->url, p.dir, NULL, NULL, &f->err));
    assert_int_equal(1, count_files(p.dir));
    place_remove(&p);
}

static void what_cannot_be_copied_or_written_is_said(void **state)
{
    struct fixture *f = *state;
    struct place p;
    char missing[128];
    place_make(f, &p);
    snprintf(missing, sizeof missing, "%s/missing", p.dir);
    assert_reason(STATUS_NOT_FOUND, "STORE_NOT_FOUND", f, store_backup(f->url, missing, NULL, NULL, &f->err));
    assert_reason(STATUS_NOT_FOUND, "STORE_NOT_FOUND", f,
                  store_backup("sqlite:/nowhere/heddle.db", p.dir, NULL, NULL, &f->err));
    assert_field("store", f, store_backup("file:x", p.dir, NULL, NULL, &f->err));
    assert_int_equal(0, count_files(p.dir));
    place_remove(&p);
}

static void a_damaged_store_leaves_no_backup(void **state)
{
    struct fixture *f = *state;
    struct place p;
    place_make(f, &p);
    fixture_script(f, "create table big (b blob); insert into big values (zeroblob(400000));"
                      "insert into big select b from big; insert into big select b from big;");
    store_close(f->store);
    f->store = NULL;
    FILE *file = fopen(f->path, "r+b");
    assert_non_null(file);
    /* Page 2 is the root of a table. */
    fseek(file, 4096, SEEK_SET);
    for (int i = 0; i < 4096; i++)
        fputc(0xa5, file);
    fclose(file);
    assert_code(STATUS_DATA_LOSS, store_backup(f->url, p.dir, NULL, NULL, &f->err));
    assert_int_equal(0, count_files(p.dir));
    place_remove(&p);
}

struct watched {
    int64_t last[2], all[2];
    int calls, ends_after;
};

static bool watch(void *arg, enum store_file file, int64_t done_bytes, int64_t all_bytes)
{
    struct watched *w = arg;
    assert_true(done_bytes >= w->last[file] && done_bytes <= all_bytes);
    w->last[file] = done_bytes;
    w->all[file] = all_bytes;
    return ++w->calls != w->ends_after;
}

static void its_way_can_be_watched_and_ended(void **state)
{
    struct fixture *f = *state;
    struct place p;
    place_make(f, &p);
    migrate_records(f);
    fixture_script(f, "create table big (b blob); insert into big values (zeroblob(30000000));");
    struct watched w = {.calls = 0};
    const struct store_backup_watch how = {watch, &w};
    assert_ok(store_backup(f->url, p.dir, &how, NULL, &f->err));
    assert_true(w.calls >= 5);
    assert_true(w.all[STORE_CONTROL] > 30000000);
    place_remove(&p);
    place_make(f, &p);
    w = (struct watched){.ends_after = 3};
    assert_code(STATUS_CANCELLED, store_backup(f->url, p.dir, &how, NULL, &f->err));
    assert_int_equal(0, count_files(p.dir));
    place_remove(&p);
}

/* Writes two rows in each commit: a copy has both or none. */
struct busy {
    pthread_t thread;
    const char *url;
    atomic_bool is_over;
    atomic_int commits;
};

static void *write_pairs(void *arg)
{
    static const struct sql put = {"insert into pairs (n, filler) values ($1, zeroblob(3000))"};
    struct busy *b = arg;
    struct db *db = NULL;
    struct status err;
    assert_ok(db_open(b->url, &(struct db_open){.part = DB_CONTROL}, &db, &err));
    while (!b->is_over) {
        assert_ok(db_begin(db, DB_WRITE, &err));
        for (int i = 0; i < 2; i++)
            assert_ok(db_run(db, &put, DB_VALUES(DB_INT(b->commits)), &err));
        assert_ok(db_commit(db, &err));
        b->commits++;
    }
    db_close(db);
    return NULL;
}

static bool slowly(void *arg, enum store_file file, int64_t done_bytes, int64_t all_bytes)
{
    struct busy *b = arg;
    (void)file;
    (void)done_bytes;
    (void)all_bytes;
    for (int before = b->commits; b->commits < before + 3;) /* between any two steps somebody commits */
        usleep(100);
    return true;
}

static void beside_a_busy_writer_it_is_of_one_moment(void **state)
{
    struct fixture *f = *state;
    struct place p;
    place_make(f, &p);
    fixture_script(f, "create table pairs (n integer, filler blob);"
                      "create table big (b blob); insert into big values (zeroblob(30000000));");
    struct busy b = {.url = f->url};
    assert_int_equal(0, pthread_create(&b.thread, NULL, write_pairs, &b));
    while (b.commits < 10)
        usleep(100);
    const struct store_backup_watch how = {slowly, &b};
    assert_ok(store_backup(f->url, p.dir, &how, NULL, &f->err));
    b.is_over = true;
    pthread_join(b.thread, NULL);
    static const struct sql halves = {
        "select count(*) from (select n from pairs group by n having count(*) <> 2)"};
    static const struct sql all = {"select count(*) from pairs"};
    struct fixture copy = {.err = {0}};
    snprintf(copy.url, sizeof copy.url, "%s", p.url);
    assert_int_equal(0, fixture_number(&copy, &halves));
    int64_t kept = fixture_number(&copy, &all);
    assert_true(kept >= 20 && kept < 2 * b.commits);
    place_remove(&p);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(both_files_are_copied_and_can_be_used),
        TEST(without_records_the_control_file_is_copied_alone),
        TEST(a_file_that_is_there_is_left_alone),
        TEST(what_cannot_be_copied_or_written_is_said),
        TEST(a_damaged_store_leaves_no_backup),
        TEST(its_way_can_be_watched_and_ended),
        TEST(beside_a_busy_writer_it_is_of_one_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
