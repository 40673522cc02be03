/*
 * Tests of log. Lines are read back from stderr; the time in front is checked once and then left out.
 */
#include "shared/base/log.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/capture.h"
#include "tests/support/check.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_BYTES = 8192 };

static const char text_head[] = "time=2026-01-01T00:00:00.000Z ";
static const char json_head[] = "{\"time\":\"2026-01-01T00:00:00.000Z\",";

/* What log_write() writes for one field, without the time. Free with free(). */
static char *line_of(enum log_format format, const struct log_field *fields, size_t count)
{
    struct capture c;
    log_init(LOG_DEBUG, format, "test");
    capture_begin(&c, STDERR_FILENO);
    log_write(LOG_INFO, "happened", fields, count);
    char *line = capture_end(&c);
    size_t head = format == LOG_JSON ? sizeof json_head - 1 : sizeof text_head - 1;
    assert_true(strlen(line) > head);
    memmove(line, line + head, strlen(line + head) + 1);
    return line;
}

static void a_line_starts_with_utc_time_in_milliseconds(void **state)
{
    (void)state;
    static const struct {
        enum log_format format;
        const char *head;
    } rows[] = {{LOG_TEXT, text_head}, {LOG_JSON, json_head}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct capture c;
        log_init(LOG_DEBUG, rows[i].format, "test");
        capture_begin(&c, STDERR_FILENO);
        log_write(LOG_INFO, "happened", NULL, 0);
        char *line = capture_end(&c);
        for (size_t k = 0; rows[i].head[k] != '\0'; k++) {
            bool digit = rows[i].head[k] >= '0' && rows[i].head[k] <= '9';
            if (digit)
                assert_in_range(line[k], '0', '9');
            else
                assert_int_equal(rows[i].head[k], line[k]);
        }
        free(line);
    }
}

static void fields_follow_in_order(void **state)
{
    (void)state;
    const struct log_field fields[] = {
        LOG_STR("run_id", STR("r-7")), LOG_INT("took_ms", -41), LOG_DOUBLE("share", 0.25),
        LOG_DOUBLE("bad", 0.0 / 0.0),  LOG_C("path", "/var/x"), LOG_INT("min", INT64_MIN),
    };
    char *line = line_of(LOG_TEXT, fields, ARRAY_LEN(fields));
    assert_string_equal("level=info component=test event=happened run_id=r-7 took_ms=-41 share=0.25 bad=null "
                        "path=/var/x min=-9223372036854775808\n",
                        line);
    free(line);
    line = line_of(LOG_JSON, fields, ARRAY_LEN(fields));
    assert_string_equal("\"level\":\"info\",\"component\":\"test\",\"event\":\"happened\",\"run_id\":\"r-7\","
                        "\"took_ms\":-41,\"share\":0.25,\"bad\":null,\"path\":\"/var/x\","
                        "\"min\":-9223372036854775808}\n",
                        line);
    free(line);
}

