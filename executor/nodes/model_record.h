/*
 * model_record: what nodes that ask a model leave in their records, and what they have in common (dify-dsl.md 4.3, 4.8, 4.9).
 */
#pragma once
#include "executor/nodes/node.h"

/* The usage object, with prices. NULL: no memory. The caller owns it. */
struct value *model_usage(struct value_account *a, const struct usage *u);
/*
 * `credential`, why this key: {name, model, tried, waited_ms, refused: [{credential, error_type, message}]}. Nothing for NULL:
 * no model was asked.
 */
void model_route_put(struct value_builder *b, struct value_account *a, const struct model_route *route);
/* model_provider and model_name. */
void model_identity_put(struct value_builder *b, struct value_account *a, struct str provider,
                        struct str name);
/* A copy in the arena, the texts too; NULL: no memory. */
const struct model_tool_call *model_calls_copy(struct arena *arena, const struct model_tool_call *calls,
                                               size_t count);
/* Copies in the arena, with all texts. False: no memory, which the arena knows, too. */
bool model_reply_copy(struct arena *arena, const struct model_reply *reply, struct model_reply *ret);
bool model_failure_copy(struct arena *arena, const struct model_failure *failure, struct model_failure *ret);
/* {id, type, function: {name, arguments}} */
struct value *model_call_value(struct value_account *a, const struct model_tool_call *call);
/* The error type when no model could be asked at all: what node_model_start() said. */
const char *model_refusal_type(const struct status *err);
/* The same as a failure; texts are borrowed from err. */
struct model_failure model_refusal(const struct status *err);
/* What is told of a failure: its message, and when the first credential is back. In the arena; empty: no memory. */
struct str model_failure_words(struct arena *arena, const struct model_failure *failure);
/* Fails the node with these words. */
void model_failure_end(struct node_exec *x, const struct model_failure *failure,
                       struct node_result *take_result);
/* Tokens and what they cost. */
void model_usage_put(struct node_result *result, const struct usage *u);
