/*
 * value: see value.h. Makers of scalars, life, reading, comparing. Containers are made in builder.c.
 */
#include "executor/value/value.h"
#include "executor/value/layout.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* bytes. From here on a text of a buf is adopted: copying a shorter one costs less than a second block. */
enum { ADOPT_BYTES_MIN = 1024 };

/* 2^63: the first double above every int64_t. */
#define INT64_END 9223372036854775808.0

static struct value *adopt_text(struct value_account *a, struct buf *take_text);
static struct value *repaired_string(struct value_account *a, enum value_type type, struct str text);
static size_t own_bytes(const struct value *v);
static void destroy(struct value *v);
static size_t child_count(const struct value *v);
static struct value *child(const struct value *v, size_t i);
static bool is_numeric(const struct value *v);
static bool is_text(const struct value *v);
static bool numbers_equal(const struct value *a, const struct value *b);
static bool children_equal(const struct value *a, const struct value *b);
static bool items_equal(const struct value *a, const struct value *b);
static bool members_equal(const struct value *a, const struct value *b);
static struct value *file_attribute(const struct value *file, struct str name);

/* --- memory --- */

bool value_charge(struct value_account *a, size_t bytes)
{
    if (a == NULL)
        return true;
    if (a->used > a->max || bytes > a->max - a->used) {
        a->is_full = true;
        return false;
    }
    a->used += bytes;
    return true;
}

void value_uncharge(struct value_account *a, size_t bytes)
{
    if (a == NULL)
        return;
    assert(bytes <= a->used);
    a->used -= bytes;
}

struct value *value_refuse(struct value_account *a)
{
    if (a != NULL)
        a->is_full = true;
    return NULL;
}

struct value *value_alloc(struct value_account *a, enum value_type type, size_t bytes)
{
    if (!value_charge(a, bytes))
        return NULL;
    struct value *v = malloc(bytes);
    if (v == NULL) {
        value_uncharge(a, bytes);
        return value_refuse(a);
    }
    v->refs = 1;
    v->type = (uint8_t)type;
    v->elem = VALUE_ELEM_ANY;
    v->depth = 0;
    v->life = VALUE_COUNTED;
    v->account = a;
    v->bytes = bytes;
    return v;
}

struct value *value_alloc_text(struct value_account *a, enum value_type type, size_t len)
{
    if (len >= PTRDIFF_MAX - sizeof(struct value))
        return value_refuse(a);
    struct value *v = value_alloc(a, type, sizeof *v + len + 1);
    if (v == NULL)
        return NULL;
    v->as.text.len = len;
    v->as.text.ptr = (char *)(v + 1);
    v->as.text.ptr[len] = '\0';
    return v;
}

/* --- makers of scalars --- */

struct value *value_none(void)
{
    static struct value none = {.life = VALUE_PERMANENT, .type = VALUE_NONE};
    return &none;
}

struct value *value_bool(bool b)
{
    static struct value both[2] = {
        {.life = VALUE_PERMANENT, .type = VALUE_BOOL, .as.boolean = false},
        {.life = VALUE_PERMANENT, .type = VALUE_BOOL, .as.boolean = true},
    };
    return &both[b];
}

struct value *value_int(struct value_account *a, int64_t n)
{
    struct value *v = value_alloc(a, VALUE_INT, sizeof *v);
    if (v != NULL)
        v->as.integer = n;
    return v;
}

struct value *value_float(struct value_account *a, double d)
{
    struct value *v = value_alloc(a, VALUE_FLOAT, sizeof *v);
    if (v != NULL)
        v->as.real = d;
    return v;
}

static struct value *text_value(struct value_account *a, enum value_type type, struct str text)
{
    if (!str_is_utf8(text))
        return repaired_string(a, type, text);
    struct value *v = value_alloc_text(a, type, text.len);
    if (v != NULL && text.len > 0)
        memcpy(v->as.text.ptr, text.ptr, text.len);
    return v;
}

struct value *value_string(struct value_account *a, struct str text)
{
    return text_value(a, VALUE_STRING, text);
}

struct value *value_secret(struct value_account *a, struct str text)
{
    return text_value(a, VALUE_SECRET, text);
}