static void values_cannot_forge_fields_or_lines(void **state)
{
    (void)state;
    static const struct {
        struct str value;
        const char *text, *json;
    } rows[] = {
        {STR("plain"), "plain", "\"plain\""},
        {STR("中é"), "中é", "\"中é\""},
        {{NULL, 0}, "\"\"", "\"\""},
        {STR("two words"), "\"two words\"", "\"two words\""},
        {STR("a=b"), "\"a=b\"", "\"a=b\""},
        {STR("say \"x\""), "\"say \\\"x\\\"\"", "\"say \\\"x\\\"\""},
        {STR("back\\slash"), "\"back\\\\slash\"", "\"back\\\\slash\""},
        {STR("x\nlevel=error"), "\"x\\nlevel=error\"", "\"x\\nlevel=error\""},
        {STR("\t\r\x1b[31m\x7f\0"), "\"\\t\\u000d\\u001b[31m\\u007f\\u0000\"",
         "\"\\t\\u000d\\u001b[31m\\u007f\\u0000\""},
        {STR("\xc2\x85\xc2\xa0"), "\"\\u0085\xc2\xa0\"", "\"\\u0085\xc2\xa0\""},
        {STR("\xe2\x80\xa8\xe2\x80\xa9"), "\"\\u2028\\u2029\"", "\"\\u2028\\u2029\""},
        {STR("\xff\xe4\xb8"), "\"\\xff\\xe4\\xb8\"", "\"\\ufffd\\ufffd\\ufffd\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char expected[200];
        const struct log_field field = LOG_STR("v", rows[i].value);
        char *line = line_of(LOG_TEXT, &field, 1);
        snprintf(expected, sizeof expected, "level=info component=test event=happened v=%s\n", rows[i].text);
        assert_string_equal(expected, line);
        free(line);
        line = line_of(LOG_JSON, &field, 1);
        snprintf(expected, sizeof expected,
                 "\"level\":\"info\",\"component\":\"test\",\"event\":\"happened\",\"v\":%s}\n",
                 rows[i].json);
        assert_string_equal(expected, line);
        free(line);
    }
}

static void a_long_value_is_cut_and_the_line_says_so(void **state)
{
    (void)state;
    char value[20000];
    for (size_t i = 0; i + 3 <= sizeof value; i += 3)
        memcpy(value + i, i % 2 == 0 ? "中" : "\" \n", 3);
    for (size_t len = LINE_BYTES - 3000; len < LINE_BYTES + 1000; len += 7) {
        const struct log_field fields[] = {LOG_STR("v", ((struct str){value, len / 3 * 3})),
                                           LOG_INT("after", 1)};
        char *line = line_of(LOG_TEXT, fields, 2);
        size_t written = strlen(line) + sizeof text_head - 1;
        assert_in_range(written, 1, LINE_BYTES);
        assert_true(str_is_utf8(str_c(line)));
        bool whole = str_ends(str_c(line), STR("\" after=1\n"));
        bool cut = str_ends(str_c(line), STR(" cut=true\n"));
        assert_true(whole != cut);
        if (cut) /* nearly full: a cut line is not thrown away early */
            assert_in_range(written, LINE_BYTES - 60, LINE_BYTES);
        free(line);

        line = line_of(LOG_JSON, fields, 2);
        assert_true(str_ends(str_c(line), STR("\",\"after\":1}\n")) !=
                    str_ends(str_c(line), STR(",\"cut\":true}\n")));
        assert_in_range(strlen(line) + sizeof json_head - 1, 1, LINE_BYTES);
        free(line);
    }
}

static void too_many_fields_are_cut_between_fields(void **state)
{
    (void)state;
    struct log_field fields[1000];
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        fields[i] = LOG_INT("number", 1234567);
    char *line = line_of(LOG_TEXT, fields, ARRAY_LEN(fields));
    assert_true(str_ends(str_c(line), STR(" number=1234567 cut=true\n")));
    free(line);
    line = line_of(LOG_JSON, fields, ARRAY_LEN(fields));
    assert_true(str_ends(str_c(line), STR(",\"number\":1234567,\"cut\":true}\n")));
    free(line);
}

static void levels_below_the_set_one_are_silent(void **state)
{
    (void)state;
    struct capture c;
    log_init(LOG_WARN, LOG_TEXT, "test");
    capture_begin(&c, STDERR_FILENO);
    log_debug("one");
    log_info("two", LOG_INT("n", 2));
    log_warn("three");
    log_error("four", LOG_INT("n", 4), LOG_C("c", NULL));
    char *text = capture_end(&c);
    assert_null(strstr(text, "event=one"));
    assert_null(strstr(text, "event=two"));
    assert_contains("level=warn component=test event=three\n", text);
    assert_contains("level=error component=test event=four n=4 c=\"\"\n", text);
    free(text);
    assert_false(log_enabled(LOG_INFO));
    assert_true(log_enabled(LOG_WARN));
}

static void levels_and_formats_have_names(void **state)
{
    (void)state;
    enum log_level level = LOG_DEBUG;
    enum log_format format = LOG_TEXT;
    assert_true(log_level_from(STR("error"), &level));
    assert_int_equal(LOG_ERROR, level);
    assert_true(log_level_from(STR("debug"), &level));
    assert_int_equal(LOG_DEBUG, level);
    assert_false(log_level_from(STR("loud"), &level));
    assert_true(log_format_from(STR("json"), &format));
    assert_int_equal(LOG_JSON, format);
    assert_false(log_format_from(STR(""), &format));
    assert_int_equal(LOG_JSON, format);
}

static void logging_needs_no_memory_and_keeps_errno(void **state)
{
    (void)state;
    const struct log_field field = LOG_C("why", "out of memory");
    struct capture c;
    log_init(LOG_DEBUG, LOG_TEXT, "test");
    capture_begin(&c, STDERR_FILENO);
    alloc_fail_after(0);
    errno = EXDEV;
    log_write(LOG_ERROR, "happened", &field, 1);
    int after = errno;
    alloc_fail_reset();
    bool hit = alloc_fail_hit();
    char *line = capture_end(&c);
    assert_int_equal(EXDEV, after);
    assert_false(hit);
    assert_contains("why=\"out of memory\"\n", line);
    free(line);
}

static void a_closed_stderr_is_survived(void **state)
{
    (void)state;
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    close(STDERR_FILENO);
    errno = 0;
    log_write(LOG_ERROR, "happened", NULL, 0);
    int after = errno;
    assert_int_equal(STDERR_FILENO, dup2(saved, STDERR_FILENO));
    close(saved);
    assert_int_equal(0, after);
}

/* --- readers that are behind --- */

enum { MANY_LINES = 20000 };

static void nobody_waits_for_a_reader(void **state)
{
    (void)state;
    for (int is_socket = 0; is_socket < 2; is_socket++) {
        int ends[2], saved = dup(STDERR_FILENO);
        assert_int_equal(0, is_socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends));
        assert_int_equal(STDERR_FILENO, dup2(ends[1], STDERR_FILENO));
        close(ends[1]);
        log_init(LOG_DEBUG, LOG_TEXT, "test");
        log_never_wait();
        uint64_t before = log_lines_dropped();
        for (int i = 0; i < MANY_LINES; i++)
            log_info("happened", LOG_INT("number", i)); /* returns: else the test never ends */
        uint64_t dropped = log_lines_dropped() - before;
        dup2(saved, STDERR_FILENO);
        close(saved);
        log_never_wait(); /* the last writer is gone: what is read has an end */
        size_t lines = 0;
        char piece[4096];
        for (ssize_t n; (n = read(ends[0], piece, sizeof piece)) > 0;) {
            for (ssize_t at = 0; at < n; at++)
                lines += piece[at] == '\n';
        }
        close(ends[0]);
        assert_true(dropped > 0);
        assert_int_equal(MANY_LINES, lines + dropped);
    }
}

