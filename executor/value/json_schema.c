/*
 * json_schema: see json_schema.h. A schema is gone through member by member; each keyword has a function that looks at the value,
 * and passes values of types that it does not speak of.
 */
#include "executor/value/json_schema.h"
#include "executor/value/form.h"
#include "executor/value/json_schema_parts.h"
#include "executor/value/pattern.h"
#include <math.h>

/* schemas and comparisons. Of one check: far more than honest ones need, and about a second at most. */
enum { CHECK_WORK_MAX = 2000000 };
/* levels. Of schemas below one another, references included. */
enum { CHECK_DEPTH_MAX = 100 };
/* schemas. What a search for a pattern counts as. */
enum { PATTERN_WORK = 20 };
/* bytes. Of a value or name that a fault shows. */
enum { SHOWN_BYTES_MAX = 200 };

struct check {
    const struct value *root;
    struct buf *why; /* NULL: nobody wants to know */
    int work, depth;
    bool is_over; /* work or depth are used up: everything fails */
};
/* schema: the one around; arg: the keyword's value. */
typedef bool (*keyword_fn)(struct check *c, const struct value *schema, const struct value *arg,
                           const struct value *v);

static bool fits(struct check *c, const struct value *schema, const struct value *v);

/* --- words --- */

/* The beginning of it says enough. */
static void put_short(struct buf *b, const struct value *v)
{
    struct buf whole;
    buf_init(&whole, SHOWN_BYTES_MAX);
    value_put_repr(&whole, v);
    struct str shown = buf_str(&whole);
    buf_put(b, str_sub(shown, 0, str_is_utf8(shown) ? shown.len : 0));
    buf_put_c(b, whole.failed ? "..." : "");
    buf_fini(&whole);
}

static bool fault(struct check *c, const struct value *v, const char *words, const struct value *arg)
{
    if (c->why == NULL || c->why->len > 0)
        return false;
    put_short(c->why, v);
    buf_put_c(c->why, words);
    if (arg != NULL)
        put_short(c->why, arg);
    return false;
}

static void put_quoted(struct buf *b, struct str text)
{
    struct value *v = value_string(NULL, text);
    if (v != NULL)
        put_short(b, v);
    value_unref(v);
}

/* before 'name' after */
static bool name_fault(struct check *c, const char *before, struct str name, const char *after)
{
    if (c->why == NULL || c->why->len > 0)
        return false;
    buf_put_c(c->why, before);
    put_quoted(c->why, name);
    buf_put_c(c->why, after);
    return false;
}

static bool over(struct check *c)
{
    c->is_over = true;
    if (c->why != NULL && c->why->len == 0)
        buf_put_c(c->why, "the schema takes too long to be checked");
    return false;
}

/* Only whether, without words. */
static bool fits_quietly(struct check *c, const struct value *schema, const struct value *v)
{
    struct buf *why = c->why;
    c->why = NULL;
    bool ok = fits(c, schema, v);
    c->why = why;
    return ok;
}

/* --- equality: as Python's, but a boolean is no number --- */

static bool same(struct check *c, const struct value *a, const struct value *b)
{
    if (c->is_over || ++c->work > CHECK_WORK_MAX)
        return over(c);
    if ((value_type(a) == VALUE_BOOL) != (value_type(b) == VALUE_BOOL))
        return false;
    bool are_arrays = value_type(a) == VALUE_ARRAY && value_type(b) == VALUE_ARRAY;
    bool are_objects = value_type(a) == VALUE_OBJECT && value_type(b) == VALUE_OBJECT;
    if (!are_arrays && !are_objects)
        return value_equal(a, b);
    bool ok = value_count(a) == value_count(b);
    for (size_t i = 0; ok && i < value_count(a); i++) {
        const struct value *other = are_arrays ? value_item(b, i) : value_get(b, value_key(a, i));
        ok = other != NULL && same(c, are_arrays ? value_item(a, i) : value_member(a, i), other);
    }
    return ok;
}

