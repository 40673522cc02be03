/* delivered: the prompts that were answered with content. A hash set with open addressing, at most half full. */
#include "delivered.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 1024 };

void delivered_fini(struct delivered *delivered)
{
    free(delivered->slots);
    *delivered = (struct delivered){0};
}

/* The slot of a digest, or the free one where it belongs. There is always one: the set is half empty. */
static size_t find_slot(const uint64_t *slots, size_t capacity, uint64_t digest)
{
    size_t i = (size_t)(digest * 0x9e3779b97f4a7c15 >> 20) & (capacity - 1);
    while (slots[i] != 0 && slots[i] != digest)
        i = (i + 1) & (capacity - 1);
    return i;
}

/* 0 stands for a free slot. */
static uint64_t stored(uint64_t digest)
{
    return digest != 0 ? digest : 1;
}

bool delivered_has(const struct delivered *delivered, uint64_t digest)
{
    digest = stored(digest);
    return delivered->capacity > 0 &&
           delivered->slots[find_slot(delivered->slots, delivered->capacity, digest)] == digest;
}

static bool make_room(struct delivered *delivered)
{
    if (delivered->count < delivered->capacity / 2)
        return true;
    size_t capacity = delivered->capacity > 0 ? delivered->capacity * 2 : FIRST_CAPACITY;
    uint64_t *slots = delivered->count < DELIVERED_MAX ? calloc(capacity, sizeof *slots) : NULL;
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < delivered->capacity; i++)
        if (delivered->slots[i] != 0)
            slots[find_slot(slots, capacity, delivered->slots[i])] = delivered->slots[i];
    free(delivered->slots);
    delivered->slots = slots;
    delivered->capacity = capacity;
    return true;
}

bool delivered_add(struct delivered *delivered, uint64_t digest)
{
    if (delivered_has(delivered, digest))
        return false;
    if (!make_room(delivered)) {
        delivered->forgotten++;
        return true;
    }
    digest = stored(digest);
    delivered->slots[find_slot(delivered->slots, delivered->capacity, digest)] = digest;
    delivered->count++;
    return true;
}
