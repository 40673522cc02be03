/*
 * Real exports load: with their mode, version, node types and edges, and nothing said about them but what is not served.
 * They are read from HEDDLE_DSL_DIR, or shared/dsl beside the source tree; without them the test is skipped.
 */
#include "tests/executor/graph/compiling.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct row {
    const char *file;
    enum app_mode mode;
    const char *version,
        *types; /* count and name of each type, by name; as the file has them, and added start nodes */
    uint32_t edges;
    bool has_unserved; /* knowledge-retrieval */
};
static const struct row rows[] = {
    {"awesome-dify-workflow/Form表单聊天Demo.yml", APP_MODE_CHATFLOW, "0.1.3",
     "3 answer 1 assigner 1 code 2 if-else 1 llm 1 start 1 template-transform", 9, false},
    {"awesome-dify-workflow/json_translate.yml", APP_MODE_WORKFLOW, "0.1.3",
     "4 code 1 end 1 iteration 1 iteration-start 1 start 1 tool", 7, false},
    {"awesome-dify-workflow/translation_workflow.yml", APP_MODE_WORKFLOW, "0.1.0",
     "1 end 1 if-else 4 llm 1 start 1 variable-aggregator", 8, false},
    {"awesome-dify-workflow/标题党创作.yml", APP_MODE_WORKFLOW, "0.1.0", "1 code 1 end 1 llm 1 start", 3,
     false},
    {"dify-fixtures/answer_end_with_text.yml", APP_MODE_CHATFLOW, "0.3.1", "1 answer 1 start", 1, false},
    {"dify-fixtures/array_iteration_formatting_workflow.yml", APP_MODE_WORKFLOW, "0.3.1",
     "1 code 1 end 1 iteration 1 iteration-start 1 start 1 template-transform", 4, false},
    {"dify-fixtures/basic_chatflow.yml", APP_MODE_CHATFLOW, "0.3.1", "1 answer 1 llm 1 start", 2, false},
    {"dify-fixtures/basic_llm_chat_workflow.yml", APP_MODE_WORKFLOW, "0.3.1", "1 end 1 llm 1 start", 2,
     false},
    {"dify-fixtures/conditional_hello_branching_workflow.yml", APP_MODE_WORKFLOW, "0.3.1",
     "2 end 1 if-else 1 start", 3, false},
    {"dify-fixtures/conditional_streaming_vs_template_workflow.yml", APP_MODE_WORKFLOW, "0.3.1",
     "2 end 1 if-else 2 llm 1 start 1 template-transform", 6, false},
    {"dify-fixtures/http_request_with_json_tool_workflow.yml", APP_MODE_WORKFLOW, "0.3.1",
     "1 end 1 http-request 1 start 1 tool", 3, false},
    {"dify-fixtures/increment_loop_with_break_condition_workflow.yml", APP_MODE_WORKFLOW, "0.3.1",
     "1 assigner 1 end 1 loop 1 loop-start 1 start", 3, false},
    {"dify-fixtures/loop_contains_answer.yml", APP_MODE_CHATFLOW, "0.3.1",
     "2 answer 1 assigner 1 loop 1 loop-start 1 start", 4, false},
    {"dify-fixtures/simple_passthrough_workflow.yml", APP_MODE_WORKFLOW, "0.3.1", "1 end 1 start", 1, false},
    {"dify-fixtures/test_complex_branch.yml", APP_MODE_CHATFLOW, "0.3.1", "2 answer 1 if-else 1 llm 1 start",
     5, false},
    {"dify-recommended/book-translation.yml", APP_MODE_WORKFLOW, "0.1.0",
     "1 code 1 end 1 iteration 1 iteration-start 4 llm 1 start 1 template-transform", 8, false},
    {"dify-recommended/sentiment-analysis.yml", APP_MODE_WORKFLOW, "0.1.0", "2 end 1 if-else 2 llm 1 start",
     5, false},
    {"dify-recommended/text-summarization-workflow.yml", APP_MODE_WORKFLOW, "0.1.0",
     "1 end 1 if-else 1 knowledge-retrieval 2 llm 1 start 1 template-transform 1 variable-assigner", 8, true},
    {"dsl-generator-skills/list-operator-workflow.yml", APP_MODE_WORKFLOW, "0.6.0",
     "1 code 1 end 1 list-operator 1 start", 3, false},
    {"dsl-generator-skills/loop-assigner-workflow.yml", APP_MODE_WORKFLOW, "0.6.0",
     "1 assigner 1 end 1 loop 1 loop-end 1 loop-start 1 start", 4, false},
    {"dsl-generator-skills/parameter-extractor-routing-workflow.yml", APP_MODE_WORKFLOW, "0.6.0",
     "1 end 1 parameter-extractor 1 start", 2, false},
};

