/*
 * check: see check.h.
 */
#include "tests/support/check.h"
#include <string.h>

void check_code(enum status_code expected, enum status_code actual, const char *what, const char *file,
                int line)
{
    if (actual == expected)
        return;
    print_error("%s: %s, expected %s\n", what, status_code_name(actual), status_code_name(expected));
    _fail(file, line);
}

void check_str(const char *expected, struct str actual, const char *what, const char *file, int line)
{
    if (str_eq_c(actual, expected))
        return;
    print_error("%s: \"%.*s\" (%zu bytes), expected \"%s\"\n", what, STR_ARG(actual), actual.len, expected);
    _fail(file, line);
}

void check_contains(const char *needle, const char *text, const char *what, const char *file, int line)
{
    if (strstr(text, needle) != NULL)
        return;
    print_error("%s: \"%s\" does not contain \"%s\"\n", what, text, needle);
    _fail(file, line);
}
