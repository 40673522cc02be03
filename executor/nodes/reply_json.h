/*
 * reply_json: the JSON in what a model says, found the way the makers of the exports find it (dify-dsl.md 4.8, 4.9).
 * Threads  any; results belong to the account's run.
 */
#pragma once
#include "executor/value/value.h"

/* brackets. Of one text: what begins behind so many is no answer any more. */
enum { REPLY_JSON_BRACKETS_MAX = 100000 };

/*
 * A classifier's way: blocks <think…>…</think> are left out; then what stands between the first fence, else the first
 * bracket, and the last of its kind has to be JSON. A list of one object stands for the object.
 *
 * NOT_FOUND            there is no block
 * INVALID_ARGUMENT     it is no JSON, or neither an object nor a list of one
 * RESOURCE_EXHAUSTED   the account is full, or no memory
 */
MUST_CHECK enum status_code reply_json_block(struct value_account *a, struct str text, struct value **ret,
                                             struct status *err);
/*
 * An extractor's way: of all pieces that begin with { or [ and are balanced there, the first that is an object. Brackets in
 * strings count like others [Q]. *ret is NULL when there is none. False: the account is full, or no memory.
 */
MUST_CHECK bool reply_json_object(struct value_account *a, struct str text, struct value **ret);
