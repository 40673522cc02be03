/* A record as heddle.v1.Run: nodes in the form asked for, and what is left out when it would be too large. */
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>

#include "gateway/api/page_reply.h"
#include "gateway/api/run_reply.h"
#include "heddle/v1/workflow.pb-c.h"

enum { MAX = 3 << 20 };

/* Appends one node as journals have it. */
static void put_node(struct buf *nodes, const char *id, size_t outputs_bytes)
{
    Heddle__V1__NodeFinished node = HEDDLE__V1__NODE_FINISHED__INIT, *list[] = {&node};
    Heddle__V1__Run run = HEDDLE__V1__RUN__INIT;
    char *outputs = malloc(outputs_bytes + 8);
    memset(outputs, 'x', outputs_bytes + 8);
    memcpy(outputs, "{\"a\":\"", 6);
    memcpy(outputs + outputs_bytes + 5, "\"}", 3);
    node.node_id = (char *)id;
    node.inputs_json = "{\"b\":1}";
    node.process_data_json = "{}";
    node.outputs_json = outputs;
    node.total_tokens = 5;
    node.error = "none";
    run.n_nodes = 1;
    run.nodes = list;
    size_t size = heddle__v1__run__get_packed_size(&run);
    uint8_t *bytes = malloc(size);
    heddle__v1__run__pack(&run, bytes);
    buf_put(nodes, (struct str){(char *)bytes, size});
    free(bytes);
    free(outputs);
}

static Heddle__V1__Run *reply(const struct store_run *run, enum payload_form form, size_t max)
{
    struct buf b;
    buf_init(&b, max);
    run_reply_put(&b, run, form, max);
    assert_false(b.failed);
    assert_true(b.len <= max);
    Heddle__V1__Run *read = heddle__v1__run__unpack(NULL, b.len, (const uint8_t *)b.ptr);
    assert_non_null(read);
    buf_fini(&b);
    return read;
}

static struct store_run run_with(const struct buf *nodes)
{
    return (struct store_run){.run_id = STR("run-1"),
                              .app_id = STR("app-1"),
                              .version_id = STR("version-1"),
                              .version_number = 3,
                              .status = HEDDLE__V1__RUN_STATUS__RUN_STATUS_SUCCEEDED,
                              .end_reason = HEDDLE__V1__END_REASON__END_REASON_COMPLETED,
                              .attempt = 1,
                              .user = STR("u-1"),
                              .end_user_type = STR("service-api"),
                              .created_at_ms = 1,
                              .finished_at_ms = 2,
                              .inputs = STR("{\"in\":true}"),
                              .outputs = STR("{\"out\":[1.5]}"),
                              .nodes = buf_str(nodes)};
}

static void a_run_comes_with_its_nodes_in_the_form_asked_for(void **state)
{
    (void)state;
    struct buf nodes;
    buf_init(&nodes, MAX);
    put_node(&nodes, "one", 10);
    put_node(&nodes, "two", 10);
    const struct store_run run = run_with(&nodes);
    static const enum payload_form forms[] = {PAYLOAD_STRUCT, PAYLOAD_JSON, PAYLOAD_NONE};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        Heddle__V1__Run *read = reply(&run, forms[i], MAX);
        bool is_struct = forms[i] == PAYLOAD_STRUCT, is_json = forms[i] == PAYLOAD_JSON;
        assert_string_equal(read->run_id, "run-1");
        assert_int_equal(read->version_number, 3);
        assert_int_equal(read->attempt, 1);
        assert_string_equal(read->end_user_type, "service-api");
        assert_int_equal(read->inputs != NULL, is_struct);
        assert_string_equal(read->outputs_json, is_json ? "{\"out\":[1.5]}" : "");
        assert_int_equal(read->n_nodes, 2);
        assert_string_equal(read->nodes[1]->node_id, "two");
        for (size_t n = 0; n < 2; n++) {
            const Heddle__V1__NodeFinished *node = read->nodes[n];
            assert_string_equal(node->error, "none");
            assert_int_equal(node->total_tokens, 5);
            assert_false(node->payloads_left_out);
            assert_int_equal(node->inputs != NULL && node->process_data != NULL && node->outputs != NULL,
                             is_struct);
            assert_string_equal(node->inputs_json, is_json ? "{\"b\":1}" : "");
            if (is_struct)
                assert_string_equal(node->inputs->fields[0]->key, "b");
        }
        assert_int_equal(read->nodes_left_out, 0);
        heddle__v1__run__free_unpacked(read, NULL);
    }
    buf_fini(&nodes);
}

static void the_largest_payloads_go_first(void **state)
{
    (void)state;
    static const enum payload_form forms[] = {PAYLOAD_STRUCT, PAYLOAD_JSON};
    struct buf nodes;
    buf_init(&nodes, 4 << 20);
    put_node(&nodes, "small", 100);
    put_node(&nodes, "largest", 60000);
    put_node(&nodes, "large", 30000);
    put_node(&nodes, "middle", 10000);
    const struct store_run run = run_with(&nodes);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        Heddle__V1__Run *read = reply(&run, forms[i], 20000);
        static const bool is_left_out[] = {false, true, true, false};
        assert_int_equal(read->n_nodes, 4);
        for (size_t n = 0; n < 4; n++) {
            const Heddle__V1__NodeFinished *node = read->nodes[n];
            assert_int_equal(node->payloads_left_out, is_left_out[n]);
            assert_int_equal(node->outputs == NULL && node->outputs_json[0] == '\0', is_left_out[n]);
            assert_string_equal(node->error, "none");
        }
        assert_false(read->payloads_left_out);
        assert_int_equal(read->nodes_left_out, 0);
        heddle__v1__run__free_unpacked(read, NULL);
    }
    buf_fini(&nodes);
}

