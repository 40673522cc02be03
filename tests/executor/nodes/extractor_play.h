/*
 * extractor_play: parameter-extractors in small apps, and models that reply to them.
 */
#pragma once
#include "tests/executor/nodes/llm_play.h"

#define SMALL(mode)                                                                                          \
    "model: {provider: acme, name: small, mode: " mode ", completion_params: {temperature: 0.1}}"
#define QUERY "query: [start, x]"
#define PARAM(name, type, required)                                                                          \
    "{name: " name ", type: '" type "', description: about " name ", required: " required "}"
#define CITY         PARAM("city", "string", "true")
#define BUDGET       PARAM("budget", "number", "true")
#define SELECT(type) "{name: s, type: " type ", options: [red, blue], description: d, required: true}"
/* Only the node, so that its record is the last. */
#define APP_OF(mode, config)                                                                                 \
    EXPORT(mode, "", FORM NODE("pe", "parameter-extractor", config), EDGE("start", "pe"))
#define APP(config)         APP_OF("workflow", config)
#define CALLS(list)         APP(SMALL("chat") ", " QUERY ", parameters: [" list "]")
#define PROMPT_CONFIG(list) SMALL("chat") ", " QUERY ", reasoning_mode: prompt, parameters: [" list "]"
#define PROMPT(list)        APP(PROMPT_CONFIG(list))

#define ROME "\"city\":\"Rome\",\"budget\":500"
#define NONE "\"city\":\"\",\"budget\":0"

/* x: "to Rome for 500" */
extern const struct play extractor_inputs;

/* Plays with a model that calls a tool with these arguments (NULL: none) and says this text (NULL: none). */
void extractor_play(struct player *p, const char *dsl, const char *text, const char *arguments);
/* values: the members of the outputs behind __usage; reason NULL: success. */
void check_extracted(struct player *p, const char *reason, const char *values);
