/*
 * Tests of store: opening and refusing files, the queue, the end.
 */
#include "shared/store/core.h"
#include "shared/store/store.h"
#include "tests/shared/store/fixture.h"
#include "tests/support/alloc_fail.h"
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- opening --- */

static void a_url_that_is_none_is_refused(void **state)
{
    static const char *const urls[] = {
        "", "heddle.db", "sqlite:", "sqlite::memory:", "sqlite:/", "postgres://me:hush@db/heddle"};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct store_options options = {.role = STORE_GATEWAY};
        struct store *store = NULL;
        assert_field("store", f, store_open(urls[i], &options, &store, &f->err));
        assert_null(strstr(f->err.message, "hush"));
        assert_null(store);
    }
}

static void options_that_cannot_be_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store *store = NULL;
    struct store_options bad_key = {.master_key = "nonsense"}, many = {.threads = STORE_THREADS_MAX + 1};
    assert_field("master_key", f, store_open(f->url, &bad_key, &store, &f->err));
    assert_code(STATUS_INVALID_ARGUMENT, store_open(f->url, &many, &store, &f->err));
    assert_int_equal(-1, access(f->path, F_OK)); /* and nothing was made */
}

static void what_is_not_there_is_named(void **state)
{
    struct fixture *f = *state;
    struct store *store = NULL;
    assert_reason(STATUS_NOT_FOUND, "STORE_NOT_FOUND", f,
                  fixture_open(f, STORE_GATEWAY, STORE_AS_IS, &store));
    assert_contains(f->path, f->err.message);
    struct store_options options = {.schema = STORE_MIGRATE};
    const char *url = arena_printf(&f->arena, "sqlite:%s/nowhere/heddle.db", f->dir);
    assert_reason(STATUS_NOT_FOUND, "STORE_NOT_FOUND", f, store_open(url, &options, &store, &f->err));
    assert_contains("/nowhere", f->err.message);
}

static void a_store_is_made_once_and_opened_again(void **state)
{
    struct fixture *f = *state;
    int from = -1, to = -1;
    assert_ok(store_migrate(f->url, STORE_CONTROL, &from, &to, &f->err));
    assert_int_equal(0, from);
    assert_int_equal(sqlite_driver.schemas[DB_CONTROL].count, to);
    assert_ok(store_migrate(f->url, STORE_CONTROL, &from, &to, &f->err));
    assert_int_equal(to, from);
    struct store *store = NULL;
    assert_ok(fixture_open(f, STORE_GATEWAY, STORE_AS_IS, &store));
    assert_ok(store_check(store, &f->err));
    store_close(store);
    struct stat file;
    assert_int_equal(0, stat(f->path, &file));
    assert_int_equal(0600, file.st_mode & 07777);
}

static void an_executor_can_check_the_store_it_only_reads(void **state)
{
    struct fixture *f = *state;
    assert_ok(fixture_open(f, STORE_EXECUTOR, STORE_MIGRATE, &f->store));
    for (int round = 0; round < 2; round++)
        assert_ok(store_check(f->store, &f->err));
    assert_reason(STATUS_FAILED_PRECONDITION, "STORE_READ_ONLY", f,
                  delete_app(f, STR("019aaf00-0000-7000-8000-000000000001")));
}

static void a_path_beside_the_process_needs_no_folder(void **state)
{
    struct fixture *f = *state;
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(0, chdir(f->dir));
    struct store *store = NULL;
    enum status_code rc =
        store_open("sqlite:heddle.db", &(struct store_options){.threads = 2}, &store, &f->err);
    assert_int_equal(0, fchdir(here));
    close(here);
    assert_ok(rc);
    store_close(store);
    assert_int_equal(0, access(f->path, F_OK));
}

