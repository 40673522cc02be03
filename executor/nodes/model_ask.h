/*
 * model_ask: one question of a node to a model, answered as a whole: its messages, the call, the reply, and what records
 * show of them. Used by nodes that read the reply themselves (dify-dsl.md 4.8, 4.9).
 * Usage: init, see, history, put every message, send; then `answered` or `failed` is called, which ends the node.
 */
#pragma once
#include "executor/nodes/messages.h"
#include "executor/nodes/model_config.h"

/* messages of a question. */
enum { MODEL_ASK_MESSAGES_MAX = 16 };

struct model_ask {
    struct node_exec *x;
    const struct model_config *config;
    void (*answered)(struct model_ask *ask, const struct model_reply *reply);
    void (*failed)(struct model_ask *ask, const struct model_failure *failure);

    struct model_facts facts;
    struct messages *messages;
    struct value *prompts; /* array of {role, text, files}: for the record */
    struct value *files;   /* array[file] that vision looks at; images go to the model */
    struct model_files images;
    struct value *params;
    struct buf text; /* all the model has said */
    size_t charged;
    bool has_asked; /* the model: a failure before has no route */
};

/* ask is zeroed but for its callbacks, and lives in the node's state. False: no memory, and the node has failed. */
MUST_CHECK bool model_ask_init(struct model_ask *ask, struct node_exec *x, const struct model_config *config);
/* Takes the files that vision looks at. False: its variable is no file, and `failed` was called, or no memory. */
MUST_CHECK bool model_ask_see(struct model_ask *ask);
/* The conversation so far as text; nothing without memory. */
void model_ask_put_history(struct model_ask *ask, struct buf *ret);

/* Messages, in order. The text is copied. */
void model_ask_put(struct model_ask *ask, const char *role, struct str text);
/* Of the user, with the images. */
void model_ask_put_question(struct model_ask *ask, struct str text);
/* Of the assistant, who wants a tool called, and what the tool says; call is borrowed until the node ends. */
void model_ask_put_call(struct model_ask *ask, struct str text, const struct model_tool_call *call);
void model_ask_put_result(struct model_ask *ask, struct str text, const struct model_tool_call *call);
/*
 * Asks. Without success `failed` is called at once, or the node has failed for memory.
 * tools   borrowed for the call
 */
void model_ask_send(struct model_ask *ask, const struct model_tool *tools, size_t tool_count);

/* Of a failure; NULL: the model was never asked. */
const struct model_route *model_ask_route(const struct model_ask *ask, const struct model_failure *failure);
/* Fails the node and with it the run: there is no memory left. */
void model_ask_no_memory(struct model_ask *ask);
