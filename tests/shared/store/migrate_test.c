/*
 * Tests of migrate.
 */
#include "shared/store/migrate.h"
#include "shared/store/sqlite_schema.h"
#include "tests/shared/store/fixture.h"

enum { STEPS = 3, THREADS = 4 };
static const struct db_migration steps[STEPS] = {
    {1, "create table a (n integer) strict; insert into a values (1)"},
    {2, "alter table a add column m integer; update a set m = n + 1"},
    {3, "create table c (n integer) strict; insert into c select m + 1 from a"},
};
static const struct sql latest = {"select max(version) from schema_migrations"};

static void an_empty_database_gets_all_steps(void **state)
{
    static const struct sql result = {"select n from c"};
    struct fixture *f = *state;
    struct db *db = fixture_connect(f);
    int from = -1;
    assert_ok(migrate_up(db, steps, STEPS, &from, &f->err));
    assert_int_equal(0, from);
    assert_int_equal(3, fixture_number(f, &result));
    assert_int_equal(STEPS, fixture_number(f, &latest));
    assert_ok(migrate_check(db, STEPS, &f->err));
    db_close(db);
}

static void an_older_database_gets_the_steps_it_lacks_and_keeps_its_rows(void **state)
{
    static const struct sql rows = {"select sum(m) from a"};
    struct fixture *f = *state;
    struct db *db = fixture_connect(f);
    int from = -1;
    assert_ok(migrate_up(db, steps, 1, &from, &f->err));
    assert_ok(db_script(db, "insert into a values (10)", &f->err));
    assert_reason(STATUS_FAILED_PRECONDITION, "SCHEMA_OLDER", f, migrate_check(db, STEPS, &f->err));
    assert_ok(migrate_up(db, steps, STEPS, &from, &f->err));
    assert_int_equal(1, from);
    assert_int_equal(2 + 11, fixture_number(f, &rows));
    assert_ok(migrate_up(db, steps, STEPS, &from, &f->err)); /* nothing is left to do */
    assert_int_equal(STEPS, from);
    db_close(db);
}

static void a_newer_database_is_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    struct db *db = fixture_connect(f);
    assert_ok(migrate_up(db, steps, STEPS, NULL, &f->err));
    assert_reason(STATUS_FAILED_PRECONDITION, "SCHEMA_NEWER", f, migrate_up(db, steps, 2, NULL, &f->err));
    assert_contains("newer Heddle", f->err.message);
    assert_reason(STATUS_FAILED_PRECONDITION, "SCHEMA_NEWER", f, migrate_check(db, 2, &f->err));
    assert_int_equal(STEPS, fixture_number(f, &latest));
    db_close(db);
}

static void a_step_that_fails_leaves_the_schema_before_it(void **state)
{
    static const struct db_migration broken[] = {{1, "create table a (n integer) strict"},
                                                 {2, "create table b (n integer) strict; selekt"}};
    static const struct sql leftover = {"select count(*) from sqlite_schema where name = 'b'"};
    struct fixture *f = *state;
    struct db *db = fixture_connect(f);
    assert_code(STATUS_INTERNAL, migrate_up(db, broken, 2, NULL, &f->err));
    assert_contains("migration 2", f->err.message);
    assert_int_equal(1, fixture_number(f, &latest));
    assert_int_equal(0, fixture_number(f, &leftover));
    db_close(db);
}

struct racer {
    pthread_t thread;
    const char *url;
    enum status_code rc;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    struct db *db = NULL;
    r->rc = db_open(r->url, &(struct db_open){.create = true}, &db, NULL);
    if (r->rc == STATUS_OK)
        r->rc = migrate_up(db, steps, STEPS, NULL, NULL);
    db_close(db);
    return NULL;
}