static void a_schema_that_does_not_fit_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store *store = NULL;
    fixture_script(f, "create table unrelated (n integer) strict");
    assert_reason(STATUS_FAILED_PRECONDITION, "SCHEMA_OLDER", f,
                  fixture_open(f, STORE_GATEWAY, STORE_AS_IS, &store));
    assert_contains("heddle-gateway migrate", f->err.message);
    assert_ok(fixture_open(f, STORE_EXECUTOR, STORE_MIGRATE, &store));
    fixture_script(f, "insert into schema_migrations values (999, 0)");
    assert_reason(STATUS_FAILED_PRECONDITION, "SCHEMA_NEWER", f, store_check(store, &f->err));
    store_close(store);
    store = NULL;
    int from, to;
    assert_reason(STATUS_FAILED_PRECONDITION, "SCHEMA_NEWER", f,
                  fixture_open(f, STORE_GATEWAY, STORE_MIGRATE, &store));
    assert_reason(STATUS_FAILED_PRECONDITION, "SCHEMA_NEWER", f,
                  fixture_open(f, STORE_GATEWAY, STORE_AS_IS, &store));
    assert_reason(STATUS_FAILED_PRECONDITION, "SCHEMA_NEWER", f,
                  store_migrate(f->url, STORE_CONTROL, &from, &to, &f->err));
    assert_contains("newer Heddle", f->err.message);
    assert_null(store);
}

static void a_damaged_file_is_told(void **state)
{
    struct fixture *f = *state;
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    fputs("This is not a database, whatever its name may say.", file);
    fclose(file);
    struct store *store = NULL;
    assert_reason(STATUS_DATA_LOSS, "STORE_CORRUPT", f,
                  fixture_open(f, STORE_GATEWAY, STORE_MIGRATE, &store));
    assert_contains(f->path, f->err.message);
    unlink(f->path);

    fixture_reopen(f, NULL);
    static char text[100000];
    memset(text, 'x', sizeof text - 1);
    import_text(f, "", "App", text);
    assert_ok(store_check(f->store, &f->err));
    store_close(f->store);
    f->store = NULL;
    struct stat size;
    int fd = open(f->path, O_RDWR | O_CLOEXEC);
    assert_int_equal(0, fstat(fd, &size));
    char garbage[4096];
    memset(garbage, 0xff, sizeof garbage);
    assert_int_equal(sizeof garbage, pwrite(fd, garbage, sizeof garbage, size.st_size - 10 * 4096));
    close(fd);
    fixture_reopen(f, NULL);
    assert_reason(STATUS_DATA_LOSS, "STORE_CORRUPT", f, store_check(f->store, &f->err));
}

/* Opens the store in a child that is not root, to whom file modes mean nothing, and fetches its status. */
static struct status open_as_somebody(struct fixture *f)
{
    int pipe_fds[2];
    assert_int_equal(0, pipe(pipe_fds));
    pid_t child = fork();
    if (child == 0) {
        struct status err = {0};
        struct store *store = NULL;
        struct store_options options = {.role = STORE_GATEWAY};
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(2);
        enum status_code rc = store_open(f->url, &options, &store, &err);
        err.code = rc;
        _exit(write(pipe_fds[1], &err, sizeof err) == sizeof err ? 0 : 1);
    }
    close(pipe_fds[1]);
    struct status got = {0};
    assert_int_equal(sizeof got, read(pipe_fds[0], &got, sizeof got));
    close(pipe_fds[0]);
    int status = -1;
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return got; /* reason points into the program, which is the same in both */
}

static void a_file_or_folder_that_cannot_be_written_is_named(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(0, chmod(f->dir, 0555));
    struct status new_file = open_as_somebody(f);
    assert_int_equal(0, chmod(f->dir, 0755));

    int from, to;
    assert_ok(store_migrate(f->url, STORE_CONTROL, &from, &to, &f->err));
    assert_int_equal(0, chmod(f->path, 0666));
    assert_int_equal(0, chmod(f->dir, 0555));
    struct status folder = open_as_somebody(f);
    assert_int_equal(0, chmod(f->dir, 0777));
    assert_int_equal(0, chmod(f->path, 0444));
    struct status file = open_as_somebody(f);
    assert_int_equal(0, chmod(f->dir, 0700));

    const struct status *all[] = {&new_file, &folder, &file};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_code(STATUS_FAILED_PRECONDITION, all[i]->code);
        assert_string_equal("STORE_READ_ONLY", all[i]->reason);
        assert_contains(i == 2 ? f->path : f->dir, all[i]->message);
        assert_contains("cannot be written", all[i]->message);
    }
}

static void opening_survives_every_failing_allocation(void **state)
{
    struct fixture *f = *state;
    for (size_t n = 0;; n++) {
        struct store *store = NULL;
        alloc_fail_after(n);
        enum status_code rc = fixture_open(f, STORE_GATEWAY, STORE_MIGRATE, &store);
        alloc_fail_reset();
        if (!alloc_fail_hit()) {
            assert_ok(rc);
            store_close(store);
            assert_true(n > 5);
            break;
        }
        assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
        assert_null(store);
    }
}

