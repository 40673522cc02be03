/*
 * if-else: the first case whose conditions hold; otherwise "false" (dify-dsl.md 4.4).
 */
#include "executor/nodes/condition.h"
#include "executor/nodes/types.h"
#include <stdio.h>

/* cases. Of one node. */
enum { IF_ELSE_CASES_MAX = 1000 };

struct if_else_case {
    struct str id;
    struct condition_group group;
    struct value *data; /* as the export has it: shown in the record */
};
struct if_else_config {
    struct if_else_case *cases;
    size_t count;
};
struct if_else_record {
    struct value *seen; /* conditions of the last case that was looked at */
    struct value_builder results;
};

static enum condition_verdict check_case(const struct if_else_case *c, struct node_exec *x,
                                         struct if_else_record *record, struct status *err);
static void put_result(struct value_builder *results, struct value_account *a, struct value *take_group,
                       struct value *take_verdicts, bool holds);

/* The shape of old exports, conditions without cases, has been repaired when this is called. */
static void if_else_compile(struct node_compile *nc, const struct value *data, struct node *node)
{
    const struct value *list = value_get_c(data, "cases");
    size_t count = list != NULL && value_type(list) == VALUE_ARRAY ? value_count(list) : 0;
    struct if_else_config *config = arena_alloc(node_compile_arena(nc), sizeof *config);
    if (count > IF_ELSE_CASES_MAX) {
        node_compile_problem(nc, "cases", "use fewer cases", "%zu cases are more than %d", count,
                             IF_ELSE_CASES_MAX);
        return;
    }
    if (config == NULL)
        return;
    config->cases = arena_array(node_compile_arena(nc), count, sizeof *config->cases);
    for (size_t i = 0; config->cases != NULL && i < count; i++) {
        struct value *entry = value_item(list, i);
        struct if_else_case *c = &config->cases[config->count++];
        char path[48];
        c->id = value_get_text(entry, "case_id", value_get_text(entry, "id", STR("")));
        c->data = entry;
        if (c->id.len == 0) {
            snprintf(path, sizeof path, "cases[%zu].case_id", i);
            node_compile_problem(nc, path, "export the app again", "a case without case_id");
        }
        snprintf(path, sizeof path, "cases[%zu].conditions", i);
        condition_group_compile(nc, value_get_c(entry, "conditions"),
                                value_get_text(entry, "logical_operator", STR("and")), path, &c->group);
    }
    node->config = config;
}

static void if_else_start(struct node_exec *x)
{
    const struct if_else_config *config = node_exec_node(x)->config;
    struct value_account *a = node_exec_account(x);
    struct if_else_record record = {0};
    struct status err = {0};
    enum condition_verdict v = CONDITION_FALSE;
    size_t chosen = 0;
    value_array_begin(&record.results, a);
    for (; chosen < config->count; chosen++) {
        v = check_case(&config->cases[chosen], x, &record, &err);
        if (v != CONDITION_FALSE)
            break;
    }
    bool holds = v == CONDITION_TRUE;
    struct str handle = holds ? config->cases[chosen].id : STR("false");
    if (record.seen == NULL) {
        struct value_builder none;
        value_array_begin(&none, a);
        record.seen = value_array_end(&none);
    }
    struct node_result result = {
        .inputs = value_object_of(a, STR("conditions"), record.seen),
        .process_data = value_object_of(a, STR("condition_results"), value_array_end(&record.results)),
        .handle = handle};
    if (v == CONDITION_ERROR) {
        node_fail(x, &result, "%s", err.message);
        return;
    }
    struct value_builder outputs;
    value_object_begin(&outputs, a);
    value_object_put(&outputs, STR("result"), value_bool(holds));
    value_object_put(&outputs, STR("selected_case_id"), value_string(a, handle));
    result.outputs = value_object_end(&outputs);
    node_succeed(x, &result);
}

static enum condition_verdict check_case(const struct if_else_case *c, struct node_exec *x,
                                         struct if_else_record *record, struct status *err)
{
    struct value_account *a = node_exec_account(x);
    struct value_builder seen, verdicts;
    value_array_begin(&seen, a);
    value_array_begin(&verdicts, a);
    enum condition_verdict v = condition_group_check(&c->group, x, &seen, &verdicts, err);
    value_unref(record->seen);
    record->seen = value_array_end(&seen);
    if (v == CONDITION_ERROR)
        value_builder_abort(&verdicts);
    else
        put_result(&record->results, a, value_ref(c->data), value_array_end(&verdicts), v == CONDITION_TRUE);
    return v;
}

static void put_result(struct value_builder *results, struct value_account *a, struct value *take_group,
                       struct value *take_verdicts, bool holds)
{
    struct value_builder b;
    value_object_begin(&b, a);
    value_object_put(&b, STR("group"), take_group);
    value_object_put(&b, STR("results"), take_verdicts);
    value_object_put(&b, STR("final_result"), value_bool(holds));
    value_array_put(results, value_object_end(&b));
}

const struct node_type node_if_else = {
    .name = "if-else", .kind = NODE_BRANCH, .compile = if_else_compile, .start = if_else_start};
