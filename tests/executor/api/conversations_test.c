/*
 * What conversations remember, for whom, and how much (dify-dsl.md 2.6, 4.3 "History").
 */
#include "executor/api/conversations.h"
#include "executor/value/form.h"
#include "shared/base/uuid.h"
#include "tests/executor/player/player.h"
#include "tests/support/alloc_fail.h"
#include <stdio.h>

#define ID(digit) "00000000-0000-7000-8000-00000000000" digit

static const struct conversation_key key = {
    {ID("1"), UUID_TEXT_LEN}, {ID("a"), UUID_TEXT_LEN}, {ID("b"), UUID_TEXT_LEN}};

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

/* One turn; what was remembered before it goes into the run. */
static void turn(struct player *p, struct conversations *all, const char *query)
{
    struct conversation_state state = {0};
    struct status err;
    player_open(p, CHAT);
    bool is_known = conversations_load(all, &key, &state, &err) == STATUS_OK;
    player_play(p, &(struct play){.query = query, .history = state.history, .conversation = state.variables});
    conversation_state_fini(&state);
    assert_true(conversations_add(all, &key, p->run, is_known ? STR("again") : STR("first")));
}

static void expect_state(struct conversations *all, const char *history, const char *variables, int64_t turns)
{
    struct conversation_state state;
    struct status err;
    struct buf shown;
    buf_init(&shown, 100000);
    assert_ok(conversations_load(all, &key, &state, &err));
    value_put_json(&shown, state.history, JSON_COMPACT, false);
    assert_text(history, shown);
    buf_clear(&shown);
    value_put_json(&shown, state.variables, JSON_COMPACT, false);
    assert_text(variables, shown);
    assert_int_equal(state.turns, turns);
    conversation_state_fini(&state);
    buf_fini(&shown);
}

static void turns_are_remembered_with_the_variables_they_set(void **state)
{
    struct conversations *all = conversations_new();
    struct player p;
    (void)state;
    turn(&p, all, "one");
    assert_text("2.5", p.text);
    player_close(&p);
    expect_state(all, "[{\"query\":\"one\",\"answer\":\"first\",\"files\":[]}]", "{\"n\":2.5,\"list\":[]}",
                 1);
    turn(&p, all, "two");
    assert_text("4.0", p.text);
    assert_text_contains("\"sys.dialogue_count\":", p.log);
    player_close(&p);
    expect_state(all,
                 "[{\"query\":\"one\",\"answer\":\"first\",\"files\":[]},{\"query\":\"two\",\"answer\":"
                 "\"again\",\"files\":[]}]",
                 "{\"n\":4.0,\"list\":[]}", 2);
    conversations_free(all);
}

static void others_do_not_find_it(void **state)
{
    const struct conversation_key others[] = {
        {STR(ID("2")), key.app_id, key.end_user_id}, {key.id, STR(ID("2")), key.end_user_id},
        {key.id, key.app_id, STR(ID("2"))},          {STR(""), key.app_id, key.end_user_id},
        {STR("1"), key.app_id, key.end_user_id},
    };
    struct conversations *all = conversations_new();
    struct player p;
    (void)state;
    turn(&p, all, "one");
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        struct conversation_state got;
        struct status err;
        assert_code(STATUS_NOT_FOUND, conversations_load(all, &others[i], &got, &err));
        assert_str("CONVERSATION_NOT_FOUND", str_c(err.reason));
    }
    assert_false(conversations_add(all, &others[1], p.run, STR("x"))); /* nor can they add to it */
    expect_state(all, "[{\"query\":\"one\",\"answer\":\"first\",\"files\":[]}]", "{\"n\":2.5,\"list\":[]}",
                 1);
    player_close(&p);
    conversations_free(all);
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
    struct conversations *all = conversations_new();
    struct conversation_state got;
    struct status err;
    struct player p;
    struct buf shown;
    (void)state;
    player_open(&p, dsl);
    player_play(&p, &(struct play){.query = "q"});
    assert_true(conversations_add(all, &key, p.run, STR("set")));
    assert_ok(conversations_load(all, &key, &got, &err));
    buf_init(&shown, 10000);
    value_put_json(&shown, got.variables, JSON_COMPACT, true);
    assert_true(str_find(buf_str(&shown), STR("sk-0123456789"), 0) == SIZE_MAX);
    assert_true(conversations_bytes(all, &key) > 0);
    buf_fini(&shown);
    conversation_state_fini(&got);
    player_close(&p);
    conversations_free(all);
}

