/*
 * json_schema_valid: whether a value is a schema (json_schema.h), and where its references lead.
 */
#include "executor/value/json_schema.h"
#include "executor/value/json_schema_parts.h"
#include "executor/value/pattern.h"
#include <math.h>

/* levels. Of schemas below one another. */
enum { SCHEMA_DEPTH_MAX = 100 };

/* --- references --- */

static bool find_part(const struct value **at, struct str part)
{
    char key[256];
    size_t len = 0;
    for (size_t i = 0; i < part.len && len < sizeof key; i++) {
        bool is_escape = part.ptr[i] == '~' && i + 1 < part.len;
        key[len++] = is_escape ? (part.ptr[i + 1] == '1' ? '/' : '~') : part.ptr[i];
        i += is_escape;
    }
    uint64_t index;
    if (value_type(*at) == VALUE_ARRAY)
        *at = str_to_u64(part, &index) && index < value_count(*at) ? value_item(*at, (size_t)index) : NULL;
    else
        *at = value_get(*at, (struct str){key, len});
    return *at != NULL;
}

const struct value *json_schema_resolve(const struct value *root, const struct value *ref)
{
    if (value_type(ref) != VALUE_STRING || !str_starts(value_text(ref), STR("#")))
        return NULL;
    const struct value *at = root;
    struct str rest = str_sub(value_text(ref), 1, value_text(ref).len), part;
    bool is_first = true;
    while (rest.len > 0 && str_split(&rest, '/', &part)) {
        if (is_first ? part.len > 0 : !find_part(&at, part))
            return NULL;
        is_first = false;
        if (rest.ptr == NULL)
            break;
    }
    return at;
}

/* --- what each keyword takes --- */

enum keyword_type { /* of a keyword's value; of many or by name */
                    A_TYPE,
                    A_LIST,
                    ANYTHING,
                    A_NUMBER,
                    A_POSITIVE_NUMBER,
                    A_COUNT,
                    A_PATTERN,
                    A_BOOLEAN,
                    A_SCHEMA,
                    A_SCHEMA_OR_LIST,
                    SCHEMAS,
                    SCHEMAS_BY_NAME,
                    SCHEMAS_BY_PATTERN,
                    NAMES,
                    DEPENDENCIES
};
static const struct {
    const char *name;
    enum keyword_type type;
} keywords[] = {
    {"type", A_TYPE},
    {"enum", A_LIST},
    {"const", ANYTHING},
    {"minimum", A_NUMBER},
    {"maximum", A_NUMBER},
    {"exclusiveMinimum", A_NUMBER},
    {"exclusiveMaximum", A_NUMBER},
    {"multipleOf", A_POSITIVE_NUMBER},
    {"minLength", A_COUNT},
    {"maxLength", A_COUNT},
    {"pattern", A_PATTERN},
    {"items", A_SCHEMA_OR_LIST},
    {"additionalItems", A_SCHEMA},
    {"minItems", A_COUNT},
    {"maxItems", A_COUNT},
    {"uniqueItems", A_BOOLEAN},
    {"contains", A_SCHEMA},
    {"properties", SCHEMAS_BY_NAME},
    {"patternProperties", SCHEMAS_BY_PATTERN},
    {"additionalProperties", A_SCHEMA},
    {"required", NAMES},
    {"minProperties", A_COUNT},
    {"maxProperties", A_COUNT},
    {"propertyNames", A_SCHEMA},
    {"dependencies", DEPENDENCIES},
    {"allOf", SCHEMAS},
    {"anyOf", SCHEMAS},
    {"oneOf", SCHEMAS},
    {"not", A_SCHEMA},
    {"if", A_SCHEMA},
    {"then", A_SCHEMA},
    {"else", A_SCHEMA},
    {"definitions", SCHEMAS_BY_NAME},
};

static size_t find_keyword(struct str name)
{
    size_t i = 0;
    while (i < ARRAY_LEN(keywords) && !str_eq_c(name, keywords[i].name))
        i++;
    return i;
}

static bool is_valid(const struct value *root, const struct value *schema, struct buf *why, int depth);

static bool are_texts(const struct value *v)
{
    bool ok = value_type(v) == VALUE_ARRAY;
    for (size_t i = 0; ok && i < value_count(v); i++)
        ok = value_type(value_item(v, i)) == VALUE_STRING;
    return ok;
}

