/*
 * Tests of the change signal: within a process, between two stores, between two processes.
 */
#include "tests/shared/store/fixture.h"
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ms. Until a change of another process must have been heard; it takes some 20 ms, this is for a loaded machine. */
#define HEARD_WITHIN_MS 20000

/* Remembers the latest generation it was told. */
struct listener {
    pthread_mutex_t lock;
    pthread_cond_t told;
    uint64_t generation;
    uint64_t config_generation; /* of the store at that time */
    const struct store *store;
};

static void listen(void *arg, uint64_t generation)
{
    struct listener *l = arg;
    pthread_mutex_lock(&l->lock);
    if (generation > l->generation) {
        l->generation = generation;
        l->config_generation = store_config_generation(l->store);
    }
    pthread_cond_broadcast(&l->told);
    pthread_mutex_unlock(&l->lock);
}

static void listener_init(struct listener *l, struct store *store)
{
    *l = (struct listener){.store = store};
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->told, NULL);
    struct status err;
    assert_ok(store_watch(store, listen, l, &err));
}

static uint64_t heard(struct listener *l)
{
    pthread_mutex_lock(&l->lock);
    uint64_t generation = l->generation;
    pthread_mutex_unlock(&l->lock);
    return generation;
}

/* Waits until a change with this config_generation was heard. */
static bool wait_for(struct listener *l, uint64_t config_generation)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += HEARD_WITHIN_MS / 1000;
    int rc = 0;
    pthread_mutex_lock(&l->lock);
    while (l->config_generation < config_generation && rc == 0)
        rc = pthread_cond_timedwait(&l->told, &l->lock, &until);
    bool is_heard = l->config_generation >= config_generation;
    pthread_mutex_unlock(&l->lock);
    return is_heard;
}

static void listener_fini(struct listener *l)
{
    pthread_cond_destroy(&l->told);
    pthread_mutex_destroy(&l->lock);
}

static void own_changes_are_told_before_they_are_answered(void **state)
{
    struct fixture *f = *state;
    struct listener first, second;
    listener_init(&first, f->store);
    listener_init(&second, f->store);
    uint64_t config_generation = store_config_generation(f->store);
    for (uint64_t i = 1; i <= 3; i++) {
        import_text(f, "", "App", "one");
        assert_true(heard(&first) >= i);
        assert_true(heard(&second) >= i);
        assert_true(store_generation(f->store) >= i);
        assert_int_equal(config_generation + i, store_config_generation(f->store));
    }
    store_close(f->store);
    f->store = NULL;
    listener_fini(&first);
    listener_fini(&second);
}

static void reads_and_refused_writes_tell_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_app_page page;
    struct store_app app;
    struct store_app_update bad = {.app_id = STR(UNKNOWN_ID), .has_name = true, .name = STR("x")};
    uint64_t config_generation = store_config_generation(f->store);
    assert_ok(list_apps(f, 0, STR(""), &page));
    assert_code(STATUS_NOT_FOUND, update_app(f, &bad, &app));
    assert_int_equal(0, store_generation(f->store));
    assert_int_equal(config_generation, store_config_generation(f->store));
}

static void another_store_hears_a_change_but_not_a_key_in_use(void **state)
{
    struct fixture *f = *state;
    struct store *other = NULL;
    struct str app_id = import_text(f, "", "App", "one").version.app_id;
    assert_ok(fixture_open(f, STORE_EXECUTOR, STORE_MIGRATE, &other));
    assert_int_equal(store_config_generation(f->store), store_config_generation(other));
    struct listener l;
    listener_init(&l, other);

    struct store_key key;
    assert_ok(create_key(f, app_id, "app-k", &key));
    assert_true(wait_for(&l, store_config_generation(f->store)));
    assert_int_equal(1, heard(&l));
    assert_int_equal(1, store_generation(other));

    const struct store_key_use use = {.key_id = key.key_id, .used_at_ms = 1};
    assert_ok(touch_keys(f, &use, 1));
    assert_ok(delete_key(f, key.key_id));
    assert_true(wait_for(&l, store_config_generation(f->store)));
    assert_int_equal(2, heard(&l)); /* the delete, and nothing else */
    store_close(other);
    listener_fini(&l);
}

static void another_process_is_heard(void **state)
{
    struct fixture *f = *state;
    struct listener l;
    listener_init(&l, f->store);
    uint64_t before = store_config_generation(f->store);
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "signal_test", "import", f->url, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(wait_for(&l, before + 1));
    assert_int_equal(before + 1, store_config_generation(f->store));
    struct store_app_page page;
    assert_ok(list_apps(f, 0, STR(""), &page));
    assert_int_equal(1, page.count);
    assert_str("From another process", page.apps[0].name);
    store_close(f->store);
    f->store = NULL;
    listener_fini(&l);
}

static void the_config_generation_outlives_the_process(void **state)
{
    struct fixture *f = *state;
    import_text(f, "", "App", "one");
    import_text(f, "", "App", "one");
    uint64_t before = store_config_generation(f->store);
    assert_true(before >= 2);
    fixture_reopen(f, MASTER_KEY_A);
    assert_int_equal(before, store_config_generation(f->store));
    assert_int_equal(0, store_generation(f->store));
}

static void there_is_room_for_a_few_watches_only(void **state)
{
    struct fixture *f = *state;
    struct listener l = {.store = f->store};
    for (int i = 0; i < STORE_WATCHES_MAX; i++)
        assert_ok(store_watch(f->store, listen, &l, &f->err));
    assert_code(STATUS_RESOURCE_EXHAUSTED, store_watch(f->store, listen, &l, &f->err));
}

struct imported {
    struct store_wait wait;
    bool created;
};

static void imported_done(void *arg, const struct store_imported *imported, const struct status *status)
{
    struct imported *i = arg;
    i->created = imported != NULL && imported->created;
    store_wait_done(&i->wait, status);
}

/* What another_process_is_heard() starts: one import into the store at `url`. */
static int import_and_exit(const char *url)
{
    struct store *store = NULL;
    struct store_options options = {.role = STORE_GATEWAY, .schema = STORE_AS_IS};
    if (store_open(url, &options, &store, NULL) != STATUS_OK)
        return 1;
    struct imported imported;
    store_wait_init(&imported.wait);
    struct store_version_import r = {.name = STR("From another process"), .dsl = STR("a")};
    enum status_code rc = store_version_import(store, &r, imported_done, &imported, NULL);
    if (rc == STATUS_OK)
        rc = store_wait(&imported.wait, NULL);
    store_close(store);
    return rc == STATUS_OK && imported.created ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "import") == 0)
        return import_and_exit(argv[2]);
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(own_changes_are_told_before_they_are_answered),     TEST(reads_and_refused_writes_tell_nothing),
        TEST(another_store_hears_a_change_but_not_a_key_in_use), TEST(another_process_is_heard),
        TEST(the_config_generation_outlives_the_process),        TEST(there_is_room_for_a_few_watches_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
