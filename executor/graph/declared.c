/*
 * declared: the type that an export gives to a variable which can be assigned (executor/nodes/node.h).
 */
#include "executor/graph/compiler.h"

static struct str type_in(const struct value *list, const char *name_key, const char *type_key,
                          struct str name);

struct str node_compile_declared_type(struct node_compile *nc, const struct selector *selector)
{
    const struct dsl_export *e = &nc->c->e;
    if (selector->count < 2)
        return STR("");
    if (str_eq_c(selector->parts[0], "conversation"))
        return type_in(e->conversation, "name", "value_type", selector->parts[1]);
    uint32_t node = dsl_export_find(e, selector->parts[0]);
    if (node == DSL_NONE || e->nodes[node].data == NULL || !str_eq_c(e->nodes[node].type, "loop"))
        return STR("");
    return type_in(value_get_c(e->nodes[node].data, "loop_variables"), "label", "var_type",
                   selector->parts[1]);
}

/* The last of a name counts. */
static struct str type_in(const struct value *list, const char *name_key, const char *type_key,
                          struct str name)
{
    size_t count = list != NULL && value_type(list) == VALUE_ARRAY ? value_count(list) : 0;
    for (size_t i = count; i > 0; i--) {
        const struct value *entry = value_item(list, i - 1);
        if (str_eq(value_get_text(entry, name_key, STR("")), name))
            return value_get_text(entry, type_key, STR(""));
    }
    return STR("");
}
