/*
 * builder: how arrays and objects are made (value.h "Builders", layout.h). What is put gathers in slots; at the end the
 * container is made in one block of the exact size.
 */
#include "executor/value/layout.h"
#include "shared/base/crypto.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* members. Up to here comparing keys one by one is faster than hashing, and no index is kept. */
enum { INDEXED_FROM = 9 };
/* members. So that numbers of members and index slots fit their 32 bits. */
#define MEMBERS_MAX (UINT32_MAX / 8)

static void builder_begin(struct value_builder *b, struct value_account *a);
static struct value_slot *slots_of(struct value_builder *b);
static bool builder_grow(struct value_builder *b);
static bool keep_key(struct value_builder *b, struct str key);
static bool builder_charge(struct value_builder *b, size_t bytes);
static void builder_put(struct value_builder *b, struct str key, struct value *take_item);
static void builder_reset(struct value_builder *b);
static struct value *object_end(struct value_builder *b, enum value_type type);
static void release_slots(struct value_slot *slots, size_t count);
static bool measure_children(const struct value_slot *slots, size_t count, unsigned *depth, size_t *bytes);
static enum value_elem infer_elem(const struct value_slot *slots, size_t count);
static size_t unique_by_scan(struct value_slot *slots, size_t count);
static size_t unique_by_index(struct value_slot *slots, size_t count, uint32_t *index, uint32_t index_size);
static struct value *fill_object(struct value_account *a, enum value_type type, struct value_slot *slots,
                                 size_t count, const uint32_t *index, uint32_t index_size);
static uint32_t index_size_for(size_t count);
static uint64_t key_hash(struct str key);

/* --- builders --- */

void value_array_begin(struct value_builder *b, struct value_account *a)
{
    builder_begin(b, a);
}

void value_array_put(struct value_builder *b, struct value *take_item)
{
    builder_put(b, STR(""), take_item);
}

struct value *value_array_end(struct value_builder *b)
{
    struct value *v = NULL;
    if (!b->failed) {
        v = value_make_array(b->account, slots_of(b), b->count);
        b->count = 0;
    }
    builder_reset(b);
    return v;
}

struct value *value_array_end_as(struct value_builder *b, enum value_elem elem)
{
    struct value *v = value_array_end(b);
    if (v != NULL)
        v->elem = (uint8_t)elem;
    return v;
}

void value_object_begin(struct value_builder *b, struct value_account *a)
{
    builder_begin(b, a);
}

void value_object_put(struct value_builder *b, struct str key, struct value *take_item)
{
    builder_put(b, key, take_item);
}

void value_object_put_all(struct value_builder *b, const struct value *map)
{
    for (size_t i = 0; map != NULL && i < value_count(map); i++)
        value_object_put(b, value_key(map, i), value_ref(value_member(map, i)));
}

struct value *value_object_end(struct value_builder *b)
{
    return object_end(b, VALUE_OBJECT);
}

struct value *value_file_end(struct value_builder *b)
{
    return object_end(b, VALUE_FILE);
}

struct value *value_object_of(struct value_account *a, struct str key, struct value *take_item)
{
    struct value_builder b;
    builder_begin(&b, a);
    builder_put(&b, key, take_item);
    return object_end(&b, VALUE_OBJECT);
}

void value_builder_abort(struct value_builder *b)
{
    builder_reset(b);
}

static void builder_begin(struct value_builder *b, struct value_account *a)
{
    b->account = a;
    b->more = NULL;
    buf_init(&b->more_keys, UINT32_MAX);
    b->count = 0;
    b->cap = ARRAY_LEN(b->few);
    b->keys_len = 0;
    b->charged = 0;
    b->failed = false;
}

static void builder_put(struct value_builder *b, struct str key, struct value *take_item)
{
    if (!b->failed && take_item != NULL && (b->count < b->cap || builder_grow(b)) && keep_key(b, key)) {
        slots_of(b)[b->count++] = (struct value_slot){{NULL, key.len}, take_item};
        return;
    }
    value_unref(take_item);
    if (b->failed)
        return;
    value_refuse(b->account);
    builder_reset(b);
    b->failed = true;
}

static struct value *object_end(struct value_builder *b, enum value_type type)
{
    struct value *v = NULL;
    if (!b->failed) {
        struct value_slot *slots = slots_of(b);
        const char *key = b->more_keys.ptr != NULL ? b->more_keys.ptr : b->few_keys;
        for (size_t i = 0; i < b->count; i++) {
            slots[i].key.ptr = key;
            key += slots[i].key.len;
        }
        v = value_make_object(b->account, type, slots, b->count);
        b->count = 0;
    }
    builder_reset(b);
    return v;
}

static struct value_slot *slots_of(struct value_builder *b)
{
    return b->more != NULL ? b->more : b->few;
}

