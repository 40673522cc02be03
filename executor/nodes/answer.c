/*
 * answer: a template in its markdown form, and the files it mentions (dify-dsl.md 4.2).
 */
#include "executor/nodes/types.h"

static void put_files(struct value_builder *files, struct value *v);

static void answer_compile(struct node_compile *nc, const struct value *data, struct node *node)
{
    struct template *t = arena_alloc(node_compile_arena(nc), sizeof *t);
    if (t == NULL)
        return;
    *t = node_compile_template(nc, value_get_text(data, "answer", STR("")), "answer");
    node->config = t;
    for (size_t i = 0; i < t->count; i++) {
        const struct template_piece *piece = &t->pieces[i];
        node_compile_segment(nc, (struct response_segment){.is_reference = piece->selector.count > 0,
                                                           .is_bare = !piece->is_braced,
                                                           .literal = piece->text,
                                                           .selector = piece->selector});
    }
}

static void answer_start(struct node_exec *x)
{
    const struct template *t = node_exec_node(x)->config;
    struct value_account *a = node_exec_account(x);
    struct value_builder files, outputs;
    value_array_begin(&files, a);
    for (size_t i = 0; i < t->count; i++) {
        struct value *v = t->pieces[i].selector.count > 0 ? node_exec_get(x, &t->pieces[i].selector) : NULL;
        if (v != NULL)
            put_files(&files, v);
    }
    value_object_begin(&outputs, a);
    value_object_put(&outputs, STR("answer"), node_exec_render(x, t, TEMPLATE_MARKDOWN));
    value_object_put(&outputs, STR("files"), value_array_end_as(&files, VALUE_ELEM_FILE));
    struct node_result result = {.outputs = value_object_end(&outputs)};
    node_succeed(x, &result);
}

static void put_files(struct value_builder *files, struct value *v)
{
    if (value_type(v) == VALUE_FILE)
        value_array_put(files, value_ref(v));
    for (size_t i = 0; value_type(v) == VALUE_ARRAY && value_elem(v) == VALUE_ELEM_FILE && i < value_count(v);
         i++)
        value_array_put(files, value_ref(value_item(v, i)));
}

const struct node_type node_answer = {
    .name = "answer", .kind = NODE_RESPONSE, .compile = answer_compile, .start = answer_start};
