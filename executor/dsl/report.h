/*
 * report: what an import found: problems, which refuse it, and warnings (oddities that Dify runs too, and repairs that change
 * what an export means). All of them at once, each with its place and, where there is one, the way to mend it.
 * Threads  belongs to one thread at a time.
 */
#pragma once
#include "shared/base/arena.h"

/* entries. More helps nobody; the rest is only counted. */
#define GRAPH_PROBLEMS_MAX 500
/* bytes. Of all texts. */
#define GRAPH_REPORT_BYTES_MAX ((size_t)1024 * 1024)

struct graph_problem {
    const char *path; /* e.g. workflow.graph.nodes[3].data.model; "" is the whole text */
    const char *text; /* what is wrong */
    const char *hint; /* how to mend it; "" when nothing better than the text can be said */
    bool is_warning;
};
struct graph_report {
    struct arena arena; /* holds the texts */
    struct graph_problem *problems;
    uint32_t count, cap;
    uint32_t error_count; /* of those, not warnings; those left out are counted too */
    bool is_truncated;    /* some were left out: more than GRAPH_PROBLEMS_MAX, too long, or no memory */
    /* What is known of the export even if it is refused; "" otherwise. */
    const char *mode, *app_name, *dsl_version;
};
void graph_report_init(struct graph_report *r);
void graph_report_fini(struct graph_report *r);
/* path and hint are copied; hint may be NULL. */
void graph_report_add(struct graph_report *r, bool is_warning, const char *path, const char *hint,
                      const char *text_fmt, ...) PRINTF_LIKE(5, 6);
void graph_report_add_va(struct graph_report *r, bool is_warning, const char *path, const char *hint,
                         const char *text_fmt, va_list args) PRINTF_LIKE(5, 0);
/* A copy that lives with the report; "" without memory, and is_truncated. For mode, app_name, dsl_version. */
const char *graph_report_copy(struct graph_report *r, struct str text);
/* INVALID_ARGUMENT with the first problem in words; the report has one that is no warning. */
enum status_code graph_report_status(const struct graph_report *r, struct status *err);