static bool builder_grow(struct value_builder *b)
{
    if (b->cap >= MEMBERS_MAX)
        return false;
    size_t old_bytes = b->more != NULL ? b->cap * sizeof *b->more : 0;
    size_t cap = b->cap * 2;
    if (!builder_charge(b, cap * sizeof *b->more - old_bytes))
        return false;
    struct value_slot *more = realloc(b->more, cap * sizeof *more);
    if (more == NULL)
        return false;
    if (b->more == NULL)
        memcpy(more, b->few, sizeof b->few);
    b->more = more;
    b->cap = cap;
    return true;
}

static bool keep_key(struct value_builder *b, struct str key)
{
    if (key.len == 0)
        return true;
    if (b->more_keys.ptr == NULL && key.len <= sizeof b->few_keys - b->keys_len) {
        memcpy(b->few_keys + b->keys_len, key.ptr, key.len);
    } else {
        bool is_first = b->more_keys.ptr == NULL;
        if (!builder_charge(b, key.len + (is_first ? b->keys_len : 0)))
            return false;
        if (is_first)
            buf_put(&b->more_keys, (struct str){b->few_keys, b->keys_len});
        buf_put(&b->more_keys, key);
        if (b->more_keys.failed)
            return false;
    }
    b->keys_len += key.len;
    return true;
}

static bool builder_charge(struct value_builder *b, size_t bytes)
{
    if (!value_charge(b->account, bytes))
        return false;
    b->charged += bytes;
    return true;
}

/* Back to an empty builder of the same account; what was put is released. */
static void builder_reset(struct value_builder *b)
{
    release_slots(slots_of(b), b->count);
    free(b->more);
    buf_fini(&b->more_keys);
    value_uncharge(b->account, b->charged);
    builder_begin(b, b->account);
}

static void release_slots(struct value_slot *slots, size_t count)
{
    for (size_t i = 0; i < count; i++)
        value_unref(slots[i].value);
}

/* --- containers --- */

struct value *value_make_array(struct value_account *a, struct value_slot *slots, size_t count)
{
    unsigned depth;
    size_t bytes;
    struct value *v = NULL;
    if (measure_children(slots, count, &depth, &bytes))
        v = value_alloc(a, VALUE_ARRAY, sizeof *v + count * sizeof(struct value *));
    if (v == NULL) {
        release_slots(slots, count);
        return value_refuse(a);
    }
    v->as.count = count;
    v->depth = (uint8_t)depth;
    v->elem = (uint8_t)infer_elem(slots, count);
    if (__builtin_add_overflow(v->bytes, bytes, &v->bytes))
        v->bytes = SIZE_MAX;
    for (size_t i = 0; i < count; i++)
        value_items(v)[i] = slots[i].value;
    return v;
}

struct value *value_make_object(struct value_account *a, enum value_type type, struct value_slot *slots,
                                size_t count)
{
    uint32_t *index = NULL;
    uint32_t index_size = 0;
    if (count < INDEXED_FROM) {
        count = unique_by_scan(slots, count);
    } else {
        if (count <= MEMBERS_MAX) {
            index_size = index_size_for(count);
            index = calloc(index_size, sizeof *index);
        }
        if (index == NULL) {
            release_slots(slots, count);
            return value_refuse(a);
        }
        count = unique_by_index(slots, count, index, index_size);
    }
    struct value *v = fill_object(a, type, slots, count, index, index_size);
    free(index);
    if (v == NULL)
        release_slots(slots, count);
    return v;
}

/* Keys are unique by now. On failure the children are still the caller's. */
static struct value *fill_object(struct value_account *a, enum value_type type, struct value_slot *slots,
                                 size_t count, const uint32_t *index, uint32_t index_size)
{
    unsigned depth;
    size_t bytes, keys_len = 0;
    if (!measure_children(slots, count, &depth, &bytes))
        return value_refuse(a);
    for (size_t i = 0; i < count; i++)
        keys_len += slots[i].key.len;
    if (keys_len > UINT32_MAX)
        return value_refuse(a);
    size_t block =
        sizeof(struct value) + count * sizeof(struct value_member) + index_size * sizeof *index + keys_len;
    struct value *v = value_alloc(a, type, block);
    if (v == NULL)
        return NULL;
    v->as.object.count = (uint32_t)count;
    v->as.object.index_size = index_size;
    v->depth = (uint8_t)depth;
    if (__builtin_add_overflow(v->bytes, bytes, &v->bytes))
        v->bytes = SIZE_MAX;
    if (index_size > 0)
        memcpy(value_index(v), index, index_size * sizeof *index);
    uint32_t key_at = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t key_len = (uint32_t)slots[i].key.len;
        value_members(v)[i] = (struct value_member){slots[i].value, key_at, key_len};
        if (key_len > 0)
            memcpy(value_key_bytes(v) + key_at, slots[i].key.ptr, key_len);
        key_at += key_len;
    }
    return v;
}

