/*
 * model_record: what nodes that ask a model leave in their records, and what they have in common (dify-dsl.md 4.3, 4.8, 4.9).
 */
#pragma once
#include "executor/nodes/node.h"

/* The usage object. NULL: no memory. The caller owns it. */
struct value *model_usage(struct value_account *a, const struct usage *u);
/* model_provider and model_name. */
void model_identity_put(struct value_builder *b, struct value_account *a, struct str provider,
                        struct str name);
/* A copy in the arena, the texts too; NULL: no memory. */
const struct model_tool_call *model_calls_copy(struct arena *arena, const struct model_tool_call *calls,
                                               size_t count);
/* {id, type, function: {name, arguments}} */
struct value *model_call_value(struct value_account *a, const struct model_tool_call *call);
/* The error type when no model could be asked at all: what node_model_start() said. */
const char *model_refusal_type(const struct status *err);
