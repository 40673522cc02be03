/*
 * variables: what a run knows before its first node (dify-dsl.md 2.1, 2.4, 2.6).
 */
#include "executor/run/inputs.h"
#include "executor/run/run_core.h"
#include <stdio.h>
#include <string.h>

static bool make_system(struct run *run, const struct run_params *params, struct value *take_files);
static bool put_system(struct run *run, const char *name, struct value *take_value);
static bool set_conversation(struct run *run, const struct run_params *params);
static void set_environment(struct run *run);
static struct value *find_conversation(const struct run *run, struct str name);

bool variables_init(struct run *run, const struct run_params *params, struct value *take_files)
{
    const struct graph *g = run->graph;
    if (!make_system(run, params, take_files))
        return false;
    for (size_t i = 0; i < run->system_count; i++)
        frame_set(&run->top.frame, graph_slot(g, STR("sys"), str_c(run->system[i].name)),
                  run->system[i].value);
    run->environment = value_ref(params->environment);
    set_environment(run);
    if (g->mode == APP_MODE_CHATFLOW && !set_conversation(run, params))
        return false;
    frame_set_outputs(&run->top.frame, &g->nodes[g->root], run->inputs);
    return true;
}

void variables_fini(struct run *run)
{
    for (size_t i = 0; i < run->system_count; i++)
        value_unref(run->system[i].value);
    run->system_count = 0;
    value_unref(run->environment);
    run->environment = NULL;
}

/* In the order in which workflow_started shows them. */
static bool make_system(struct run *run, const struct run_params *params, struct value *take_files)
{
    struct value_account *a = &run->account;
    bool is_chat = run->graph->mode == APP_MODE_CHATFLOW;
    bool ok = true;
    if (is_chat)
        ok &= put_system(run, "query", inputs_text(a, params->query));
    ok &= put_system(run, "files", take_files);
    ok &= put_system(run, "user_id", value_string(a, params->user));
    ok &= put_system(run, "app_id", value_string(a, params->app_id));
    ok &= put_system(run, "workflow_id", value_string(a, params->workflow_id));
    ok &= put_system(run, "workflow_run_id", value_string(a, params->run_id));
    if (is_chat) {
        ok &= put_system(run, "conversation_id", value_string(a, params->conversation_id));
        ok &= put_system(run, "dialogue_count", value_int(a, params->dialogue_count));
    } else {
        ok &= put_system(run, "timestamp", value_int(a, params->wall_ms / 1000));
    }
    return ok;
}

static bool put_system(struct run *run, const char *name, struct value *take_value)
{
    if (take_value == NULL)
        return false;
    run->system[run->system_count++] = (struct run_variable){name, take_value};
    return true;
}

/*
 * What the conversation has by now, and what is new in the export (dify-dsl.md 2.6). A list that was kept empty has its
 * type from the export.
 */
static bool set_conversation(struct run *run, const struct run_params *params)
{
    const struct graph *g = run->graph;
    struct value_builder none;
    value_array_begin(&none, &run->account);
    run->history = params->history != NULL ? value_ref(params->history) : value_array_end(&none);
    for (uint32_t i = 0; i < g->conversation_count; i++) {
        const struct variable_definition *d = &g->conversation[i];
        struct value *kept = params->conversation == NULL ? NULL : value_get(params->conversation, d->name);
        bool is_bare_list = kept != NULL && value_type(kept) == VALUE_ARRAY && value_count(kept) == 0;
        struct value *v = kept == NULL ? value_ref(d->value) : value_ref(kept);
        if (is_bare_list) {
            value_unref(v);
            value_array_begin(&none, &run->account);
            v = value_array_end_as(&none, value_elem_of(d->type_name));
        }
        frame_set(&run->top.frame, d->slot, v);
        if (v == NULL)
            return false;
        value_unref(v);
    }
    return run->history != NULL;
}

static void set_environment(struct run *run)
{
    const struct graph *g = run->graph;
    const struct value *replaced = run->environment;
    for (uint32_t i = 0; i < g->environment_count; i++)
        frame_set(&run->top.frame, g->environment[i].slot, g->environment[i].value);
    for (size_t i = 0; replaced != NULL && i < value_count(replaced); i++)
        frame_set(&run->top.frame, graph_slot(g, STR("env"), value_key(replaced, i)),
                  value_member(replaced, i));
}

void variables_set_flat(struct run *run)
{
    const struct graph *g = run->graph;
    const struct node *root = &g->nodes[g->root];
    for (uint32_t i = 0; g->mode == APP_MODE_CHATFLOW && i < root->slot_count; i++) {
        struct str name = root->slots[i].name;
        if (!str_starts(name, STR("conversation.")))
            continue;
        struct value *v = find_conversation(run, str_sub(name, sizeof "conversation." - 1, name.len));
        if (v != NULL)
            frame_set(&run->top.frame, root->slots[i].slot, v);
    }
}

/* What the frame holds, when something reads it there too; else what the export says. */
static struct value *find_conversation(const struct run *run, struct str name)
{
    const struct graph *g = run->graph;
    for (uint32_t i = 0; i < g->conversation_count; i++) {
        const struct variable_definition *d = &g->conversation[i];
        if (str_eq(d->name, name))
            return d->slot != SLOT_NONE ? run->top.frame.slots[d->slot] : d->value;
    }
    return NULL;
}

struct value *variables_shown(struct run *run)
{
    struct value_builder b;
    value_object_begin(&b, &run->account);
    value_object_put_all(&b, run->inputs);
    for (size_t i = 0; i < run->system_count; i++) {
        char key[32];
        if (strcmp(run->system[i].name, "conversation_id") == 0)
            continue;
        snprintf(key, sizeof key, "sys.%s", run->system[i].name);
        value_object_put(&b, str_c(key), value_ref(run->system[i].value));
    }
    return value_object_end(&b);
}