/* --- any type --- */

static bool is_whole(const struct value *v)
{
    return value_type(v) == VALUE_INT || (value_type(v) == VALUE_FLOAT && isfinite(value_as_double(v)) &&
                                          floor(value_as_double(v)) == value_as_double(v));
}

static bool is_of_type(const struct value *v, struct str type)
{
    switch (value_type(v)) {
    case VALUE_NONE:
        return str_eq_c(type, "null");
    case VALUE_BOOL:
        return str_eq_c(type, "boolean");
    case VALUE_INT:
    case VALUE_FLOAT:
        return str_eq_c(type, "number") || (str_eq_c(type, "integer") && is_whole(v));
    case VALUE_STRING:
    case VALUE_SECRET:
        return str_eq_c(type, "string");
    case VALUE_OBJECT:
    case VALUE_FILE:
        return str_eq_c(type, "object");
    case VALUE_ARRAY:
        break;
    }
    return str_eq_c(type, "array");
}

static bool check_type(struct check *c, const struct value *schema, const struct value *arg,
                       const struct value *v)
{
    (void)schema;
    bool is_list = value_type(arg) == VALUE_ARRAY;
    for (size_t i = 0; is_list && i < value_count(arg); i++) {
        if (is_of_type(v, value_text(value_item(arg, i))))
            return true;
    }
    if (!is_list && is_of_type(v, value_text(arg)))
        return true;
    return fault(c, v, is_list ? " is not of one of the types " : " is not of type ", arg);
}

static bool check_enum(struct check *c, const struct value *schema, const struct value *arg,
                       const struct value *v)
{
    (void)schema;
    for (size_t i = 0; i < value_count(arg); i++) {
        if (same(c, value_item(arg, i), v))
            return true;
    }
    return fault(c, v, " is not one of ", arg);
}

static bool check_const(struct check *c, const struct value *schema, const struct value *arg,
                        const struct value *v)
{
    (void)schema;
    return same(c, arg, v) || fault(c, arg, " was expected", NULL);
}

/* --- numbers --- */

static bool check_minimum(struct check *c, const struct value *schema, const struct value *arg,
                          const struct value *v)
{
    (void)schema;
    return !value_is_number(v) || value_as_double(v) >= value_as_double(arg) ||
           fault(c, v, " is less than the minimum of ", arg);
}

static bool check_maximum(struct check *c, const struct value *schema, const struct value *arg,
                          const struct value *v)
{
    (void)schema;
    return !value_is_number(v) || value_as_double(v) <= value_as_double(arg) ||
           fault(c, v, " is greater than the maximum of ", arg);
}

static bool check_exclusive_minimum(struct check *c, const struct value *schema, const struct value *arg,
                                    const struct value *v)
{
    (void)schema;
    return !value_is_number(v) || value_as_double(v) > value_as_double(arg) ||
           fault(c, v, " is less than or equal to the minimum of ", arg);
}

static bool check_exclusive_maximum(struct check *c, const struct value *schema, const struct value *arg,
                                    const struct value *v)
{
    (void)schema;
    return !value_is_number(v) || value_as_double(v) < value_as_double(arg) ||
           fault(c, v, " is greater than or equal to the maximum of ", arg);
}

static bool check_multiple(struct check *c, const struct value *schema, const struct value *arg,
                           const struct value *v)
{
    (void)schema;
    if (!value_is_number(v))
        return true;
    bool is_multiple = false;
    if (value_type(v) == VALUE_INT && value_type(arg) == VALUE_INT) {
        is_multiple = value_as_int(arg) == -1 || value_as_int(v) % value_as_int(arg) == 0;
    } else {
        double quotient = value_as_double(v) / value_as_double(arg);
        is_multiple = isfinite(quotient) && floor(quotient) == quotient;
    }
    return is_multiple || fault(c, v, " is not a multiple of ", arg);
}