static void the_runs_own_payloads_go_as_those_of_nodes(void **state)
{
    (void)state;
    struct buf nodes, outputs;
    buf_init(&nodes, MAX);
    buf_init(&outputs, MAX);
    put_node(&nodes, "one", 1000);
    buf_put_c(&outputs, "{\"o\":\"");
    for (size_t i = 0; i < 5000; i++)
        buf_put_char(&outputs, 'y');
    buf_put_c(&outputs, "\"}");
    struct store_run run = run_with(&nodes);
    run.outputs = buf_str(&outputs);
    Heddle__V1__Run *read = reply(&run, PAYLOAD_JSON, 3000);
    assert_true(read->payloads_left_out);
    assert_string_equal(read->outputs_json, "");
    assert_string_equal(read->inputs_json, "{\"in\":true}");
    assert_false(read->nodes[0]->payloads_left_out);
    heddle__v1__run__free_unpacked(read, NULL);
    buf_fini(&nodes);
    buf_fini(&outputs);
}

static void the_first_nodes_go_when_they_are_too_many(void **state)
{
    (void)state;
    struct buf nodes;
    buf_init(&nodes, MAX);
    for (size_t i = 0; i < 100; i++)
        put_node(&nodes, i == 99 ? "last" : "node", 50);
    const struct store_run run = run_with(&nodes);
    Heddle__V1__Run *read = reply(&run, PAYLOAD_STRUCT, 1000);
    assert_true(read->nodes_left_out > 0);
    assert_int_equal(read->nodes_left_out + (int)read->n_nodes, 100);
    assert_true(read->n_nodes > 10);
    assert_string_equal(read->nodes[read->n_nodes - 1]->node_id, "last");
    heddle__v1__run__free_unpacked(read, NULL);
    buf_fini(&nodes);
}

static void a_row_has_neither_payloads_nor_nodes(void **state)
{
    (void)state;
    struct buf nodes, b;
    buf_init(&nodes, MAX);
    buf_init(&b, MAX);
    put_node(&nodes, "one", 10);
    const struct store_run run = run_with(&nodes);
    run_reply_put_row(&b, &run);
    Heddle__V1__Run *read = heddle__v1__run__unpack(NULL, b.len, (const uint8_t *)b.ptr);
    assert_string_equal(read->run_id, "run-1");
    assert_string_equal(read->user, "u-1");
    assert_null(read->inputs);
    assert_int_equal(read->n_nodes, 0);
    heddle__v1__run__free_unpacked(read, NULL);
    buf_fini(&nodes);
    buf_fini(&b);
}

/* A page of three items of these sizes. */
static void fill(struct page_reply *p, const size_t sizes[3])
{
    page_reply_init(p);
    for (size_t i = 0; i < 3; i++) {
        struct buf *b;
        size_t mark = page_reply_begin(p, &b);
        for (size_t k = 0; k < sizes[i]; k++)
            buf_put_char(b, (char)('a' + i));
        page_reply_end(p, mark);
    }
}

static void a_page_that_is_too_large_has_fewer_items(void **state)
{
    (void)state;
    enum { MIB = 1 << 20 };
    static const struct {
        size_t sizes[3];
        enum page_cut cut;
        size_t first, end;
    } rows[] = {
        {{10, 10, 10}, PAGE_CUT_BACK, 0, 3},      {{10, 10, 10}, PAGE_CUT_FRONT, 0, 3},
        {{MIB, MIB, MIB}, PAGE_CUT_BACK, 0, 2},   {{MIB, MIB, MIB}, PAGE_CUT_FRONT, 1, 3},
        {{10, 4 * MIB, 10}, PAGE_CUT_BACK, 0, 1}, {{10, 4 * MIB, 10}, PAGE_CUT_FRONT, 2, 3},
        {{4 * MIB, 10, 10}, PAGE_CUT_BACK, 0, 1}, {{10, 10, 4 * MIB}, PAGE_CUT_FRONT, 2, 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct page_reply p;
        fill(&p, rows[i].sizes);
        page_reply_cut(&p, rows[i].cut);
        assert_int_equal(p.first, rows[i].first);
        assert_int_equal(p.end, rows[i].end);
        size_t least = 0;
        for (size_t k = p.first; k < p.end; k++)
            least += rows[i].sizes[k];
        assert_in_range(p.bytes.len, least, least + 30);
        assert_int_equal(p.bytes.ptr[p.bytes.len - 1], (char)('a' + p.end - 1));
        buf_fini(&p.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_comes_with_its_nodes_in_the_form_asked_for),
        cmocka_unit_test(the_largest_payloads_go_first),
        cmocka_unit_test(the_runs_own_payloads_go_as_those_of_nodes),
        cmocka_unit_test(the_first_nodes_go_when_they_are_too_many),
        cmocka_unit_test(a_row_has_neither_payloads_nor_nodes),
        cmocka_unit_test(a_page_that_is_too_large_has_fewer_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
