/*
 * verdict: what an executor says of an export, kept with its version for GetApp; and the check of environment variables.
 * Threads  any.
 */
#pragma once
#include "heddle/executor/v1/executor.pb-c.h"
#include "shared/base/buf.h"

/* As text for the store: base64 of the message without problems, and without the values of secret variables. */
void verdict_put(struct buf *b, const Heddle__Executor__V1__CheckAppResponse *response);
/* The reverse; NULL when it cannot be read. Free with heddle__executor__v1__check_app_response__free_unpacked(). */
Heddle__Executor__V1__CheckAppResponse *verdict_read(struct str text);

/* Is the value of such a variable a secret? */
bool variable_is_secret(const Heddle__V1__EnvironmentVariable *variable);
/*
 * Is the text a value of the type? (admin.proto, EnvironmentVariable.) "" is "string".
 * INVALID_ARGUMENT, field "set[index].value" or "set[index].value_type"; the value is not quoted: it may be a secret
 */
MUST_CHECK enum status_code variable_check(struct str type, struct str value, size_t index,
                                           struct status *err);
