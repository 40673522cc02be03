/* Words of records' commands: names of states, spans of time, texts that are cut. */
#include "gateway/ctl/records.h"
#include "heddle/v1/workflow.pb-c.h"
#include "tests/support/capture.h"
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void states_are_named_in_small_letters(void **state)
{
    (void)state;
    char word[ENUM_WORD_BYTES];
    static const struct {
        int value;
        const char *word;
    } reasons[] = {{HEDDLE__V1__END_REASON__END_REASON_NODE_FAILED, "node-failed"},
                   {HEDDLE__V1__END_REASON__END_REASON_COMPLETED, "completed"},
                   {HEDDLE__V1__END_REASON__END_REASON_STORE_UNAVAILABLE, "store-unavailable"},
                   {1000, "?"}};
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        assert_string_equal(
            enum_word(&heddle__v1__end_reason__descriptor, reasons[i].value, "END_REASON_", word),
            reasons[i].word);
}

static void every_name_is_read_back(void **state)
{
    (void)state;
    const ProtobufCEnumDescriptor *descriptor = &heddle__v1__end_reason__descriptor;
    for (unsigned i = 0; i < descriptor->n_values; i++) {
        char word[ENUM_WORD_BYTES];
        int read = -1, value = descriptor->values[i].value;
        if (value == 0)
            continue;
        assert_true(enum_read("reason", descriptor, "END_REASON_",
                              enum_word(descriptor, value, "END_REASON_", word), &read));
        assert_int_equal(read, value);
        for (char *c = word; *c != '\0'; c++)
            *c = *c == '-' ? '_' : (char)(*c - 'a' + 'A');
        assert_true(enum_read("reason", descriptor, "END_REASON_", word, &read));
        assert_int_equal(read, value);
    }
}

static void an_unknown_name_is_answered_with_those_there_are(void **state)
{
    (void)state;
    static const char *const words[] = {"", "faile", "failedd", "unspecified", "RUN_STATUS_FAILED"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct capture err;
        int read = -1;
        capture_begin(&err, STDERR_FILENO);
        bool ok = enum_read("status", &heddle__v1__run_status__descriptor, "RUN_STATUS_", words[i], &read);
        char *said = capture_end(&err);
        assert_false(ok);
        assert_int_equal(read, -1);
        assert_non_null(strstr(said, "running, succeeded, partial-succeeded, failed, stopped, paused"));
        free(said);
    }
}

static void spans_of_time_have_a_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {{"90s", 90000}, {"15m", 900000}, {"12h", 43200000}, {"7d", 604800000}, {"1s", 1000},
                {"", 0},        {"h", 0},        {"0h", 0},         {"-1h", 0},        {"1", 0},
                {"1w", 0},      {"1 h", 0},      {"100001d", 0},    {"1.5h", 0}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct capture err;
        int64_t ms = 0;
        capture_begin(&err, STDERR_FILENO);
        bool ok = span_read("since", rows[i].text, &ms);
        char *said = capture_end(&err);
        assert_int_equal(ok, rows[i].ms != 0);
        assert_int_equal(ms, rows[i].ms);
        assert_int_equal(strstr(said, "--since") != NULL, !ok);
        free(said);
    }
}

static void a_text_is_cut_between_characters_and_stays_on_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t max;
        const char *cut;
    } rows[] = {{"short", 5, "short"},
                {"longer", 5, "longe..."},
                {"a\nb\tc\r", 9, "a b c "},
                {"\xc3\xa9\xc3\xa9", 3, "\xc3\xa9..."},
                {"", 0, ""}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        buf_init(&b, 100);
        put_cut(&b, str_c(rows[i].text), rows[i].max);
        char *text = buf_take(&b, NULL);
        assert_string_equal(text, rows[i].cut);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_are_named_in_small_letters),
        cmocka_unit_test(every_name_is_read_back),
        cmocka_unit_test(an_unknown_name_is_answered_with_those_there_are),
        cmocka_unit_test(spans_of_time_have_a_unit),
        cmocka_unit_test(a_text_is_cut_between_characters_and_stays_on_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
