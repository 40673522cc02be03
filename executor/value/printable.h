/*
 * printable: which characters Python's repr() shows as they are (str.isprintable(), Unicode 15.0 as in Python 3.12).
 * Threads  any.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* False for controls, formats, separators other than the space, surrogates, private use and unassigned code points. */
bool is_printable(uint32_t code_point);
