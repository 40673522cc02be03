/*
 * What blocks an answer: the last blocking edges on the ways to it; and that says the same as all blocking edges of all simple
 * paths, in every order a run can take.
 */
#include "tests/executor/graph/compiling.h"
#include <stdio.h>
#include <stdlib.h>

/* The blocking edges of a response, "b>r:true c>r" in file order; "open" when it always is reachable. */
static void put_blocking(struct buf *b, const struct compiling *c, const char *id)
{
    const struct graph *g = c->graph;
    for (uint32_t i = 0; i < g->response_count; i++) {
        const struct response *r = &g->responses[i];
        if (!str_eq_c(g->nodes[r->node].id, id))
            continue;
        if (r->is_open)
            buf_put_c(b, "open");
        for (uint32_t p = 0; p < r->blocking_count; p++) {
            const struct edge *edge = &g->edges[r->blocking[p]];
            buf_put_c(b, b->len > 0 ? " " : "");
            buf_put(b, g->nodes[edge->source].id);
            buf_put_c(b, ">");
            buf_put(b, g->nodes[edge->target].id);
            buf_put_c(b, str_eq_c(edge->handle, "source") ? "" : ":");
            buf_put(b, str_eq_c(edge->handle, "source") ? STR("") : edge->handle);
        }
    }
}

