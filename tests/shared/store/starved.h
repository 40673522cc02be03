/*
 * starved: calls of a records' store whose allocations fail.
 */
#pragma once
#include "tests/shared/store/fixture.h"

/*
 * Submits the call again and again, while its 1st, 2nd, 3rd … allocation fails, until none does. Each must be answered, or
 * refused, with RESOURCE_EXHAUSTED; the last one with OK.
 * submit   submits a call whose `done` puts its status into *ret
 */
void starve(struct fixture *f, enum status_code (*submit)(struct fixture *f, struct store *store,
                                                          struct status *ret, struct status *err));
