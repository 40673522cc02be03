/*
 * options_value: the value of one option, as text and in the program's config struct. Used by options.c only.
 * Threads  at start only.
 */
#pragma once
#include "shared/base/options.h"

/*
 * Checks `value` and puts it into the option's field; what was there is freed.
 * INVALID_ARGUMENT     words for people; a secret's or a text's value is not repeated in them
 * RESOURCE_EXHAUSTED   no memory
 */
MUST_CHECK enum status_code option_store(const struct option *option, struct str value, void *config,
                                         struct status *err);
/* Makes the field NULL, 0 or false, whatever it holds. */
void option_clear(const struct option *option, void *config);
/* The same, after freeing its text. */
void option_release(const struct option *option, void *config);
/* The field as text: *** for a secret and for the password of a URL, nothing for none. */
void option_put(const struct option *option, const void *config, struct buf *b);