struct value *value_string_take(struct value_account *a, struct buf *take_text)
{
    struct value *v = NULL;
    if (take_text->failed)
        v = value_refuse(a);
    else if (take_text->len < ADOPT_BYTES_MIN || !str_is_utf8(buf_str(take_text)))
        v = value_string(a, buf_str(take_text));
    else
        v = adopt_text(a, take_text);
    buf_fini(take_text);
    return v;
}

static struct value *adopt_text(struct value_account *a, struct buf *take_text)
{
    size_t len = take_text->len;
    if (!value_charge(a, len + 1))
        return NULL;
    struct value *v = value_alloc(a, VALUE_STRING, sizeof *v);
    if (v == NULL) {
        value_uncharge(a, len + 1);
        return NULL;
    }
    char *text = buf_take(take_text, NULL);
    assert(text != NULL); /* it holds bytes and has not failed */
    char *fitted = realloc(text, len + 1);
    v->as.text.ptr = fitted != NULL ? fitted : text;
    v->as.text.len = len;
    v->bytes += len + 1;
    return v;
}

/* The text with every byte that is not UTF-8 replaced by U+FFFD. */
static struct value *repaired_string(struct value_account *a, enum value_type type, struct str text)
{
    static const struct str replacement = {"\xef\xbf\xbd", 3};
    struct buf b;
    buf_init(&b, SIZE_MAX); /* at most three times the text */
    while (text.len > 0) {
        size_t len = str_utf8_first(text);
        buf_put(&b, len > 0 ? str_sub(text, 0, len) : replacement);
        text = str_sub(text, len > 0 ? len : 1, text.len);
    }
    struct value *v = b.failed ? value_refuse(a) : text_value(a, type, buf_str(&b));
    buf_fini(&b);
    return v;
}

/* --- life --- */

struct value *value_ref(struct value *v)
{
    if (v != NULL && v->life == VALUE_COUNTED) {
        assert(v->refs < UINT32_MAX);
        v->refs++;
    }
    return v;
}

void value_unref(struct value *v)
{
    if (v == NULL || v->life != VALUE_COUNTED)
        return;
    assert(v->refs > 0);
    if (--v->refs == 0)
        destroy(v);
}

/* Recursion, here and below, is bounded: no value is deeper than VALUE_DEPTH_MAX. */
static void destroy(struct value *v)
{
    for (size_t i = 0; i < child_count(v); i++)
        value_unref(child(v, i));
    value_uncharge(v->account, own_bytes(v));
    if (is_text(v) && v->as.text.ptr != (char *)(v + 1))
        free(v->as.text.ptr);
    free(v);
}

/* What v was charged, children not included. */
static size_t own_bytes(const struct value *v)
{
    switch ((enum value_type)v->type) {
    case VALUE_NONE:
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_FLOAT:
        return sizeof *v;
    case VALUE_STRING:
    case VALUE_SECRET:
        return sizeof *v + v->as.text.len + 1;
    case VALUE_ARRAY:
        return sizeof *v + v->as.count * sizeof(struct value *);
    case VALUE_OBJECT:
    case VALUE_FILE:
        break;
    }
    size_t keys_len = 0;
    for (size_t i = 0; i < v->as.object.count; i++)
        keys_len += value_members(v)[i].key_len;
    return (size_t)(value_key_bytes(v) - (const char *)v) + keys_len;
}

void value_freeze(struct value *v)
{
    if (v == NULL || v->life != VALUE_COUNTED)
        return;
    assert(v->account == NULL);
    v->life = VALUE_FROZEN;
    for (size_t i = 0; i < child_count(v); i++)
        value_freeze(child(v, i));
}

static void thaw(struct value *v)
{
    if (v->life != VALUE_FROZEN)
        return;
    v->life = VALUE_COUNTED;
    for (size_t i = 0; i < child_count(v); i++)
        thaw(child(v, i));
}

void value_thaw_free(struct value *v)
{
    if (v == NULL)
        return;
    thaw(v);
    value_unref(v);
}

static size_t child_count(const struct value *v)
{
    if (v->type == VALUE_ARRAY)
        return v->as.count;
    return v->type == VALUE_OBJECT || v->type == VALUE_FILE ? v->as.object.count : 0;
}

static struct value *child(const struct value *v, size_t i)
{
    return v->type == VALUE_ARRAY ? value_items(v)[i] : value_members(v)[i].value;
}

/* --- reading --- */

enum value_type value_type(const struct value *v)
{
    return (enum value_type)v->type;
}

