/*
 * attempt: one request of a model call to one credential's provider, from its sending to done or failed.
 * Threads  the loop's of its HTTP client. text() comes from inside libcurl and must only note things (client.h).
 */
#pragma once
#include "executor/model/protocol.h"
#include "shared/http/client.h"

/* ms, defaults: until the first content; between two pieces of an answer; from start to end. A long prompt may think for minutes. */
#define ATTEMPT_FIRST_CONTENT_MS 300000
#define ATTEMPT_IDLE_MS          120000
#define ATTEMPT_TOTAL_MS         1800000

/*
 * protocol       how this credential is spoken to for this model
 * headers        http_headers of the credential for that protocol, its key among them; the attempt holds a reference
 * name           of the credential, for words; borrowed until the end
 * model          as the provider is to be asked for it
 * request        borrowed for the call of attempt_start() only
 * more           headers of this request alone, more_count of them; borrowed for the call of attempt_start() only
 * …_ms           0: the default
 */
struct attempt_params {
    const struct protocol *protocol;
    struct http_headers *headers;
    struct str base_url, name, model;
    const struct model_request *request;
    const struct http_header *more;
    size_t more_count;
    int64_t connect_ms, first_content_ms, idle_ms, total_ms;
};

/* What a refusal says of its credential. */
enum refusal {
    REFUSAL_REQUEST,    /* something is wrong with the request: every other credential would say so, too */
    REFUSAL_RATE_LIMIT, /* 429, or the same in a body */
    REFUSAL_NO_QUOTA, /* 402, or a body that says the account has run out: it will not come back by itself */
    REFUSAL_UNAUTHORIZED, /* 401, 403 */
    REFUSAL_UNAVAILABLE /* 5xx, no connection, a reset, a time-out, an answer that cannot be read; 404 of the model */
};
/* Texts are borrowed for the callback. */
struct attempt_failure {
    enum refusal refusal;
    const char *error_type; /* dify-dsl.md 3.6; static */
    struct str message;     /* names the credential */
    struct str words;       /* the provider's own, without the key */
    int http_status;        /* 0: no answer */
    int64_t asked_ms; /* for how long it asks to be left alone (Retry-After, reset headers); 0: it does not */
    bool has_spoken;  /* something was delivered: no second send */
};
struct attempt_callbacks {
    void (*text)(void *arg, struct str delta);
    void (*done)(void *arg, const struct model_reply *reply); /* route and price are empty */
    void (*failed)(void *arg, const struct attempt_failure *failure);
};

struct attempt;
/*
 * Sends the request. Exactly one of done and failed comes, unless it is cancelled before; the attempt is gone then. None
 * comes from inside this function. NULL: err says why (memory, an address that is none, a request the protocol cannot carry).
 */
struct attempt *attempt_start(struct http_client *http, const struct attempt_params *params,
                              const struct attempt_callbacks *callbacks, void *arg, struct status *err);
/* Ends it at once, without a callback; the connection is closed before this returns. */
void attempt_cancel(struct attempt *attempt);
void attempt_pause(struct attempt *attempt);
void attempt_resume(struct attempt *attempt); /* text() may come before this returns */