static bool is_type_name(const struct value *v)
{
    static const char *const names[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
    for (size_t i = 0; value_type(v) == VALUE_STRING && i < ARRAY_LEN(names); i++) {
        if (str_eq_c(value_text(v), names[i]))
            return true;
    }
    return false;
}

static bool are_type_names(const struct value *v)
{
    bool ok = value_type(v) == VALUE_ARRAY && value_count(v) > 0;
    for (size_t i = 0; ok && i < value_count(v); i++)
        ok = is_type_name(value_item(v, i));
    return ok;
}

/* In a list, or as members of an object. */
static bool are_valid(const struct value *root, const struct value *v, enum value_type type, struct buf *why,
                      int depth)
{
    bool ok = value_type(v) == type;
    for (size_t i = 0; ok && i < value_count(v); i++)
        ok = is_valid(root, type == VALUE_ARRAY ? value_item(v, i) : value_member(v, i), why, depth);
    return ok;
}

static bool are_patterns(const struct value *v)
{
    bool ok = value_type(v) == VALUE_OBJECT;
    for (size_t i = 0; ok && i < value_count(v); i++)
        ok = pattern_is_valid(value_key(v, i));
    return ok;
}

static bool are_dependencies(const struct value *root, const struct value *v, struct buf *why, int depth)
{
    bool ok = value_type(v) == VALUE_OBJECT;
    for (size_t i = 0; ok && i < value_count(v); i++)
        ok = are_texts(value_member(v, i)) || is_valid(root, value_member(v, i), why, depth);
    return ok;
}

static bool is_of_keyword_type(const struct value *root, enum keyword_type type, const struct value *v,
                               struct buf *why, int depth)
{
    switch (type) {
    case A_TYPE:
        return is_type_name(v) || are_type_names(v);
    case A_LIST:
        return value_type(v) == VALUE_ARRAY;
    case ANYTHING:
        return true;
    case A_NUMBER:
        return value_is_number(v);
    case A_POSITIVE_NUMBER:
        return value_is_number(v) && value_as_double(v) > 0;
    case A_COUNT:
        return value_is_number(v) && floor(value_as_double(v)) == value_as_double(v) &&
               value_as_double(v) >= 0;
    case A_PATTERN:
        return value_type(v) == VALUE_STRING && pattern_is_valid(value_text(v));
    case A_BOOLEAN:
        return value_type(v) == VALUE_BOOL;
    case A_SCHEMA:
        return is_valid(root, v, why, depth);
    case A_SCHEMA_OR_LIST:
        return are_valid(root, v, VALUE_ARRAY, why, depth) || is_valid(root, v, why, depth);
    case SCHEMAS:
        return value_type(v) == VALUE_ARRAY && value_count(v) > 0 &&
               are_valid(root, v, VALUE_ARRAY, why, depth);
    case SCHEMAS_BY_NAME:
        return are_valid(root, v, VALUE_OBJECT, why, depth);
    case SCHEMAS_BY_PATTERN:
        return are_patterns(v) && are_valid(root, v, VALUE_OBJECT, why, depth);
    case NAMES:
        return are_texts(v);
    case DEPENDENCIES:
        break;
    }
    return are_dependencies(root, v, why, depth);
}

static bool no_schema(struct buf *why, struct str what, const char *words)
{
    if (why->len == 0) {
        buf_put_c(why, "'");
        buf_put(why, what);
        buf_put_c(why, "'");
        buf_put_c(why, words);
    }
    return false;
}

static bool is_valid(const struct value *root, const struct value *schema, struct buf *why, int depth)
{
    if (value_type(schema) == VALUE_BOOL)
        return true;
    if (value_type(schema) != VALUE_OBJECT || depth >= SCHEMA_DEPTH_MAX)
        return false;
    const struct value *ref = value_get_c(schema, "$ref");
    if (ref != NULL)
        return json_schema_resolve(root, ref) != NULL || no_schema(why, STR("$ref"), " leads nowhere");
    for (size_t i = 0; i < value_count(schema); i++) {
        size_t k = find_keyword(value_key(schema, i));
        if (k < ARRAY_LEN(keywords) &&
            !is_of_keyword_type(root, keywords[k].type, value_member(schema, i), why, depth + 1))
            return no_schema(why, value_key(schema, i), " is not as a schema has it");
    }
    return true;
}

bool json_schema_is_valid(const struct value *schema, struct buf *why)
{
    return is_valid(schema, schema, why, 0) ||
           (why->len == 0 && (buf_put_c(why, "a schema is an object or a boolean"), false));
}
