/*
 * structured: see structured.h.
 */
#include "executor/nodes/structured.h"
#include "executor/value/form.h"

static struct value *without_booleans(const struct value *schema);
static struct value *wrapped(struct value *take_schema);
static struct value *in_words(const struct value *schema);

void structured_compile(struct node_compile *nc, const struct value *data, struct structured *ret)
{
    const struct value *output = value_get_c(data, "structured_output");
    *ret = (struct structured){.is_on = value_get_bool(data, "structured_output_switch_on", false) &&
                                        output != NULL && value_type(output) != VALUE_NONE};
    if (!ret->is_on)
        return;
    const struct value *schema = value_get_c(output, "schema");
    if (schema == NULL || value_type(schema) != VALUE_OBJECT) {
        ret->problem = "Please provide a valid structured output schema";
    } else if (!str_eq_c(value_get_text(schema, "type", STR("")), "object")) {
        ret->problem = "The structured output schema must be one of an object";
    } else {
        struct value *mapped = without_booleans(schema);
        ret->in_words = node_compile_keep(nc, mapped == NULL ? NULL : in_words(mapped));
        ret->schema = node_compile_keep(nc, wrapped(mapped));
    }
}

/* A copy in which type boolean has become string. NULL: no memory. */
static struct value *without_booleans(const struct value *schema)
{
    struct value_builder b;
    bool is_object = value_type(schema) == VALUE_OBJECT;
    if (!is_object && value_type(schema) != VALUE_ARRAY)
        return node_compile_copy(schema);
    if (is_object)
        value_object_begin(&b, NULL);
    else
        value_array_begin(&b, NULL);
    for (size_t i = 0; i < value_count(schema); i++) {
        const struct value *item = is_object ? value_member(schema, i) : value_item(schema, i);
        bool is_boolean = is_object && str_eq_c(value_key(schema, i), "type") &&
                          value_type(item) == VALUE_STRING && str_eq_c(value_text(item), "boolean");
        struct value *mapped = is_boolean ? value_string(NULL, STR("string")) : without_booleans(item);
        if (is_object)
            value_object_put(&b, value_key(schema, i), mapped);
        else
            value_array_put(&b, mapped);
    }
    return is_object ? value_object_end(&b) : value_array_end(&b);
}

static struct value *wrapped(struct value *take_schema)
{
    struct value_builder b;
    value_object_begin(&b, NULL);
    value_object_put(&b, STR("schema"), take_schema);
    value_object_put(&b, STR("name"), value_string(NULL, STR("llm_response")));
    return value_object_end(&b);
}

static struct value *in_words(const struct value *schema)
{
    struct buf text;
    buf_init(&text, 2 * (size_t)LIMIT_DSL_BYTES);
    buf_put_c(&text,
              "Answer with one JSON object that follows the JSON Schema below, and with nothing else: no "
              "words around it and no code fence. Where the schema wants a string, true and false are "
              "strings as well.\nJSON Schema:\n");
    value_put_json(&text, schema, JSON_SPACED, false);
    return value_string_take(NULL, &text);
}

struct value *structured_params(struct value_account *a, const struct structured *s,
                                const struct model_facts *facts, const struct value *params)
{
    const char *format = facts->has_json_schema   ? "json_schema"
                         : facts->has_json_object ? "json_object"
                                                  : NULL;
    struct value_builder b;
    value_object_begin(&b, a);
    value_object_put_all(&b, params);
    if (format != NULL)
        value_object_put(&b, STR("response_format"), value_string(a, str_c(format)));
    if (facts->has_json_schema)
        value_object_put(&b, STR("json_schema"), value_ref(s->schema));
    return value_object_end(&b);
}

void structured_put_words(const struct structured *s, const struct model_facts *facts, struct str role,
                          struct messages *m)
{
    if (!facts->has_json_schema)
        messages_put_first(m, role, value_text(s->in_words));
}
