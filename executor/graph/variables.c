/*
 * variables: environment and conversation variables of an export (dify-dsl.md 1.2). A value that does not fit its type
 * refuses the import; secrets become VALUE_SECRET, and no report shows a value.
 */
#include "executor/graph/compiler.h"

enum {
    VARIABLES_MAX = 1000,            /* variables of one kind; people write them one by one */
    VARIABLE_BYTES_MAX = 200 * 1024, /* bytes of one value in memory */
    DESCRIPTION_CHARS_MAX = 255      /* characters, of a conversation variable */
};

static uint32_t compile_list(struct compiler *c, const struct value *list, const char *path,
                             bool is_conversation, struct variable_definition **ret);
static bool compile_variable(struct compiler *c, const struct value *v, const char *path,
                             struct variable_definition *ret);
static const char *misfit(struct str type, const struct value *v);
static struct value *typed_value(struct compiler *c, struct str type, struct value *v);

void compile_variables(struct compiler *c)
{
    struct graph *g = c->graph;
    g->environment_count =
        compile_list(c, c->e.environment, "workflow.environment_variables", false, &g->environment);
    const struct value *conversation = c->e.conversation;
    if (!c->e.is_chatflow && conversation != NULL && value_count(conversation) > 0) {
        graph_report_add(c->report, true, "workflow.conversation_variables", "make the app a chatflow",
                         "a workflow has no conversation, so it has no conversation variables");
        conversation = NULL;
    }
    g->conversation_count =
        compile_list(c, conversation, "workflow.conversation_variables", true, &g->conversation);
}

static uint32_t compile_list(struct compiler *c, const struct value *list, const char *path,
                             bool is_conversation, struct variable_definition **ret)
{
    size_t listed = list != NULL ? value_count(list) : 0;
    if (listed > VARIABLES_MAX) {
        graph_report_add(c->report, false, path, "put some of them together in an object",
                         "%zu variables, at most %d", listed, VARIABLES_MAX);
        return 0;
    }
    struct variable_definition *all = arena_array(c->arena, listed, sizeof *all);
    uint32_t count = 0;
    for (size_t i = 0; i < listed && all != NULL; i++) {
        const char *item_path = arena_printf(c->arena, "%s[%zu]", path, i);
        struct variable_definition d;
        if (item_path == NULL || !compile_variable(c, value_item(list, i), item_path, &d))
            continue;
        if (is_conversation && str_utf8_count(d.description) > DESCRIPTION_CHARS_MAX)
            graph_report_add(c->report, false, item_path, "shorten it",
                             "the description has more than %d characters", DESCRIPTION_CHARS_MAX);
        uint32_t at = 0;
        while (at < count && !str_eq(all[at].name, d.name))
            at++;
        if (at < count)
            graph_report_add(c->report, true, item_path, "give each variable a name of its own",
                             "the variable \"%.*s\" is given twice; this one counts",
                             STR_ARG(str_sub(d.name, 0, 100)));
        else
            count++;
        all[at] = d;
    }
    *ret = all;
    return count;
}

static bool compile_variable(struct compiler *c, const struct value *v, const char *path,
                             struct variable_definition *ret)
{
    struct value *value = value_get_c(v, "value");
    *ret = (struct variable_definition){.slot = SLOT_NONE};
    ret->name = value_get_text(v, "name", STR(""));
    ret->type_name = value_get_text(v, "value_type", STR(""));
    ret->description = value_get_text(v, "description", STR(""));
    if (ret->name.len == 0) {
        graph_report_add(c->report, false, path, "give it a name", "a variable without name");
        return false;
    }
    int name_len = (int)str_utf8_cut(ret->name, 100);
    if (ret->type_name.len == 0) {
        graph_report_add(c->report, false, path, "export the app again",
                         "the variable \"%.*s\" has no value_type", name_len, ret->name.ptr);
        return false;
    }
    if (value == NULL || value_type(value) == VALUE_NONE) {
        graph_report_add(c->report, false, path, "give it one, if only '' or 0",
                         "the variable \"%.*s\" has no value", name_len, ret->name.ptr);
        return false;
    }
    const char *why = misfit(ret->type_name, value);
    if (why == NULL && value_bytes(value) > VARIABLE_BYTES_MAX)
        why = "is larger than 200 KiB";
    if (why != NULL) {
        graph_report_add(c->report, false, path, "mend the value or its value_type",
                         "the variable \"%.*s\" (%.*s) %s", name_len, ret->name.ptr,
                         STR_ARG(str_sub(ret->type_name, 0, 40)), why);
        return false;
    }
    ret->value = typed_value(c, ret->type_name, value);
    return ret->value != NULL;
}

static bool all_items(const struct value *v, bool (*is_fit)(const struct value *item))
{
    bool fit = value_type(v) == VALUE_ARRAY;
    for (size_t i = 0; fit && i < value_count(v); i++)
        fit = is_fit(value_item(v, i));
    return fit;
}

static bool is_string(const struct value *v)
{
    return value_type(v) == VALUE_STRING;
}

static bool is_boolean(const struct value *v)
{
    return value_type(v) == VALUE_BOOL;
}

static bool is_object(const struct value *v)
{
    return value_type(v) == VALUE_OBJECT;
}

/* NULL: v is of that type; else what is wrong, behind "the variable … ". */
static const char *misfit(struct str type, const struct value *v)
{
    static const struct {
        const char *type;
        bool (*is_fit)(const struct value *v);
        bool is_list;
        const char *what;
    } types[] = {
        {"string", is_string, false, "has a value that is no text"},
        {"secret", is_string, false, "has a value that is no text"},
        {"number", value_is_number, false, "has a value that is no number"},
        {"integer", value_is_number, false, "has a value that is no number"},
        {"float", value_is_number, false, "has a value that is no number"},
        {"boolean", is_boolean, false, "has a value that is neither true nor false"},
        {"object", is_object, false, "has a value that is no map"},
        {"array[string]", is_string, true, "has a value that is no list of texts"},
        {"array[number]", value_is_number, true, "has a value that is no list of numbers"},
        {"array[object]", is_object, true, "has a value that is no list of maps"},
        {"array[boolean]", is_boolean, true, "has a value that is no list of true and false"},
    };
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!str_eq_c(type, types[i].type))
            continue;
        bool fits = types[i].is_list ? all_items(v, types[i].is_fit) : types[i].is_fit(v);
        bool is_whole_wanted = str_eq_c(type, "integer") && fits && value_type(v) == VALUE_FLOAT;
        if (is_whole_wanted)
            return "has a value that is no whole number";
        return fits ? NULL : types[i].what;
    }
    return "has a value_type that is not known";
}

/* The value as the pool holds it: v, or one made of it. NULL: no memory. */
static struct value *typed_value(struct compiler *c, struct str type, struct value *v)
{
    if (str_eq_c(type, "secret"))
        return compiler_keep(c, value_secret(NULL, value_text(v)));
    if (str_eq_c(type, "float") && value_type(v) == VALUE_INT)
        return compiler_keep(c, value_float(NULL, value_as_double(v)));
    if (str_starts(type, STR("array[")) && value_count(v) == 0) { /* it has its type from here only */
        struct value_builder b;
        value_array_begin(&b, NULL);
        return compiler_keep(c, value_array_end_as(&b, value_elem_of(type)));
    }
    return v;
}