static void what_blocks_an_answer(void **state)
{
    (void)state;
#define NODES                                                                                                \
    "{id: s, data: {type: start}}, {id: b, data: {type: if-else}}, {id: c, data: {type: if-else}}, "         \
    "{id: m, data: {type: llm}}, {id: n, data: {type: llm}}, {id: f, data: {type: code, error_strategy: "    \
    "fail-branch}}, "                                                                                        \
    "{id: l, data: {type: loop, start_node_id: ls}}, "                                                       \
    "{id: ls, parentId: l, type: custom-loop-start, data: {type: loop-start}}, "                             \
    "{id: li, parentId: l, data: {type: if-else}}, {id: la, parentId: l, data: {type: answer, answer: "      \
    "in}}, "                                                                                                 \
    "{id: v1, data: {type: assigner, assigned_variable_selector: [conversation, x]}}, "                      \
    "{id: v2, data: {type: assigner, version: '2', items: [{variable_selector: [conversation, y]}, "         \
    "{variable_selector: [conversation, x, deep]}]}}, "                                                      \
    "{id: q, data: {type: answer, answer: first}}, "                                                         \
    "{id: r, data: {type: answer, answer: 'a {{#m.text#}} b {{#conversation.x#}}'}}"
    static const struct {
        const char *name, *edges, *id, *blocking;
    } rows[] = {
        {"from the start", "s>r", "r", "open"},
        {"through plain nodes", "s>m m>n n>r", "r", "open"},
        {"behind a branch", "s>b b>m:true b>n:false m>r n>r", "r", "b>m:true b>n:false"},
        {"on one side of it", "s>b b>m:true b>n:false m>r", "r", "b>m:true"},
        {"branch beside an open way", "s>b b>r:true s>m m>r", "r", "open"},
        {"two branches in a row: the last one", "s>b b>c:true c>r:true", "r", "c>r:true"},
        {"a way around the second", "s>b b>c:true b>m:false c>m:true m>r", "r", "b>m:false c>m:true"},
        {"a branch on every way", "s>b s>c b>m:x c>n:y m>r n>r", "r", "b>m:x c>n:y"},
        {"fail branch", "s>f f>m f>n:fail-branch m>r n>r", "r", "f>m f>n:fail-branch"},
        {"container", "s>l l>r", "r", "l>r"},
        {"within a container, from its start", "s>l ls>la", "la", "open"},
        {"within a container, a branch", "s>l ls>li li>la:true", "la", "li>la:true"},
        {"another answer", "s>q q>r", "r", "q>r"},
        {"assigner of what it mentions", "s>v1 v1>r", "r", "v1>r"},
        {"assigner of something within it", "s>v2 v2>r", "r", "v2>r"},
        {"assigner of something else", "s>v1 v1>q", "q", "open"},
        {"no way", "s>m", "r", ""},
        {"a way from nowhere", "s>m b>r:true c>b", "r", ""},
        {"two edges of one branch", "s>b b>r:true b>r:false", "r", "b>r:true b>r:false"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct compiling c;
        struct buf b;
        buf_init(&b, 4096);
        compiling_graph(&c, NODES, rows[i].edges, "");
        assert_ok(c.rc);
        put_blocking(&b, &c, rows[i].id);
        if (!str_eq_c(buf_str(&b), rows[i].blocking))
            print_error("%s\n", rows[i].name);
        assert_str(rows[i].blocking, buf_str(&b));
        buf_fini(&b);
        compiling_fini(&c);
    }
#undef NODES
}

static void an_end_mentions_its_outputs(void **state)
{
    (void)state;
    struct compiling c;
    struct buf b;
    compiling_graph(
        &c,
        "{id: s, data: {type: start}}, {id: v, data: {type: assigner, assigned_variable_selector: [s, x]}}, "
        "{id: e, data: {type: end, outputs: [{variable: a, value_selector: [v, text]}, "
        "{variable: b, value_selector: [s, x]}]}}",
        "s>v v>e", "");
    assert_clean(&c);
    buf_init(&b, 100);
    put_blocking(&b, &c, "e");
    assert_str("v>e", buf_str(&b));
    const struct response *r = &c.graph->responses[0];
    assert_int_equal(3, r->segment_count);
    assert_true(r->segments[0].is_reference && !r->segments[1].is_reference && r->segments[2].is_reference);
    assert_int_equal(1, r->segments[0].source_node);
    assert_int_equal(0, r->segments[2].source_node);
    assert_str("\n", r->segments[1].literal);
    assert_int_equal(graph_slot(c.graph, STR("v"), STR("text")), r->segments[0].selector.slot);
    buf_fini(&b);
    compiling_fini(&c);
}

static void a_million_million_paths_are_no_work(void **state)
{
    (void)state;
    struct compiling c;
    struct buf nodes, edges, b;
    buf_init(&nodes, 1 << 20);
    buf_init(&edges, 1 << 20);
    buf_init(&b, 1 << 20);
    buf_put_c(&nodes, "{id: s, data: {type: start}}, {id: b0, data: {type: if-else}}, ");
    buf_put_c(&edges, "s>b0 ");
    enum { DIAMONDS = 40 };
    for (int i = 0; i < DIAMONDS; i++) {
        buf_printf(&nodes,
                   "{id: x%d, data: {type: code}}, {id: y%d, data: {type: code}}, {id: b%d, data: {type: "
                   "if-else}}, ",
                   i, i, i + 1);
        buf_printf(&edges, "b%d>x%d:true b%d>y%d:false x%d>b%d y%d>b%d ", i, i, i, i, i, i + 1, i, i + 1);
    }
    buf_printf(&nodes, "{id: r, data: {type: answer, answer: x}}");
    buf_printf(&edges, "b%d>r:true", DIAMONDS);
    buf_put_char(&nodes, '\0');
    buf_put_char(&edges, '\0');
    compiling_graph(&c, nodes.ptr, edges.ptr, "");
    assert_clean(&c);
    put_blocking(&b, &c, "r");
    assert_str("b40>r:true", buf_str(&b));
    compiling_fini(&c);
    buf_fini(&nodes);
    buf_fini(&edges);
    buf_fini(&b);
}

/* --- against the rule as it is written --- */

enum { SIZE = 8 }; /* nodes of a random graph: s, some branches (odd), some plain (even), the answer */

static bool blocks(const struct edge *edge)
{
    return edge->source % 2 == 1;
}

/* Is there a simple path from `node` to the answer all of whose blocking edges have been taken? */
static bool has_free_path(const struct graph *g, uint32_t node, const bool *taken)
{
    if (node == SIZE - 1)
        return true;
    for (uint32_t i = 0; i < g->nodes[node].out_count; i++) {
        const struct edge *edge = &g->edges[g->nodes[node].out[i]];
        if ((!blocks(edge) || taken[edge->index]) && has_free_path(g, edge->target, taken))
            return true;
    }
    return false;
}

static bool is_active(const struct response *r, const bool *taken)
{
    bool is_free = r->is_open;
    for (uint32_t p = 0; p < r->blocking_count; p++)
        is_free |= taken[r->blocking[p]];
    return is_free;
}

struct simulation {
    const struct graph *g;
    bool taken[64], skipped[64], has_run[SIZE], is_ready[SIZE];
    bool is_skipped[SIZE];
};

static void skip_edge(struct simulation *s, uint32_t edge);

/* The target of a decided edge (dify-dsl.md 3.2, 3.4). */
static void look_at(struct simulation *s, uint32_t node)
{
    const struct node *n = &s->g->nodes[node];
    bool any_taken = false;
    for (uint32_t i = 0; i < n->in_count; i++) {
        if (!s->taken[n->in[i]] && !s->skipped[n->in[i]])
            return;
        any_taken |= s->taken[n->in[i]];
    }
    if (any_taken) {
        s->is_ready[node] = !s->has_run[node];
    } else if (!s->is_skipped[node]) {
        s->is_skipped[node] = true;
        for (uint32_t i = 0; i < n->out_count; i++)
            skip_edge(s, n->out[i]);
    }
}

static void skip_edge(struct simulation *s, uint32_t edge)
{
    s->skipped[edge] = true;
    look_at(s, s->g->edges[edge].target);
}

static void finish(struct simulation *s, uint32_t node, unsigned *seed)
{
    const struct node *n = &s->g->nodes[node];
    int chosen = rand_r(seed) % 2;
    s->is_ready[node] = false;
    s->has_run[node] = true;
    bool is_branch = node % 2 == 1;
    for (uint32_t i = 0; i < n->out_count; i++) {
        if (is_branch && str_eq_c(s->g->edges[n->out[i]].handle, chosen ? "true" : "false"))
            continue;
        if (is_branch)
            skip_edge(s, n->out[i]);
    }
    for (uint32_t i = 0; i < n->out_count; i++) {
        uint32_t edge = n->out[i];
        if (s->skipped[edge])
            continue;
        s->taken[edge] = true;
        look_at(s, s->g->edges[edge].target);
        assert_int_equal(has_free_path(s->g, 0, s->taken), is_active(&s->g->responses[0], s->taken));
    }
}

static void any_run_opens_the_answer_when_the_rule_says_so(void **state)
{
    (void)state;
    unsigned seed = 11;
    size_t opened = 0, steps = 0;
    for (int round = 0; round < 400; round++) {
        struct buf nodes, edges;
        struct compiling c;
        buf_init(&nodes, 4096);
        buf_init(&edges, 4096);
        buf_put_c(&nodes, "{id: n0, data: {type: start}}, ");
        for (int i = 1; i < SIZE - 1; i++)
            buf_printf(&nodes, "{id: n%d, data: {type: %s}}, ", i, i % 2 == 1 ? "if-else" : "code");
        buf_printf(&nodes, "{id: n%d, data: {type: answer, answer: x}}", SIZE - 1);
        for (int a = 0; a < SIZE - 1; a++) {
            for (int b = a + 1; b < SIZE; b++) {
                if (rand_r(&seed) % 3 == 0)
                    buf_printf(&edges, "n%d>n%d:%s ", a, b,
                               a % 2 == 0          ? "source"
                               : rand_r(&seed) % 2 ? "true"
                                                   : "false");
            }
        }
        buf_put_char(&nodes, '\0');
        buf_put_char(&edges, '\0');
        compiling_graph(&c, nodes.ptr, edges.ptr, "");
        assert_clean(&c);
        for (int run = 0; run < 8; run++) {
            struct simulation s = {.g = c.graph, .is_ready = {true}};
            for (bool is_busy = true; is_busy;) {
                uint32_t ready[SIZE], count = 0;
                for (uint32_t i = 0; i < SIZE; i++) {
                    if (s.is_ready[i])
                        ready[count++] = i;
                }
                is_busy = count > 0;
                steps += is_busy;
                if (is_busy)
                    finish(&s, ready[(unsigned)rand_r(&seed) % count], &seed);
            }
            opened += is_active(&c.graph->responses[0], s.taken);
        }
        compiling_fini(&c);
        buf_fini(&nodes);
        buf_fini(&edges);
    }
    assert_true(opened > 500 && opened < 3000 && steps > 5000); /* neither always nor never */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_blocks_an_answer),
        cmocka_unit_test(an_end_mentions_its_outputs),
        cmocka_unit_test(a_million_million_paths_are_no_work),
        cmocka_unit_test(any_run_opens_the_answer_when_the_rule_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
