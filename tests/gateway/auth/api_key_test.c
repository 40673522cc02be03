/* The form of API keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/auth/api_key.h"

static void a_made_key_is_plausible_and_every_changed_character_is_noticed(void **state)
{
    (void)state;
    char key[API_KEY_LEN + 1];
    for (int round = 0; round < 100; round++) {
        api_key_make(key);
        assert_int_equal(strlen(key), API_KEY_LEN);
        assert_true(api_key_is_plausible(str_c(key)));
        for (size_t i = 0; i < API_KEY_LEN; i++) {
            char was = key[i];
            key[i] = was == 'x' ? 'y' : 'x';
            assert_false(api_key_is_plausible(str_c(key)));
            key[i] = was;
        }
    }
}

static void plausible_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *token;
        bool is_plausible;
    } rows[] = {
        {"app-AbCdEfGhIjKlMnOpQrStUvWx", true}, /* as Dify makes them: 24 characters */
        {"app-short", false},
        {"", false},
        {"app-", false},
        {"dataset-AbCdEfGhIjKlMnOpQrStUvWx", false},
        {"app-AbCdEfGhIjKlMnOpQrStUvW ", false},
        {"app-AbCdEfGhIjKlMnOpQrStUv\nx", false},
        {"app-\xc3\xa6"
         "CdEfGhIjKlMnOpQrStUvWx",
         false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(api_key_is_plausible(str_c(rows[i].token)), rows[i].is_plausible);
    char lengthy[400];
    memset(lengthy, 'a', sizeof lengthy);
    memcpy(lengthy, "app-", 4);
    assert_true(api_key_is_plausible((struct str){lengthy, API_KEY_LEN_MAX}));
    assert_false(api_key_is_plausible((struct str){lengthy, API_KEY_LEN_MAX + 1}));
    assert_true(api_key_is_plausible((struct str){lengthy, API_KEY_LEN_MIN}));
    assert_false(api_key_is_plausible((struct str){lengthy, API_KEY_LEN_MIN - 1}));
}

static void a_brought_key_is_told_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *key, *words;
    } rows[] = {
        {"AbCdEfGhIjKlMnOpQrStUvWx", "begin"},
        {"app-short", "characters"},
        {"app-AbCdEfGhIjKlMnOpQrStUv!x", "letters"},
        {"app-AbCdEfGhIjKlMnOpQrStUvWx01234567", "check"},
    };
    struct status err;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(api_key_check_brought(str_c(rows[i].key), &err), STATUS_INVALID_ARGUMENT);
        assert_string_equal(err.field, "key");
        assert_non_null(strstr(err.message, rows[i].words));
        assert_null(strstr(err.message, rows[i].key));
    }
    assert_int_equal(api_key_check_brought(STR("app-AbCdEfGhIjKlMnOpQrStUvWx"), &err), STATUS_OK);
}

static void a_hint_shows_the_ends_only(void **state)
{
    (void)state;
    char hint[17];
    api_key_hint(STR("app-AbCdEfGhIjKlMnOpQrStUvWx"), hint);
    assert_string_equal(hint, "app-Ab\xe2\x80\xa6UvWx");
    api_key_hint(STR("app-"), hint);
    assert_string_equal(hint, "app-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_made_key_is_plausible_and_every_changed_character_is_noticed),
        cmocka_unit_test(plausible_tokens),
        cmocka_unit_test(a_brought_key_is_told_what_is_wrong),
        cmocka_unit_test(a_hint_shows_the_ends_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
