/*
 * payload: what a caller sent → values.
 * Threads  the worker's of the run the values are for.
 */
#pragma once
#include "executor/value/value.h"
#include "heddle/executor/v1/executor.pb-c.h"
#include "shared/store/environment.h"

/*
 * The inputs as an object: of `inputs_json` when it is not empty, else of the Struct (whole doubles become integers, as
 * Dify's JSON has them), else {}.
 * INVALID_ARGUMENT     field "inputs_json": no JSON, or no object; both were given
 * RESOURCE_EXHAUSTED   memory
 */
MUST_CHECK enum status_code payload_inputs(const Heddle__Executor__V1__ExecuteRequest *request,
                                           struct value **ret, struct status *err);
/* The raw file objects as an array. RESOURCE_EXHAUSTED: memory. */
MUST_CHECK enum status_code payload_files(const Heddle__Executor__V1__ExecuteRequest *request,
                                          struct value **ret, struct status *err);
/*
 * An app's own variables as an object of typed values (admin.proto, EnvironmentVariable).
 * FAILED_PRECONDITION  BAD_ENVIRONMENT: one is not of its type; it is named, not quoted
 */
MUST_CHECK enum status_code payload_environment(const struct store_environment *environment,
                                                struct value **ret, struct status *err);
