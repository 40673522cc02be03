/*
 * memory: earlier turns of a conversation in a prompt (dify-dsl.md 4.3, History): the newest turns within a window, and of
 * their messages as many as the model has room for.
 *
 * The room is the model's context less the tokens its answer may take, or MEMORY_TOKENS_UNKNOWN when the context is not known;
 * the prompt itself is not counted [Q]. Tokens are estimated, since no tokenizer is at hand: four ASCII bytes make one, any other
 * character is one, a message costs 4 more and an image 85. For English that is a little more than OpenAI counts.
 */
#pragma once
#include "executor/nodes/messages.h"
#include "executor/nodes/model_facts.h"

/* turns. The window at most, and without one. */
enum { MEMORY_TURNS_MAX = 500 };
/* tokens. Of a model whose context is not known. */
enum { MEMORY_TOKENS_UNKNOWN = 2000 };

struct memory_config {
    bool is_on, has_role_prefix;
    size_t turns_max;
    struct str user_prefix, assistant_prefix; /* completion mode */
};
/* memory: of a node's data; NULL or null: off. */
void memory_compile(const struct value *memory, struct memory_config *ret);

int64_t memory_tokens(struct str text);
/* params: of the request; NULL: none. */
int64_t memory_room(const struct model_facts *facts, const struct value *params);

/* Messages that memory_put_messages() puts at most. */
size_t memory_messages_max(const struct memory_config *config, struct node_exec *x);
/* A user's and an assistant's message of each turn. with_images: the user's images go with them. False: no memory. */
MUST_CHECK bool memory_put_messages(const struct memory_config *config, struct node_exec *x, int64_t room,
                                    bool with_images, struct messages *m);
/* The same as text: lines "<prefix>: <text>", [image] for an image. */
void memory_put_text(const struct memory_config *config, struct node_exec *x, int64_t room, struct buf *ret);