static void several_at_once_make_each_step_once(void **state)
{
    static const struct sql done = {"select count(*) from schema_migrations"};
    struct fixture *f = *state;
    struct racer racers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        racers[i].url = f->url;
        assert_int_equal(0, pthread_create(&racers[i].thread, NULL, race, &racers[i]));
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(0, pthread_join(racers[i].thread, NULL));
        assert_ok(racers[i].rc);
    }
    assert_int_equal(STEPS, fixture_number(f, &done));
}

/* As the release that knew schema 1 writes them. */
static const char by_schema_1[] =
    "begin;"
    "insert into apps (workspace_id, id, name, mode, disabled, published_version_id, created_at_ms, "
    "updated_at_ms) values ('default', 'a1', 'An app', 'workflow', 0, 'v1', 5, 6);"
    "insert into app_versions (app_id, id, number, mode, content_hash, created_at_ms, verdict, dsl) "
    "values ('a1', 'v1', 1, 'workflow', x'00', 5, '', 'text');"
    "insert into credentials (workspace_id, id, provider, protocol, name, base_url, models, weight, "
    "disabled, "
    "created_at_ms, updated_at_ms, sealed, key_id) "
    "values ('default', 'c1', 'openai', 'openai', 'main', 'https://x', '*', 3, 1, 7, 8, null, null);"
    "insert into models (workspace_id, provider, model, protocol, upstream_model, context_size, "
    "prompt_unit_price, completion_unit_price, price_unit, currency, updated_at_ms) "
    "values ('default', 'openai', 'gpt-4o', '', 'gpt-4o-x', 128000, '2.5', '10', '', 'USD', 9);"
    "commit";

static void a_file_of_schema_1_keeps_its_rows_and_its_release_goes_on(void **state)
{
    static const struct sql settings = {"select value from settings where name = 'config_generation'"};
    struct fixture *f = *state;
    struct db *db = fixture_connect(f);
    assert_ok(migrate_up(db, sqlite_migrations, 1, NULL, &f->err));
    assert_ok(db_script(db, by_schema_1, &f->err));
    db_close(db);
    fixture_reopen(f, MASTER_KEY_A);

    struct store_app_page apps;
    assert_ok(list_apps(f, 0, STR(""), &apps));
    assert_int_equal(1, apps.count);
    assert_str("An app", apps.apps[0].name);
    assert_int_equal(0, apps.apps[0].priority);
    struct store_credential_page credentials;
    const struct store_credential_list all = {.page_size = 0};
    assert_ok(list_credentials(f, &all, &credentials));
    assert_int_equal(1, credentials.count);
    const struct store_credential *c = &credentials.credentials[0];
    assert_str("main", c->name);
    assert_int_equal(3, c->weight);
    assert_true(c->disabled);
    assert_str("", c->disabled_reason);
    assert_int_equal(0, c->requests_per_minute + c->tokens_per_minute + c->max_concurrent);
    struct store_model_page models;
    assert_ok(load_models(f, &models));
    assert_str("gpt-4o-x", models.models[0].upstream_model);
    assert_false(models.models[0].affinity);
    assert_int_equal(0, fixture_number(f, &settings));

    fixture_script(f, "delete from apps; delete from credentials; delete from models");
    fixture_script(f, by_schema_1);
    assert_ok(list_credentials(f, &all, &credentials));
    assert_int_equal(1, credentials.count);
}

static void the_stores_own_steps_are_numbered_without_gaps(void **state)
{
    (void)state;
    for (int part = 0; part < DB_PARTS; part++) {
        for (size_t i = 0; i < sqlite_driver.schemas[part].count; i++)
            assert_int_equal(i + 1, sqlite_driver.schemas[part].migrations[i].version);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_empty, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_database_gets_all_steps),
        TEST(an_older_database_gets_the_steps_it_lacks_and_keeps_its_rows),
        TEST(a_newer_database_is_refused_and_left_alone),
        TEST(a_step_that_fails_leaves_the_schema_before_it),
        TEST(several_at_once_make_each_step_once),
        TEST(a_file_of_schema_1_keeps_its_rows_and_its_release_goes_on),
        cmocka_unit_test(the_stores_own_steps_are_numbered_without_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
