/*
 * alloc_fail: makes one allocation of our own code fail. Linking the test support wraps malloc, calloc, realloc, strdup and
 * strndup at link time (-Wl,--wrap), also under the sanitizers; what shared libraries allocate is not counted.
 * Threads  counts and fails the allocations of the calling thread only.
 *
 * The failing-allocation loop of a constructor: its 1st, 2nd, 3rd … allocation fails, until one try meets no failure.
 *
 *     for (size_t n = 0;; n++) {
 *         struct run *run = NULL;
 *         alloc_fail_after(n);
 *         enum status_code rc = run_new(workflow, STR("{}"), AT_MS(0), &run, &err);
 *         alloc_fail_reset();
 *         if (!alloc_fail_hit()) {
 *             assert_ok(rc);
 *             run_free(run);
 *             break;
 *         }
 *         assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
 *         assert_null(run);
 *     }
 *
 * What leaks on the way is reported by AddressSanitizer when the test ends.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* The next n allocations succeed, the one after them fails, later ones succeed again. */
void alloc_fail_after(size_t n);
/* No failure from here on. */
void alloc_fail_reset(void);
/* Has an allocation failed since the last alloc_fail_after()? */
bool alloc_fail_hit(void);
