/*
 * issuers_file: the file of option jwt_issuers, and the files of keys it names (docs/operations.md shows one).
 * Threads  main thread; what was read is immutable and shared, references are counted atomically.
 */
#pragma once
#include "gateway/auth/issuer.h"
#include "shared/base/arena.h"
#include "shared/base/buf.h"

/* bytes. The file; and what is kept of it. */
#define ISSUERS_FILE_BYTES_MAX ((size_t)1024 * 1024)

struct issuers {
    _Atomic size_t refs;
    struct arena arena;
    struct issuer *issuers;
    size_t count;
};

/*
 * Reads the file and all it names.
 *
 * path            NULL: no issuers
 * allow_http      keys may be fetched by http from other machines too
 * mistakes        one line each of what is wrong, "issuers[0].audiences: …"; appended
 * ret             one reference
 *
 * INVALID_ARGUMENT     there are mistakes
 * RESOURCE_EXHAUSTED   no memory
 */
MUST_CHECK enum status_code issuers_read(const char *path, bool allow_http, struct buf *mistakes,
                                         struct issuers **ret, struct status *err);
void issuers_unref(struct issuers *issuers); /* NULL is allowed */
struct issuers *issuers_ref(struct issuers *issuers);
/* The issuer with this name, or NULL. */
const struct issuer *issuers_find(const struct issuers *issuers, struct str name);
