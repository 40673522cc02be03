/*
 * node_types: node types of these tests' own.
 */
#pragma once
#include "executor/nodes/node.h"

/* Config of llm, code and template-transform. */
struct reader_config {
    struct selector reads;
    struct template text;
    struct value *constant;
};

extern bool node_types_serve_loops; /* loop, loop-start and loop-end; true at the beginning of a test */
