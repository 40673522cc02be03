/*
 * parameter_extractor: what a compiled parameter-extractor knows. Private to parameter_extractor*.c.
 */
#pragma once
#include "executor/nodes/model_ask.h"
#include "executor/nodes/parameter.h"

struct extractor_config {
    struct model_config model;
    struct selector query;
    struct parameters parameters;
    bool prefers_calls; /* reasoning_mode is function_call */
    struct template instruction;
    struct value *instruction_shown; /* as the export has it */
};

/* The tool that a model is to call. */
#define EXTRACTOR_TOOL STR("extract_parameters")

/* --- parameter_extractor_prompt.c --- */
/*
 * Puts the messages: for a model that calls the tool, for one that writes JSON, or as one text in completion mode.
 * False: no memory.
 */
MUST_CHECK bool extractor_prompt_put(struct model_ask *ask, bool with_calls, struct str query,
                                     struct str schema, struct str instruction);