/* --- texts --- */

static bool is_text(const struct value *v)
{
    return value_type(v) == VALUE_STRING || value_type(v) == VALUE_SECRET;
}

static bool check_min_length(struct check *c, const struct value *schema, const struct value *arg,
                             const struct value *v)
{
    (void)schema;
    return !is_text(v) || (double)str_utf8_count(value_text(v)) >= value_as_double(arg) ||
           fault(c, v, " is too short", NULL);
}

static bool check_max_length(struct check *c, const struct value *schema, const struct value *arg,
                             const struct value *v)
{
    (void)schema;
    return !is_text(v) || (double)str_utf8_count(value_text(v)) <= value_as_double(arg) ||
           fault(c, v, " is too long", NULL);
}

static bool finds(struct check *c, struct str pattern, struct str text)
{
    c->work += PATTERN_WORK + (int)(text.len < 1000000 ? text.len : 1000000) / PATTERN_WORK;
    return c->work <= CHECK_WORK_MAX ? pattern_finds(pattern, text) : over(c);
}

static bool check_pattern(struct check *c, const struct value *schema, const struct value *arg,
                          const struct value *v)
{
    (void)schema;
    return !is_text(v) || finds(c, value_text(arg), value_text(v)) || fault(c, v, " does not match ", arg);
}

/* --- lists --- */

static bool check_items(struct check *c, const struct value *schema, const struct value *arg,
                        const struct value *v)
{
    if (value_type(v) != VALUE_ARRAY)
        return true;
    bool is_list = value_type(arg) == VALUE_ARRAY;
    const struct value *rest = is_list ? value_get_c(schema, "additionalItems") : arg;
    for (size_t i = 0; i < value_count(v); i++) {
        const struct value *of_item = is_list && i < value_count(arg) ? value_item(arg, i) : rest;
        if (of_item != NULL && !fits(c, of_item, value_item(v, i)))
            return false;
    }
    return true;
}

static bool check_min_items(struct check *c, const struct value *schema, const struct value *arg,
                            const struct value *v)
{
    (void)schema;
    return value_type(v) != VALUE_ARRAY || (double)value_count(v) >= value_as_double(arg) ||
           fault(c, v, " is too short", NULL);
}

static bool check_max_items(struct check *c, const struct value *schema, const struct value *arg,
                            const struct value *v)
{
    (void)schema;
    return value_type(v) != VALUE_ARRAY || (double)value_count(v) <= value_as_double(arg) ||
           fault(c, v, " is too long", NULL);
}

static bool check_unique(struct check *c, const struct value *schema, const struct value *arg,
                         const struct value *v)
{
    (void)schema;
    bool ok = true;
    if (value_type(v) != VALUE_ARRAY || !value_as_bool(arg))
        return true;
    for (size_t i = 0; ok && i < value_count(v); i++) {
        for (size_t k = 0; ok && k < i; k++)
            ok = !same(c, value_item(v, k), value_item(v, i)) && !c->is_over;
    }
    return ok || fault(c, v, " has non-unique elements", NULL);
}

static bool check_contains(struct check *c, const struct value *schema, const struct value *arg,
                           const struct value *v)
{
    (void)schema;
    if (value_type(v) != VALUE_ARRAY)
        return true;
    for (size_t i = 0; i < value_count(v); i++) {
        if (fits_quietly(c, arg, value_item(v, i)))
            return true;
    }
    return fault(c, v, " does not contain items matching the given schema", NULL);
}

/* --- objects --- */

static bool is_object(const struct value *v)
{
    return value_type(v) == VALUE_OBJECT || value_type(v) == VALUE_FILE;
}

static bool check_properties(struct check *c, const struct value *schema, const struct value *arg,
                             const struct value *v)
{
    (void)schema;
    for (size_t i = 0; is_object(v) && i < value_count(arg); i++) {
        const struct value *member = value_get(v, value_key(arg, i));
        if (member != NULL && !fits(c, value_member(arg, i), member))
            return false;
    }
    return true;
}

