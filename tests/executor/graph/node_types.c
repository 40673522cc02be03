/*
 * node_types: node types of these tests' own; they compile just enough to be seen. agent and knowledge-retrieval are known,
 * and not served.
 */
#include "tests/executor/graph/node_types.h"

bool node_types_serve_loops = true;

static void compile_nothing(struct node_compile *nc, const struct value *data, struct node *node)
{
    (void)nc;
    (void)data;
    (void)node;
}

/* A form of text inputs: `variables` are names. */
static void compile_start(struct node_compile *nc, const struct value *data, struct node *node)
{
    (void)node;
    const struct value *list = value_get_c(data, "variables");
    size_t count = list != NULL && value_type(list) == VALUE_ARRAY ? value_count(list) : 0;
    struct input_field *fields = arena_array(node_compile_arena(nc), count, sizeof *fields);
    if (fields == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        fields[i].variable = value_get_text(value_item(list, i), "variable", STR("?"));
    node_compile_fields(nc, fields, (uint32_t)count);
}

/* `reads` is a selector, `text` a template, `constant` any value. */
static void compile_reader(struct node_compile *nc, const struct value *data, struct node *node)
{
    struct reader_config *config = arena_alloc(node_compile_arena(nc), sizeof *config);
    if (config == NULL)
        return;
    config->reads = node_compile_selector(nc, value_get_c(data, "reads"), "reads");
    config->text = node_compile_template(nc, value_get_text(data, "text", STR("")), "text");
    const struct value *constant = value_get_c(data, "constant");
    if (constant != NULL)
        config->constant = node_compile_keep(nc, node_compile_copy(constant));
    node->config = config;
    if (value_get_bool(data, "is_odd", false))
        node_compile_warning(nc, "is_odd", "make it even", "%s", "odd");
    if (value_get_bool(data, "is_strange", false))
        node_compile_unsupported(nc, "is_strange", "make it familiar", "%s", "strange readers");
}

static void compile_end(struct node_compile *nc, const struct value *data, struct node *node)
{
    const struct value *list = value_get_c(data, "outputs");
    (void)node;
    for (size_t i = 0; list != NULL && value_type(list) == VALUE_ARRAY && i < value_count(list); i++) {
        struct selector s =
            node_compile_selector(nc, value_get_c(value_item(list, i), "value_selector"), "outputs");
        if (i > 0)
            node_compile_segment(nc, (struct response_segment){.literal = STR("\n")});
        if (s.count > 0)
            node_compile_segment(nc, (struct response_segment){.is_reference = true, .selector = s});
    }
}

static void compile_answer(struct node_compile *nc, const struct value *data, struct node *node)
{
    struct template t = node_compile_template(nc, value_get_text(data, "answer", STR("")), "answer");
    (void)node;
    for (size_t i = 0; i < t.count; i++) {
        bool is_reference = t.pieces[i].selector.count > 0;
        node_compile_segment(nc, (struct response_segment){.is_reference = is_reference,
                                                           .literal = t.pieces[i].text,
                                                           .selector = t.pieces[i].selector});
    }
}

static const struct node_type types[] = {
    {.name = "start", .kind = NODE_ROOT, .compile = compile_start},
    {.name = "end", .kind = NODE_RESPONSE, .compile = compile_end},
    {.name = "answer", .kind = NODE_RESPONSE, .compile = compile_answer},
    {.name = "llm", .kind = NODE_EXECUTABLE, .has_retry = true, .compile = compile_reader},
    {.name = "code", .kind = NODE_EXECUTABLE, .has_retry = true, .compile = compile_reader},
    {.name = "if-else", .kind = NODE_BRANCH, .compile = compile_nothing},
    {.name = "iteration", .kind = NODE_CONTAINER, .compile = compile_nothing},
    {.name = "iteration-start", .kind = NODE_EXECUTABLE, .compile = compile_nothing},
    {.name = "loop", .kind = NODE_CONTAINER, .compile = compile_nothing},
    {.name = "loop-start", .kind = NODE_EXECUTABLE, .compile = compile_nothing},
    {.name = "loop-end", .kind = NODE_EXECUTABLE, .compile = compile_nothing},
    {.name = "assigner", .kind = NODE_EXECUTABLE, .compile = compile_nothing},
    {.name = "template-transform", .kind = NODE_EXECUTABLE, .compile = compile_reader},
    {.name = "variable-aggregator", .kind = NODE_EXECUTABLE, .compile = compile_nothing},
    {.name = "variable-assigner", .kind = NODE_EXECUTABLE, .compile = compile_nothing},
    {.name = "tool", .kind = NODE_EXECUTABLE, .has_retry = true, .compile = compile_nothing},
    {.name = "http-request", .kind = NODE_EXECUTABLE, .has_retry = true, .compile = compile_nothing},
    {.name = "list-operator", .kind = NODE_EXECUTABLE, .compile = compile_nothing},
    {.name = "parameter-extractor", .kind = NODE_EXECUTABLE, .compile = compile_nothing},
};

const struct node_type *node_type_find(struct str name)
{
    if (!node_types_serve_loops && str_starts(name, STR("loop")))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_eq_c(name, types[i].name))
            return &types[i];
    }
    return NULL;
}

bool node_type_is_known(struct str name)
{
    static const char *const unserved[] = {"agent",           "knowledge-retrieval", "question-classifier",
                                           "trigger-webhook", "datasource",          "human-input"};
    for (size_t i = 0; i < ARRAY_LEN(unserved); i++) {
        if (str_eq_c(name, unserved[i]))
            return true;
    }
    return str_starts(name, STR("loop")) || node_type_find(name) != NULL;
}
