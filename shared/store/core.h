/*
 * core: what a store is made of. Used inside shared/store and its tests.
 */
#pragma once
#include "shared/store/call.h"
#include "shared/store/keyring.h"
#include "shared/store/signal.h"

struct store_thread {
    struct store *store;
    struct db *db;
    pthread_t thread;
};

struct store {
    enum store_file file;
    enum store_role role;
    struct keyring ring;
    struct signal signal;
    struct store_thread threads[STORE_THREADS_MAX];
    unsigned connection_count; /* threads[] with a db */
    unsigned thread_count;     /* threads[] that run */
    pthread_mutex_t lock;      /* of the queue: all that follows */
    pthread_cond_t has_work;
    struct call *head, **tail;
    size_t count, bytes;
    bool is_closed;
};

/* Takes the call on success only. */
MUST_CHECK enum status_code store_push(struct store *store, struct call *take_call, struct status *err);
