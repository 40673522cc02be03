/* How a credential stands, at a glance. */
#include "gateway/ctl/credential_state.h"
#include "tests/support/check.h"

#define NOW_MS 1000000

static void expect(struct buf *b, const char *name, const char *expected)
{
    if (!str_eq_c(buf_str(b), expected))
        fail_msg("%s: \"%.*s\"", name, STR_ARG(buf_str(b)));
    buf_clear(b);
}

static void state_tells_what_keeps_a_credential_from_being_used(void **state)
{
    static const struct {
        const char *name, *reason, *expected;
        bool disabled;
        size_t rests;
        int64_t left_ms[4];
    } rows[] = {
        {"plain", "", "enabled", false, 0, {0}},
        {"by hand", "", "disabled", true, 0, {0}},
        {"by Heddle", "out of quota: pay", "disabled: out of quota: pay", true, 0, {0}},
        {"one rest", "", "enabled; m0 rests 43 s: busy", false, 1, {42001}},
        {"a rest that is over", "", "enabled; m1 rests 1 s: busy", false, 2, {0, 1}},
        {"three",
         "",
         "enabled; m0 rests 1 s: busy; m1 rests 2 s: busy; 1 more rests",
         false,
         3,
         {1, 2000, 5}},
        {"four", "", "disabled; m0 rests 1 s: busy; m1 rests 1 s: busy; 2 more rest", true, 4, {1, 1, 1, 1}},
    };
    static char *const models[] = {"m0", "m1", "m2", "m3"};
    struct buf b;
    buf_init(&b, 1024);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Heddle__V1__Credential credential = HEDDLE__V1__CREDENTIAL__INIT;
        Heddle__V1__Cooldown rests[4], *list[4];
        credential.disabled = rows[i].disabled;
        credential.disabled_reason = (char *)rows[i].reason;
        credential.cooldowns = list;
        for (; credential.n_cooldowns < rows[i].rests; credential.n_cooldowns++) {
            Heddle__V1__Cooldown *rest = list[credential.n_cooldowns] = &rests[credential.n_cooldowns];
            heddle__v1__cooldown__init(rest);
            rest->model = models[credential.n_cooldowns];
            rest->until_ms = NOW_MS + rows[i].left_ms[credential.n_cooldowns];
            rest->reason = "busy";
        }
        state_put(&b, &credential, NOW_MS);
        expect(&b, rows[i].name, rows[i].expected);
    }
    buf_fini(&b);
}

static void spans_are_rounded_up_in_a_unit_that_reads_well(void **state)
{
    static const struct {
        int64_t ms;
        const char *expected;
    } rows[] = {{-5, "1 s"},      {0, "1 s"},        {1, "1 s"},        {1000, "1 s"},
                {1001, "2 s"},    {120000, "120 s"}, {120001, "3 min"}, {7200000, "120 min"},
                {7200001, "3 h"}, {86400000, "24 h"}};
    struct buf b;
    buf_init(&b, 64);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        state_put_span(&b, rows[i].ms);
        expect(&b, rows[i].expected, rows[i].expected);
    }
    buf_fini(&b);
}

static void only_limits_that_are_set_are_named(void **state)
{
    Heddle__V1__Credential credential = HEDDLE__V1__CREDENTIAL__INIT;
    struct buf b;
    buf_init(&b, 256);
    (void)state;
    state_put_limits(&b, &credential);
    expect(&b, "none", "");
    credential.max_concurrent = 4;
    state_put_limits(&b, &credential);
    expect(&b, "one", "4 at a time");
    credential.requests_per_minute = 60;
    credential.tokens_per_minute = 5000000000;
    state_put_limits(&b, &credential);
    expect(&b, "all", "60 requests/min, 5000000000 tokens/min, 4 at a time");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(state_tells_what_keeps_a_credential_from_being_used),
        cmocka_unit_test(spans_are_rounded_up_in_a_unit_that_reads_well),
        cmocka_unit_test(only_limits_that_are_set_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