enum value_elem value_elem(const struct value *v)
{
    assert(v->type == VALUE_ARRAY);
    return (enum value_elem)v->elem;
}

enum value_elem value_elem_of(struct str type_name)
{
    static const struct {
        const char *name;
        enum value_elem elem;
    } types[] = {{"array[string]", VALUE_ELEM_STRING},
                 {"array[number]", VALUE_ELEM_NUMBER},
                 {"array[boolean]", VALUE_ELEM_BOOL},
                 {"array[object]", VALUE_ELEM_OBJECT},
                 {"array[file]", VALUE_ELEM_FILE}};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_eq_c(type_name, types[i].name))
            return types[i].elem;
    }
    return VALUE_ELEM_ANY;
}

bool value_is_number(const struct value *v)
{
    return v->type == VALUE_INT || v->type == VALUE_FLOAT;
}

bool value_as_bool(const struct value *v)
{
    assert(v->type == VALUE_BOOL);
    return v->as.boolean;
}

int64_t value_as_int(const struct value *v)
{
    assert(v->type == VALUE_INT);
    return v->as.integer;
}

double value_as_double(const struct value *v)
{
    assert(value_is_number(v));
    return v->type == VALUE_INT ? (double)v->as.integer : v->as.real;
}

struct str value_text(const struct value *v)
{
    assert(is_text(v));
    return (struct str){v->as.text.ptr, v->as.text.len};
}

size_t value_count(const struct value *v)
{
    return child_count(v);
}

struct value *value_item(const struct value *v, size_t i)
{
    assert(v->type == VALUE_ARRAY && i < v->as.count);
    return value_items(v)[i];
}

struct str value_key(const struct value *v, size_t i)
{
    assert(v->type != VALUE_ARRAY && i < child_count(v));
    return value_member_key(v, &value_members(v)[i]);
}

struct value *value_member(const struct value *v, size_t i)
{
    assert(v->type != VALUE_ARRAY && i < child_count(v));
    return value_members(v)[i].value;
}

struct value *value_get(const struct value *v, struct str key)
{
    if (v == NULL || (v->type != VALUE_OBJECT && v->type != VALUE_FILE))
        return NULL;
    size_t i = value_find_member(v, key);
    return i == SIZE_MAX ? NULL : value_members(v)[i].value;
}

struct value *value_get_c(const struct value *v, const char *key)
{
    return value_get(v, str_c(key));
}

struct str value_get_text(const struct value *v, const char *key, struct str fallback)
{
    const struct value *member = value_get_c(v, key);
    return member != NULL && is_text(member) ? value_text(member) : fallback;
}

bool value_get_bool(const struct value *v, const char *key, bool fallback)
{
    const struct value *member = value_get_c(v, key);
    return member != NULL && member->type == VALUE_BOOL ? member->as.boolean : fallback;
}

/* Is d a whole number that an int64_t holds? */
static bool is_whole(double d)
{
    return d >= -INT64_END && d < INT64_END && (double)(int64_t)d == d;
}

int64_t value_get_int(const struct value *v, const char *key, int64_t fallback)
{
    const struct value *member = value_get_c(v, key);
    if (member != NULL && member->type == VALUE_INT)
        return member->as.integer;
    if (member != NULL && member->type == VALUE_FLOAT && is_whole(member->as.real))
        return (int64_t)member->as.real;
    return fallback;
}

const char *value_type_name(const struct value *v)
{
    static const char *const names[] = {
        [VALUE_NONE] = "none",     [VALUE_BOOL] = "boolean",  [VALUE_INT] = "integer",
        [VALUE_FLOAT] = "float",   [VALUE_STRING] = "string", [VALUE_SECRET] = "secret",
        [VALUE_OBJECT] = "object", [VALUE_FILE] = "file",
    };
    static const char *const array_names[] = {
        [VALUE_ELEM_ANY] = "array[any]",       [VALUE_ELEM_STRING] = "array[string]",
        [VALUE_ELEM_NUMBER] = "array[number]", [VALUE_ELEM_BOOL] = "array[boolean]",
        [VALUE_ELEM_OBJECT] = "array[object]", [VALUE_ELEM_FILE] = "array[file]",
    };
    return v->type == VALUE_ARRAY ? array_names[v->elem] : names[v->type];
}

size_t value_bytes(const struct value *v)
{
    return v->bytes;
}

/* --- Python's view --- */