/* --- calls --- */

/* Holds the store thread in an answer until it is let go; counts answers. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool is_held, may_go;
    size_t answers;
    struct status last;
    struct store *submit_to; /* submit one more call from within the answer */
    enum status_code submitted;
    const char *submitted_reason;
};

static void gate_init(struct gate *g)
{
    *g = (struct gate){.answers = 0};
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->moved, NULL);
}

static void gate_fini(struct gate *g)
{
    pthread_cond_destroy(&g->moved);
    pthread_mutex_destroy(&g->lock);
}

static void count_answer(void *arg, const struct status *status)
{
    struct gate *g = arg;
    pthread_mutex_lock(&g->lock);
    g->answers++;
    g->last = *status;
    pthread_cond_broadcast(&g->moved);
    pthread_mutex_unlock(&g->lock);
}

static void hold_thread(void *arg, const struct status *status)
{
    struct gate *g = arg;
    (void)status; /* whatever it was */
    pthread_mutex_lock(&g->lock);
    g->is_held = true;
    pthread_cond_broadcast(&g->moved);
    while (!g->may_go)
        pthread_cond_wait(&g->moved, &g->lock);
    pthread_mutex_unlock(&g->lock);
    if (g->submit_to != NULL) {
        struct status err;
        g->submitted = store_key_touch(g->submit_to, NULL, 0, count_answer, g, &err);
        g->submitted_reason = err.reason;
    }
}

