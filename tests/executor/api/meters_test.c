/* Tests of meters: a run counts once when its end is sure; what waits in outboxes adds up. */
#include "executor/api/meters.h"
#include "tests/support/check.h"

struct fixture {
    struct metrics *metrics;
    struct meters meters;
};

static struct fixture *setup(void)
{
    static struct fixture f;
    struct status err;
    f = (struct fixture){.metrics = NULL};
    assert_ok(metrics_new(&f.metrics, &err));
    assert_ok(meters_init(&f.meters, f.metrics, &err));
    return &f;
}

static void a_run_counts_once(void **state)
{
    (void)state;
    struct fixture *f = setup();
    const struct str app = STR("app-1");
    struct run_meter never = {0}, run = {0};
    const struct event_finished finished = {
        .status = RUN_STATUS_SUCCEEDED,
        .reason = END_REASON_COMPLETED,
        .elapsed_ms = 7,
        .usage = {.prompt_tokens = 3, .completion_tokens = 4, .first_token_ms = -1}};
    meters_run_finished(&never, &finished);
    assert_false(meters_run_ended(&f->meters, &never, app));
    meters_run_begun(&f->meters, &run, app);
    meters_run_finished(&run, &finished);
    assert_int_equal(1, metric_value(METRIC_CHILD(f->meters.in_flight, app)));
    assert_true(meters_run_ended(&f->meters, &run, app));
    assert_false(meters_run_ended(&f->meters, &run, app));
    assert_int_equal(0, metric_value(METRIC_CHILD(f->meters.in_flight, app)));
    assert_int_equal(1, metric_value(METRIC_CHILD(f->meters.ended, app, STR("succeeded"), STR("completed"))));
    assert_int_equal(3, metric_value(METRIC_CHILD(f->meters.tokens, app, STR("prompt"))));
    assert_int_equal(4, metric_value(METRIC_CHILD(f->meters.tokens, app, STR("completion"))));
    assert_int_equal(0, metric_value(metric_only(f->meters.first_token)));
    metrics_free(f->metrics);
}

static void outboxes_add_up(void **state)
{
    (void)state;
    struct fixture *f = setup();
    struct run_meter a = {0}, b = {0};
    meters_outbox(&f->meters, &a, 100, true);
    meters_outbox(&f->meters, &b, 50, false);
    meters_outbox(&f->meters, &a, 70, true);
    assert_int_equal(120, metric_value(metric_only(f->meters.outbox_bytes)));
    assert_int_equal(1, metric_value(metric_only(f->meters.outbox_held)));
    meters_outbox(&f->meters, &a, 0, false);
    meters_outbox(&f->meters, &b, 0, false);
    assert_int_equal(0, metric_value(metric_only(f->meters.outbox_bytes)));
    assert_int_equal(0, metric_value(metric_only(f->meters.outbox_held)));
    metrics_free(f->metrics);
}

static void nodes_count_by_type_and_status(void **state)
{
    (void)state;
    struct fixture *f = setup();
    meters_node_ended(&f->meters,
                      &(struct event_node){.node_type = STR("llm"), .status = NODE_STATUS_FAILED});
    meters_node_ended(&f->meters,
                      &(struct event_node){.node_type = STR("llm"), .status = NODE_STATUS_PAUSED});
    meters_node_ended(&f->meters,
                      &(struct event_node){.node_type = STR("llm"), .status = (enum node_status)99});
    assert_int_equal(1, metric_value(METRIC_CHILD(f->meters.nodes, STR("llm"), STR("failed"))));
    assert_int_equal(2, metric_value(METRIC_CHILD(f->meters.nodes, STR("llm"), STR("unknown"))));
    metrics_free(f->metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_counts_once),
        cmocka_unit_test(outboxes_add_up),
        cmocka_unit_test(nodes_count_by_type_and_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
