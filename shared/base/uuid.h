/*
 * uuid: version 7 (time-ordered) and version 5 (name-based) ids, text form lower-case with dashes (RFC 9562).
 * Threads  any; uuid_v7 is strictly increasing per process and differs between processes by 62 random bits.
 *          A child of fork() shares its parent's random bits and must not make ids before it has called exec().
 */
#pragma once
#include "shared/base/str.h"

enum { UUID_TEXT_LEN = 36 };
struct uuid {
    uint8_t bytes[16];
};

struct uuid uuid_v7(void);
/* SHA-1 of namespace and name, as RFC 9562 5.5. */
struct uuid uuid_v5(struct uuid space, struct str name);
/* Writes 36 characters and a NUL. */
void uuid_format(struct uuid id, char text[UUID_TEXT_LEN + 1]);
/* 36 characters, either case; any version. False: nothing written. */
bool uuid_parse(struct str text, struct uuid *ret);
/* True for exactly the text uuid_format writes (36 characters, lower case). */
bool uuid_is_canonical(struct str text);
