/*
 * repair: data of nodes in shapes of old editors, brought to today's (dify-dsl.md 1.8). Values are immutable: a repaired
 * node gets new data, which shares everything else with the tree and lives in it. None of these changes what an export
 * means, so none is reported.
 */
#include "executor/dsl/export_reader.h"

/* True: `data` wants it; then *ret is the repaired data, NULL without memory. */
typedef bool (*repair)(const struct value *data, struct value **ret);

static bool repair_if_else(const struct value *data, struct value **ret);
static bool repair_llm(const struct value *data, struct value **ret);
static bool repair_tool(const struct value *data, struct value **ret);
static bool repair_end(const struct value *data, struct value **ret);

void export_repair_data(struct export_reader *r)
{
    static const struct {
        const char *type;
        repair repair;
    } repairs[] = {
        {"if-else", repair_if_else}, {"llm", repair_llm}, {"tool", repair_tool}, {"end", repair_end}};
    for (uint32_t i = 0; i < r->e->node_count; i++) {
        struct dsl_node *node = &r->e->nodes[i];
        for (size_t k = 0; k < ARRAY_LEN(repairs) && !node->is_broken; k++) {
            struct value *repaired;
            if (!str_eq_c(node->type, repairs[k].type) || !repairs[k].repair(node->data, &repaired))
                continue;
            if (!export_keep(r, repaired))
                return;
            node->data = repaired;
        }
    }
}

static bool is_of_type(const struct value *v, enum value_type type)
{
    return v != NULL && value_type(v) == type;
}

static struct value *with_member(const struct value *map, const char *key, struct value *take_v)
{
    struct value_builder b;
    value_object_begin(&b, NULL);
    value_object_put_all(&b, map);
    value_object_put(&b, str_c(key), take_v);
    return value_object_end(&b);
}

/* `conditions` without `cases` are one case, "true". */
static bool repair_if_else(const struct value *data, struct value **ret)
{
    struct value *cases = value_get_c(data, "cases"), *conditions = value_get_c(data, "conditions");
    bool has_cases = export_is_given(cases) && !(value_type(cases) == VALUE_ARRAY && value_count(cases) == 0);
    if (has_cases || !is_of_type(conditions, VALUE_ARRAY))
        return false;
    struct value *operator= value_get_c(data, "logical_operator");
    struct value_builder b;
    value_object_begin(&b, NULL);
    value_object_put(&b, STR("case_id"), value_string(NULL, STR("true")));
    value_object_put(&b, STR("logical_operator"),
                     export_is_given(operator) ? value_ref(operator) : value_string(NULL, STR("and")));
    value_object_put(&b, STR("conditions"), value_ref(conditions));
    struct value *only = value_object_end(&b);
    value_array_begin(&b, NULL);
    value_array_put(&b, only);
    *ret = with_member(data, "cases", value_array_end(&b));
    return true;
}

static bool repair_llm(const struct value *data, struct value **ret)
{
    struct value *legacy = value_get_c(data, "structured_output_enabled");
    if (!export_is_given(legacy) || export_is_given(value_get_c(data, "structured_output_switch_on")))
        return false;
    *ret = with_member(data, "structured_output_switch_on", value_ref(legacy));
    return true;
}

/* Without any version: that of before parameters had a type; settings were plain values. */
static bool repair_tool(const struct value *data, struct value **ret)
{
    if (export_is_given(value_get_c(data, "version")) ||
        export_is_given(value_get_c(data, "tool_node_version")))
        return false;
    *ret = with_member(data, "tool_node_version", value_string(NULL, STR("2")));
    const struct value *settings = value_get_c(data, "tool_configurations");
    if (*ret == NULL || !is_of_type(settings, VALUE_OBJECT))
        return true;
    struct value_builder b;
    value_object_begin(&b, NULL);
    for (size_t i = 0; i < value_count(settings); i++) {
        struct value *setting = value_member(settings, i), *wrapped = NULL;
        if (value_type(setting) == VALUE_OBJECT || value_type(setting) == VALUE_ARRAY) {
            wrapped = value_ref(setting);
        } else {
            struct value_builder pair;
            value_object_begin(&pair, NULL);
            value_object_put(&pair, STR("type"), value_string(NULL, STR("constant")));
            value_object_put(&pair, STR("value"), value_ref(setting));
            wrapped = value_object_end(&pair);
        }
        value_object_put(&b, value_key(settings, i), wrapped);
    }
    struct value *versioned = *ret;
    *ret = with_member(versioned, "tool_configurations", value_object_end(&b));
    value_unref(versioned);
    return true;
}

/* The type in small letters; any when there is none. NULL: no memory. */
static struct value *value_type_of(const struct value *output)
{
    struct str given = value_get_text(output, "value_type", STR("any"));
    struct buf b;
    buf_init(&b, LIMIT_DSL_BYTES);
    for (size_t i = 0; i < given.len; i++) {
        char c = given.ptr[i];
        buf_put_char(&b, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
    }
    struct value *v = b.failed ? NULL : value_string(NULL, buf_str(&b));
    buf_fini(&b);
    return v;
}

static bool has_small_type(const struct value *output)
{
    if (!is_of_type(output, VALUE_OBJECT))
        return true; /* not ours to judge */
    struct str given = value_get_text(output, "value_type", STR("A"));
    for (size_t i = 0; i < given.len; i++) {
        if (given.ptr[i] >= 'A' && given.ptr[i] <= 'Z')
            return false;
    }
    return true;
}

static bool repair_end(const struct value *data, struct value **ret)
{
    const struct value *outputs = value_get_c(data, "outputs");
    bool is_good = true;
    for (size_t i = 0; is_of_type(outputs, VALUE_ARRAY) && i < value_count(outputs); i++)
        is_good &= has_small_type(value_item(outputs, i));
    if (is_good)
        return false;
    struct value_builder b;
    value_array_begin(&b, NULL);
    for (size_t i = 0; i < value_count(outputs); i++) {
        struct value *output = value_item(outputs, i);
        value_array_put(&b, has_small_type(output)
                                ? value_ref(output)
                                : with_member(output, "value_type", value_type_of(output)));
    }
    *ret = with_member(data, "outputs", value_array_end(&b));
    return true;
}
