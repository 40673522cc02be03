/*
 * call: one domain function's request on its way through the queue to a store thread, and back. Used inside shared/store.
 *
 * A domain file defines `struct x_call { struct call call; … }`, fills the request with call_keep() copies, and gives a
 * call_type: `run` does the work with a connection (inside a transaction, as its kind says), `answer` calls the typed done.
 * Threads  the submitter's until call_submit(), then the store thread's.
 */
#pragma once
#include "shared/base/arena.h"
#include "shared/store/db.h"
#include "shared/store/keyring.h"
#include "shared/store/store.h"

enum call_kind {
    CALL_READ,        /* one statement, or several that need not agree */
    CALL_SNAPSHOT,    /* reads of one moment */
    CALL_WRITE,       /* a transaction that moves config_generation and is told to watches */
    CALL_QUIET_WRITE, /* a transaction that does not */
    /* The same two, by executors as well as gateways: what they may change in STORE_CONTROL. */
    CALL_SHARED_WRITE,
    CALL_SHARED_QUIET_WRITE
};

struct call;
struct call_type {
    enum call_kind kind;
    enum status_code (*run)(struct call *call, struct db *db, struct status *err);
    void (*answer)(struct call *call, const struct status *status);
};

struct call {
    struct call *next;
    struct store *store;
    const struct call_type *type;
    void *arg;           /* of done */
    struct arena arena;  /* request, then result */
    size_t queued_bytes; /* what the queue counts it as */
    int64_t now_ms;      /* wall clock when the work began */
    bool is_short;       /* something did not fit into the arena */
    bool is_corrupt;     /* a row holds what no Heddle writes */
};

/* Zeroed, `size` bytes, its first member is a struct call. NULL: RESOURCE_EXHAUSTED. Ends by call_submit() or call_free(). */
void *call_new(size_t size, struct store *store, const struct call_type *type, void *arg, struct status *err);
void call_free(struct call *call);
/*
 * Queues it; takes it in any case: on failure it is freed and done will not come.
 * UNAVAILABLE (STORE_OVERLOADED, STORE_CLOSED), FAILED_PRECONDITION (STORE_READ_ONLY), RESOURCE_EXHAUSTED (is_short)
 */
MUST_CHECK enum status_code call_submit(struct call *take_call, struct status *err);

/* Puts copies in the arena in place of what is borrowed; on failure "" and is_short. */
void call_keep(struct call *call, struct str *s);
void call_keep_list(struct call *call, const struct str **list, size_t count);
/* The same, and overwritten when the call ends. */
void call_keep_secret(struct call *call, struct str *s);
/* A column of the current row, copied. */
struct str call_text(struct call *call, const struct db_rows *rows, int column);
/* Room for n items; NULL and is_short on failure. */
void *call_array(struct call *call, size_t n, size_t size);
/* Twice the array when it is full, so that item `count` can be written; NULL and is_short on failure. */
void *call_grow(struct call *call, void *items, size_t count, size_t size);
/* `rc`, or when that is OK: RESOURCE_EXHAUSTED (is_short), DATA_LOSS (STORE_CORRUPT: is_corrupt). */
MUST_CHECK enum status_code call_end(const struct call *call, enum status_code rc, struct status *err);

/* A new id. */
struct str call_new_id(struct call *call);

/* Parts joined by NUL bytes: what a sealed text is bound to, or a page token's key. */
struct str call_join(struct call *call, const struct str *parts, size_t count);
/* keyring_seal() and keyring_open() of the store's ring, results in the arena (opened ones are overwritten at the end). */
MUST_CHECK enum status_code call_seal(struct call *call, struct str aad, struct str plain,
                                      struct str *ret_sealed, struct str *ret_key_id, struct status *err);
MUST_CHECK enum status_code call_open(struct call *call, struct str aad, struct str key_id, struct str sealed,
                                      struct str *ret_plain, struct status *err);

/* On a store thread: the work, the answer, the end. */
void call_execute(struct call *take_call, struct db *db);
