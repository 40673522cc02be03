/*
 * direct_load: the same closed loop straight to a model server, over plain HTTP/1.1 connections that are kept: what a caller
 * would see with nothing in between.
 * Threads  runs on the calling thread.
 */
#pragma once
#include "tests/bench/load.h"

/*
 * options->target is the server's base address: "http://127.0.0.1:8080/v1" (an IPv4 address, not a name). Nothing is left.
 * INVALID_ARGUMENT     the address is not of that form
 * UNAVAILABLE          a connection could not be made
 * RESOURCE_EXHAUSTED   no memory
 */
MUST_CHECK enum status_code direct_load_run(const struct load_options *options, struct load_result *result,
                                            struct status *err);
