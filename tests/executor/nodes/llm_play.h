/*
 * llm_play: llm nodes in small apps, and what they send to the model.
 */
#pragma once
#include "tests/executor/player/player.h"

#define FORM                                                                                                 \
    NODE("start", "start",                                                                                   \
         "variables: [{variable: x, type: text-input}, {variable: n, type: number}, {variable: o, type: "    \
         "json_object}, "                                                                                    \
         "{variable: f, type: file-list}, {variable: one, type: file}]")
#define NODE_LLM(config) NODE("llm", "llm", config)
#define MODEL_OF(provider, name, mode, params)                                                               \
    "model: {provider: " provider ", name: " name ", mode: " mode ", completion_params: " params "}"
#define MODEL(mode, params) MODEL_OF("acme/openai/openai", "big", mode, params)
#define CHAT_APP(config)    EXPORT("advanced-chat", "", FORM NODE_LLM(config), EDGE("start", "llm"))
#define WORKFLOW(config)    EXPORT("workflow", "", FORM NODE_LLM(config), EDGE("start", "llm"))
#define MESSAGES(list)      MODEL("chat", "{}") ", prompt_template: " list

#define SENT(messages)                                                                                       \
    "{\"provider\":\"acme/openai/openai\",\"model\":\"big\",\"messages\":[" messages "],\"params\":null}"
#define SENT_PROMPT(text)                                                                                    \
    "{\"provider\":\"acme/openai/openai\",\"model\":\"big\",\"prompt\":[{\"user\":\"" text                   \
    "\"}],\"params\":null}"

/* Gives a run that has not begun a history, JSON: [{"query", "answer", "files": [{"type", "transfer_method", "url"}]}]. */
void llm_remember(struct player *p, const char *history);
/* Plays until the model is asked; the caller closes p. history: as above; NULL: none. */
void llm_ask(struct player *p, const char *dsl, const struct play *play, const char *history);
/* The request the node makes. */
void assert_llm_sends(const char *dsl, const struct play *play, const char *history, const char *request);
/* The node fails before it asks the model. */
void assert_llm_fails(const char *dsl, const struct play *play, const char *error_type, const char *error);
