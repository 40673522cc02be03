/* Who is recorded and what is handed on, by what came in and whether this process has an exporter. */
#include "shared/otlp/tracing.h"
#include "tests/shared/otlp/collector.h"
#include <string.h>

#define IDS "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"

static void what_came_decides(void **state)
{
    struct collector *c = *state;
    static const struct {
        const char *name, *parent, *ratio; /* ratio NULL: no exporter */
        bool is_on, is_recorded, is_same;  /* is_same: handed on as it came */
        int flags;
    } rows[] = {
        {"nothing, no exporter", "", NULL, false, false, false, 0},
        {"garbage, no exporter", "00-zz", NULL, false, false, false, 0},
        {"sampled, no exporter", "00-" IDS "-01", NULL, true, false, true, 1},
        {"not sampled, no exporter", "00-" IDS "-00", NULL, true, false, true, 0},
        {"nothing", "", "1", true, true, false, 1},
        {"nothing, none chosen", "", "0", true, false, false, 0},
        {"garbage begins anew", "00-" IDS "-0", "1", true, true, false, 1},
        {"sampled", "00-" IDS "-01", "1", true, true, false, 1},
        {"sampled, whatever the ratio", "00-" IDS "-01", "0", true, true, false, 1},
        {"not sampled, whatever the ratio", "00-" IDS "-00", "1", true, false, true, 0},
        {"random", "00-" IDS "-03", "1", true, true, false, 3},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tracing t = {0};
        struct otlp *otlp = NULL;
        struct status err;
        char parent[TRACE_PARENT_LEN + 1];
        struct otlp_options options = collector_options(c);
        options.sample_ratio = rows[i].ratio;
        if (rows[i].ratio != NULL)
            assert_ok(otlp_new(&options, &otlp, &err));
        tracing_begin(&t, otlp, str_c(rows[i].parent), &(const struct str){"a=1", 3}, 1);
        if (t.is_on != rows[i].is_on || tracing_is_recorded(&t) != rows[i].is_recorded)
            fail_msg("%s", rows[i].name);
        if (t.is_on) {
            trace_format(&t.context, parent);
            assert_true((strcmp(parent, rows[i].parent) == 0) == rows[i].is_same);
            assert_int_equal(rows[i].flags, t.context.flags);
            bool goes_on = memcmp(parent + 3, IDS, 2 * TRACE_ID_BYTES) == 0;
            assert_true(goes_on == t.has_parent);
            assert_true((t.state != NULL) == t.has_parent);
            struct tracing_headers headers;
            tracing_headers(&t, NULL, &headers);
            assert_int_equal(t.has_parent ? 2 : 1, headers.count);
            assert_str("traceparent", headers.list[0].name);
            assert_str(parent, headers.list[0].value);
            assert_str("tracestate", headers.list[1].name);
            assert_str(t.has_parent ? "a=1" : "", headers.list[1].value);
        }
        tracing_end(&t);
        otlp_close(otlp, 0);
    }
    assert_false(tracing_is_recorded(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_came_decides, collector_begin, collector_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
