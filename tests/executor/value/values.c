/*
 * values: see values.h.
 */
#include "tests/executor/value/values.h"
#include "executor/value/parse.h"

struct value *parsed(const char *json)
{
    struct value *v = NULL;
    struct status err = {0};
    if (value_parse_json(NULL, str_c(json), &v, &err) != STATUS_OK)
        fail_msg("%s: %s", json, err.message);
    return v;
}

struct value *string_of(const char *text)
{
    return value_string(NULL, str_c(text));
}

struct value *secret_of(const char *text)
{
    return value_secret(NULL, str_c(text));
}

struct value *file_of(const char *json)
{
    struct value *members = parsed(json);
    struct value_builder b;
    value_object_begin(&b, NULL);
    for (size_t i = 0; i < value_count(members); i++)
        value_object_put(&b, value_key(members, i), value_ref(value_member(members, i)));
    value_unref(members);
    return value_file_end(&b);
}

struct value *list_of(struct value *take_a, struct value *take_b)
{
    struct value_builder b;
    value_array_begin(&b, NULL);
    value_array_put(&b, take_a);
    if (take_b != NULL)
        value_array_put(&b, take_b);
    return value_array_end(&b);
}

struct value *object_of(const char *key, struct value *take_v)
{
    struct value_builder b;
    value_object_begin(&b, NULL);
    value_object_put(&b, str_c(key), take_v);
    return value_object_end(&b);
}

void assert_written(put_value put, const struct value *v, const char *expected)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    put(&b, v);
    assert_false(b.failed);
    assert_text(buf_str(&b), expected);
    buf_fini(&b);
}

void assert_text(struct str actual, const char *expected)
{
    if (!str_eq_c(actual, expected))
        fail_msg("got «%.*s», expected «%s»", STR_ARG(actual), expected);
}

void assert_survives_every_limit(struct value *(*make)(struct value_account *a))
{
    for (size_t max = 0;; max++) {
        struct value_account account = {.max = max};
        struct value *v = make(&account);
        assert_true(account.is_full == (v == NULL));
        bool is_made = v != NULL;
        if (is_made)
            assert_int_equal(account.used, value_bytes(v));
        value_unref(v);
        assert_int_equal(account.used, 0);
        if (is_made) {
            assert_true(max > 0);
            return;
        }
    }
}
