/*
 * end: names variables as outputs of the run; one that is not found is null (dify-dsl.md 4.2). They stream one after the
 * other, with a line end between.
 */
#include "executor/nodes/types.h"
#include <stdio.h>

/* outputs. Of one end node. */
enum { END_OUTPUTS_MAX = 1000 };

struct end_output {
    struct str name;
    struct selector selector;
};
struct end_config {
    struct end_output *outputs;
    size_t count;
};

static void end_compile(struct node_compile *nc, const struct value *data, struct node *node)
{
    const struct value *list = value_get_c(data, "outputs");
    size_t count = list != NULL && value_type(list) == VALUE_ARRAY ? value_count(list) : 0;
    struct end_config *config = arena_alloc(node_compile_arena(nc), sizeof *config);
    if (count > END_OUTPUTS_MAX) {
        node_compile_problem(nc, "outputs", "give fewer outputs", "%zu outputs are more than %d", count,
                             END_OUTPUTS_MAX);
        return;
    }
    if (config == NULL)
        return;
    config->outputs = arena_array(node_compile_arena(nc), count, sizeof *config->outputs);
    for (size_t i = 0; config->outputs != NULL && i < count; i++) {
        struct end_output *output = &config->outputs[config->count];
        char path[64];
        snprintf(path, sizeof path, "outputs[%zu].value_selector", i);
        output->name = value_get_text(value_item(list, i), "variable", STR(""));
        output->selector =
            node_compile_selector(nc, value_get_c(value_item(list, i), "value_selector"), path);
        if (output->name.len == 0)
            continue; /* a row of the editor that was never filled in */
        if (config->count > 0)
            node_compile_segment(nc, (struct response_segment){.literal = STR("\n")});
        if (output->selector.count >= 2)
            node_compile_segment(
                nc, (struct response_segment){.is_reference = true, .selector = output->selector});
        config->count++;
    }
    node->config = config;
}

static void end_start(struct node_exec *x)
{
    const struct end_config *config = node_exec_node(x)->config;
    struct value_builder b;
    value_object_begin(&b, node_exec_account(x));
    for (size_t i = 0; i < config->count; i++) {
        struct value *v = node_exec_get(x, &config->outputs[i].selector);
        value_object_put(&b, config->outputs[i].name, v != NULL ? value_ref(v) : value_none());
    }
    struct value *outputs = value_object_end(&b);
    struct node_result result = {.inputs = value_ref(outputs), .outputs = outputs};
    node_succeed(x, &result);
}

const struct node_type node_end = {
    .name = "end", .kind = NODE_RESPONSE, .compile = end_compile, .start = end_start};
