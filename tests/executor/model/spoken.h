/*
 * spoken: what a protocol says and hears, as texts that tests compare.
 */
#pragma once
#include "executor/model/protocol.h"
#include "tests/support/check.h"

/* JSON text; NULL gives NULL. The caller unrefs it. */
struct value *json_of(const char *json);

/* The body of the request is this. */
void assert_body(const struct protocol *protocol, const struct model_request *request, const char *expected);
/* The address of a request for model "m 1", below this base_url. */
void assert_url(const struct protocol *protocol, const char *base_url, const struct model_request *request,
                const char *expected);
void assert_models_url(const struct protocol *protocol, const char *base_url, const char *expected);

/*
 * What the pieces of an answer say: "text …;", "reasoning …;", "finish …;", "usage 1 2;", "error CODE KIND STATUS ASKED_MS
 * words;", "last;", "unreadable;"; the calls at the end: "call ID NAME ARGUMENTS;". Pieces are ended by a line end, and may
 * begin with the name of their event and a blank: "ping {…}". With is_whole all of it is one body.
 */
void assert_heard(const struct protocol *protocol, const char *pieces, bool is_whole, const char *expected);
