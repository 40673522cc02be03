/*
 * check: cmocka with all it wants included before, and assertions about our own types.
 * Threads  the test's main thread only, like all of cmocka.
 */
#pragma once
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include "shared/base/status.h"
#include "shared/base/str.h"

/* assert_ok(thing_new(&thing, &err)); assert_code(STATUS_NOT_FOUND, thing_get(…)). A failure prints the codes' names. */
#define assert_code(expected, actual) check_code((expected), (actual), #actual, __FILE__, __LINE__)
#define assert_ok(actual)             assert_code(STATUS_OK, actual)
/* The bytes of a struct str are those of a C string. */
#define assert_str(expected, actual) check_str((expected), (actual), #actual, __FILE__, __LINE__)
/* A C string contains another. */
#define assert_contains(needle, text) check_contains((needle), (text), #text, __FILE__, __LINE__)

void check_code(enum status_code expected, enum status_code actual, const char *what, const char *file,
                int line);
void check_str(const char *expected, struct str actual, const char *what, const char *file, int line);
void check_contains(const char *needle, const char *text, const char *what, const char *file, int line);
