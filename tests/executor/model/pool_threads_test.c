/*
 * A pool between threads: loops that ask, wait and are woken by one another, while the store changes. Worth most under
 * ThreadSanitizer.
 */
#include "tests/executor/model/pool_play.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { LOOPS = 4, CALLS = 4000, AT_ONCE = 8, CREDENTIALS = 3, MOST = 2 };

struct loop {
    struct pool *pool;
    struct pool_home home;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_woken;
    unsigned seed;
    pthread_t thread;
};
static atomic_int running[CREDENTIALS];
static atomic_long given, waited;
static atomic_bool is_over;

static void wake(struct pool_home *home)
{
    struct loop *loop = CONTAINER_OF(home, struct loop, home);
    pthread_mutex_lock(&loop->lock);
    loop->is_woken = true;
    pthread_cond_signal(&loop->changed);
    pthread_mutex_unlock(&loop->lock);
}

static void sleep_until_woken(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    while (!loop->is_woken)
        pthread_cond_wait(&loop->changed, &loop->lock);
    loop->is_woken = false;
    pthread_mutex_unlock(&loop->lock);
}

static unsigned chance(struct loop *loop, unsigned of)
{
    loop->seed = loop->seed * 1664525U + 1013904223U;
    return (loop->seed >> 16) % of;
}

static atomic_int *running_of(const struct pool_ticket *ticket)
{
    return &running[ticket->credential->name.ptr[0] - 'a'];
}

static void note_given(const struct pool_ticket *ticket)
{
    /* Asserts of cmocka belong to the main thread; this ends the test as well. */
    if (atomic_fetch_add(running_of(ticket), 1) >= MOST)
        abort();
    atomic_fetch_add(&given, 1);
}

static void finish(struct loop *loop, struct pool_ticket *ticket)
{
    atomic_fetch_sub(running_of(ticket), 1);
    if (chance(loop, 2) == 0)
        (void)pool_give_back(loop->pool, ticket, POOL_ANSWERED, NULL, 5, 0); /* all is well */
    pool_leave(loop->pool, ticket, 0);
}

/* Several calls at a time, some of which are ended while they wait; then all that are left. */
static void *run(void *arg)
{
    struct loop *loop = arg;
    static _Thread_local struct pool_ticket tickets[AT_ONCE];
    for (int n = 0; n < CALLS; n += AT_ONCE) {
        size_t waiting = 0;
        for (size_t i = 0; i < AT_ONCE; i++) {
            const struct pool_ask ask = {.workspace_id = STR("default"),
                                         .provider = STR("p"),
                                         .model = chance(loop, 2) == 0 ? STR("m") : STR("n"),
                                         .priority = (int32_t)chance(loop, 2)};
            pool_ticket_init(&tickets[i], &ask, &loop->home);
            enum pool_end end = pool_ask(loop->pool, &tickets[i], 0);
            if (end == POOL_GIVEN) {
                note_given(&tickets[i]);
                if (chance(loop, 4) == 0)
                    sched_yield();
                finish(loop, &tickets[i]);
            } else if (end == POOL_WAITS && chance(loop, 3) == 0) {
                pool_leave(loop->pool, &tickets[i], 0);
            } else {
                waiting++;
            }
        }
        while (waiting > 0) {
            struct pool_ticket *told = pool_told(loop->pool, &loop->home);
            if (told == NULL) {
                sleep_until_woken(loop);
                continue;
            }
            note_given(told);
            atomic_fetch_add(&waited, 1);
            finish(loop, told);
            waiting--;
        }
    }
    return NULL;
}

static void *change_store(void *arg)
{
    struct play *p = arg;
    for (int n = 0; !atomic_load(&is_over); n++) {
        p->credentials[n % CREDENTIALS].credential.weight = 1 + n % 7;
        play_update(p, 0);
        (void)pool_context_size(p->pool, STR("default"), STR("p"), STR("m")); /* any thread may ask */
    }
    return NULL;
}

static void loops_share_a_pool_and_wake_one_another(void **state)
{
    static struct loop loops[LOOPS];
    struct play p;
    pthread_t changer;
    (void)state;
    play_begin(&p, true, 1000);
    for (size_t i = 0; i < CREDENTIALS; i++)
        play_add(&p, (const char *[]){"a", "b", "c"}[i], 1)->max_concurrent = MOST;
    play_update(&p, 0);
    for (size_t i = 0; i < LOOPS; i++) {
        loops[i] = (struct loop){.pool = p.pool, .seed = (unsigned)i + 1};
        pthread_mutex_init(&loops[i].lock, NULL);
        pthread_cond_init(&loops[i].changed, NULL);
        pool_add_home(p.pool, &loops[i].home, wake);
        assert_int_equal(pthread_create(&loops[i].thread, NULL, run, &loops[i]), 0);
    }
    assert_int_equal(pthread_create(&changer, NULL, change_store, &p), 0);
    for (size_t i = 0; i < LOOPS; i++)
        pthread_join(loops[i].thread, NULL);
    atomic_store(&is_over, true);
    pthread_join(changer, NULL);
    for (size_t i = 0; i < LOOPS; i++) {
        assert_null(loops[i].home.told_first);
        pool_remove_home(p.pool, &loops[i].home);
        pthread_mutex_destroy(&loops[i].lock);
        pthread_cond_destroy(&loops[i].changed);
    }
    for (size_t i = 0; i < CREDENTIALS; i++)
        assert_int_equal(atomic_load(&running[i]), 0);
    assert_true(atomic_load(&given) > LOOPS * CALLS / 2);
    play_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(loops_share_a_pool_and_wake_one_another)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
