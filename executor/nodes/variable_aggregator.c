/*
 * variable-aggregator (old name: variable-assigner): the first of several variables that exists, alone or by group
 * (dify-dsl.md 4.10).
 */
#include "executor/nodes/types.h"
#include <stdio.h>

/* variables of one group; groups. */
enum { AGGREGATOR_VARIABLES_MAX = 1000, AGGREGATOR_GROUPS_MAX = 1000 };

struct aggregator_group {
    struct str name; /* empty: the node itself, without groups */
    struct selector *variables;
    size_t count;
};
struct aggregator_config {
    bool has_groups;
    struct aggregator_group *groups;
    size_t count;
};

static void compile_group(struct node_compile *nc, const struct value *list, const char *path,
                          struct aggregator_group *group);
static void put_first(struct node_exec *x, const struct aggregator_group *group, struct value_builder *inputs,
                      struct value_builder *outputs);

static void aggregator_compile(struct node_compile *nc, const struct value *data, struct node *node)
{
    struct arena *arena = node_compile_arena(nc);
    const struct value *advanced = value_get_c(data, "advanced_settings");
    const struct value *groups = advanced == NULL ? NULL : value_get_c(advanced, "groups");
    struct aggregator_config *config = arena_alloc(arena, sizeof *config);
    if (config == NULL)
        return;
    config->has_groups = advanced != NULL && value_get_bool(advanced, "group_enabled", false);
    size_t count = !config->has_groups                                   ? 1
                   : groups != NULL && value_type(groups) == VALUE_ARRAY ? value_count(groups)
                                                                         : 0;
    if (count > AGGREGATOR_GROUPS_MAX) {
        node_compile_problem(nc, "advanced_settings.groups", "use fewer groups",
                             "%zu groups are more than %d", count, AGGREGATOR_GROUPS_MAX);
        return;
    }
    config->groups = arena_array(arena, count, sizeof *config->groups);
    if (config->groups == NULL)
        return;
    config->count = count;
    node->config = config;
    if (!config->has_groups)
        compile_group(nc, value_get_c(data, "variables"), "variables", &config->groups[0]);
    for (size_t i = 0; config->has_groups && i < count; i++) {
        char path[80];
        snprintf(path, sizeof path, "advanced_settings.groups[%zu].variables", i);
        config->groups[i].name = value_get_text(value_item(groups, i), "group_name", STR(""));
        compile_group(nc, value_get_c(value_item(groups, i), "variables"), path, &config->groups[i]);
    }
}

static void compile_group(struct node_compile *nc, const struct value *list, const char *path,
                          struct aggregator_group *group)
{
    size_t count = list != NULL && value_type(list) == VALUE_ARRAY ? value_count(list) : 0;
    if (count > AGGREGATOR_VARIABLES_MAX) {
        node_compile_problem(nc, path, "use fewer variables", "%zu variables are more than %d", count,
                             AGGREGATOR_VARIABLES_MAX);
        return;
    }
    group->variables = arena_array(node_compile_arena(nc), count, sizeof *group->variables);
    for (size_t i = 0; group->variables != NULL && i < count; i++) {
        char at[112];
        snprintf(at, sizeof at, "%s[%zu]", path, i);
        group->variables[group->count++] = node_compile_selector(nc, value_item(list, i), at);
    }
}

static void aggregator_start(struct node_exec *x)
{
    const struct aggregator_config *config = node_exec_node(x)->config;
    struct value_account *a = node_exec_account(x);
    struct value_builder inputs, outputs;
    value_object_begin(&inputs, a);
    value_object_begin(&outputs, a);
    for (size_t i = 0; i < config->count; i++) {
        if (!config->has_groups) {
            put_first(x, &config->groups[i], &inputs, &outputs);
            continue;
        }
        struct value_builder group;
        value_object_begin(&group, a);
        put_first(x, &config->groups[i], &inputs, &group);
        if (group.count > 0)
            value_object_put(&outputs, config->groups[i].name, value_object_end(&group));
        else
            value_builder_abort(&group);
    }
    struct node_result result = {.inputs = value_object_end(&inputs), .outputs = value_object_end(&outputs)};
    node_succeed(x, &result);
}

/* {output: the first that exists}; nothing when none does. It is shown among the inputs by its dotted name. */
static void put_first(struct node_exec *x, const struct aggregator_group *group, struct value_builder *inputs,
                      struct value_builder *outputs)
{
    for (size_t i = 0; i < group->count; i++) {
        struct value *v = node_exec_get(x, &group->variables[i]);
        if (v == NULL)
            continue;
        struct buf name;
        buf_init(&name, node_exec_account(x)->max);
        for (size_t p = 1; p < group->variables[i].count; p++) {
            if (p > 1)
                buf_put_char(&name, '.');
            buf_put(&name, group->variables[i].parts[p]);
        }
        value_object_put(inputs, buf_str(&name), name.failed ? NULL : value_ref(v));
        value_object_put(outputs, STR("output"), value_ref(v));
        buf_fini(&name);
        return;
    }
}

const struct node_type node_variable_aggregator = {.name = "variable-aggregator",
                                                   .kind = NODE_EXECUTABLE,
                                                   .compile = aggregator_compile,
                                                   .start = aggregator_start};
