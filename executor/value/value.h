/*
 * value: a typed value of the variable pool: immutable, reference-counted, counted against the byte limit of its run.
 * Types, inference and text forms: dify-dsl.md 2.2.
 *
 * Threads  a value belongs to the worker of its run. Values made with a NULL account and frozen (value_freeze) are
 *          constants of a compiled graph: any thread may read, ref and unref them; they end with value_thaw_free().
 * Memory   value_ref/value_unref; children are owned. Nothing here aborts: a maker returns NULL when memory or the
 *          account's limit is reached (the account notes it: is_full), and every maker accepts NULL children by returning
 *          NULL (and releasing the others it was given), so a chain of makers is checked once at its end.
 *          An account outlives the values counted in it.
 */
#pragma once
#include "shared/base/buf.h"
#include "shared/base/status.h"
#include "shared/limits.h"

enum value_type {
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT, /* 64 bit; an integer that does not fit becomes a float */
    VALUE_FLOAT,
    VALUE_STRING, /* valid UTF-8, may hold NUL */
    VALUE_SECRET, /* a string that logs and records show masked */
    VALUE_OBJECT, /* insertion order kept; keys are unique, the last one wins in its first place */
    VALUE_FILE,   /* an object of file attributes (dify-dsl.md 2.5) */
    VALUE_ARRAY
};
/* Element type of an array, inferred when it is made (dify-dsl.md 2.2). */
enum value_elem {
    VALUE_ELEM_ANY,
    VALUE_ELEM_STRING,
    VALUE_ELEM_NUMBER,
    VALUE_ELEM_BOOL,
    VALUE_ELEM_OBJECT,
    VALUE_ELEM_FILE
};

/* Bytes of the living values of one run. A maker that would pass `max` returns NULL and sets is_full. */
struct value_account {
    size_t used, max;
    bool is_full;
};

struct value; /* opaque: read by the functions below */

/* --- making; the caller owns the result --- */
struct value *value_none(void);   /* a shared constant; never NULL */
struct value *value_bool(bool b); /* shared constants; never NULL */
struct value *value_int(struct value_account *a, int64_t n);
struct value *value_float(struct value_account *a, double d);
struct value *value_string(struct value_account *a,
                           struct str text); /* a byte that is not UTF-8 becomes U+FFFD */
struct value *value_secret(struct value_account *a, struct str text);
/* Takes the bytes of a buf without copying where it pays; the buf is as after buf_init() afterwards. A failed buf gives NULL. */
struct value *value_string_take(struct value_account *a, struct buf *take_text);

/* Levels of containers. Parsed texts have up to LIMIT_DEPTH; the rest is room for what wraps them (outputs, records). */
enum { VALUE_DEPTH_MAX = LIMIT_DEPTH + 16 };

/*
 * Builders: put items, then finish. A builder that failed gives NULL at finish; put takes `take_item` in every case.
 * A builder fails like a maker, and when the result would be deeper than VALUE_DEPTH_MAX.
 */
struct value_slot {
    struct str key; /* of an object's member; inside a builder only the length counts */
    struct value *value;
};
/* The fields belong to the builder; it may be moved in memory. Small containers need no allocation but their own. */
struct value_builder {
    struct value_account *account;
    struct value_slot *more; /* the slots once they are more than `few` */
    struct buf more_keys;    /* the bytes of the keys once they are more than `few_keys` */
    size_t count, cap;
    size_t keys_len;
    size_t charged; /* bytes of `more` and `more_keys` counted in the account until the end */
    bool failed;
    struct value_slot few[8];
    char few_keys[96];
};
void value_array_begin(struct value_builder *b, struct value_account *a);
void value_array_put(struct value_builder *b, struct value *take_item);
struct value *value_array_end(struct value_builder *b); /* element type inferred */
struct value *value_array_end_as(struct value_builder *b,
                                 enum value_elem elem); /* element type given (e.g. for empty) */
void value_object_begin(struct value_builder *b, struct value_account *a);
void value_object_put(struct value_builder *b, struct str key, struct value *take_item);
void value_object_put_all(struct value_builder *b, const struct value *map); /* its members; NULL: none */
struct value *value_object_end(struct value_builder *b);
/* The same members seen as a file (keys of dify-dsl.md 2.5). */
struct value *value_file_end(struct value_builder *b);
/* {key: item}, without a builder. */
struct value *value_object_of(struct value_account *a, struct str key, struct value *take_item);
void value_builder_abort(struct value_builder *b); /* gives up what was put; harmless after end */

struct value *value_ref(struct value *v); /* returns v; NULL stays NULL */
void value_unref(struct value *v);        /* NULL is fine. Deep values are released without deep recursion */
/*
 * Makes v and all below it a constant (see Threads). v was made with a NULL account and no other thread knows it yet.
 * A part may occur in it more than once.
 */
void value_freeze(struct value *v);
/* Frees a frozen tree (NULL is fine); the caller knows that nobody reads it any more. */
void value_thaw_free(struct value *v);

/* --- reading; results are borrowed --- */
enum value_type value_type(const struct value *v);
enum value_elem value_elem(const struct value *v);   /* of an array */
enum value_elem value_elem_of(struct str type_name); /* "array[string]" and so on; ANY for others */
bool value_is_number(const struct value *v);         /* int or float; a bool is not */
bool value_as_bool(const struct value *v);           /* of a bool */
int64_t value_as_int(const struct value *v);         /* of an int */
double value_as_double(const struct value *v);       /* of an int or float */
struct str value_text(const struct value *v);        /* of a string or secret; NUL behind it */
size_t value_count(const struct value *v);           /* items of an array, members of an object or file */
struct value *value_item(const struct value *v, size_t i);
struct str value_key(const struct value *v, size_t i); /* of an object or file */
struct value *value_member(const struct value *v, size_t i);
struct value *value_get(const struct value *v,
                        struct str key); /* of an object or file; NULL if absent or v is neither */
struct value *value_get_c(const struct value *v, const char *key);
/* Shorthands for configuration: the text of a string member, or `fallback` when absent, null or not a string. */
struct str value_get_text(const struct value *v, const char *key, struct str fallback);
bool value_get_bool(const struct value *v, const char *key, bool fallback);
int64_t value_get_int(const struct value *v, const char *key,
                      int64_t fallback); /* a whole float counts as an int */

/* Python truthiness: None, False, 0, 0.0, "", [], {} are false. */
bool value_is_truthy(const struct value *v);
/* Python equality: 1 == 1.0 == True, exact beyond 2^53; order of keys does not matter; a file is no object. */
bool value_equal(const struct value *a, const struct value *b);
/* "none", "string", "integer", "array[object]" and so on (dify-dsl.md 2.2). */
const char *value_type_name(const struct value *v);
size_t value_bytes(const struct value *v); /* its memory, children included (as often as they occur) */

/*
 * Walks `path` (elements beyond the first two of a selector) into v: objects by key, a file by one attribute, nothing else
 * (dify-dsl.md 2.1). NULL: not found. Borrowed.
 */
struct value *value_walk(struct value *v, const struct str *path, size_t count);
