/*
 * What a conversation remembers: from records to a run, and back (dify-dsl.md 2.6, 4.3 "History").
 */
#include "executor/api/conversation.h"
#include "executor/value/form.h"
#include "tests/executor/player/player.h"
#include "tests/support/alloc_fail.h"

#define CHAT                                                                                                 \
    EXPORT("advanced-chat",                                                                                  \
           "  conversation_variables: [{name: n, value_type: number, value: 1}, {name: idle, value_type: "   \
           "string, value: x}, {name: list, value_type: 'array[string]', value: [a]}]\n",                    \
           START NODE("set", "assigner",                                                                     \
                      "version: '2', items: [{variable_selector: [conversation, n], input_type: constant, "  \
                      "operation: '+=', value: 1.5}, {variable_selector: [conversation, list], input_type: " \
                      "constant, operation: clear}]")                                                        \
               ANSWER("answer", "{{#conversation.n#}}{{#conversation.list#}}"),                              \
           EDGE("start", "set") EDGE("set", "answer"))

#define TEXT(s)                                                                                              \
    {                                                                                                        \
        s, sizeof s - 1                                                                                      \
    }
static const struct store_turn turns[] = {
    {TEXT("first"), TEXT("one"), TEXT("")},
    {TEXT("second"), TEXT("two"), TEXT("[{\"type\":\"image\",\"remote_url\":\"http://x/y.png\"}]")},
};

/* The variables a run has set, as the next turn finds them in the records. */
struct kept {
    struct conversation_changes changes;
    struct store_message_thread_variable variables[8];
};

static void keep(struct kept *kept, const struct run *run)
{
    assert_true(conversation_changes_of(run, &kept->changes));
    assert_true(kept->changes.count <= ARRAY_LEN(kept->variables));
    for (size_t i = 0; i < kept->changes.count; i++) {
        const struct journal_variable *v = &kept->changes.variables[i];
        kept->variables[i] =
            (struct store_message_thread_variable){v->name, v->value_type, v->value, v->has_secret};
    }
}

static void expect_json(const char *expected, const struct value *v, bool is_masked)
{
    struct buf shown;
    buf_init(&shown, 100000);
    value_put_json(&shown, v, JSON_COMPACT, is_masked);
    assert_text(expected, shown);
    buf_fini(&shown);
}

static void turns_become_the_history_of_a_run(void **state)
{
    const struct store_message_thread thread = {.turns = turns,
                                                .turn_count = ARRAY_LEN(turns),
                                                .message_count = 7,
                                                .parent_message_id =
                                                    STR("01890a5d-ac96-774b-bcce-b302099a8057")};
    struct conversation_state got;
    (void)state;
    assert_true(conversation_state_read(&thread, &got));
    assert_int_equal(7, got.message_count);
    assert_string_equal("01890a5d-ac96-774b-bcce-b302099a8057", got.parent_message_id);
    assert_true(got.bytes > 17);
    assert_int_equal(2, value_count(got.history));
    assert_str("two", value_get_text(value_item(got.history, 1), "answer", STR("")));
    const struct value *files = value_get_c(value_item(got.history, 1), "files");
    assert_int_equal(1, value_count(files));
    assert_int_equal(VALUE_FILE, value_type(value_item(files, 0)));
    conversation_state_fini(&got);
    assert_null(got.history);
}

static void variables_that_a_run_has_set_come_back_with_their_types(void **state)
{
    struct player p;
    struct kept kept;
    struct conversation_state got;
    (void)state;
    player_open(&p, CHAT);
    player_play(&p, &(struct play){.query = "q"});
    keep(&kept, p.run);
    assert_int_equal(2, kept.changes.count);
    assert_str("array[string]", kept.changes.variables[1].value_type);
    const struct store_message_thread thread = {
        .variables = kept.variables, .variable_count = kept.changes.count, .parent_message_id = STR("")};
    assert_true(conversation_state_read(&thread, &got));
    expect_json("{\"n\":2.5,\"list\":[]}", got.variables, false);
    player_close(&p);
    player_open(&p, CHAT);
    player_play(&p, &(struct play){.query = "q", .history = got.history, .conversation = got.variables});
    conversation_changes_fini(&kept.changes);
    keep(&kept, p.run);
    assert_str("4.0", kept.changes.variables[0].value);
    conversation_changes_fini(&kept.changes);
    conversation_state_fini(&got);
    player_close(&p);
}

static void a_secret_stays_one_over_the_turns(void **state)
{
    static const char dsl[] = EXPORT(
        "advanced-chat",
        "  environment_variables: [{name: key, value_type: secret, value: sk-0123456789}]\n"
        "  conversation_variables: [{name: n, value_type: string, value: x}, {name: list, value_type: "
        "'array[string]', value: [a]}]\n",
        START NODE(
            "set", "assigner",
            "version: '2', items: [{variable_selector: [conversation, n], input_type: variable, operation: "
            "over-write, value: [env, key]}, {variable_selector: [conversation, list], input_type: variable, "
            "operation: append, value: [env, key]}]") ANSWER("answer", "set"),
        EDGE("start", "set") EDGE("set", "answer"));
    struct player p;
    struct kept kept;
    struct conversation_state got;
    struct buf shown;
    (void)state;
    player_open(&p, dsl);
    player_play(&p, &(struct play){.query = "q"});
    keep(&kept, p.run);
    assert_true(kept.variables[0].has_secret);
    assert_str("\"sk-0123456789\"", kept.variables[0].value); /* the journal seals it */
    assert_true(kept.variables[1].has_secret);
    const struct store_message_thread thread = {
        .variables = kept.variables, .variable_count = 2, .parent_message_id = STR("")};
    assert_true(conversation_state_read(&thread, &got));
    buf_init(&shown, 10000);
    value_put_json(&shown, got.variables, JSON_COMPACT, true);
    assert_true(str_find(buf_str(&shown), STR("sk-0123456789"), 0) == SIZE_MAX);
    buf_fini(&shown);
    conversation_state_fini(&got);
    conversation_changes_fini(&kept.changes);
    player_close(&p);
}

static void a_variable_that_cannot_be_read_is_left_as_the_export_has_it(void **state)
{
    static const struct store_message_thread_variable broken = {TEXT("n"), TEXT("number"), TEXT("{"), false};
    const struct store_message_thread thread = {
        .variables = &broken, .variable_count = 1, .parent_message_id = STR("")};
    struct conversation_state got;
    (void)state;
    assert_false(conversation_state_read(&thread, &got));
}

static void without_memory_there_is_no_state(void **state)
{
    const struct store_message_thread thread = {
        .turns = turns, .turn_count = ARRAY_LEN(turns), .parent_message_id = STR("")};
    (void)state;
    for (size_t n = 0;; n++) {
        struct conversation_state got;
        alloc_fail_after(n);
        bool is_read = conversation_state_read(&thread, &got);
        alloc_fail_reset();
        if (is_read)
            conversation_state_fini(&got);
        if (!alloc_fail_hit()) {
            assert_true(is_read);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_become_the_history_of_a_run),
        cmocka_unit_test(variables_that_a_run_has_set_come_back_with_their_types),
        cmocka_unit_test(a_secret_stays_one_over_the_turns),
        cmocka_unit_test(a_variable_that_cannot_be_read_is_left_as_the_export_has_it),
        cmocka_unit_test(without_memory_there_is_no_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