/* Depth of a container of these children and their bytes; false when it is too deep. */
static bool measure_children(const struct value_slot *slots, size_t count, unsigned *depth, size_t *bytes)
{
    unsigned deepest = 0;
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (slots[i].value->depth > deepest)
            deepest = slots[i].value->depth;
        if (__builtin_add_overflow(sum, slots[i].value->bytes, &sum))
            sum = SIZE_MAX;
    }
    *depth = deepest + 1;
    *bytes = sum;
    return *depth <= VALUE_DEPTH_MAX;
}

/* Element type by dify-dsl.md 2.2: all of one kind, or any. Ints and floats are one kind, bools another. */
static enum value_elem infer_elem(const struct value_slot *slots, size_t count)
{
    static const enum value_elem kinds[] = {
        [VALUE_NONE] = VALUE_ELEM_ANY,      [VALUE_BOOL] = VALUE_ELEM_BOOL,
        [VALUE_INT] = VALUE_ELEM_NUMBER,    [VALUE_FLOAT] = VALUE_ELEM_NUMBER,
        [VALUE_STRING] = VALUE_ELEM_STRING, [VALUE_SECRET] = VALUE_ELEM_STRING,
        [VALUE_OBJECT] = VALUE_ELEM_OBJECT, [VALUE_FILE] = VALUE_ELEM_FILE,
        [VALUE_ARRAY] = VALUE_ELEM_ANY,
    };
    if (count == 0)
        return VALUE_ELEM_ANY;
    enum value_elem elem = kinds[slots[0].value->type];
    for (size_t i = 1; i < count; i++) {
        if (kinds[slots[i].value->type] != elem)
            return VALUE_ELEM_ANY;
    }
    return elem;
}

/* --- keys: the last value of a key wins, in the key's first place --- */

/* Gives slots[first] the value of *later, whose slot is dropped. */
static void replace_value(struct value_slot *first, const struct value_slot *later)
{
    value_unref(first->value);
    first->value = later->value;
}

static size_t unique_by_scan(struct value_slot *slots, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t same = 0;
        while (same < kept && !str_eq(slots[same].key, slots[i].key))
            same++;
        if (same < kept)
            replace_value(&slots[same], &slots[i]);
        else
            slots[kept++] = slots[i];
    }
    return kept;
}

/* The same, filling the (zeroed) index of layout.h. */
static size_t unique_by_index(struct value_slot *slots, size_t count, uint32_t *index, uint32_t index_size)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t at = (uint32_t)key_hash(slots[i].key) & (index_size - 1);
        while (index[at] != 0 && !str_eq(slots[index[at] - 1].key, slots[i].key))
            at = (at + 1) & (index_size - 1);
        if (index[at] != 0) {
            replace_value(&slots[index[at] - 1], &slots[i]);
        } else {
            slots[kept++] = slots[i];
            index[at] = (uint32_t)kept;
        }
    }
    return kept;
}

size_t value_find_member(const struct value *v, struct str key)
{
    const struct value_member *members = value_members(v);
    uint32_t index_size = v->as.object.index_size;
    if (index_size == 0) {
        for (size_t i = 0; i < v->as.object.count; i++) {
            if (str_eq(value_member_key(v, &members[i]), key))
                return i;
        }
        return SIZE_MAX;
    }
    const uint32_t *index = value_index(v);
    uint32_t at = (uint32_t)key_hash(key) & (index_size - 1);
    for (; index[at] != 0; at = (at + 1) & (index_size - 1)) {
        if (str_eq(value_member_key(v, &members[index[at] - 1]), key))
            return index[at] - 1;
    }
    return SIZE_MAX;
}

/* At least twice the members, so that a search soon meets an empty slot. */
static uint32_t index_size_for(size_t count)
{
    uint32_t size = 32;
    while (size < count * 2)
        size *= 2;
    return size;
}

/* Random per process: keys come from outside, and nobody outside shall be able to choose keys that collide. */
static uint64_t hash_seed[2];

static void hash_seed_make(void)
{
    random_bytes(hash_seed, sizeof hash_seed);
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Multiply and fold, eight bytes at a time. */
static uint64_t key_hash(struct str key)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, hash_seed_make);
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    uint64_t hash = hash_seed[0] ^ key.len;
    for (size_t at = 0; at < key.len; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        size_t rest = key.len - at;
        memcpy(&word, key.ptr + at, rest < sizeof word ? rest : sizeof word);
        hash = fold(hash ^ word ^ odd, hash_seed[1] | 1);
    }
    return fold(hash, hash_seed[0] | 1);
}