static void a_torn_line_is_ended_before_the_next(void **state)
{
    (void)state;
    static char value[7000], piece[256 * 1024];
    memset(value, 'v', sizeof value);
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(0, pipe(ends));
    assert_int_equal(STDERR_FILENO, dup2(ends[1], STDERR_FILENO));
    close(ends[1]);
    log_init(LOG_DEBUG, LOG_TEXT, "test");
    log_never_wait();
    uint64_t before = log_lines_dropped();
    for (int i = 0; i < 100 && log_lines_dropped() == before; i++)
        log_info("long", LOG_STR("value", ((struct str){value, sizeof value}))); /* until one does not fit */
    assert_true(log_lines_dropped() > before);
    assert_true(read(ends[0], piece, sizeof piece) > 0);
    log_info("after");
    ssize_t n = read(ends[0], piece, sizeof piece);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[0]);
    log_never_wait();
    assert_true(n > 0);
    piece[n] = '\0';
    char *line = strstr(piece, "time=");
    assert_non_null(line);
    assert_true(line == piece || line[-1] == '\n');
    assert_contains("event=after\n", line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_starts_with_utc_time_in_milliseconds),
        cmocka_unit_test(fields_follow_in_order),
        cmocka_unit_test(values_cannot_forge_fields_or_lines),
        cmocka_unit_test(a_long_value_is_cut_and_the_line_says_so),
        cmocka_unit_test(too_many_fields_are_cut_between_fields),
        cmocka_unit_test(levels_below_the_set_one_are_silent),
        cmocka_unit_test(levels_and_formats_have_names),
        cmocka_unit_test(logging_needs_no_memory_and_keeps_errno),
        cmocka_unit_test(a_closed_stderr_is_survived),
        cmocka_unit_test(nobody_waits_for_a_reader),
        cmocka_unit_test(a_torn_line_is_ended_before_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
