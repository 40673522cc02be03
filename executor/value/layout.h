/*
 * layout: how a value lies in memory. Private to executor/value; everybody else reads values by value.h.
 * A value is one block: the header, then what it holds. (Only a text adopted by value_string_take() lies outside.)
 *
 *   string   header, bytes, NUL
 *   array    header, items
 *   object   header, members, index (only of many members), bytes of the keys
 */
#pragma once
#include "executor/value/value.h"

enum value_life {
    VALUE_COUNTED,  /* lives as long as its references */
    VALUE_FROZEN,   /* constant: references are not counted, `refs` keeps those of before */
    VALUE_PERMANENT /* none, true, false and the like: never freed */
};

struct value {
    uint32_t refs;
    uint8_t type; /* enum value_type */
    uint8_t elem; /* enum value_elem, of an array */
    uint8_t depth;
    uint8_t life; /* enum value_life */
    struct value_account *account;
    size_t bytes; /* children included; stays at SIZE_MAX when that is passed */
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct {
            size_t len;
            char *ptr; /* behind the header, or an allocation of its own */
        } text;
        size_t count; /* items of an array */
        struct {
            uint32_t count;
            uint32_t index_size; /* slots, a power of two; 0: few members, looked through one by one */
        } object;
    } as;
};

struct value_member {
    struct value *value;
    uint32_t key_at, key_len; /* within the bytes of the keys */
};

static inline struct value **value_items(const struct value *v)
{
    return (struct value **)(v + 1);
}

static inline struct value_member *value_members(const struct value *v)
{
    return (struct value_member *)(v + 1);
}

/* Slots hold the number of a member plus one; 0 is an empty slot. */
static inline uint32_t *value_index(const struct value *v)
{
    return (uint32_t *)(value_members(v) + v->as.object.count);
}

static inline char *value_key_bytes(const struct value *v)
{
    return (char *)(value_index(v) + v->as.object.index_size);
}

static inline struct str value_member_key(const struct value *v, const struct value_member *m)
{
    return (struct str){value_key_bytes(v) + m->key_at, m->key_len};
}

/* Counts bytes against the account (NULL: uncounted). False, and noted, when it is full. */
bool value_charge(struct value_account *a, size_t bytes);
void value_uncharge(struct value_account *a, size_t bytes);
/* Notes in the account that a maker failed. Returns NULL, so that failing is one line. */
struct value *value_refuse(struct value_account *a);
/* A charged block of `bytes` with a header of one reference; the rest is not initialised. */
struct value *value_alloc(struct value_account *a, enum value_type type, size_t bytes);
/* A string or secret of `len` bytes, to be filled by the caller with valid UTF-8; the NUL is there. */
struct value *value_alloc_text(struct value_account *a, enum value_type type, size_t len);

/*
 * Make a container of what was put together in an array of slots; the children are taken in every case.
 * Slots may be reordered; keys are copied.
 */
struct value *value_make_array(struct value_account *a, struct value_slot *slots, size_t count);
struct value *value_make_object(struct value_account *a, enum value_type type, struct value_slot *slots,
                                size_t count);

/* Number of the member with this key; SIZE_MAX: none. */
size_t value_find_member(const struct value *v, struct str key);
