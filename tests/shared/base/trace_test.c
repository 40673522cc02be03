/* A traceparent is taken as the recommendation has it and in no other form; a tracestate is kept whole, shortened, or dropped. */
#include "shared/base/trace.h"
#include "shared/base/uuid.h"
#include "tests/support/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"
#define GOOD  "00-" TRACE "-" SPAN "-01"

static void a_traceparent_is_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        int flags; /* -1: it is none */
    } rows[] = {
        {"sampled", GOOD, 1},
        {"not sampled", "00-" TRACE "-" SPAN "-00", 0},
        {"random", "00-" TRACE "-" SPAN "-03", 3},
        {"unknown flags", "00-" TRACE "-" SPAN "-fd", 1},
        {"blanks around it", " \t" GOOD "\t ", 1},
        {"a later version", "cc-" TRACE "-" SPAN "-01", 1},
        {"a later version with more", "cc-" TRACE "-" SPAN "-01-what-comes", 1},
        {"a later version with more, not cut off", "cc-" TRACE "-" SPAN "-01.what", -1},
        {"a later version, too long a flag", "01-" TRACE "-" SPAN "-011", -1},
        {"version ff", "ff-" TRACE "-" SPAN "-01", -1},
        {"version in capitals", "FE-" TRACE "-" SPAN "-01", -1},
        {"version of one digit", "0-" TRACE "-" SPAN "-01", -1},
        {"version of three digits", "000-" TRACE "-" SPAN "-01", -1},
        {"version that is none", "0x-" TRACE "-" SPAN "-01", -1},
        {"version 00 with more", GOOD "-", -1},
        {"version 00 with much more", GOOD "-01", -1},
        {"trace id of zeros", "00-00000000000000000000000000000000-" SPAN "-01", -1},
        {"span id of zeros", "00-" TRACE "-0000000000000000-01", -1},
        {"trace id in capitals", "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", -1},
        {"span id in capitals", "00-" TRACE "-B7AD6B7169203331-01", -1},
        {"trace id too short", "00-af7651916cd43dd8448eb211c80319c-" SPAN "-01", -1},
        {"trace id too long", "00-00af7651916cd43dd8448eb211c80319c-" SPAN "-01", -1},
        {"trace id with other letters", "00-.af7651916cd43dd8448eb211c80319c-" SPAN "-01", -1},
        {"span id with other letters", "00-" TRACE "-b7ad6b716920333.-01", -1},
        {"span id too short", "00-" TRACE "-7ad6b7169203331-01", -1},
        {"flags in capitals", "00-" TRACE "-" SPAN "-0A", -1},
        {"flags of one digit", "00-" TRACE "-" SPAN "-1", -1},
        {"flags that are none", "00-" TRACE "-" SPAN "-.0", -1},
        {"other dashes", "00_" TRACE "-" SPAN "-01", -1},
        {"no dashes", "00" TRACE SPAN "01", -1},
        {"blank within", "00-" TRACE " " SPAN "-01", -1},
        {"cut", "00-" TRACE "-" SPAN "-0", -1},
        {"nothing", "", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct trace_context c;
        char text[TRACE_PARENT_LEN + 1], id[2 * TRACE_ID_BYTES + 1];
        memset(&c, 0x55, sizeof c);
        bool is_taken = trace_parse(str_c(rows[i].text), &c);
        if (is_taken != (rows[i].flags >= 0))
            fail_msg("%s", rows[i].name);
        if (!is_taken) {
            assert_int_equal(0x55, c.flags);
            continue;
        }
        assert_int_equal(rows[i].flags, c.flags);
        trace_id_format(&c, id);
        assert_string_equal(TRACE, id);
        c.flags = 1;
        trace_format(&c, text);
        assert_string_equal(GOOD, text);
    }
    assert_false(trace_parse((struct str){NULL, 0}, &(struct trace_context){.flags = 0}));
}

#define X10  "xxxxxxxxxx"
#define X50  X10 X10 X10 X10 X10
#define X250 X50 X50 X50 X50 X50

