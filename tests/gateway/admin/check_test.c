/* What fields of administration must look like. */
#include "gateway/admin/check.h"
#include "tests/support/check.h"
#include <string.h>

enum kind { PROTOCOL, URL, SECRET, DECIMAL, CURRENCY };

static void fields_are_taken_or_refused_by_name(void **state)
{
    static const struct {
        enum kind kind;
        const char *text;
        bool is_right;
    } rows[] = {
        {PROTOCOL, "", true},
        {PROTOCOL, "openai", true},
        {PROTOCOL, "azure_openai", true},
        {PROTOCOL, "anthropic", true},
        {PROTOCOL, "gemini", true},
        {PROTOCOL, "OpenAI", false},
        {PROTOCOL, "openai ", false},
        {PROTOCOL, "claude", false},
        {URL, "https://api.openai.com/v1", true},
        {URL, "http://127.0.0.1:8000", true},
        {URL, "", false},
        {URL, "https://", false},
        {URL, "https:///v1", false},
        {URL, "ftp://a/", false},
        {URL, "api.openai.com", false},
        {URL, "https://a b/", false},
        {URL, "https://a/\n", false},
        {SECRET, "", true},
        {SECRET, "sk-1 2\xc3\xa9", true},
        {SECRET, "sk-1\n", false},
        {SECRET, "a\tb", false},
        {SECRET, "\x7f", false},
        {DECIMAL, "", true},
        {DECIMAL, "0", true},
        {DECIMAL, "2.50", true},
        {DECIMAL, ".5", true},
        {DECIMAL, "0.000001", true},
        {DECIMAL, "-1", false},
        {DECIMAL, "1e3", false},
        {DECIMAL, "1,5", false},
        {DECIMAL, " 1", false},
        {DECIMAL, "1.2.3", false},
        {DECIMAL, ".", false},
        {DECIMAL, "NaN", false},
        {DECIMAL, "1234567890123456789012345678901234567", false},
        {CURRENCY, "", true},
        {CURRENCY, "USD", true},
        {CURRENCY, "usd", false},
        {CURRENCY, "US", false},
        {CURRENCY, "USDT", false},
        {CURRENCY, "U$D", false},
    };
    static enum status_code (*const checks[])(const char *field, struct str text,
                                              struct status *err) = {[PROTOCOL] = check_protocol,
                                                                     [URL] = check_url,
                                                                     [SECRET] = check_secret,
                                                                     [DECIMAL] = check_decimal,
                                                                     [CURRENCY] = check_currency};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct status err = {.code = STATUS_OK};
        enum status_code rc = checks[rows[i].kind]("the_field", str_c(rows[i].text), &err);
        if ((rc == STATUS_OK) != rows[i].is_right)
            fail_msg("\"%s\": %s", rows[i].text, status_code_name(rc));
        if (rows[i].is_right)
            continue;
        assert_code(STATUS_INVALID_ARGUMENT, rc);
        assert_string_equal("the_field", err.field);
        if (rows[i].kind == SECRET)
            assert_null(strstr(err.message, rows[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fields_are_taken_or_refused_by_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
