/*
 * bindings: names that a Jinja2 template sees, each bound to a variable: `variables` of template-transform,
 * prompt_config.jinja2_variables of llm (dify-dsl.md 4.3, 4.6).
 */
#pragma once
#include "executor/nodes/node.h"

/* names. Of one node. */
enum { BINDINGS_MAX = 1000 };

struct binding {
    struct str name;
    struct selector selector;
};
struct bindings {
    struct binding *list;
    size_t count;
};

/* list: [{variable, value_selector}], NULL or null for none. False: a problem was reported, or no memory. */
bool bindings_compile(struct node_compile *nc, const struct value *list, const char *path,
                      struct bindings *ret);
/* Finds the names of a plain template once and for all; unknown ones render as nothing. */
void bindings_resolve(const struct bindings *names, struct template *t);
/* Object of the values by name, null for those not found; NULL: no memory. The caller owns it. */
struct value *bindings_values(const struct bindings *names, struct node_exec *x);
/* Renders a resolved template; a variable that is not found is null. NULL: no memory. The caller owns it. */
struct value *bindings_render(const struct bindings *names, struct node_exec *x, const struct template *t);
