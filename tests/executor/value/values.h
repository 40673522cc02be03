/*
 * values: what the tests of executor/value share: values from JSON, texts to compare.
 */
#pragma once
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include "executor/value/value.h"

/* The value of a JSON text; the test fails when it is none. No account. */
struct value *parsed(const char *json);
struct value *string_of(const char *text);
struct value *secret_of(const char *text);
/* A file: a value of JSON members. */
struct value *file_of(const char *json);
/* [a, b]; takes both; b may be NULL for a list of one. */
struct value *list_of(struct value *take_a, struct value *take_b);
/* {key: v}; takes v. */
struct value *object_of(const char *key, struct value *take_v);

typedef void (*put_value)(struct buf *b, const struct value *v);
/* What `put` writes is exactly `expected`. */
void assert_written(put_value put, const struct value *v, const char *expected);
void assert_text(struct str actual, const char *expected);

/*
 * Calls make(account) with a byte limit of 0, 1, 2, … until it succeeds. Before that every try must give NULL, be noted
 * in the account and leave nothing counted; afterwards releasing the result must leave nothing counted either.
 */
void assert_survives_every_limit(struct value *(*make)(struct value_account *a));
