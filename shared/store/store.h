/*
 * store: what Heddle keeps for good: apps and their versions, API keys, model credentials, settings.
 *
 * Calls     the domain functions (app.h, version.h, key.h, credential.h, model.h) copy the request, put it into a bounded
 *           queue and return. A store thread does the work and then calls `done` exactly once, on that thread, with a result
 *           that is borrowed until `done` returns (NULL unless the status is OK) and a status that is never NULL. `done` must
 *           be quick and must not wait for another store call; it may submit one. When a domain function itself returns
 *           something else than OK, nothing was queued and `done` will not come.
 * Order     with one thread (the default) calls run in the order they were submitted.
 * Errors    of every call, besides those its header names:
 *             UNAVAILABLE          STORE_OVERLOADED (queue full), STORE_CLOSED, STORE_BUSY (another process holds the write
 *                                  lock for longer than 2 s), STORE_FULL (disk), STORE_IO
 *             INVALID_ARGUMENT     INVALID_FIELD: the field is named; texts are UTF-8 without NUL and have a maximum
 *             RESOURCE_EXHAUSTED   no memory
 *             FAILED_PRECONDITION  STORE_READ_ONLY: a write that is not an executor's
 *             DATA_LOSS            STORE_CORRUPT: the file is damaged; SEAL_BROKEN: a sealed text was changed or moved
 *           A call that failed has changed nothing.
 * Ids       lower-case UUIDs as text. Times are Unix time in ms. workspace_id may be empty in requests: "default".
 * Threads   any, for every function here unless it says otherwise.
 * Source    architecture.md section 6; postgres.md section 9; worker-loop.md section 9.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/str.h"
#include <pthread.h>

/* calls. Waiting in the queue: more would only answer callers that have given up. */
#define STORE_QUEUE_MAX 10000
/* bytes. Of the waiting calls' requests together: an export is up to 10 MiB. */
#define STORE_QUEUE_BYTES_MAX ((size_t)256 * 1024 * 1024)
/* threads. Each has a connection of its own. */
#define STORE_THREADS_MAX 16
/* callbacks. Of store_watch(): one per cache of a process. */
#define STORE_WATCHES_MAX 16
/* bytes. Names of apps, keys, credentials, models, providers, variables. */
#define STORE_NAME_BYTES_MAX 255
/* bytes. One credential's secret, before sealing: service account files are 2 to 3 kB. */
#define STORE_SECRET_BYTES_MAX (8 * 1024)
/* items of a page: default and maximum (admin.proto). */
#define STORE_PAGE_DEFAULT 20
#define STORE_PAGE_MAX     100

struct store;

/* Which of the two databases of a store. They are apart so that a commit of records neither signals a change nor waits for one. */
enum store_file {
    STORE_CONTROL, /* apps, versions, keys, credentials, models, settings */
    STORE_RECORDS /* runs, nodes, messages, conversations (written mostly by journal.h); watches and generations stay silent */
};

/*
 * Who opens it (architecture.md section 6). The gateway writes what is in STORE_CONTROL; the executor reads it, and writes
 * only what it learns of credentials: store_rest_put(), store_credential_disable().
 */
enum store_role { STORE_GATEWAY, STORE_EXECUTOR };

enum store_schema {
    STORE_MIGRATE, /* make the file when there is none, bring its schema up to date; both roles may do it */
    STORE_AS_IS    /* refuse a missing file and an older schema (doctor) */
};

/*
 * master_key   keys for secrets at rest, or NULL: `keyid:base64` or only base64 of 32 bytes (then the key id is the first 8
 *              hex digits of its SHA-256); several are separated by commas: the first seals, all open. Wiped at close.
 * threads      store threads; 0 means 1
 */
struct store_options {
    enum store_file file;
    enum store_role role; /* of STORE_CONTROL; records may be written by both */
    enum store_schema schema;
    const char *master_key;
    unsigned threads;
};

/* `done` of calls without a result. */
typedef void (*store_done)(void *arg, const struct status *status);

/*
 * Opens a store. Blocks; for start-up.
 *
 * url   "sqlite:PATH". The file is made with mode 0600, in WAL mode; every commit is synced to disk.
 *
 * INVALID_ARGUMENT      field "store" or "master_key": it cannot be read
 * FAILED_PRECONDITION   SCHEMA_NEWER: written by a newer Heddle; SCHEMA_OLDER: STORE_AS_IS and a migration is due;
 *                       STORE_READ_ONLY: file or directory cannot be written, the path is named
 * NOT_FOUND             STORE_NOT_FOUND: no such directory; or no such file and STORE_AS_IS
 * and those of every call
 */
MUST_CHECK enum status_code store_open(const char *url, const struct store_options *options,
                                       struct store **ret_store, struct status *err);
/*
 * Takes no more calls, finishes those waiting (their `done` comes), ends the threads, frees. NULL is allowed.
 * Not from a callback, and not while another thread still uses the store.
 */
void store_close(struct store *take_store);

/* Brings the schema up to date without serving; numbers of the schema before (0: new file) and after. Errors of store_open(). */
MUST_CHECK enum status_code store_migrate(const char *url, enum store_file file, int *ret_from, int *ret_to,
                                          struct status *err);

/* Looks at the file from the inside: integrity, schema, and whether it can be written. Blocks, long for big files (doctor). */
MUST_CHECK enum status_code store_check(struct store *store, struct status *err);

/* Reads the least there is: is the store there? */
MUST_CHECK enum status_code store_ping(struct store *store, store_done done, void *arg, struct status *err);

/*
 * Calls changed(arg, generation) after every change of what is kept here: by this process before the call that changed it
 * is answered, by others within some 20 ms. It comes on a store thread or the watching thread, perhaps on two at once; it
 * must be quick and must not call store_watch or store_close. Watches end with the store: arg must live until store_close().
 *
 * A cache does it right like this: note store_generation() before submitting the read; keep the answer only if the
 * generation is still the same; drop everything in `changed`.
 *
 * RESOURCE_EXHAUSTED   more than STORE_WATCHES_MAX
 */
MUST_CHECK enum status_code store_watch(struct store *store, void (*changed)(void *arg, uint64_t generation),
                                        void *arg, struct status *err);
/* Counts the changes this process has seen; only grows. Cheap. */
uint64_t store_generation(const struct store *store);
/*
 * The same for all processes: a number kept in the store, one more with every change; the latest this process has seen.
 * Cheap. A gateway hands it on so that an executor knows whether it is behind.
 */
uint64_t store_config_generation(const struct store *store);

/*
 * Waiting for a call, for start-up and tools: init, submit with a `done` that copies what it needs and ends with
 * store_wait_done(), then store_wait(). Never on a store thread.
 */
struct store_wait {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_done;
    struct status status;
};
void store_wait_init(struct store_wait *wait);
/* Notes the status and wakes store_wait(). Has the shape of store_done: it is itself a `done` with arg = the wait. */
void store_wait_done(void *wait, const struct status *status);
/* Waits for the end of the call and ends `wait`; gives the call's status. */
enum status_code store_wait(struct store_wait *wait, struct status *err);
/* Ends `wait` when the call was not queued. */
void store_wait_fini(struct store_wait *wait);
