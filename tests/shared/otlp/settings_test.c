/* Options of traces: what is taken, what is refused, and that a refusal says nothing of a secret. */
#include "shared/otlp/settings.h"
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>

static void an_endpoint_is_an_address_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *text, *url; /* NULL: refused */
    } rows[] = {
        {"http://collector:4318", "http://collector:4318/v1/traces"},
        {"http://collector:4318/", "http://collector:4318/v1/traces"},
        {"https://[::1]:4318", "https://[::1]:4318/v1/traces"},
        {"https://api.example/otlp//", "https://api.example/otlp/v1/traces"},
        {"http://collector:4318/v1/traces", "http://collector:4318/v1/traces"},
        {"collector:4318", NULL},
        {"grpc://collector:4317", NULL},
        {"http://", NULL},
        {"http:///v1/traces", NULL},
        {"http://collector:4318?x=1", NULL},
        {"http://collector:4318/#x", NULL},
        {"https://user:pw@collector", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct status err;
        bool is_taken = otlp_check_endpoint(str_c(rows[i].text), &err) == STATUS_OK;
        if (is_taken != (rows[i].url != NULL))
            fail_msg("%s", rows[i].text);
        if (!is_taken)
            continue;
        char *url = otlp_url(rows[i].text);
        assert_string_equal(rows[i].url, url);
        free(url);
    }
}

static void headers_are_names_and_values(void **state)
{
    (void)state;
    struct status err;
    struct http_headers *h = NULL;
    assert_ok(otlp_headers("Authorization=Bearer%20a%3db, x-scope = 7,,x-plain=50%,", &h, &err));
    assert_str("Bearer a=b", http_headers_get(h, STR("authorization")));
    assert_str("7", http_headers_get(h, STR("X-Scope")));
    assert_str("50%", http_headers_get(h, STR("x-plain")));
    assert_str("application/x-protobuf", http_headers_get(h, STR("Content-Type")));
    http_headers_unref(h);
    assert_ok(otlp_headers(NULL, &h, &err));
    assert_str("application/x-protobuf", http_headers_get(h, STR("Content-Type")));
    http_headers_unref(h);
}

static void headers_that_are_none_are_refused_without_their_secrets(void **state)
{
    (void)state;
    static const char *const rows[] = {"hunter2", "=hunter2", "a b=hunter2", "a=hunter2%0d%0ab: c",
                                       "a=1,hunter2"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct status err;
        assert_int_not_equal(STATUS_OK, otlp_check_headers(str_c(rows[i]), &err));
        assert_null(strstr(err.message, "hunter2"));
    }
    assert_ok(otlp_check_headers(STR("a=b"), &(struct status){.code = STATUS_OK}));
}

static void a_ratio_is_from_0_to_1(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_taken;
        double ratio;
    } rows[] = {{"0", true, 0},        {"1", true, 1},     {"0.25", true, 0.25},
                {"1e-3", true, 0.001}, {"1.01", false, 0}, {"-0.1", false, 0},
                {"half", false, 0},    {"", false, 0},     {"0.5 ", false, 0}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct status err;
        if ((otlp_check_ratio(str_c(rows[i].text), &err) == STATUS_OK) != rows[i].is_taken)
            fail_msg("%s", rows[i].text);
        if (rows[i].is_taken)
            assert_true(otlp_ratio(rows[i].text) == rows[i].ratio);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endpoint_is_an_address_and_nothing_else),
        cmocka_unit_test(headers_are_names_and_values),
        cmocka_unit_test(headers_that_are_none_are_refused_without_their_secrets),
        cmocka_unit_test(a_ratio_is_from_0_to_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
