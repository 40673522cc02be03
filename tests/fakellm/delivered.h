#ifndef FAKELLM_DELIVERED_H
#define FAKELLM_DELIVERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* delivered: the prompts that were answered with content, by their digests. */

enum {
    DELIVERED_MAX = 4 * 1024 * 1024 /* digests, 8 bytes each; a bench of a million calls fits with room */
};

struct delivered {
    uint64_t *slots; /* 0: free */
    size_t capacity; /* a power of two, or 0 */
    size_t count;
    uint64_t forgotten; /* digests that were not noted: no memory, or too many */
};

/* Forgets all; it can be used again, as a zeroed one can. */
void delivered_fini(struct delivered *delivered);

bool delivered_has(const struct delivered *delivered, uint64_t digest);

/* Notes a digest. False: it was there already. */
bool delivered_add(struct delivered *delivered, uint64_t digest);

#endif