bool value_is_truthy(const struct value *v)
{
    switch ((enum value_type)v->type) {
    case VALUE_NONE:
        return false;
    case VALUE_BOOL:
        return v->as.boolean;
    case VALUE_INT:
        return v->as.integer != 0;
    case VALUE_FLOAT:
        return v->as.real != 0;
    case VALUE_STRING:
    case VALUE_SECRET:
        return v->as.text.len > 0;
    case VALUE_ARRAY:
    case VALUE_OBJECT:
        return child_count(v) > 0;
    case VALUE_FILE:
        break;
    }
    return true;
}

bool value_equal(const struct value *a, const struct value *b)
{
    if (is_numeric(a) && is_numeric(b))
        return numbers_equal(a, b);
    if (is_text(a) && is_text(b))
        return str_eq(value_text(a), value_text(b));
    if (a->type != b->type)
        return false;
    switch ((enum value_type)a->type) {
    case VALUE_ARRAY:
        return items_equal(a, b);
    case VALUE_OBJECT:
    case VALUE_FILE:
        return members_equal(a, b);
    case VALUE_NONE:
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_FLOAT:
    case VALUE_STRING:
    case VALUE_SECRET:
        break;
    }
    return true; /* None; the others were compared above */
}

/* Takes part in Python's arithmetic: a bool does. */
static bool is_numeric(const struct value *v)
{
    return v->type == VALUE_BOOL || value_is_number(v);
}

static bool is_text(const struct value *v)
{
    return v->type == VALUE_STRING || v->type == VALUE_SECRET;
}

/* Of a bool or int. */
static int64_t whole_of(const struct value *v)
{
    return v->type == VALUE_BOOL ? v->as.boolean : v->as.integer;
}

static bool numbers_equal(const struct value *a, const struct value *b)
{
    if (a->type == VALUE_FLOAT && b->type == VALUE_FLOAT)
        return a->as.real == b->as.real;
    if (a->type == VALUE_FLOAT)
        return is_whole(a->as.real) && (int64_t)a->as.real == whole_of(b);
    if (b->type == VALUE_FLOAT)
        return is_whole(b->as.real) && (int64_t)b->as.real == whole_of(a);
    return whole_of(a) == whole_of(b);
}

/* As Python compares what containers hold: the very same object is equal to itself, even nan. */
static bool children_equal(const struct value *a, const struct value *b)
{
    return a == b || value_equal(a, b);
}

static bool items_equal(const struct value *a, const struct value *b)
{
    if (a->as.count != b->as.count)
        return false;
    for (size_t i = 0; i < a->as.count; i++) {
        if (!children_equal(value_items(a)[i], value_items(b)[i]))
            return false;
    }
    return true;
}

static bool members_equal(const struct value *a, const struct value *b)
{
    if (a->as.object.count != b->as.object.count)
        return false;
    for (size_t i = 0; i < a->as.object.count; i++) {
        const struct value *other = value_get(b, value_key(a, i));
        if (other == NULL || !children_equal(value_members(a)[i].value, other))
            return false;
    }
    return true;
}

/* --- walking --- */

struct value *value_walk(struct value *v, const struct str *path, size_t count)
{
    if (v != NULL && count > 0 && v->type == VALUE_FILE)
        return file_attribute(v, path[0]); /* what follows the attribute is not looked at */
    for (size_t i = 0; i < count && v != NULL; i++)
        v = v->type == VALUE_OBJECT ? value_get(v, path[i]) : NULL;
    return v;
}

/* An attribute by its name in selectors: the member under which the file keeps it. */
static struct value *file_attribute(const struct value *file, struct str name)
{
    static const struct {
        const char *name, *member, *or_member;
    } attributes[] = {
        {"type", "type", NULL},           {"size", "size", NULL},
        {"name", "filename", NULL},       {"mime_type", "mime_type", NULL},
        {"url", "url", "remote_url"},     {"transfer_method", "transfer_method", NULL},
        {"extension", "extension", NULL}, {"related_id", "related_id", "reference"},
    };
    for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
        if (!str_eq_c(name, attributes[i].name))
            continue;
        struct value *v = value_get_c(file, attributes[i].member);
        if ((v == NULL || v->type == VALUE_NONE) && attributes[i].or_member != NULL)
            v = value_get_c(file, attributes[i].or_member);
        return v != NULL ? v : value_none();
    }
    return NULL;
}