/* From here on the store's only thread waits. */
static void gate_hold(struct gate *g, struct store *store)
{
    struct status err;
    g->is_held = false;
    g->may_go = false;
    assert_ok(store_key_touch(store, NULL, 0, hold_thread, g, &err));
    pthread_mutex_lock(&g->lock);
    while (!g->is_held)
        pthread_cond_wait(&g->moved, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void gate_release(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->may_go = true;
    pthread_cond_broadcast(&g->moved);
    pthread_mutex_unlock(&g->lock);
}

static void a_full_queue_refuses_and_closing_answers_all_that_was_taken(void **state)
{
    struct fixture *f = *state;
    struct gate g;
    gate_init(&g);
    gate_hold(&g, f->store);
    for (size_t i = 0; i < STORE_QUEUE_MAX; i++)
        assert_ok(store_key_touch(f->store, NULL, 0, count_answer, &g, &f->err));
    assert_reason(STATUS_UNAVAILABLE, "STORE_OVERLOADED", f,
                  store_key_touch(f->store, NULL, 0, count_answer, &g, &f->err));
    assert_int_equal(0, g.answers);
    gate_release(&g);
    store_close(f->store);
    f->store = NULL;
    assert_int_equal(STORE_QUEUE_MAX, g.answers);
    assert_ok(g.last.code);
    gate_fini(&g);
}

static void waiting_requests_have_a_length_at_most(void **state)
{
    struct fixture *f = *state;
    struct gate g;
    gate_init(&g);
    gate_hold(&g, f->store);
    pthread_mutex_lock(&f->store->lock);
    f->store->bytes += STORE_QUEUE_BYTES_MAX; /* as if that much were waiting */
    pthread_mutex_unlock(&f->store->lock);
    struct store_key_use use = {.key_id = STR(UNKNOWN_ID)};
    assert_reason(STATUS_UNAVAILABLE, "STORE_OVERLOADED", f,
                  store_key_touch(f->store, &use, 1, count_answer, &g, &f->err));
    pthread_mutex_lock(&f->store->lock);
    f->store->bytes -= STORE_QUEUE_BYTES_MAX;
    pthread_mutex_unlock(&f->store->lock);
    assert_ok(store_key_touch(f->store, &use, 1, count_answer, &g, &f->err));
    gate_release(&g);
    store_close(f->store);
    f->store = NULL;
    assert_int_equal(1, g.answers);
    gate_fini(&g);
}

static void *close_store(void *arg)
{
    store_close(arg);
    return NULL;
}

static void an_answer_may_submit_but_not_to_a_closed_store(void **state)
{
    struct fixture *f = *state;
    struct gate g;
    gate_init(&g);
    g.submit_to = f->store;
    gate_hold(&g, f->store);
    gate_release(&g);
    pthread_mutex_lock(&g.lock);
    while (g.answers == 0)
        pthread_cond_wait(&g.moved, &g.lock);
    pthread_mutex_unlock(&g.lock);
    assert_ok(g.submitted);

    gate_hold(&g, f->store);
    pthread_t closing;
    assert_int_equal(0, pthread_create(&closing, NULL, close_store, f->store));
    bool is_closed = false;
    while (!is_closed) {
        sched_yield();
        pthread_mutex_lock(&f->store->lock);
        is_closed = f->store->is_closed;
        pthread_mutex_unlock(&f->store->lock);
    }
    gate_release(&g);
    assert_int_equal(0, pthread_join(closing, NULL));
    f->store = NULL;
    assert_code(STATUS_UNAVAILABLE, g.submitted);
    assert_string_equal("STORE_CLOSED", g.submitted_reason);
    assert_int_equal(1, g.answers);
    gate_fini(&g);
}

static void an_executor_reads_and_writes_nothing(void **state)
{
    struct fixture *f = *state;
    struct str app_id = import_text(f, "", "App", "one").version.app_id;
    store_close(f->store);
    f->store = NULL;
    assert_ok(fixture_open(f, STORE_EXECUTOR, STORE_MIGRATE, &f->store));
    struct store_target target;
    assert_ok(find_version(f, app_id, STR(""), &target));
    assert_reason(STATUS_FAILED_PRECONDITION, "STORE_READ_ONLY", f, delete_app(f, app_id));
    assert_reason(STATUS_FAILED_PRECONDITION, "STORE_READ_ONLY", f, touch_keys(f, NULL, 0));
}

static void a_full_disk_is_told_and_over_when_there_is_room(void **state)
{
    struct fixture *f = *state;
    struct db *db = f->store->threads[0].db; /* the store thread rests: nothing was submitted */
    assert_ok(db_script(db, "pragma max_page_count = 40", &f->err));
    static char text[500000];
    memset(text, 'x', sizeof text);
    struct store_version_import r = {.name = STR("App"), .dsl = {text, sizeof text}};
    struct store_imported imported;
    uint64_t generation = store_generation(f->store);
    assert_reason(STATUS_UNAVAILABLE, "STORE_FULL", f, import_version(f, &r, &imported));
    assert_int_equal(generation, store_generation(f->store));
    struct store_app_page page;
    assert_ok(list_apps(f, 0, STR(""), &page));
    assert_int_equal(0, page.count);
    assert_ok(db_script(db, "pragma max_page_count = 1000", &f->err));
    assert_ok(import_version(f, &r, &imported));
}

static void a_store_locked_by_others_is_told(void **state)
{
    struct fixture *f = *state;
    assert_ok(db_script(f->store->threads[0].db, "pragma busy_timeout = 1", &f->err));
    struct db *other = fixture_connect(f);
    assert_ok(db_begin(other, DB_WRITE, &f->err));
    struct store_version_import r = {.name = STR("App"), .dsl = STR("a")};
    struct store_imported imported;
    struct store_app_page page;
    assert_reason(STATUS_UNAVAILABLE, "STORE_BUSY", f, import_version(f, &r, &imported));
    assert_true(f->err.retry_ms > 0);
    assert_ok(list_apps(f, 0, STR(""), &page)); /* readers do not wait */
    db_rollback(other);
    db_close(other);
    assert_ok(import_version(f, &r, &imported));
}

static void a_row_no_heddle_writes_is_data_loss(void **state)
{
    struct fixture *f = *state;
    struct str app_id = import_text(f, "", "App", "one").version.app_id;
    struct store_app_details details;
    struct store_target target;
    fixture_script(f, "update app_versions set content_hash = x'00'");
    assert_reason(STATUS_DATA_LOSS, "STORE_CORRUPT", f, find_version(f, app_id, STR(""), &target));
    fixture_script(f, "update apps set mode = 'telepathy'");
    assert_reason(STATUS_DATA_LOSS, "STORE_CORRUPT", f, get_app(f, app_id, &details));
    fixture_script(f, "delete from settings");
    assert_reason(STATUS_DATA_LOSS, "STORE_CORRUPT", f, delete_app(f, app_id));
}

enum { WRITERS = 4, APPS_EACH = 10 };
struct writer {
    pthread_t thread;
    struct store *store;
    struct gate *gate;
};

static void imported_one(void *arg, const struct store_imported *imported, const struct status *status)
{
    (void)imported; /* only that it came */
    count_answer(arg, status);
}

static void *import_some(void *arg)
{
    struct writer *w = arg;
    struct status err;
    for (int i = 0; i < APPS_EACH; i++) {
        struct store_version_import r = {.name = STR("App"), .dsl = STR("a")};
        if (store_version_import(w->store, &r, imported_one, w->gate, &err) != STATUS_OK)
            abort();
    }
    return NULL;
}

static void many_threads_may_call_a_store_of_many_threads(void **state)
{
    static const struct sql apps = {"select count(*) from apps"};
    struct fixture *f = *state;
    struct store_options options = {.role = STORE_GATEWAY, .threads = 3};
    struct store *store = NULL;
    assert_ok(store_open(f->url, &options, &store, &f->err));
    struct gate g;
    gate_init(&g);
    struct writer writers[WRITERS];
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.store = store, .gate = &g};
        assert_int_equal(0, pthread_create(&writers[i].thread, NULL, import_some, &writers[i]));
    }
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(0, pthread_join(writers[i].thread, NULL));
    store_close(store);
    assert_int_equal(WRITERS * APPS_EACH, g.answers);
    assert_int_equal(WRITERS * APPS_EACH, fixture_number(f, &apps));
    gate_fini(&g);
}

