/*
 * llm: what a compiled llm node knows. Private to llm*.c.
 */
#pragma once
#include "executor/nodes/bindings.h"
#include "executor/nodes/model_config.h"
#include "executor/nodes/structured.h"

struct llm_text { /* of one message */
    bool is_jinja;
    struct template *parts; /* basic: the context stands between them; Jinja: one */
    size_t count;
};
struct llm_message {
    struct str role;
    struct llm_text text;
};
struct llm_config {
    struct model_config model;
    struct llm_message *messages;
    size_t message_count;
    struct bindings names;        /* of Jinja texts */
    struct llm_text memory_query; /* count 0: sys.query */
    struct structured structured;
    bool has_context, separates_reasoning;
    struct str detail; /* of images: "high", "low"; also without vision */
    struct selector context, query, conversation_id;
};

/* --- llm_compile.c --- */
void llm_compile(struct node_compile *nc, const struct value *data, struct node *node);

/* --- llm_prompt.c --- */
struct llm_prompt {
    struct value *inputs, *record;        /* for the record: what was read; array of {role, text, files} */
    const struct model_message *messages; /* in the scratch arena */
    size_t message_count;
    struct value *params;   /* object, or NULL */
    const char *error_type; /* of a failure */
};
/*
 * Makes what is sent to the model. `ret` is zeroed before; its values belong to the caller in every case.
 * False: err has the text and ret->error_type the name of the failure.
 */
bool llm_prompt_make(const struct llm_config *config, struct node_exec *x, struct llm_prompt *ret,
                     struct status *err);