/* The text of an export; false when the folder is not there. */
static bool read_export(const char *file, struct buf *ret)
{
    char path[4096];
    const char *dir = getenv("HEDDLE_DSL_DIR"), *source = getenv("HEDDLE_SOURCE_DIR");
    if (dir != NULL)
        (void)snprintf(path, sizeof path, "%s/%s", dir, file);
    else
        (void)snprintf(path, sizeof path, "%s/../shared/dsl/%s", source != NULL ? source : ".", file);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        assert_int_equal(ENOENT, errno);
        return false;
    }
    char piece[4096];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        buf_put(ret, (struct str){piece, n});
    (void)fclose(f); /* was only read */
    return true;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp((*(const struct node *const *)a)->type_name, (*(const struct node *const *)b)->type_name);
}

/* "2 end 1 llm" */
static void put_types(struct buf *b, const struct graph *g)
{
    const struct node *nodes[100];
    assert_true(g->node_count <= ARRAY_LEN(nodes));
    for (uint32_t i = 0; i < g->node_count; i++)
        nodes[i] = &g->nodes[i];
    qsort(nodes, g->node_count, sizeof nodes[0], by_name);
    for (uint32_t i = 0, k; i < g->node_count; i = k) {
        for (k = i; k < g->node_count && str_eq(nodes[k]->type_name, nodes[i]->type_name); k++) {
        }
        buf_printf(b, "%s%u %.*s", i > 0 ? " " : "", k - i, STR_ARG(nodes[i]->type_name));
    }
}

static void check_export(const struct row *row, struct str text)
{
    struct compiling c;
    struct buf types;
    compiling_text(&c, text, true);
    if (c.rc != STATUS_OK)
        print_error("%s: %s\n", row->file, c.err.message);
    assert_ok(c.rc);
    assert_entries(&c.report, row->has_unserved ? 1 : 0);
    assert_int_equal(row->mode, c.graph->mode);
    assert_str(row->version, c.graph->dsl_version);
    assert_int_equal(row->edges, c.graph->edge_count);
    assert_str("start", c.graph->nodes[c.graph->root].type_name);
    buf_init(&types, 4096);
    put_types(&types, c.graph);
    assert_str(row->types, buf_str(&types));
    buf_fini(&types);
    assert_true(c.graph->response_count > 0);
    for (uint32_t i = 0; i < c.graph->response_count; i++)
        assert_true(c.graph->responses[i].is_open || c.graph->responses[i].blocking_count > 0);
    for (uint32_t i = 0; i < c.graph->node_count; i++) {
        const struct node *node = &c.graph->nodes[i];
        assert_false(node->is_inactive);
        assert_int_equal(node->kind == NODE_CONTAINER, node->child_root != UINT32_MAX);
        if (node->child_root != UINT32_MAX)
            assert_int_equal(i, c.graph->nodes[node->child_root].container);
    }
    compiling_fini(&c);
    if (row->has_unserved) {
        compiling_text(&c, text, false);
        assert_code(STATUS_INVALID_ARGUMENT, c.rc);
        assert_int_equal(1, c.report.error_count);
        compiling_fini(&c);
    }
}

static void every_export_loads_as_stated(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf text;
        buf_init(&text, LIMIT_DSL_BYTES);
        if (!read_export(rows[i].file, &text)) {
            print_message("skipped: no %s (set HEDDLE_DSL_DIR)\n", rows[i].file);
            buf_fini(&text);
            skip();
        }
        check_export(&rows[i], buf_str(&text));
        buf_fini(&text);
    }
}

static void the_children_of_old_iterations_are_found(void **state)
{
    (void)state;
    struct buf text;
    struct compiling c;
    buf_init(&text, LIMIT_DSL_BYTES);
    if (!read_export("dify-recommended/book-translation.yml", &text)) {
        buf_fini(&text);
        skip();
    }
    compiling_text(&c, buf_str(&text), false);
    assert_ok(c.rc);
    uint32_t inside = 0;
    for (uint32_t i = 0; i < c.graph->node_count; i++)
        inside += c.graph->nodes[i].container != UINT32_MAX;
    assert_int_equal(5, inside); /* four that are marked, and the start node */
    const struct node *start = &c.graph->nodes[c.graph->node_count - 1];
    assert_str("1717916955547start", start->id);
    assert_int_equal(1, start->out_count);
    assert_str("1717916961837", c.graph->nodes[c.graph->edges[start->out[0]].target].id);
    compiling_fini(&c);
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_export_loads_as_stated),
        cmocka_unit_test(the_children_of_old_iterations_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
