/*
 * assigning: an app with one conversation variable, t, that a node `set` writes.
 */
#pragma once
#include "tests/executor/player/player.h"

struct target {
    const char *type, *value; /* as the export declares it */
    const char
        *overwritten; /* by a selector, before `set`: for types that an export cannot declare; or NULL */
    const char *becomes_type; /* what it is then; NULL: `type` */
};

/* Input o: values of every type by name: text, whole, real, zero, flag, map, nil, texts, numbers, flags, maps, mixed, none,
   nested, nils. Input file, and two files (sys.files). */
extern const char assigning_inputs[];
extern const char assigning_files[];

/* Configurations of `set`. */
#define ITEM(rest)                 "version: '2', items: [{variable_selector: [conversation, t], " rest "}]"
#define CONSTANT(operation, value) ITEM("operation: '" operation "', input_type: constant, value: " value)
#define VARIABLE(operation, selector)                                                                        \
    ITEM("operation: '" operation "', input_type: variable, value: [" selector "]")
#define ALONE(operation) ITEM("operation: " operation ", input_type: variable, value: null")

/*
 * more    other conversation variables, each behind a comma
 * config  of the node `set`. With an error strategy fail-branch, its error and the variable are what the app answers
 */
void assigning_open(struct player *p, const struct target *t, const char *more, const char *config);
/* Plays until `set` has ended: its record is the last one. */
void assigning_play_set(struct player *p);
/* Plays to the end. */
void assigning_play(struct player *p);
