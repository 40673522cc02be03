/*
 * slots: see slots.h. Open addressing, at most half full.
 */
#include "executor/graph/slots.h"
#include "shared/base/crypto.h"
#include <string.h>

enum { FIRST_INDEX_SIZE = 64 };

static bool grow(struct slot_table *t);
static uint32_t place_of(const struct slot_table *t, struct str first, struct str second);

void slots_init(struct slot_table *t, struct arena *arena)
{
    *t = (struct slot_table){.arena = arena};
    random_bytes(&t->seed, sizeof t->seed);
}

uint32_t slots_add(struct slot_table *t, struct str first, struct str second)
{
    if (t->count == t->cap && !grow(t))
        return slots_find(t, first, second);
    uint32_t place = place_of(t, first, second);
    if (t->index[place] == 0) {
        t->names[t->count] = (struct slot_name){first, second};
        t->index[place] = ++t->count;
    }
    return t->index[place] - 1;
}

uint32_t slots_find(const struct slot_table *t, struct str first, struct str second)
{
    return t->index_size == 0 ? UINT32_MAX
                              : t->index[place_of(t, first, second)] - 1; /* 0 - 1 is UINT32_MAX */
}

static uint64_t mix(uint64_t hash, struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.ptr[i]) * 0x100000001B3u;
    return (hash ^ s.len) * 0x9E3779B97F4A7C15u;
}

/* Of the variable in the index, or the free place where it would be. */
static uint32_t place_of(const struct slot_table *t, struct str first, struct str second)
{
    uint64_t hash = mix(mix(t->seed, first), second);
    uint32_t mask = t->index_size - 1, place = (uint32_t)(hash >> 32) & mask;
    while (t->index[place] != 0) {
        const struct slot_name *name = &t->names[t->index[place] - 1];
        if (str_eq(name->first, first) && str_eq(name->second, second))
            break;
        place = (place + 1) & mask;
    }
    return place;
}

static bool grow(struct slot_table *t)
{
    uint32_t index_size = t->index_size == 0 ? FIRST_INDEX_SIZE : t->index_size * 2;
    uint32_t *index = arena_array(t->arena, index_size, sizeof *index);
    struct slot_name *names = arena_array(t->arena, index_size / 2, sizeof *names);
    if (index == NULL || names == NULL)
        return false;
    if (t->count > 0)
        memcpy(names, t->names, t->count * sizeof *names);
    t->names = names;
    t->cap = index_size / 2;
    t->index = index;
    t->index_size = index_size;
    for (uint32_t slot = 0; slot < t->count; slot++)
        index[place_of(t, names[slot].first, names[slot].second)] = slot + 1;
    return true;
}
