/*
 * question_classifier: what a compiled question-classifier knows. Private to question_classifier*.c.
 */
#pragma once
#include "executor/nodes/model_ask.h"

struct question_class {
    struct str id; /* also the handle */
    struct template name;
    struct str label;
};
struct classifier_config {
    struct model_config model;
    struct selector query;
    struct question_class *classes;
    size_t class_count;
    struct template instruction;
};

/* --- question_classifier_prompt.c --- */
/*
 * Puts the messages. categories: JSON list of {category_id, category_name}.
 * False: no memory.
 */
MUST_CHECK bool classifier_prompt_put(struct model_ask *ask, struct str query, struct str categories,
                                      struct str instruction);
