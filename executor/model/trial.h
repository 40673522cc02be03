/*
 * trial: one cheap question to a provider, to learn whether it takes a credential.
 * Threads  runs in the calling thread, on a loop of its own, until the answer or its time is there: not for a worker's thread.
 */
#pragma once
#include "executor/model/attempt.h"
#include <stdatomic.h>

/* ms, default. From start to end. */
#define TRIAL_MS 15000
/* ms. Between two looks whether anybody still wants to know. */
#define TRIAL_LOOK_MS 50
/* bytes. Of what the provider says. */
enum { TRIAL_WORDS_BYTES_MAX = 1024 };

/*
 * protocol, secret ("": none), base_url   as the credential has them
 * model      as the provider is to be asked for it; "": only its list of models is asked for
 * ca_file    PEM of authorities for TLS; NULL: the system's
 * total_ms   0: TRIAL_MS
 * is_given_up   set by another thread: nobody wants to know any more, and the trial ends within TRIAL_LOOK_MS; NULL: never
 */
struct trial_params {
    const struct protocol *protocol;
    struct str secret, base_url, model;
    const char *ca_file;
    int64_t total_ms;
    const atomic_bool *is_given_up;
};

/*
 * ok           the credential was taken: a list of models, or first words of the model
 * http_status  0: no answer came
 * refusal, error_type   as in attempt_failure; only when it is not ok
 * words        the provider's own, or why no answer came; UTF-8, NUL-terminated, without the secret. "" when ok
 * elapsed_ms   from sending to knowing
 */
struct trial_result {
    bool ok;
    int http_status;
    enum refusal refusal;
    const char *error_type;
    int64_t elapsed_ms;
    char words[TRIAL_WORDS_BYTES_MAX];
};

/*
 * A refusal is a result, not an error of this function. RESOURCE_EXHAUSTED: no memory. INVALID_ARGUMENT: the address is none,
 * or HTTP cannot carry the secret.
 */
MUST_CHECK enum status_code trial_run(const struct trial_params *params, struct trial_result *ret,
                                      struct status *err);
