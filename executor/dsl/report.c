/*
 * report: see report.h.
 */
#include "executor/dsl/report.h"
#include <stdio.h>
#include <string.h>

/* bytes. Of one text; the longest say a name and a reason. */
enum { TEXT_BYTES_MAX = 512, FIRST_CAP = 16 };

static bool grow(struct graph_report *r);

void graph_report_init(struct graph_report *r)
{
    *r = (struct graph_report){.mode = "", .app_name = "", .dsl_version = ""};
    arena_init(&r->arena, GRAPH_REPORT_BYTES_MAX);
}

void graph_report_fini(struct graph_report *r)
{
    if (r == NULL)
        return;
    arena_fini(&r->arena);
    graph_report_init(r);
}

void graph_report_add(struct graph_report *r, bool is_warning, const char *path, const char *hint,
                      const char *text_fmt, ...)
{
    va_list args;
    va_start(args, text_fmt);
    graph_report_add_va(r, is_warning, path, hint, text_fmt, args);
    va_end(args);
}

void graph_report_add_va(struct graph_report *r, bool is_warning, const char *path, const char *hint,
                         const char *text_fmt, va_list args)
{
    char text[TEXT_BYTES_MAX];
    vsnprintf(text, sizeof text, text_fmt, args);
    size_t len = strlen(text);
    while (len > 0 && !str_is_utf8((struct str){text, len})) /* cut within a character */
        len--;
    r->error_count += !is_warning;
    struct graph_problem p = {.is_warning = is_warning};
    if (r->count < GRAPH_PROBLEMS_MAX && (r->count < r->cap || grow(r))) {
        p.path = arena_copy_c(&r->arena, str_c(path));
        p.text = arena_copy_c(&r->arena, (struct str){text, len});
        p.hint = arena_copy_c(&r->arena, str_c(hint));
    }
    if (p.path == NULL || p.text == NULL || p.hint == NULL) {
        r->is_truncated = true;
        return;
    }
    r->problems[r->count++] = p;
}

const char *graph_report_copy(struct graph_report *r, struct str text)
{
    const char *copy = arena_copy_c(&r->arena, text);
    r->is_truncated |= copy == NULL;
    return copy != NULL ? copy : "";
}

enum status_code graph_report_status(const struct graph_report *r, struct status *err)
{
    for (uint32_t i = 0; i < r->count; i++) {
        const struct graph_problem *p = &r->problems[i];
        if (!p->is_warning)
            return status_set(err, STATUS_INVALID_ARGUMENT, "%s%s%s", p->path, p->path[0] != '\0' ? ": " : "",
                              p->text);
    }
    return status_set(err, STATUS_INVALID_ARGUMENT, "the export has problems");
}

static bool grow(struct graph_report *r)
{
    uint32_t cap = r->cap == 0 ? FIRST_CAP : r->cap * 2;
    struct graph_problem *more = arena_array(&r->arena, cap, sizeof *more);
    if (more == NULL)
        return false;
    if (r->count > 0)
        memcpy(more, r->problems, r->count * sizeof *more);
    r->problems = more;
    r->cap = cap;
    return true;
}
