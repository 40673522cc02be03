/*
 * entries: what a report is to hold; shared by tests of executor/dsl and executor/graph.
 */
#pragma once
#include "executor/dsl/report.h"
#include "tests/support/check.h"
#include <string.h>

static inline void print_report(const struct graph_report *report)
{
    for (uint32_t i = 0; i < report->count; i++)
        print_error("  %s %s: %s (%s)\n", report->problems[i].is_warning ? "warning" : "problem",
                    report->problems[i].path, report->problems[i].text, report->problems[i].hint);
}

/* The report has an entry of that kind whose path is this and whose text contains that. */
static inline void assert_entry(const struct graph_report *report, bool is_warning, const char *path,
                                const char *text)
{
    for (uint32_t i = 0; i < report->count; i++) {
        const struct graph_problem *p = &report->problems[i];
        if (p->is_warning == is_warning && strcmp(p->path, path) == 0 && strstr(p->text, text) != NULL)
            return;
    }
    print_error("no %s %s: %s; but\n", is_warning ? "warning" : "problem", path, text);
    print_report(report);
    fail();
}

/* It has so many, and none but those that were asserted. */
static inline void assert_entries(const struct graph_report *report, uint32_t count)
{
    if (report->count != count)
        print_report(report);
    assert_int_equal(count, report->count);
}