static bool check_pattern_properties(struct check *c, const struct value *schema, const struct value *arg,
                                     const struct value *v)
{
    (void)schema;
    for (size_t i = 0; is_object(v) && i < value_count(arg); i++) {
        for (size_t k = 0; k < value_count(v); k++) {
            if (finds(c, value_key(arg, i), value_key(v, k)) &&
                !fits(c, value_member(arg, i), value_member(v, k)))
                return false;
        }
    }
    return true;
}

static bool is_additional(struct check *c, const struct value *schema, struct str key)
{
    const struct value *known = value_get_c(schema, "properties"),
                       *patterns = value_get_c(schema, "patternProperties");
    bool is_known = known != NULL && value_get(known, key) != NULL;
    for (size_t i = 0; !is_known && patterns != NULL && i < value_count(patterns); i++)
        is_known = finds(c, value_key(patterns, i), key);
    return !is_known;
}

static bool check_additional(struct check *c, const struct value *schema, const struct value *arg,
                             const struct value *v)
{
    for (size_t i = 0; is_object(v) && i < value_count(v); i++) {
        if (!is_additional(c, schema, value_key(v, i)))
            continue;
        if (value_type(arg) == VALUE_BOOL && !value_as_bool(arg))
            return name_fault(c, "Additional properties are not allowed (", value_key(v, i),
                              " was unexpected)");
        if (!fits(c, arg, value_member(v, i)))
            return false;
    }
    return true;
}

static bool check_required(struct check *c, const struct value *schema, const struct value *arg,
                           const struct value *v)
{
    (void)schema;
    for (size_t i = 0; is_object(v) && i < value_count(arg); i++) {
        struct str name = value_text(value_item(arg, i));
        if (value_get(v, name) == NULL)
            return name_fault(c, "", name, " is a required property");
    }
    return true;
}

static bool check_min_properties(struct check *c, const struct value *schema, const struct value *arg,
                                 const struct value *v)
{
    (void)schema;
    return !is_object(v) || (double)value_count(v) >= value_as_double(arg) ||
           fault(c, v, " does not have enough properties", NULL);
}

static bool check_max_properties(struct check *c, const struct value *schema, const struct value *arg,
                                 const struct value *v)
{
    (void)schema;
    return !is_object(v) || (double)value_count(v) <= value_as_double(arg) ||
           fault(c, v, " has too many properties", NULL);
}

static bool check_names(struct check *c, const struct value *schema, const struct value *arg,
                        const struct value *v)
{
    (void)schema;
    bool ok = true;
    for (size_t i = 0; ok && is_object(v) && i < value_count(v); i++) {
        struct value *name = value_string(NULL, value_key(v, i));
        ok = name != NULL && fits(c, arg, name);
        value_unref(name);
    }
    return ok;
}

static bool check_dependencies(struct check *c, const struct value *schema, const struct value *arg,
                               const struct value *v)
{
    (void)schema;
    for (size_t i = 0; is_object(v) && i < value_count(arg); i++) {
        const struct value *needs = value_member(arg, i);
        if (value_get(v, value_key(arg, i)) == NULL)
            continue;
        if (value_type(needs) == VALUE_ARRAY ? !check_required(c, NULL, needs, v) : !fits(c, needs, v))
            return false;
    }
    return true;
}

/* --- schemas together --- */

static bool check_all_of(struct check *c, const struct value *schema, const struct value *arg,
                         const struct value *v)
{
    (void)schema;
    for (size_t i = 0; i < value_count(arg); i++) {
        if (!fits(c, value_item(arg, i), v))
            return false;
    }
    return true;
}

static size_t count_fitting(struct check *c, const struct value *schemas, const struct value *v)
{
    size_t count = 0;
    for (size_t i = 0; i < value_count(schemas); i++)
        count += fits_quietly(c, value_item(schemas, i), v);
    return count;
}

