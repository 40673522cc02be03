/* Tests of meters: each run counts once, under the words of its last event. */
#include "gateway/api/meters.h"
#include "heddle/v1/events.pb-c.h"
#include "shared/base/run_end.h"
#include "tests/support/check.h"
#include <string.h>

static void assert_words(const ProtobufCEnumDescriptor *enums, const char *prefix, const char *(*word)(int))
{
    assert_string_equal("unknown", word(0));
    assert_string_equal("unknown", word(-1));
    assert_string_equal("unknown", word((int)enums->n_values));
    for (unsigned i = 1; i < enums->n_values; i++) {
        const char *name = enums->values[i].name + strlen(prefix), *said = word(enums->values[i].value);
        assert_int_equal(strlen(name), strlen(said));
        for (size_t at = 0; name[at] != '\0'; at++)
            assert_int_equal(name[at] == '_' ? '_' : name[at] - 'A' + 'a', said[at]);
    }
}

static void words_are_those_of_the_contract(void **state)
{
    (void)state;
    assert_words(&heddle__v1__run_status__descriptor, "RUN_STATUS_", run_status_word);
    assert_words(&heddle__v1__end_reason__descriptor, "END_REASON_", end_reason_word);
}

static void a_run_counts_once(void **state)
{
    (void)state;
    struct metrics *metrics = NULL;
    struct meters meters;
    struct status err;
    const struct str app = STR("app-1");
    assert_ok(metrics_new(&metrics, &err));
    assert_ok(meters_init(&meters, metrics, &err));
    struct run_meter refused, run;
    meters_run_called(&refused, 1000);
    meters_run_ended(&meters, &refused, app, 2, 1, 5, 2000); /* has never begun */
    meters_run_called(&run, 1000);
    meters_run_begun(&meters, &run, app);
    assert_int_equal(1, metric_value(METRIC_CHILD(meters.in_flight, app)));
    meters_run_text(&meters, &run, 3000);
    meters_run_text(&meters, &run, 4000);
    meters_run_ended(&meters, &run, app, 4, 2, 5, 5000);
    meters_run_ended(&meters, &run, app, 2, 1, 5, 6000);
    assert_int_equal(0, metric_value(METRIC_CHILD(meters.in_flight, app)));
    assert_int_equal(1, metric_value(METRIC_CHILD(meters.started, app)));
    assert_int_equal(1, metric_value(METRIC_CHILD(meters.ended, app, STR("failed"), STR("node_failed"))));
    assert_int_equal(0, metric_value(METRIC_CHILD(meters.ended, app, STR("succeeded"), STR("completed"))));
    assert_int_equal(5, metric_value(METRIC_CHILD(meters.tokens, app)));
    assert_int_equal(1, metric_value(metric_only(meters.first_text)));
    assert_int_equal(1, metric_value(metric_only(meters.seconds)));
    metrics_free(metrics);
}

static void refusals_have_a_reason_or_a_code(void **state)
{
    (void)state;
    struct metrics *metrics = NULL;
    struct meters meters;
    struct status err;
    assert_ok(metrics_new(&metrics, &err));
    assert_ok(meters_init(&meters, metrics, &err));
    meters_refused(&meters, &(struct status){.code = STATUS_UNAVAILABLE, .reason = "GATEWAY_BUSY"});
    meters_refused(&meters, &(struct status){.code = STATUS_CANCELLED});
    meters_auth_failed(&meters, &(struct status){.code = STATUS_OK});
    meters_auth_failed(&meters, &(struct status){.code = STATUS_UNAVAILABLE, .reason = "STORE_BUSY"});
    meters_auth_failed(&meters, &(struct status){.code = STATUS_UNAUTHENTICATED, .reason = "INVALID_TOKEN"});
    assert_int_equal(1, metric_value(METRIC_CHILD(meters.refusals, STR("GATEWAY_BUSY"))));
    assert_int_equal(1, metric_value(METRIC_CHILD(meters.refusals, STR("CANCELLED"))));
    assert_int_equal(1, metric_value(METRIC_CHILD(meters.auth_failures, STR("INVALID_TOKEN"))));
    assert_int_equal(0, metric_value(METRIC_CHILD(meters.auth_failures, STR("STORE_BUSY"))));
    metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_those_of_the_contract),
        cmocka_unit_test(a_run_counts_once),
        cmocka_unit_test(refusals_have_a_reason_or_a_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