static void the_newest_messages_are_kept_and_all_are_counted(void **state)
{
    struct conversations *all = conversations_new();
    struct player p;
    (void)state;
    turn(&p, all, "q");
    for (int i = 0; i < CONVERSATION_MESSAGES_MAX + 9; i++) {
        char answer[16];
        snprintf(answer, sizeof answer, "%d", i);
        assert_true(conversations_add(all, &key, p.run, str_c(answer)));
    }
    struct conversation_state got;
    struct status err;
    assert_ok(conversations_load(all, &key, &got, &err));
    assert_int_equal(value_count(got.history), CONVERSATION_MESSAGES_MAX);
    assert_int_equal(got.turns, CONVERSATION_MESSAGES_MAX + 10);
    assert_str("9", value_get_text(value_item(got.history, 0), "answer", STR("")));
    conversation_state_fini(&got);
    player_close(&p);
    conversations_free(all);
}

static void the_one_used_longest_ago_is_forgotten_first(void **state)
{
    struct conversations *all = conversations_new();
    struct player p;
    struct conversation_state got;
    struct status err;
    (void)state;
    turn(&p, all, "q");
    for (int i = 0; i < CONVERSATIONS_MAX; i++) {
        char id[UUID_TEXT_LEN + 1];
        snprintf(id, sizeof id, "10000000-0000-7000-8000-%012d", i);
        const struct conversation_key other = {str_c(id), key.app_id, key.end_user_id};
        if (i == 10) { /* in use: it goes to the end */
            assert_ok(conversations_load(all, &key, &got, &err));
            conversation_state_fini(&got);
        }
        assert_true(conversations_add(all, &other, p.run, STR("")));
    }
    assert_ok(conversations_load(all, &key, &got, &err));
    conversation_state_fini(&got);
    const struct conversation_key first = {STR("10000000-0000-7000-8000-000000000000"), key.app_id,
                                           key.end_user_id};
    assert_code(STATUS_NOT_FOUND, conversations_load(all, &first, &got, &err));
    player_close(&p);
    conversations_free(all);
}

static void without_memory_nothing_changes(void **state)
{
    struct conversations *all = conversations_new();
    struct player p;
    (void)state;
    turn(&p, all, "one");
    for (size_t n = 0;; n++) {
        alloc_fail_after(n);
        bool is_added = conversations_add(all, &key, p.run, STR("two"));
        alloc_fail_reset();
        if (!alloc_fail_hit()) {
            assert_true(is_added);
            break;
        }
        assert_false(is_added);
    }
    for (size_t n = 0;; n++) {
        struct conversation_state got;
        struct status err;
        alloc_fail_after(n);
        enum status_code rc = conversations_load(all, &key, &got, &err);
        alloc_fail_reset();
        if (rc != STATUS_OK)
            assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
        conversation_state_fini(&got);
        if (!alloc_fail_hit()) {
            assert_int_equal(rc, STATUS_OK);
            break;
        }
    }
    player_close(&p);
    conversations_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_are_remembered_with_the_variables_they_set),
        cmocka_unit_test(others_do_not_find_it),
        cmocka_unit_test(a_secret_stays_one_over_the_turns),
        cmocka_unit_test(the_newest_messages_are_kept_and_all_are_counted),
        cmocka_unit_test(the_one_used_longest_ago_is_forgotten_first),
        cmocka_unit_test(without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
