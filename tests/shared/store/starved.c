/* starved: see starved.h. */
#include "tests/shared/store/starved.h"
#include "shared/store/core.h"
#include "tests/support/alloc_fail.h"

static struct call *take_call(struct store *store)
{
    struct call *call = store->head;
    store->head = NULL;
    store->tail = &store->head;
    store->count = 0;
    store->bytes = 0;
    return call;
}

/* A store without threads: its calls are taken out of the queue and run here, where allocations can be made to fail. */
void starve(struct fixture *f, enum status_code (*submit)(struct fixture *f, struct store *store,
                                                          struct status *ret, struct status *err))
{
    struct store still = {.file = STORE_RECORDS, .role = STORE_GATEWAY, .ring = f->store->ring};
    struct db *db = NULL;
    still.tail = &still.head;
    assert_int_equal(0, pthread_mutex_init(&still.lock, NULL));
    assert_int_equal(0, pthread_cond_init(&still.has_work, NULL));
    assert_ok(db_open(f->url, &(struct db_open){.part = DB_RECORDS}, &db, &f->err));
    for (size_t n = 0;; n++) {
        struct status answered = {.code = STATUS_UNKNOWN}, err = {0};
        alloc_fail_after(n);
        enum status_code rc = submit(f, &still, &answered, &err);
        if (rc == STATUS_OK)
            call_execute(take_call(&still), db);
        alloc_fail_reset();
        if (!alloc_fail_hit()) {
            assert_ok(rc);
            assert_ok(answered.code);
            assert_true(n > 1);
            break;
        }
        assert_code(STATUS_RESOURCE_EXHAUSTED, rc == STATUS_OK ? answered.code : rc);
    }
    db_close(db);
    pthread_cond_destroy(&still.has_work);
    pthread_mutex_destroy(&still.lock);
}
