/*
 * uuid: see uuid.h. A version 7 id is 48 bits of Unix time in ms, 12 bits of counter and 62 random bits; time and counter
 * are one number that only grows, so ids of one process sort in the order they were made, also when the clock goes back.
 */
#define OPENSSL_API_COMPAT 10100 /* SHA1_*: unlike EVP they allocate nothing, so they cannot fail */
#include "shared/base/uuid.h"
#include "shared/base/clock.h"
#include "shared/base/crypto.h"
#include <openssl/sha.h>
#include <stdatomic.h>
#include <string.h>

enum { COUNTER_BITS = 12 };
/* bytes. Random bytes fetched at once by each thread: 64 ids for one system call. */
enum { POOL_BYTES = 512 };

static uint64_t next_stamp(void);
static void pool_take(uint8_t *ret, size_t n);
static void put_big_endian(uint8_t *to, uint64_t n, size_t bytes);
static void set_version(struct uuid *id, unsigned version);

struct uuid uuid_v7(void)
{
    struct uuid id;
    uint64_t stamp = next_stamp();
    put_big_endian(id.bytes, stamp >> COUNTER_BITS, 6);
    put_big_endian(id.bytes + 6, stamp & ((1u << COUNTER_BITS) - 1), 2);
    pool_take(id.bytes + 8, 8);
    set_version(&id, 7);
    return id;
}

struct uuid uuid_v5(struct uuid space, struct str name)
{
    unsigned char digest[SHA_DIGEST_LENGTH];
    SHA_CTX sha;
    SHA1_Init(&sha);
    SHA1_Update(&sha, space.bytes, sizeof space.bytes);
    if (name.len > 0)
        SHA1_Update(&sha, name.ptr, name.len);
    SHA1_Final(digest, &sha);
    struct uuid id;
    memcpy(id.bytes, digest, sizeof id.bytes);
    set_version(&id, 5);
    return id;
}

void uuid_format(struct uuid id, char text[UUID_TEXT_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[at++] = '-';
        text[at++] = hex[id.bytes[i] >> 4];
        text[at++] = hex[id.bytes[i] & 15];
    }
    text[at] = '\0';
}

bool uuid_parse(struct str text, struct uuid *ret)
{
    if (text.len != UUID_TEXT_LEN)
        return false;
    struct uuid id;
    size_t at = 0;
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text.ptr[at++] != '-')
            return false;
        int high = str_hex_digit(text.ptr[at]), low = str_hex_digit(text.ptr[at + 1]);
        if (high < 0 || low < 0)
            return false;
        id.bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *ret = id;
    return true;
}

bool uuid_is_canonical(struct str text)
{
    struct uuid id;
    if (!uuid_parse(text, &id))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= 'A' && text.ptr[i] <= 'F')
            return false;
    }
    return true;
}

/* Time and counter of the next id. More than 4096 ids in a millisecond borrow from the next one (RFC 9562 6.2). */
static uint64_t next_stamp(void)
{
    static _Atomic uint64_t last_stamp;
    uint64_t now = (uint64_t)clock_wall_ms() << COUNTER_BITS;
    uint64_t last = atomic_load_explicit(&last_stamp, memory_order_relaxed), next;
    do {
        next = now > last ? now : last + 1;
    } while (!atomic_compare_exchange_weak_explicit(&last_stamp, &last, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return next;
}

static void pool_take(uint8_t *ret, size_t n)
{
    static _Thread_local uint8_t pool[POOL_BYTES];
    static _Thread_local size_t left;
    if (left < n) {
        random_bytes(pool, sizeof pool);
        left = sizeof pool;
    }
    left -= n;
    memcpy(ret, pool + left, n);
}

static void put_big_endian(uint8_t *to, uint64_t n, size_t bytes)
{
    for (size_t i = bytes; i-- > 0; n >>= 8)
        to[i] = (uint8_t)n;
}

static void set_version(struct uuid *id, unsigned version)
{
    id->bytes[6] = (uint8_t)((id->bytes[6] & 0x0f) | version << 4);
    id->bytes[8] = (uint8_t)((id->bytes[8] & 0x3f) | 0x80);
}
