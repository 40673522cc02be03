/* Tests of probe: a store that answers, one that does not in time, one that cannot be read. */
#include "shared/store/probe.h"
#include "tests/shared/store/fixture.h"
#include <stdio.h>

static struct store_probe *new_probe(struct fixture *f)
{
    struct store_probe *probe = NULL;
    assert_ok(store_probe_new(f->store, "store", &probe, &f->err));
    return probe;
}

/* What it says at that time. */
static void look(struct store_probe *probe, int64_t now_ms, char *to, size_t size)
{
    struct buf words;
    buf_init(&words, 4096);
    store_probe_look(probe, now_ms, &words);
    snprintf(to, size, "%.*s", STR_ARG(buf_str(&words)));
    buf_fini(&words);
}

/* Calls run in order: when this has been answered, what was asked before has been, too. */
static void wait_for_answers(struct fixture *f)
{
    struct store_wait wait;
    store_wait_init(&wait);
    assert_ok(store_ping(f->store, store_wait_done, &wait, &f->err));
    (void)store_wait(&wait, &f->err);
}

static void a_store_that_answers_is_there(void **state)
{
    struct fixture *f = *state;
    char words[512];
    struct store_probe *probe = new_probe(f);
    look(probe, 1000, words, sizeof words);
    assert_string_equal("", words);
    wait_for_answers(f);
    assert_ok(f->err.code);
    look(probe, 1000 + STORE_PROBE_LATE_MS, words, sizeof words); /* it has been answered */
    assert_string_equal("", words);
    wait_for_answers(f);
    store_close(f->store);
    f->store = NULL;
    store_probe_free(probe);
}

static void what_is_wrong_is_said(void **state)
{
    struct fixture *f = *state;
    char words[512];
    struct store_probe *probe = new_probe(f);
    fixture_script(f, "drop table schema_migrations");
    look(probe, 1000, words, sizeof words);
    wait_for_answers(f);
    look(probe, 1000 + STORE_PROBE_EVERY_MS / 2, words, sizeof words);
    assert_contains("the store is away: ", words);
    fixture_script(f, "create table schema_migrations (version integer) strict");
    look(probe, 1000 + STORE_PROBE_EVERY_MS, words, sizeof words); /* asks again */
    wait_for_answers(f);
    look(probe, 1000 + STORE_PROBE_EVERY_MS + 1, words, sizeof words);
    assert_string_equal("", words);
    store_close(f->store);
    f->store = NULL;
    store_probe_free(probe);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void hold_up(void *arg, const struct status *status)
{
    (void)arg;
    (void)status;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

static void a_store_that_does_not_answer_is_away(void **state)
{
    struct fixture *f = *state;
    char words[512];
    struct store_probe *probe = new_probe(f);
    pthread_mutex_lock(&gate);
    assert_ok(store_ping(f->store, hold_up, NULL, &f->err));
    look(probe, 1000, words, sizeof words);
    look(probe, 1000 + STORE_PROBE_LATE_MS - 1, words, sizeof words);
    assert_string_equal("", words);
    look(probe, 1000 + STORE_PROBE_LATE_MS, words, sizeof words);
    assert_string_equal("the store has not answered for 5 s\n", words);
    pthread_mutex_unlock(&gate);
    wait_for_answers(f);
    look(probe, 1000 + STORE_PROBE_LATE_MS, words, sizeof words);
    assert_string_equal("", words);
    store_close(f->store);
    f->store = NULL;
    store_probe_free(probe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_store_that_answers_is_there, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_said, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_store_that_does_not_answer_is_away, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