static void a_tracestate_is_joined_or_dropped(void **state)
{
    (void)state;
    static const struct {
        const char *name, *first, *second, *joined;
    } rows[] = {
        {"one", "foo=1", NULL, "foo=1"},
        {"several", "foo=1,bar=2", NULL, "foo=1,bar=2"},
        {"of two headers", "foo=1", "bar=2", "foo=1,bar=2"},
        {"blanks and tabs", "foo=1 \t , \t bar=2", " baz=3", "foo=1,bar=2,baz=3"},
        {"empty members", "foo=1,,bar=2, ,", ",", "foo=1,bar=2"},
        {"blank before a value is its own", "foo= 1", NULL, "foo= 1"},
        {"any letters in a value", "foo=!\"#$%&'()*+-./:;<>?@[]^_`{|}~ x", NULL,
         "foo=!\"#$%&'()*+-./:;<>?@[]^_`{|}~ x"},
        {"marks in a key", "a_b-c*d/e=1", NULL, "a_b-c*d/e=1"},
        {"a tenant", "0fw529a3039@dt=FfwAA", NULL, "0fw529a3039@dt=FfwAA"},
        {"longest key", X250 "xxxxxx=1", NULL, X250 "xxxxxx=1"},
        {"key too long", X250 "xxxxxxx=1", NULL, ""},
        {"longest value", "v=" X250 "xxxxxx", NULL, "v=" X250 "xxxxxx"},
        {"value too long", "v=" X250 "xxxxxxx", NULL, ""},
        {"vendor too long", "t@vvvvvvvvvvvvvvv=1", NULL, ""},
        {"tenant too long", X50 X50 X50 X50 X10 X10 X10 X10 "xx@v=1", NULL, ""},
        {"key with a blank", "foo =1", NULL, ""},
        {"key in capitals", "FOO=1", NULL, ""},
        {"key with a point", "foo.bar=1", NULL, ""},
        {"key begins with a mark", "_foo=1", NULL, ""},
        {"no tenant", "@foo=1", NULL, ""},
        {"no vendor", "foo@=1", NULL, ""},
        {"two ats", "foo@@bar=1", NULL, ""},
        {"two tenants", "foo@bar@baz=1", NULL, ""},
        {"no key", "=1", NULL, ""},
        {"no value", "foo=", NULL, ""},
        {"no equals", "foo", NULL, ""},
        {"two equals", "foo=bar=1", NULL, ""},
        {"one of many is bad", "foo=1,bar", NULL, ""},
        {"the same key twice", "foo=1,bar=2,foo=3", NULL, ""},
        {"the same key in two headers", "foo=1", "foo=1", ""},
        {"beyond ASCII", "foo=\xc3\xa9", NULL, ""},
        {"a control character", "foo=a\tb", NULL, ""},
        {"nothing", "", NULL, ""},
        /* Over 512 bytes: long ones go first, from the end. */
        {"long ones are left out", "a=" X50 X50 X50 ",b=1,c=" X250 ",d=2,e=" X50 X50 X50, NULL,
         "a=" X50 X50 X50 ",b=1,c=" X250 ",d=2"},
        {"then the last ones", "a=" X50 X50 ",b=" X50 X50 ",c=" X50 X50 ",d=" X50 X50 ",e=" X50 X50 ",f=1",
         NULL, "a=" X50 X50 ",b=" X50 X50 ",c=" X50 X50 ",d=" X50 X50},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[TRACE_STATE_BYTES_MAX + 1];
        const struct str values[] = {str_c(rows[i].first), str_c(rows[i].second)};
        size_t len = trace_state_join(values, rows[i].second == NULL ? 1 : 2, text);
        if (strcmp(rows[i].joined, text) != 0)
            fail_msg("%s: \"%s\"", rows[i].name, text);
        assert_int_equal(strlen(text), len);
    }
}

static void a_tracestate_has_32_members(void **state)
{
    (void)state;
    char text[TRACE_STATE_BYTES_MAX + 1], members[512];
    size_t at = 0;
    for (int i = 0; i < 33; i++) {
        struct str value = {members, at};
        if (i > 0)
            assert_int_equal(at, trace_state_join(&value, 1, text));
        at += (size_t)snprintf(members + at, sizeof members - at, "%sm%d=%d", i == 0 ? "" : ",", i, i);
    }
    assert_int_equal(0, trace_state_join(&(struct str){members, at}, 1, text));
}

static void ids_are_fresh_and_spans_go_by_uuid(void **state)
{
    (void)state;
    struct trace_context a = {.flags = TRACE_SAMPLED}, b = a, c;
    char text[UUID_TEXT_LEN + 1], parent[TRACE_PARENT_LEN + 1];
    trace_new_id(a.trace_id);
    trace_new_id(b.trace_id);
    trace_new_span(a.span_id);
    trace_new_span(b.span_id);
    assert_memory_not_equal(a.trace_id, b.trace_id, sizeof a.trace_id);
    assert_memory_not_equal(a.span_id, b.span_id, sizeof a.span_id);
    trace_format(&a, parent);
    assert_true(trace_parse(str_c(parent), &c));
    assert_memory_equal(&a, &c, sizeof a);
    struct uuid id = uuid_v7();
    uuid_format(id, text);
    assert_true(trace_span_of(str_c(text), a.span_id));
    assert_memory_equal(id.bytes + 8, a.span_id, sizeof a.span_id);
    assert_false(trace_span_of(STR("node"), a.span_id));
}

static void a_ratio_chooses_its_share_and_always_the_same(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    size_t chosen = 0;
    for (size_t i = 0; i < COUNT; i++) {
        struct trace_context c;
        trace_new_id(c.trace_id);
        assert_true(trace_is_chosen(&c, 1));
        assert_false(trace_is_chosen(&c, 0));
        bool is_chosen = trace_is_chosen(&c, 0.25);
        assert_true(!is_chosen || trace_is_chosen(&c, 0.5));
        assert_true(is_chosen == trace_is_chosen(&c, 0.25));
        chosen += is_chosen;
    }
    assert_in_range(chosen, COUNT / 5, COUNT * 3 / 10); /* a quarter, to within 16 standard deviations */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_traceparent_is_read_strictly),
        cmocka_unit_test(a_tracestate_is_joined_or_dropped),
        cmocka_unit_test(a_tracestate_has_32_members),
        cmocka_unit_test(ids_are_fresh_and_spans_go_by_uuid),
        cmocka_unit_test(a_ratio_chooses_its_share_and_always_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
