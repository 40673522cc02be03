/*
 * template-transform: a Jinja2 template over named variables (dify-dsl.md 4.6). Templates of literal text and {{ name }} are
 * rendered here; others need the sandbox and are not served.
 */
#include "executor/nodes/bindings.h"
#include "executor/nodes/types.h"

struct template_config {
    struct template text; /* slots of the selectors: indexes of bindings */
    struct bindings names;
};

static void transform_compile(struct node_compile *nc, const struct value *data, struct node *node)
{
    struct template_config *config = arena_alloc(node_compile_arena(nc), sizeof *config);
    struct status why = {0};
    if (config == NULL || !bindings_compile(nc, value_get_c(data, "variables"), "variables", &config->names))
        return;
    node->config = config;
    if (template_parse_plain(node_compile_arena(nc), value_get_text(data, "template", STR("")), &config->text,
                             &why))
        bindings_resolve(&config->names, &config->text);
    else if (why.code == STATUS_INVALID_ARGUMENT)
        node_compile_unsupported(nc, "template", "use literal text and {{ name }} only",
                                 "the template needs Jinja2, which is not served: %s", why.message);
}

static void transform_start(struct node_exec *x)
{
    const struct template_config *config = node_exec_node(x)->config;
    struct value_account *a = node_exec_account(x);
    struct node_result result = {.inputs = bindings_values(&config->names, x)};
    struct value *output = bindings_render(&config->names, x, &config->text);
    if (output != NULL && str_utf8_count(value_text(output)) > LIMIT_TEXT_OUTPUT_CHARS) {
        value_unref(output);
        node_fail(x, &result, "Output length exceeds %d characters", LIMIT_TEXT_OUTPUT_CHARS);
        return;
    }
    struct value_builder b;
    value_object_begin(&b, a);
    value_object_put(&b, STR("output"), output);
    result.outputs = value_object_end(&b);
    node_succeed(x, &result);
}

const struct node_type node_template_transform = {.name = "template-transform",
                                                  .kind = NODE_EXECUTABLE,
                                                  .compile = transform_compile,
                                                  .start = transform_start};
