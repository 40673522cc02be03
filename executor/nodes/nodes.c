/*
 * nodes: the table of node types that are served, and the names of those that exist (dify-dsl.md 1.7).
 */
#include "executor/nodes/types.h"

/* "variable-assigner" is the old name of the aggregator, not of the assigner. */
static const struct {
    const char *name;
    const struct node_type *type; /* NULL: known, not served */
} node_types[] = {
    {"start", &node_start},
    {"end", &node_end},
    {"answer", &node_answer},
    {"llm", &node_llm},
    {"if-else", &node_if_else},
    {"template-transform", &node_template_transform},
    {"variable-aggregator", &node_variable_aggregator},
    {"variable-assigner", &node_variable_aggregator},
    {"agent", NULL},
    {"assigner", &node_assigner},
    {"code", NULL},
    {"datasource", NULL},
    {"document-extractor", NULL},
    {"http-request", NULL},
    {"human-input", NULL},
    {"iteration", &node_iteration},
    {"iteration-start", &node_iteration_start},
    {"knowledge-index", NULL},
    {"knowledge-retrieval", NULL},
    {"list-operator", &node_list_operator},
    {"loop", &node_loop},
    {"loop-end", &node_loop_end},
    {"loop-start", &node_loop_start},
    {"parameter-extractor", &node_parameter_extractor},
    {"question-classifier", &node_question_classifier},
    {"tool", NULL},
    {"trigger-plugin", NULL},
    {"trigger-schedule", NULL},
    {"trigger-webhook", NULL},
};

const struct node_type *node_type_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(node_types); i++) {
        if (str_eq_c(name, node_types[i].name))
            return node_types[i].type;
    }
    return NULL;
}

bool node_type_is_known(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(node_types); i++) {
        if (str_eq_c(name, node_types[i].name))
            return true;
    }
    return false;
}
