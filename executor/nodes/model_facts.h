/*
 * model_facts: what is known of a model by its name: how much it reads, and in which ways it can be made to answer in form.
 * The figures are those the providers state for a family; they are defaults, the context for models whose settings have none
 * (node_exec_model_context()).
 * Threads  plain functions.
 */
#pragma once
#include "shared/base/str.h"

struct model_facts {
    int64_t context_tokens; /* prompt and answer together; 0: unknown */
    bool has_tool_calls;    /* tools of a request are understood */
    bool has_json_schema;   /* response_format json_schema */
    bool has_json_object;   /* response_format json_object */
};

/*
 * provider, model  as the export names them; the last part of a path counts ("meta-llama/Llama-3.1-8B" is
 * "Llama-3.1-8B"), upper and lower case are the same
 * Nothing known: tool calls, and no more.
 */
struct model_facts model_facts_of(struct str provider, struct str model);
