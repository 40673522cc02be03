/*
 * start: gives the inputs of the run (dify-dsl.md 4.1). They have been checked against the form before the run began; what is left
 * are the schemas of objects.
 */
#include "executor/nodes/types.h"
#include "executor/value/json_schema.h"
#include "executor/value/parse.h"
#include <stdio.h>

/* fields. Of one form. */
enum { START_FIELDS_MAX = 1000 };
/* bytes. What is said of a schema, or of an object that does not follow it. */
enum { SCHEMA_WORDS_BYTES_MAX = 1000 };

struct start_config {
    const struct input_field *fields;
    const struct value **schemas; /* of each field; NULL: none */
    uint32_t count;
};

static const struct value *compile_schema(struct node_compile *nc, const struct value *entry, size_t i);
static bool compile_field(struct node_compile *nc, const struct value *entry, size_t i,
                          struct input_field *field);
static void compile_options(struct node_compile *nc, const struct value *options, struct input_field *field);

static void start_compile(struct node_compile *nc, const struct value *data, struct node *node)
{
    struct arena *arena = node_compile_arena(nc);
    const struct value *list = value_get_c(data, "variables");
    size_t count = list != NULL && value_type(list) == VALUE_ARRAY ? value_count(list) : 0;
    if (count > START_FIELDS_MAX) {
        node_compile_problem(nc, "variables", "ask for fewer inputs", "%zu inputs are more than %d", count,
                             START_FIELDS_MAX);
        return;
    }
    struct start_config *config = arena_alloc(arena, sizeof *config);
    struct input_field *fields = arena_array(arena, count, sizeof *fields);
    const struct value **schemas = arena_array(arena, count, sizeof(const struct value *));
    uint32_t made = 0;
    if (config == NULL || fields == NULL || schemas == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        if (!compile_field(nc, value_item(list, i), i, &fields[made]))
            continue;
        if (str_eq_c(fields[made].type, "json_object"))
            schemas[made] = compile_schema(nc, value_item(list, i), i);
        made++;
    }
    *config = (struct start_config){fields, schemas, made};
    node->config = config;
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
    compile_options(nc, value_get_c(entry, "options"), field);
    return true;
}

/* An object, or JSON text of one; empty is none. */
static const struct value *compile_schema(struct node_compile *nc, const struct value *entry, size_t i)
{
    const struct value *schema = value_get_c(entry, "json_schema");
    if (schema == NULL || !value_is_truthy(schema))
        return NULL;
    struct buf why;
    buf_init(&why, SCHEMA_WORDS_BYTES_MAX);
    if (value_type(schema) == VALUE_STRING) {
        struct value *read = NULL;
        if (value_parse_json(NULL, value_text(schema), &read, NULL) == STATUS_OK)
            schema = node_compile_keep(nc, read);
        else
            buf_put_c(&why, "no JSON");
    }
    bool is_object = schema != NULL && value_type(schema) == VALUE_OBJECT;
    if (why.len > 0 || (schema != NULL && (!is_object || !json_schema_is_valid(schema, &why)))) {
        char path[48];
        snprintf(path, sizeof path, "variables[%zu].json_schema", i);
        node_compile_problem(nc, path, "give a JSON Schema of draft 7", "json_schema is no schema: %.*s",
                             STR_ARG(is_object || why.len > 0 ? buf_str(&why) : STR("no object")));
        schema = NULL;
    }
    buf_fini(&why);
    return schema;
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
    const struct start_config *config = node_exec_node(x)->config;
    struct value *inputs = node_exec_inputs(x);
    struct node_result result = {.inputs = value_ref(inputs)};
    struct buf why;
    buf_init(&why, SCHEMA_WORDS_BYTES_MAX);
    for (uint32_t i = 0; i < config->count; i++) {
        struct str name = config->fields[i].variable;
        const struct value *v = value_get(inputs, name);
        if (config->schemas[i] == NULL || v == NULL || value_type(v) == VALUE_NONE ||
            json_schema_fits(config->schemas[i], v, &why))
            continue;
        result.error_type = "WorkflowNodeError";
        node_fail(x, &result, "JSON object for '%.*s' does not match schema: %.*s", STR_ARG(name),
                  STR_ARG(buf_str(&why)));
        buf_fini(&why);
        return;
    }
    buf_fini(&why);
    result.outputs = value_ref(inputs);
    node_succeed(x, &result);
}

const struct node_type node_start = {
    .name = "start", .kind = NODE_ROOT, .compile = start_compile, .start = start_start};
