/*
 * types: the node types that are served; each lives in the file of its name.
 */
#pragma once
#include "executor/nodes/node.h"

extern const struct node_type node_start;
extern const struct node_type node_end;
extern const struct node_type node_answer;
extern const struct node_type node_llm;
extern const struct node_type node_if_else;
extern const struct node_type node_template_transform;
extern const struct node_type node_variable_aggregator;
extern const struct node_type node_assigner;
extern const struct node_type node_list_operator;
extern const struct node_type node_question_classifier;
extern const struct node_type node_parameter_extractor;
extern const struct node_type node_iteration;
extern const struct node_type node_iteration_start;
extern const struct node_type node_loop;
extern const struct node_type node_loop_start;
extern const struct node_type node_loop_end;
