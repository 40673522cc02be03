/*
 * structured: answers of a model that follow a JSON Schema (dify-dsl.md 4.3). A model that knows schemas gets it as a parameter;
 * another is told of it in words. The reply is read leniently and has to be an object; whether it follows the schema in depth is
 * not checked.
 */
#pragma once
#include "executor/nodes/messages.h"
#include "executor/nodes/model_facts.h"

struct structured {
    bool is_on;
    const char *problem;    /* what is wrong with the schema: the node fails with it. NULL: nothing */
    struct value *schema;   /* {"schema": …, "name": "llm_response"}; booleans are strings in it */
    struct value *in_words; /* a string */
};
/* data: of the node; structured_output_switch_on and structured_output. */
void structured_compile(struct node_compile *nc, const struct value *data, struct structured *ret);
/* params with what the model needs added; NULL stands for none. NULL: no memory. The caller owns it. */
struct value *structured_params(struct value_account *a, const struct structured *s,
                                const struct model_facts *facts, const struct value *params);
/* Tells the model in the first message of that role when it has to be told in words. */
void structured_put_words(const struct structured *s, const struct model_facts *facts, struct str role,
                          struct messages *m);
