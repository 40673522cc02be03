/*
 * keyring: the master keys, and the sealing of secrets with them (AES-256-GCM). Used inside shared/store.
 * Memory   keys are wiped at the end.
 * Threads  read-only once made.
 * Source   api.md "Programs", master_key.
 */
#pragma once
#include "shared/base/buf.h"
#include "shared/base/crypto.h"

/* keys. The newest seals, the others are there until everything is sealed anew. */
#define KEYRING_KEYS_MAX 8
/* bytes. A key's id: letters, digits, '-', '_', '.'. */
#define KEYRING_ID_BYTES_MAX 32

struct keyring {
    size_t count;
    struct keyring_key {
        char id[KEYRING_ID_BYTES_MAX + 1];
        uint8_t key[AES_KEY_BYTES];
    } keys[KEYRING_KEYS_MAX];
};

/*
 * text   as store_options.master_key; NULL or "" makes an empty ring
 * INVALID_ARGUMENT   field "master_key"; the words hold nothing of it
 */
MUST_CHECK enum status_code keyring_init(struct keyring *ring, const char *text, struct status *err);
void keyring_fini(struct keyring *ring);

/*
 * Appends the sealed text to ret; ret_key_id is the ring's.
 * aad   what it is bound to: table and row
 * FAILED_PRECONDITION   NO_MASTER_KEY: the ring is empty
 * RESOURCE_EXHAUSTED    no memory, or no room in ret
 */
MUST_CHECK enum status_code keyring_seal(const struct keyring *ring, struct str aad, struct str plain,
                                         struct buf *ret, struct str *ret_key_id, struct status *err);
/*
 * FAILED_PRECONDITION   NO_MASTER_KEY: it was sealed with a key that is not here
 * DATA_LOSS             SEAL_BROKEN: not what was sealed for this row, or another key under the same id
 * RESOURCE_EXHAUSTED    as above
 */
MUST_CHECK enum status_code keyring_open(const struct keyring *ring, struct str aad, struct str key_id,
                                         struct str sealed, struct buf *ret, struct status *err);