/* --- failing allocations --- */

static void note_status(void *arg, const struct status *status)
{
    *(struct status *)arg = *status;
}

static void note_imported(void *arg, const struct store_imported *imported, const struct status *status)
{
    assert_true((imported != NULL) == (status->code == STATUS_OK));
    note_status(arg, status);
}

static void note_credential(void *arg, const struct store_credential *credential, const struct status *status)
{
    assert_true((credential != NULL) == (status->code == STATUS_OK));
    note_status(arg, status);
}

static void note_set(void *arg, const struct store_credential_set *set, const struct status *status)
{
    assert_true((set != NULL) == (status->code == STATUS_OK));
    note_status(arg, status);
}

static void note_rests(void *arg, const struct store_rest_set *set, const struct status *status)
{
    assert_true((set != NULL) == (status->code == STATUS_OK));
    assert_true(set == NULL || set->count == 1);
    note_status(arg, status);
}

static void note_credential_page(void *arg, const struct store_credential_page *page,
                                 const struct status *status)
{
    assert_true((page != NULL) == (status->code == STATUS_OK));
    assert_true(page == NULL || page->credentials[0].rest_count == 1);
    note_status(arg, status);
}

static void note_page(void *arg, const struct store_app_page *page, const struct status *status)
{
    assert_true((page != NULL) == (status->code == STATUS_OK));
    note_status(arg, status);
}

static void note_environment(void *arg, const struct store_environment *environment,
                             const struct status *status)
{
    assert_true((environment != NULL) == (status->code == STATUS_OK));
    note_status(arg, status);
}

#define APP_ID        "01890000-0000-7000-8000-00000000000a"
#define CREDENTIAL_ID "01890000-0000-7000-8000-00000000000c"

static enum status_code submit_import(struct store *store, struct status *ret, struct status *err)
{
    struct store_version_import r = {
        .app_id = STR(APP_ID), .name = STR("App"), .dsl = STR("a"), .verdict = STR("{}")};
    return store_version_import(store, &r, note_imported, ret, err);
}

static enum status_code submit_credential(struct store *store, struct status *ret, struct status *err)
{
    const struct str globs[] = {STR("a*"), STR("b*")};
    struct store_credential_create r = {.provider = STR("openai"),
                                        .name = STR("main"),
                                        .base_url = STR("http://127.0.0.1"),
                                        .secret = STR("sk-hush"),
                                        .models = globs,
                                        .model_count = 2};
    return store_credential_create(store, &r, note_credential, ret, err);
}

static enum status_code submit_load(struct store *store, struct status *ret, struct status *err)
{
    return store_credential_load(store, NULL, note_set, ret, err);
}

static enum status_code submit_environment(struct store *store, struct status *ret, struct status *err)
{
    const struct store_variable secret = {.name = STR("A"), .value = STR("hush"), .secret = true};
    const struct str remove = STR("B");
    struct store_environment_change r = {
        .app_id = STR(APP_ID), .set = &secret, .set_count = 1, .remove = &remove, .remove_count = 1};
    return store_environment_change(store, &r, note_environment, ret, err);
}

static enum status_code submit_list(struct store *store, struct status *ret, struct status *err)
{
    struct store_app_list r = {.page_size = 1};
    return store_app_list(store, &r, note_page, ret, err);
}

