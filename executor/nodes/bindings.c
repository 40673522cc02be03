/*
 * bindings: see bindings.h. In a resolved template the slot of a selector is the index of its binding.
 */
#include "executor/nodes/bindings.h"
#include <stdio.h>

struct rendering {
    const struct bindings *names;
    struct node_exec *x;
};

bool bindings_compile(struct node_compile *nc, const struct value *list, const char *path,
                      struct bindings *ret)
{
    size_t count = list != NULL && value_type(list) == VALUE_ARRAY ? value_count(list) : 0;
    *ret = (struct bindings){arena_array(node_compile_arena(nc), count, sizeof *ret->list), 0};
    if (count > BINDINGS_MAX) {
        node_compile_problem(nc, path, "bind fewer variables", "%zu variables are more than %d", count,
                             BINDINGS_MAX);
        return false;
    }
    for (size_t i = 0; ret->list != NULL && i < count; i++) {
        char at[96];
        snprintf(at, sizeof at, "%s[%zu].value_selector", path, i);
        ret->list[ret->count++] = (struct binding){
            value_get_text(value_item(list, i), "variable", STR("")),
            node_compile_selector(nc, value_get_c(value_item(list, i), "value_selector"), at)};
    }
    return ret->list != NULL;
}

void bindings_resolve(const struct bindings *names, struct template *t)
{
    for (size_t p = 0; p < t->count; p++) {
        struct selector *s = &t->pieces[p].selector;
        bool is_found = false;
        for (size_t i = names->count; s->count > 0 && !is_found && i > 0;
             i--) { /* of equal names the last one holds */
            is_found = str_eq(names->list[i - 1].name, s->parts[0]);
            s->slot = (uint32_t)(i - 1);
        }
        if (!is_found)
            s->count = 0;
    }
}

struct value *bindings_values(const struct bindings *names, struct node_exec *x)
{
    struct value_builder b;
    value_object_begin(&b, node_exec_account(x));
    for (size_t i = 0; i < names->count; i++) {
        struct value *v = node_exec_get(x, &names->list[i].selector);
        value_object_put(&b, names->list[i].name, v != NULL ? value_ref(v) : value_none());
    }
    return value_object_end(&b);
}

static struct value *look_up(void *arg, const struct selector *s)
{
    const struct rendering *r = arg;
    struct value *v = node_exec_get(r->x, &r->names->list[s->slot].selector);
    return v != NULL ? v : value_none();
}

struct value *bindings_render(const struct bindings *names, struct node_exec *x, const struct template *t)
{
    struct rendering r = {names, x};
    struct buf text;
    buf_init(&text, node_exec_account(x)->max);
    template_render(t, TEMPLATE_JINJA, look_up, &r, &text);
    return value_string_take(node_exec_account(x), &text);
}
