/* headers: what was added is found again by name. */
#include "shared/http/headers.h"
#include "tests/support/check.h"

static void a_header_is_found_by_its_name_in_any_case(void **state)
{
    (void)state;
    struct status err;
    struct http_headers *h = http_headers_new();
    assert_non_null(h);
    assert_code(STATUS_OK, http_headers_add(h, STR("X-Key"), STR("first"), &err));
    assert_code(STATUS_OK, http_headers_add(h, STR("X-Key-Id"), STR("7"), &err));
    assert_code(STATUS_OK, http_headers_add(h, STR("X-Key"), STR("second"), &err));
    assert_true(str_eq(http_headers_get(h, STR("x-key")), STR("first")));
    assert_true(str_eq(http_headers_get(h, STR("X-KEY-ID")), STR("7")));
    assert_null(http_headers_get(h, STR("X")).ptr);
    assert_null(http_headers_get(h, STR("Authorization")).ptr);
    http_headers_unref(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_found_by_its_name_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
