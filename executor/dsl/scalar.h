/*
 * scalar: what a YAML scalar without quotes means: the types PyYAML's safe loader gives it, because that is what reads
 * exports at home (dify-dsl.md 1.1): null, bools (yes, no, on, off too), ints (0x, 0b, leading 0, underscores, base 60)
 * and floats (only with a dot; an exponent only with its sign). What PyYAML makes a date stays a string.
 * Threads  any.
 */
#pragma once
#include "executor/value/value.h"

/* NULL: no memory. No account. */
struct value *scalar_plain(struct str text);
/*
 * A scalar with a tag, e.g. "tag:yaml.org,2002:int".
 * INVALID_ARGUMENT  a tag the safe loader does not know, or a text that does not fit it; RESOURCE_EXHAUSTED  no memory
 */
MUST_CHECK enum status_code scalar_tagged(struct str tag, struct str text, struct value **ret,
                                          struct status *err);
