#ifndef FAKELLM_PROVIDER_ERROR_H
#define FAKELLM_PROVIDER_ERROR_H

#include "protocol.h"
#include "rule.h"

/* provider_error: what a provider says with an error, in the shape of its protocol and in words of our own. */
struct provider_error {
    enum protocol protocol;
    int status;
    enum error_kind kind;
    int64_t retry_after_ms; /* -1: not said */
    const char *message;    /* NULL: as fits the status and kind */
    const char *id;         /* of the request */
};

/* One JSON object, without line ends. */
void provider_error_put(const struct provider_error *error, struct text *out);

#endif
