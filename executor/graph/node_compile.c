/*
 * node_compile: what a node type may ask for while one of its nodes is compiled (executor/nodes/node.h).
 */
#include "executor/graph/compiler.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_SEGMENT_CAP = 8, UNSUPPORTED_BYTES = 256 };

static struct str name_of(struct node_compile *nc, const struct selector *s, struct str *ret_second);
static bool is_variable(struct node_compile *nc, const struct selector *s);

struct arena *node_compile_arena(struct node_compile *nc)
{
    return nc->c->arena;
}

/* Below the node's data: a name or an index. Never NULL. */
static const char *full_path(struct node_compile *nc, const char *path)
{
    if (path[0] == '\0')
        return nc->path;
    const char *full = arena_printf(nc->c->arena, "%s.data%s%s", nc->path, path[0] == '[' ? "" : ".", path);
    return full != NULL ? full : nc->path;
}

void node_compile_problem(struct node_compile *nc, const char *path, const char *hint, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    graph_report_add_va(nc->c->report, false, full_path(nc, path), hint, fmt, args);
    va_end(args);
}

void node_compile_warning(struct node_compile *nc, const char *path, const char *hint, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    graph_report_add_va(nc->c->report, true, full_path(nc, path), hint, fmt, args);
    va_end(args);
}

void node_compile_unsupported(struct node_compile *nc, const char *path, const char *hint, const char *fmt,
                              ...)
{
    char what[UNSUPPORTED_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    for (size_t len = strlen(what); !str_is_utf8((struct str){what, len}); len--) /* cut within a character */
        what[len - 1] = '\0';
    if (!nc->c->fail_when_reached) {
        node_compile_problem(nc, path, hint, "%s", what);
        return;
    }
    node_compile_warning(nc, path, hint, "%s; a run that reaches the node fails there", what);
    if (nc->node->unsupported == NULL)
        nc->node->unsupported = arena_copy_c(nc->c->arena, str_c(what));
}

struct value *node_compile_keep(struct node_compile *nc, struct value *take_v)
{
    return compiler_keep(nc->c, take_v);
}

struct value *node_compile_copy(const struct value *v)
{
    return compiler_copy(v);
}

/* --- selectors --- */

void node_compile_use(struct node_compile *nc, struct selector *selector)
{
    if (selector->count < 2)
        return;
    struct str second, first = name_of(nc, selector, &second);
    selector->slot = slots_add(&nc->c->out->slots, first, second);
}

/*
 * The variable a selector names. Entry nodes have flat copies of what never changes in a run, e.g. [start, "sys.query"]
 * (dify-dsl.md 4.1): they are the variable itself.
 */
static struct str name_of(struct node_compile *nc, const struct selector *s, struct str *ret_second)
{
    static const char *const constant[] = {"sys", "env"};
    *ret_second = s->parts[1];
    uint32_t node = dsl_export_find(&nc->c->e, s->parts[0]);
    if (node == DSL_NONE || !dsl_is_entry(nc->c->e.nodes[node].type))
        return s->parts[0];
    for (size_t i = 0; i < ARRAY_LEN(constant); i++) {
        size_t len = strlen(constant[i]);
        struct str name = s->parts[1];
        if (name.len > len + 1 && name.ptr[len] == '.' && str_starts(name, str_c(constant[i]))) {
            *ret_second = str_sub(name, len + 1, name.len);
            return str_c(constant[i]);
        }
    }
    return s->parts[0];
}

struct selector node_compile_variable(struct node_compile *nc, struct str first, struct str second)
{
    struct selector s = {arena_array(nc->c->arena, 2, sizeof *s.parts), 2, SELECTOR_UNRESOLVED};
    if (s.parts == NULL)
        return (struct selector){.slot = SELECTOR_UNRESOLVED};
    s.parts[0] = first;
    s.parts[1] = second;
    node_compile_use(nc, &s);
    return s;
}

struct selector node_compile_selector(struct node_compile *nc, const struct value *list, const char *path)
{
    struct selector s = {.slot = SELECTOR_UNRESOLVED};
    struct status why;
    enum status_code rc = selector_from_value(nc->c->arena, list, &s, &why);
    if (rc == STATUS_INVALID_ARGUMENT)
        node_compile_problem(nc, path, "choose the variable again in the editor", "%s", why.message);
    if (rc != STATUS_OK)
        return (struct selector){.slot = SELECTOR_UNRESOLVED};
    node_compile_use(nc, &s);
    return s;
}

struct template node_compile_template(struct node_compile *nc, struct str text, const char *path)
{
    struct template t = {0};
    (void)path; /* any text is a template; only memory can be wanting */
    if (template_parse(nc->c->arena, text, &t, NULL) != STATUS_OK)
        return (struct template){0};
    for (size_t i = 0; i < t.count; i++) {
        struct template_piece *piece = &t.pieces[i];
        if (!piece->is_braced && piece->selector.count > 0 && !is_variable(nc, &piece->selector))
            piece->selector.count = 0; /* a text with dots in it */
        node_compile_use(nc, &piece->selector);
    }
    return t;
}

/* Could the pool ever have something under this name? */
static bool is_variable(struct node_compile *nc, const struct selector *s)
{
    return str_eq_c(s->parts[0], "sys") || str_eq_c(s->parts[0], "env") ||
           str_eq_c(s->parts[0], "conversation") || dsl_export_find(&nc->c->e, s->parts[0]) != DSL_NONE;
}

/* --- what only some types have --- */

void node_compile_segment(struct node_compile *nc, struct response_segment segment)
{
    segment.source_node = UINT32_MAX;
    if (segment.is_reference) {
        assert(segment.selector.count >= 2);
        segment.source_node = dsl_export_find(&nc->c->e, segment.selector.parts[0]);
        node_compile_use(nc, &segment.selector);
    }
    if (nc->segment_count == nc->segment_cap) {
        uint32_t cap = nc->segment_cap == 0 ? FIRST_SEGMENT_CAP : nc->segment_cap * 2;
        struct response_segment *more = arena_array(nc->c->arena, cap, sizeof *more);
        if (more == NULL)
            return;
        if (nc->segment_count > 0)
            memcpy(more, nc->segments, nc->segment_count * sizeof *more);
        nc->segments = more;
        nc->segment_cap = cap;
    }
    nc->segments[nc->segment_count++] = segment;
}

void node_compile_fields(struct node_compile *nc, struct input_field *fields, uint32_t count)
{
    if (nc->node->index != nc->c->graph->root)
        return; /* of an entry node that never runs */
    nc->c->graph->fields = fields;
    nc->c->graph->field_count = count;
}
