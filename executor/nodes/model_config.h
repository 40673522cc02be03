/*
 * model_config: what an export says of the model that a node asks: which one, with which parameters, what it remembers of
 * the conversation and which images it sees (dify-dsl.md 4.3, 4.8, 4.9).
 */
#pragma once
#include "executor/nodes/memory.h"

struct model_param {
    struct str key;
    struct value *value;
    bool is_template; /* then value is not looked at */
    struct template text;
};
struct model_config {
    struct str provider, name, mode;
    bool is_completion;
    struct value *fixed_params; /* all of them, when none has a template; NULL: none */
    struct model_param *params;
    size_t param_count;
    struct memory_config memory; /* its window counts whether it is enabled or not [Q] */
    bool has_vision;
    struct selector vision;
    struct str detail; /* of images: "high", "low" */
};

/* Reads model, memory and vision of a node's data. */
void model_config_compile(struct node_compile *nc, const struct value *data, struct model_config *ret);
/* What is known of the model by its name, and its context as the settings have it. */
struct model_facts model_config_facts(const struct model_config *config, struct node_exec *x);
/*
 * completion_params with their templates rendered: an object, or NULL when there are none. The caller owns it.
 * False: no memory.
 */
MUST_CHECK bool model_config_params(const struct model_config *config, struct node_exec *x,
                                    struct value **ret);