static enum status_code submit_rest(struct store *store, struct status *ret, struct status *err)
{
    const struct store_rest_put r = {.credential_id = STR(CREDENTIAL_ID),
                                     .model = STR("m"),
                                     .for_ms = 3600000,
                                     .reason = STR("rate limited"),
                                     .seen_by = STR("executor-1")};
    return store_rest_put(store, &r, note_status, ret, err);
}

static enum status_code submit_rests(struct store *store, struct status *ret, struct status *err)
{
    return store_rest_load(store, note_rests, ret, err);
}

static enum status_code submit_credential_list(struct store *store, struct status *ret, struct status *err)
{
    const struct store_credential_list r = {.page_size = 1};
    return store_credential_list(store, &r, note_credential_page, ret, err);
}

static enum status_code submit_disable(struct store *store, struct status *ret, struct status *err)
{
    const struct store_credential_disable r = {.ref = {.credential_id = STR(CREDENTIAL_ID)},
                                               .reason = STR("out of quota")};
    return store_credential_disable(store, &r, note_status, ret, err);
}

static enum status_code (*const submits[])(struct store *store, struct status *ret, struct status *err) = {
    submit_import, submit_credential,      submit_load,    submit_environment, submit_list, submit_rest,
    submit_rests,  submit_credential_list, submit_disable,
};

static struct call *take_call(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    struct call *call = store->head;
    store->head = NULL;
    store->tail = &store->head;
    store->count = 0;
    store->bytes = 0;
    pthread_mutex_unlock(&store->lock);
    return call;
}

/* The store's thread is held, and its calls are taken out of the queue and run here, where allocations can be made to fail. */
static void calls_survive_every_failing_allocation(void **state)
{
    struct fixture *f = *state;
    import_text(f, "", "Another app", "b"); /* so that the list has a next page */
    fixture_script(f, "insert into credentials (id, provider, protocol, name, base_url, models, weight, "
                      "created_at_ms, updated_at_ms) "
                      "values ('" CREDENTIAL_ID "', 'a', 'openai', 'rests', 'u', '*', 1, 0, 0)");
    struct gate g;
    gate_init(&g);
    gate_hold(&g, f->store);
    struct db *db = fixture_connect(f);
    for (size_t i = 0; i < ARRAY_LEN(submits); i++) {
        for (size_t n = 0;; n++) {
            struct status answered = {.code = STATUS_UNKNOWN}, err = {0};
            alloc_fail_after(n);
            enum status_code rc = submits[i](f->store, &answered, &err);
            if (rc == STATUS_OK)
                call_execute(take_call(f->store), db);
            alloc_fail_reset();
            if (!alloc_fail_hit()) {
                assert_ok(rc);
                assert_ok(answered.code);
                assert_true(n > 1);
                break;
            }
            if (rc == STATUS_OK)
                assert_code(STATUS_RESOURCE_EXHAUSTED, answered.code);
            else
                assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
        }
    }
    db_close(db);
    gate_release(&g);
    store_close(f->store);
    f->store = NULL;
    gate_fini(&g);
}

int main(void)
{
#define TEST(name)    cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define OPENING(name) cmocka_unit_test_setup_teardown(name, fixture_setup_empty, fixture_teardown)
    const struct CMUnitTest tests[] = {
        OPENING(a_url_that_is_none_is_refused),
        OPENING(options_that_cannot_be_are_refused),
        OPENING(what_is_not_there_is_named),
        OPENING(a_store_is_made_once_and_opened_again),
        OPENING(an_executor_can_check_the_store_it_only_reads),
        OPENING(a_path_beside_the_process_needs_no_folder),
        OPENING(a_schema_that_does_not_fit_is_refused),
        OPENING(a_damaged_file_is_told),
        OPENING(a_file_or_folder_that_cannot_be_written_is_named),
        OPENING(opening_survives_every_failing_allocation),
        TEST(a_full_queue_refuses_and_closing_answers_all_that_was_taken),
        TEST(waiting_requests_have_a_length_at_most),
        TEST(an_answer_may_submit_but_not_to_a_closed_store),
        TEST(an_executor_reads_and_writes_nothing),
        TEST(a_full_disk_is_told_and_over_when_there_is_room),
        TEST(a_store_locked_by_others_is_told),
        TEST(a_row_no_heddle_writes_is_data_loss),
        TEST(many_threads_may_call_a_store_of_many_threads),
        TEST(calls_survive_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
