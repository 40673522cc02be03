/*
 * Tests of db and its SQLite driver.
 */
#include "shared/store/db.h"
#include "tests/shared/store/fixture.h"
#include <string.h>
#include <sys/stat.h>

static void values_come_back_as_they_went_in(void **state)
{
    static const struct sql put = {"insert into t (i, s, b, n) values ($1, $2, $3, $4) returning i, s, b, n"};
    struct fixture *f = *state;
    struct db *db = fixture_connect(f);
    assert_ok(db_script(db, "create table t (i integer, s text, b blob, n text) strict", &f->err));
    static const struct {
        int64_t number;
        struct str text, bytes;
    } rows[] = {
        {INT64_MIN, {"", 0}, {NULL, 0}},
        {INT64_MAX, {"\xc3\xa4\xf0\x9f\x98\x80", 6}, {"\0\xff\0", 3}},
        {0, {"'; drop table t; --", 19}, {"x", 1}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct db_rows got = db_query(
            db, &put,
            DB_VALUES(DB_INT(rows[i].number), DB_TEXT(rows[i].text), DB_BLOB(rows[i].bytes), DB_NULL),
            &f->err);
        assert_true(db_next(&got));
        assert_true(db_int(&got, 0) == rows[i].number);
        assert_true(str_eq(db_text(&got, 1), rows[i].text));
        assert_true(str_eq(db_text(&got, 2), rows[i].bytes));
        assert_int_equal(0, db_int(&got, 3));
        assert_int_equal(0, db_text(&got, 3).len);
        assert_false(db_next(&got));
        assert_ok(db_end(&got));
    }
    db_close(db);
}

static void parameters_are_bound_by_their_number_not_by_their_order(void **state)
{
    static const struct sql swapped = {"select $2 || '-' || $1 || '-' || $2 || '-' || $10"};
    struct fixture *f = *state;
    struct db *db = fixture_connect(f);
    struct db_value none = DB_NULL;
    struct db_rows rows = db_query(db, &swapped,
                                   DB_VALUES(DB_TEXT(STR("one")), DB_TEXT(STR("two")), none, none, none, none,
                                             none, none, none, DB_TEXT(STR("ten"))),
                                   &f->err);
    assert_true(db_next(&rows));
    assert_str("two-one-two-ten", db_text(&rows, 0));
    assert_ok(db_end(&rows));
    db_close(db);
}

static void a_loop_left_early_leaves_the_statement_usable(void **state)
{
    static const struct sql numbers = {"select value from json_each('[1, 2, 3]') where value >= $1"};
    struct fixture *f = *state;
    struct db *db = fixture_connect(f);
    for (int64_t from = 1; from <= 3; from++) {
        struct db_rows rows = db_query(db, &numbers, DB_VALUES(DB_INT(from)), &f->err);
        assert_true(db_next(&rows));
        assert_int_equal(from, db_int(&rows, 0));
        assert_ok(db_end(&rows));
    }
    db_close(db);
}

static void errors_have_the_code_a_caller_can_act_on(void **state)
{
    static const struct sql again = {"insert into t (id) values ('a')"};
    static const struct sql wrong_type = {"insert into t (id, n) values ('b', 'no number')"};
    static const struct sql wrong_text = {"selekt"};
    struct fixture *f = *state;
    struct db *db = fixture_connect(f);
    assert_ok(db_script(db, "create table t (id text primary key, n integer) strict", &f->err));
    assert_ok(db_run(db, &again, DB_NO_VALUES, &f->err));
    assert_code(STATUS_ALREADY_EXISTS, db_run(db, &again, DB_NO_VALUES, &f->err));
    assert_code(STATUS_INTERNAL, db_run(db, &wrong_type, DB_NO_VALUES, &f->err));
    assert_code(STATUS_INTERNAL, db_run(db, &wrong_text, DB_NO_VALUES, &f->err));
    assert_code(STATUS_INTERNAL, db_run(db, &wrong_text, DB_NO_VALUES, NULL));
    assert_code(STATUS_INTERNAL, db_script(db, "selekt", &f->err));
    db_close(db);
}

static void a_full_disk_changes_nothing_and_is_over_when_there_is_room(void **state)
{
    static const struct sql fill = {"insert into t (b) values (zeroblob(100000))"};
    static const struct sql count = {"select count(*) from t"};
    struct fixture *f = *state;
    struct db *db = fixture_connect(f);
    assert_ok(db_script(db, "create table t (b blob) strict; pragma max_page_count = 10", &f->err));
    assert_ok(db_begin(db, DB_WRITE, &f->err));
    assert_reason(STATUS_UNAVAILABLE, "STORE_FULL", f, db_run(db, &fill, DB_NO_VALUES, &f->err));
    db_rollback(db);
    assert_int_equal(0, fixture_number(f, &count));
    assert_ok(db_script(db, "pragma max_page_count = 1000", &f->err));
    assert_ok(db_begin(db, DB_WRITE, &f->err));
    assert_ok(db_run(db, &fill, DB_NO_VALUES, &f->err));
    assert_ok(db_commit(db, &f->err));
    assert_int_equal(1, fixture_number(f, &count));
    db_close(db);
}

static void a_second_writer_is_told_that_the_store_is_busy(void **state)
{
    struct fixture *f = *state;
    struct db *first = fixture_connect(f), *second = fixture_connect(f);
    assert_ok(db_script(second, "pragma busy_timeout = 1", &f->err));
    assert_ok(db_begin(first, DB_WRITE, &f->err));
    assert_ok(db_begin(second, DB_READ, &f->err)); /* readers need not wait */
    db_rollback(second);
    assert_reason(STATUS_UNAVAILABLE, "STORE_BUSY", f, db_begin(second, DB_WRITE, &f->err));
    assert_true(f->err.retry_ms > 0);
    db_rollback(first);
    assert_ok(db_begin(second, DB_WRITE, &f->err));
    db_rollback(second);
    db_rollback(second); /* outside a transaction: nothing */
    db_close(first);
    db_close(second);
}

static void a_read_transaction_is_of_one_moment(void **state)
{
    static const struct sql count = {"select count(*) from t"};
    struct fixture *f = *state;
    struct db *reader = fixture_connect(f);
    fixture_script(f, "create table t (n integer) strict; insert into t values (1)");
    assert_ok(db_begin(reader, DB_READ, &f->err));
    for (int i = 0; i < 2; i++) {
        struct db_rows rows = db_query(reader, &count, DB_NO_VALUES, &f->err);
        assert_true(db_next(&rows));
        assert_int_equal(1, db_int(&rows, 0));
        assert_ok(db_end(&rows));
        fixture_script(f, "insert into t values (2)");
    }
    assert_ok(db_commit(reader, &f->err));
    db_close(reader);
}

static void the_data_version_moves_with_commits_of_others_only(void **state)
{
    struct fixture *f = *state;
    struct db *db = fixture_connect(f);
    assert_ok(db_script(db, "create table t (n integer) strict", &f->err));
    int64_t before, own, others;
    assert_ok(db_data_version(db, &before, &f->err));
    assert_ok(db_script(db, "insert into t values (1)", &f->err));
    assert_ok(db_data_version(db, &own, &f->err));
    assert_true(before == own);
    fixture_script(f, "insert into t values (2)");
    assert_ok(db_data_version(db, &others, &f->err));
    assert_true(before != others);
    db_close(db);
}

static void a_connection_for_questions_refuses_every_write(void **state)
{
    struct fixture *f = *state;
    fixture_script(f, "create table t (n integer) strict");
    struct db *db = NULL;
    assert_ok(db_open(f->url, &(struct db_open){.query_only = true}, &db, &f->err));
    assert_reason(STATUS_FAILED_PRECONDITION, "STORE_READ_ONLY", f,
                  db_script(db, "insert into t values (1)", &f->err));
    db_close(db);
}

static void a_new_file_is_for_its_owner_only_and_survives_a_power_cut(void **state)
{
    static const struct sql synchronous = {"pragma synchronous"};
    static const struct sql foreign_keys = {"pragma foreign_keys"};
    static const struct sql journal_mode = {"pragma journal_mode"};
    struct fixture *f = *state;
    struct db *db = fixture_connect(f);
    assert_ok(db_script(db, "create table t (n integer) strict", &f->err));
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        struct stat file;
        assert_int_equal(0, stat(arena_printf(&f->arena, "%s%s", f->path, suffixes[i]), &file));
        assert_int_equal(0600, file.st_mode & 07777);
    }
    assert_int_equal(2, fixture_number(f, &synchronous)); /* full */
    assert_int_equal(1, fixture_number(f, &foreign_keys));
    struct db_rows rows = db_query(db, &journal_mode, DB_NO_VALUES, &f->err);
    assert_true(db_next(&rows));
    assert_str("wal", db_text(&rows, 0));
    assert_ok(db_end(&rows));
    db_close(db);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_empty, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(values_come_back_as_they_went_in),
        TEST(parameters_are_bound_by_their_number_not_by_their_order),
        TEST(a_loop_left_early_leaves_the_statement_usable),
        TEST(errors_have_the_code_a_caller_can_act_on),
        TEST(a_full_disk_changes_nothing_and_is_over_when_there_is_room),
        TEST(a_second_writer_is_told_that_the_store_is_busy),
        TEST(a_read_transaction_is_of_one_moment),
        TEST(the_data_version_moves_with_commits_of_others_only),
        TEST(a_connection_for_questions_refuses_every_write),
        TEST(a_new_file_is_for_its_owner_only_and_survives_a_power_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
