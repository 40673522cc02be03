/*
 * keyring: see keyring.h.
 */
#include "shared/store/keyring.h"
#include <string.h>

static enum status_code add_key(struct keyring *ring, struct str piece, struct status *err);
static enum status_code decode_key(struct str text, size_t number, struct keyring_key *key,
                                   struct status *err);
static enum status_code derive_id(struct keyring_key *key, struct status *err);
static bool is_key_id(struct str id);
static const struct keyring_key *find_key(const struct keyring *ring, struct str id);

enum status_code keyring_init(struct keyring *ring, const char *text, struct status *err)
{
    *ring = (struct keyring){0};
    struct str rest = str_trim(str_c(text)), piece;
    if (rest.len == 0)
        return STATUS_OK;
    while (str_split(&rest, ',', &piece)) {
        enum status_code rc = add_key(ring, str_trim(piece), err);
        if (rc != STATUS_OK) {
            keyring_fini(ring);
            return rc;
        }
    }
    return STATUS_OK;
}

void keyring_fini(struct keyring *ring)
{
    secret_wipe(ring, sizeof *ring);
}

enum status_code keyring_seal(const struct keyring *ring, struct str aad, struct str plain, struct buf *ret,
                              struct str *ret_key_id, struct status *err)
{
    if (ring->count == 0)
        return status_reason(err, STATUS_FAILED_PRECONDITION, "NO_MASTER_KEY",
                             "a secret cannot be stored without a master key (option master_key)");
    enum status_code rc = aes_gcm_seal(ring->keys[0].key, aad, plain, ret, err);
    if (rc == STATUS_OK)
        *ret_key_id = str_c(ring->keys[0].id);
    return rc;
}

enum status_code keyring_open(const struct keyring *ring, struct str aad, struct str key_id,
                              struct str sealed, struct buf *ret, struct status *err)
{
    if (ring->count == 0)
        return status_reason(err, STATUS_FAILED_PRECONDITION, "NO_MASTER_KEY",
                             "a stored secret cannot be read without a master key (option master_key)");
    const struct keyring_key *key = find_key(ring, key_id);
    if (key == NULL)
        return status_reason(
            err, STATUS_FAILED_PRECONDITION, "NO_MASTER_KEY",
            "a stored secret was sealed with master key %.*s, which is not among those given",
            STR_ARG(key_id));
    enum status_code rc = aes_gcm_open(key->key, aad, sealed, ret, err);
    if (rc == STATUS_INVALID_ARGUMENT)
        return status_reason(err, STATUS_DATA_LOSS, "SEAL_BROKEN",
                             "a stored secret was changed, moved, or sealed with another key called %s",
                             key->id);
    return rc;
}

static enum status_code add_key(struct keyring *ring, struct str piece, struct status *err)
{
    if (ring->count == KEYRING_KEYS_MAX)
        return status_field(err, "master_key", "more than %d keys", KEYRING_KEYS_MAX);
    size_t number = ring->count + 1; /* for people */
    struct keyring_key *key = &ring->keys[ring->count];
    size_t colon = str_find(piece, STR(":"), 0);
    struct str id = {0}, text = piece;
    if (colon != SIZE_MAX) {
        id = str_sub(piece, 0, colon);
        text = str_sub(piece, colon + 1, piece.len);
        if (!is_key_id(id))
            return status_field(err, "master_key", "key %zu: its id must be 1 to %d of A-Z a-z 0-9 - _ .",
                                number, KEYRING_ID_BYTES_MAX);
    }
    enum status_code rc = decode_key(text, number, key, err);
    if (rc == STATUS_OK && id.len == 0)
        rc = derive_id(key, err);
    if (rc != STATUS_OK)
        return rc;
    if (id.len > 0)
        memcpy(key->id, id.ptr, id.len);
    if (find_key(ring, str_c(key->id)) != NULL)
        return status_field(err, "master_key", "key %zu has the id of one before it", number);
    ring->count++;
    return STATUS_OK;
}

static enum status_code decode_key(struct str text, size_t number, struct keyring_key *key,
                                   struct status *err)
{
    struct buf raw;
    buf_init(&raw, AES_KEY_BYTES + 2); /* base64 comes in groups of three */
    if (!buf_reserve(&raw, raw.max))
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "master_key: no memory");
    bool is_key = base64_get(&raw, text) && raw.len == AES_KEY_BYTES;
    if (is_key)
        memcpy(key->key, raw.ptr, AES_KEY_BYTES);
    secret_wipe(raw.ptr, raw.cap);
    buf_fini(&raw);
    return is_key
               ? STATUS_OK
               : status_field(err, "master_key", "key %zu must be %d bytes as base64", number, AES_KEY_BYTES);
}

/* The first four bytes of its SHA-256 as hex. */
static enum status_code derive_id(struct keyring_key *key, struct status *err)
{
    uint8_t digest[SHA256_BYTES];
    struct buf hex;
    sha256((struct str){(const char *)key->key, sizeof key->key}, digest);
    buf_init(&hex, 8);
    hex_put(&hex, digest, 4);
    bool is_whole = !hex.failed;
    if (is_whole)
        memcpy(key->id, hex.ptr, hex.len);
    buf_fini(&hex);
    return is_whole ? STATUS_OK : status_set(err, STATUS_RESOURCE_EXHAUSTED, "master_key: no memory");
}

static bool is_key_id(struct str id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
        if (!is_word)
            return false;
    }
    return id.len > 0 && id.len <= KEYRING_ID_BYTES_MAX;
}

static const struct keyring_key *find_key(const struct keyring *ring, struct str id)
{
    for (size_t i = 0; i < ring->count; i++) {
        if (str_eq_c(id, ring->keys[i].id))
            return &ring->keys[i];
    }
    return NULL;
}
