/*
 * start: gives the inputs of the run (dify-dsl.md 4.1). They have been checked against the form before the run began.
 */
#include "executor/nodes/types.h"
#include <stdio.h>

/* fields. Of one form. */
enum { START_FIELDS_MAX = 1000 };

static bool compile_field(struct node_compile *nc, const struct value *entry, size_t i,
                          struct input_field *field);
static void compile_options(struct node_compile *nc, const struct value *options, struct input_field *field);

static void start_compile(struct node_compile *nc, const struct value *data, struct node *node)
{
    (void)node;
    const struct value *list = value_get_c(data, "variables");
    size_t count = list != NULL && value_type(list) == VALUE_ARRAY ? value_count(list) : 0;
    if (count > START_FIELDS_MAX) {
        node_compile_problem(nc, "variables", "ask for fewer inputs", "%zu inputs are more than %d", count,
                             START_FIELDS_MAX);
        return;
    }
    struct input_field *fields = arena_array(node_compile_arena(nc), count, sizeof *fields);
    uint32_t made = 0;
    for (size_t i = 0; fields != NULL && i < count; i++)
        made += compile_field(nc, value_item(list, i), i, &fields[made]) ? 1 : 0;
    node_compile_fields(nc, fields, made);
}

static bool compile_field(struct node_compile *nc, const struct value *entry, size_t i,
                          struct input_field *field)
{
    static const char *const types[] = {"text-input", "paragraph", "select",    "number",
                                        "checkbox",   "file",      "file-list", "json_object"};
    char path[48];
    snprintf(path, sizeof path, "variables[%zu]", i);
    *field = (struct input_field){.variable = value_get_text(entry, "variable", STR("")),
                                  .label = value_get_text(entry, "label", STR("")),
                                  .type = value_get_text(entry, "type", STR("text-input")),
                                  .required = value_get_bool(entry, "required", false),
                                  .fallback = value_get_c(entry, "default"),
                                  .max_length = value_get_int(entry, "max_length", 0)};
    if (field->variable.len == 0) {
        node_compile_problem(nc, path, "give the input a name", "an input without `variable`");
        return false;
    }
    bool is_known = false;
    for (size_t t = 0; t < ARRAY_LEN(types); t++)
        is_known |= str_eq_c(field->type, types[t]);
    if (!is_known)
        node_compile_warning(nc, path, "use another type of input",
                             "inputs of type %.*s are taken as they come", STR_ARG(field->type));
    const struct value *schema = value_get_c(entry, "json_schema");
    if (schema != NULL && value_is_truthy(schema))
        node_compile_warning(nc, path, "check the input in the workflow", "json_schema is not checked");
    compile_options(nc, value_get_c(entry, "options"), field);
    return true;
}

static void compile_options(struct node_compile *nc, const struct value *options, struct input_field *field)
{
    size_t count = options != NULL && value_type(options) == VALUE_ARRAY ? value_count(options) : 0;
    field->options = arena_array(node_compile_arena(nc), count, sizeof *field->options);
    for (size_t i = 0; field->options != NULL && i < count; i++) {
        if (value_type(value_item(options, i)) == VALUE_STRING)
            field->options[field->option_count++] = value_text(value_item(options, i));
    }
}

static void start_start(struct node_exec *x)
{
    struct value *inputs = node_exec_inputs(x);
    struct node_result result = {.inputs = value_ref(inputs), .outputs = value_ref(inputs)};
    node_succeed(x, &result);
}

const struct node_type node_start = {
    .name = "start", .kind = NODE_ROOT, .compile = start_compile, .start = start_start};
