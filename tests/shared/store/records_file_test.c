/*
 * The records' file: made, brought up to date, looked at (doctor), apart from the control file.
 */
#include "shared/store/migrate.h"
#include "tests/shared/store/fixture.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static enum status_code open_records(struct fixture *f, enum store_schema schema)
{
    const struct store_options options = {.file = STORE_RECORDS, .role = STORE_EXECUTOR, .schema = schema};
    return store_open(f->url, &options, &f->store, &f->err);
}

static struct db *connect(struct fixture *f)
{
    struct db *db = NULL;
    assert_ok(db_open(f->url, &(struct db_open){.part = DB_RECORDS}, &db, &f->err));
    return db;
}

static void change(struct fixture *f, const char *script)
{
    struct db *db = connect(f);
    assert_ok(db_script(db, script, &f->err));
    db_close(db);
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

static void it_is_made_beside_the_control_file_for_its_owner_only(void **state)
{
    struct fixture *f = *state;
    char path[128];
    struct stat file;
    assert_ok(open_records(f, STORE_MIGRATE));
    assert_ok(store_check(f->store, &f->err));
    snprintf(path, sizeof path, "%s/heddle.records.db", f->dir);
    assert_int_equal(0, stat(path, &file));
    assert_int_equal(0600, file.st_mode & 0777);
    assert_int_not_equal(0, stat(f->path, &file)); /* the other one is not made along with it */
    assert_int_equal(7, number_by(f, "select count(*) from sqlite_schema where type = 'table' and name in "
                                     "('instances', 'runs', 'run_nodes', 'conversations', 'messages', "
                                     "'conversation_variables', 'removals')"));
}

static void opened_as_it_is_it_must_be_there_and_up_to_date(void **state)
{
    struct fixture *f = *state;
    int from = -1, to = -1;
    assert_reason(STATUS_NOT_FOUND, "STORE_NOT_FOUND", f, open_records(f, STORE_AS_IS));
    assert_ok(store_migrate(f->url, STORE_RECORDS, &from, &to, &f->err));
    assert_int_equal(0, from);
    assert_true(to >= 1);
    assert_ok(open_records(f, STORE_AS_IS));
    assert_ok(store_check(f->store, &f->err));
    store_close(f->store);
    f->store = NULL;
    int last = to;
    assert_ok(store_migrate(f->url, STORE_RECORDS, &from, &to, &f->err)); /* nothing is left to do */
    assert_int_equal(last, from);
    change(f, "delete from schema_migrations");
    assert_reason(STATUS_FAILED_PRECONDITION, "SCHEMA_OLDER", f, open_records(f, STORE_AS_IS));
    change(f, "insert into schema_migrations (version, applied_at_ms) values (1000, 1)");
    assert_reason(STATUS_FAILED_PRECONDITION, "SCHEMA_NEWER", f, open_records(f, STORE_AS_IS));
    assert_reason(STATUS_FAILED_PRECONDITION, "SCHEMA_NEWER", f, open_records(f, STORE_MIGRATE));
    assert_reason(STATUS_FAILED_PRECONDITION, "SCHEMA_NEWER", f,
                  store_migrate(f->url, STORE_RECORDS, &from, &to, &f->err));
}

/* Each version that was ever released, with a row in every table: the rows are kept. */
static void every_earlier_version_is_brought_up_to_date_with_its_rows(void **state)
{
    static const char rows_of_1[] =
        "insert into instances (kind, name, started_at_ms) values ('executor', 'a', 1);"
        "insert into runs (id, app_id, version_id, version_number, mode, record, end_user_id, "
        "conversation_id, message_id, status, attempt, owner, created_at_ms, \"user\", end_user_type) values "
        "(x'01', x'02', x'03', 1, 1, 0, x'', x'04', x'05', 1, 1, 1, 1000, 'u', 't');"
        "insert into run_nodes (run_id, part, nodes) values (x'01', 0, x'00');"
        "insert into conversations (id, app_id, end_user_id, created_at_ms, updated_at_ms, name, "
        "introduction) values (x'04', x'02', x'', 1, 1, '', '');"
        "insert into messages (id, conversation_id, parent_id, run_id, status, attempt, owner, "
        "created_at_ms, query) values (x'05', x'04', x'', x'01', 1, 1, 1, 1, 'q');"
        "insert into conversation_variables (conversation_id, name, id, value_type, description, "
        "created_at_ms, updated_at_ms, value) values (x'04', 'v', x'06', 'string', '', 1, 1, '1');"
        "insert into removals (app_id) values (x'07');";
    struct fixture *f = *state;
    const struct db_schema *schema = &sqlite_driver.schemas[DB_RECORDS];
    struct db *db = NULL;
    assert_ok(db_open(f->url, &(struct db_open){.part = DB_RECORDS, .create = true}, &db, &f->err));
    assert_ok(migrate_up(db, schema->migrations, 1, NULL, &f->err));
    assert_ok(db_script(db, rows_of_1, &f->err));
    db_close(db);
    assert_ok(open_records(f, STORE_MIGRATE));
    assert_ok(store_check(f->store, &f->err));
    assert_int_equal(schema->count, number_by(f, "select max(version) from schema_migrations"));
    assert_int_equal(7,
                     number_by(f, "select (select count(*) from instances) + (select count(*) from runs) + "
                                  "(select count(*) from run_nodes) + (select count(*) from conversations) "
                                  "+ (select count(*) from messages) + (select count(*) from "
                                  "conversation_variables) + (select count(*) from removals)"));
}

static void damage_is_found(void **state)
{
    struct fixture *f = *state;
    char path[128];
    int from, to;
    assert_ok(store_migrate(f->url, STORE_RECORDS, &from, &to, &f->err));
    change(f, "with recursive n (n) as (select 1 union all select n + 1 from n where n < 2000) "
              "insert into run_nodes (run_id, part, nodes) select randomblob(16), n, zeroblob(100) from n");
    snprintf(path, sizeof path, "%s/heddle.records.db", f->dir);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    for (long at = size / 2 / 4096 * 4096; at < size / 2 + 40 * 4096; at += 4096) {
        fseek(file, at, SEEK_SET);
        fputs("damaged", file);
    }
    fclose(file);
    assert_ok(open_records(f, STORE_AS_IS));
    assert_reason(STATUS_DATA_LOSS, "STORE_CORRUPT", f, store_check(f->store, &f->err));
}

struct racer {
    pthread_t thread;
    const char *url;
    enum status_code rc;
};

static void *migrate(void *arg)
{
    struct racer *r = arg;
    struct status err;
    int from, to;
    r->rc = store_migrate(r->url, STORE_RECORDS, &from, &to, &err);
    return NULL;
}

static void gateway_and_executor_may_make_it_at_once(void **state)
{
    enum { RACERS = 4 };
    struct fixture *f = *state;
    struct racer racers[RACERS];
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.url = f->url};
        assert_int_equal(0, pthread_create(&racers[i].thread, NULL, migrate, &racers[i]));
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(racers[i].thread, NULL);
        assert_ok(racers[i].rc);
    }
    assert_ok(open_records(f, STORE_AS_IS));
    assert_ok(store_check(f->store, &f->err));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_empty, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_is_made_beside_the_control_file_for_its_owner_only),
        TEST(opened_as_it_is_it_must_be_there_and_up_to_date),
        TEST(every_earlier_version_is_brought_up_to_date_with_its_rows),
        TEST(damage_is_found),
        TEST(gateway_and_executor_may_make_it_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