static bool check_any_of(struct check *c, const struct value *schema, const struct value *arg,
                         const struct value *v)
{
    (void)schema;
    return count_fitting(c, arg, v) > 0 || fault(c, v, " is not valid under any of the given schemas", NULL);
}

static bool check_one_of(struct check *c, const struct value *schema, const struct value *arg,
                         const struct value *v)
{
    (void)schema;
    size_t count = count_fitting(c, arg, v);
    return count == 1 || fault(c, v,
                               count == 0 ? " is not valid under any of the given schemas"
                                          : " is valid under more than one of the given schemas",
                               NULL);
}

static bool check_not(struct check *c, const struct value *schema, const struct value *arg,
                      const struct value *v)
{
    (void)schema;
    return (!fits_quietly(c, arg, v) && !c->is_over) || fault(c, v, " should not be valid under ", arg);
}

static bool check_if(struct check *c, const struct value *schema, const struct value *arg,
                     const struct value *v)
{
    const struct value *next = value_get_c(schema, fits_quietly(c, arg, v) ? "then" : "else");
    return next == NULL || fits(c, next, v);
}

/* --- all keywords --- */

static const struct {
    const char *name;
    keyword_fn check;
} keywords[] = {
    {"type", check_type},
    {"enum", check_enum},
    {"const", check_const},
    {"minimum", check_minimum},
    {"maximum", check_maximum},
    {"exclusiveMinimum", check_exclusive_minimum},
    {"exclusiveMaximum", check_exclusive_maximum},
    {"multipleOf", check_multiple},
    {"minLength", check_min_length},
    {"maxLength", check_max_length},
    {"pattern", check_pattern},
    {"items", check_items},
    {"minItems", check_min_items},
    {"maxItems", check_max_items},
    {"uniqueItems", check_unique},
    {"contains", check_contains},
    {"properties", check_properties},
    {"patternProperties", check_pattern_properties},
    {"additionalProperties", check_additional},
    {"required", check_required},
    {"minProperties", check_min_properties},
    {"maxProperties", check_max_properties},
    {"propertyNames", check_names},
    {"dependencies", check_dependencies},
    {"allOf", check_all_of},
    {"anyOf", check_any_of},
    {"oneOf", check_one_of},
    {"not", check_not},
    {"if", check_if},
};

static size_t find_keyword(struct str name)
{
    size_t i = 0;
    while (i < ARRAY_LEN(keywords) && !str_eq_c(name, keywords[i].name))
        i++;
    return i;
}

static bool fits_members(struct check *c, const struct value *schema, const struct value *v)
{
    const struct value *ref = value_get_c(schema, "$ref");
    if (ref != NULL) { /* alone: what stands beside it does not count */
        const struct value *target = json_schema_resolve(c->root, ref);
        return target != NULL ? fits(c, target, v) : fault(c, ref, " leads nowhere", NULL);
    }
    for (size_t i = 0; i < value_count(schema); i++) {
        size_t k = find_keyword(value_key(schema, i));
        if (k < ARRAY_LEN(keywords) && !keywords[k].check(c, schema, value_member(schema, i), v))
            return false;
    }
    return true;
}

static bool fits(struct check *c, const struct value *schema, const struct value *v)
{
    if (c->is_over || ++c->work > CHECK_WORK_MAX || c->depth >= CHECK_DEPTH_MAX)
        return over(c);
    if (value_type(schema) == VALUE_BOOL)
        return value_as_bool(schema) || fault(c, v, " is not allowed by the schema False", NULL);
    c->depth++;
    bool ok = value_type(schema) != VALUE_OBJECT || fits_members(c, schema, v);
    c->depth--;
    return ok && !c->is_over;
}

bool json_schema_fits(const struct value *schema, const struct value *v, struct buf *why)
{
    struct check c = {.root = schema, .why = why};
    return fits(&c, schema, v);
}
