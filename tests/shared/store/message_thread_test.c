/*
 * The thread of a conversation: which turns a new message sees, and the conversation's variables.
 */
#include "shared/base/crypto.h"
#include "shared/store/keyring.h"
#include "shared/store/message_thread.h"
#include "shared/store/record_id.h"
#include "tests/shared/store/records.h"
#include "tests/shared/store/starved.h"
#include <stdio.h>
#include <string.h>

enum { RUNNING = 1, SUCCEEDED = 2, FAILED = 4, STOPPED = 5 };

/* --- what is in the store --- */

/* Conversation n of app 1 and end user 1. */
static void put_chat(struct fixture *f, int n)
{
    const struct conversation_row row = {.id = id_of(f, 'c', n),
                                         .app_id = id_of(f, 'a', 1),
                                         .end_user_id = id_of(f, 'e', 1),
                                         .created_at_ms = 1000,
                                         .updated_at_ms = 1000};
    put_conversation(f, &row);
}

/* Message n of a conversation, "q<n>" and its answer, behind message `parent` (0: none). */
static void put_turn(struct fixture *f, int chat, int n, int parent, int status, const char *answer)
{
    const struct store_message message = {.message_id = id_of(f, 'd', n),
                                          .parent_message_id = parent == 0 ? STR("") : id_of(f, 'd', parent),
                                          .status = status,
                                          .created_at_ms = 1000 + n,
                                          .finished_at_ms = status == RUNNING ? 0 : 1000 + n,
                                          .query = str_c(arena_printf(&f->arena, "q%d", n)),
                                          .answer = str_c(answer)};
    put_message(f, id_of(f, 'c', chat), &message);
}

static struct store_message_thread_load request_of(struct fixture *f, int chat, int parent)
{
    return (struct store_message_thread_load){.app_id = id_of(f, 'a', 1),
                                              .end_user_id = id_of(f, 'e', 1),
                                              .conversation_id = id_of(f, 'c', chat),
                                              .parent_message_id =
                                                  parent == 0 ? STR("") : id_of(f, 'd', parent)};
}

static struct store_message_thread loaded(struct fixture *f, int chat, int parent)
{
    struct store_message_thread thread = {.turn_count = 0};
    const struct store_message_thread_load request = request_of(f, chat, parent);
    assert_ok(load_thread(f, &request, &thread));
    return thread;
}

static void expect_queries(const char *expected, const struct store_message_thread *thread)
{
    char got[1000] = "";
    for (size_t i = 0; i < thread->turn_count; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%.*s ", STR_ARG(thread->turns[i].query));
    assert_string_equal(expected, got);
}

/* --- turns --- */

/*
 *   1 -- 2 -- 3 -- 5
 *         \-- 4         of conversation 1; 9 of conversation 2
 */
static void put_tree(struct fixture *f)
{
    put_chat(f, 1);
    put_chat(f, 2);
    put_chat(f, 3);
    put_turn(f, 1, 1, 0, SUCCEEDED, "a1");
    put_turn(f, 1, 2, 1, SUCCEEDED, "a2");
    put_turn(f, 1, 3, 2, SUCCEEDED, "a3");
    put_turn(f, 1, 4, 2, SUCCEEDED, "a4");
    put_turn(f, 1, 5, 3, SUCCEEDED, "a5");
    put_turn(f, 2, 9, 0, SUCCEEDED, "a9");
    put_query_files(f, id_of(f, 'd', 1), "[1]");
}

static void a_message_sees_the_chain_of_its_parents(void **state)
{
    static const struct {
        int parent, newest;
        int64_t messages;
        const char *queries;
    } cases[] = {
        {0, 5, 4, "q1 q2 q3 q5 "}, {5, 5, 4, "q1 q2 q3 q5 "}, {4, 4, 3, "q1 q2 q4 "}, {1, 1, 1, "q1 "}};
    struct fixture *f = *state;
    put_tree(f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_message_thread thread = loaded(f, 1, cases[i].parent);
        expect_queries(cases[i].queries, &thread);
        assert_int_equal(cases[i].messages, thread.message_count);
        assert_true(str_eq(id_of(f, 'd', cases[i].newest), thread.parent_message_id));
        assert_str("a1", thread.turns[0].answer);
        assert_str("[1]", thread.turns[0].query_files);
    }
}

static void an_empty_conversation_has_no_turns(void **state)
{
    struct fixture *f = *state;
    put_tree(f);
    struct store_message_thread thread = loaded(f, 3, 0);
    assert_int_equal(0, thread.turn_count);
    assert_int_equal(0, thread.message_count);
    assert_int_equal(0, thread.variable_count);
    assert_str("", thread.parent_message_id);
}

static void what_is_not_said_is_left_out(void **state)
{
    struct fixture *f = *state;
    put_chat(f, 1);
    put_turn(f, 1, 1, 0, SUCCEEDED, "a1");
    put_turn(f, 1, 2, 1, FAILED, "");       /* failed before a word */
    put_turn(f, 1, 3, 2, FAILED, "half a"); /* failed after some */
    put_turn(f, 1, 4, 3, STOPPED, "");      /* stopped by its user, who knows */
    put_turn(f, 1, 5, 4, SUCCEEDED, "a5");
    put_turn(f, 1, 6, 5, 1, ""); /* runs */
    struct store_message_thread thread = loaded(f, 1, 0);
    expect_queries("q1 q3 q4 q5 ", &thread);
    assert_str("half a", thread.turns[1].answer);
    assert_true(str_eq(id_of(f, 'd', 5), thread.parent_message_id)); /* not the one that runs */
    thread = loaded(f, 1, 6);                                        /* unless it is asked for */
    expect_queries("q1 q3 q4 q5 ", &thread);
    assert_true(str_eq(id_of(f, 'd', 6), thread.parent_message_id));
}

static void of_a_long_thread_the_newest_turns_are_given(void **state)
{
    struct fixture *f = *state;
    put_chat(f, 1);
    for (int n = 1; n <= STORE_THREAD_TURNS_MAX + 20; n++)
        put_turn(f, 1, n, n - 1, SUCCEEDED, "a");
    struct store_message_thread thread = loaded(f, 1, 0);
    assert_int_equal(STORE_THREAD_TURNS_MAX, thread.turn_count);
    assert_int_equal(STORE_THREAD_TURNS_MAX + 20, thread.message_count);
    assert_str("q21", thread.turns[0].query);
    assert_str("q520", thread.turns[STORE_THREAD_TURNS_MAX - 1].query);
}

/* No Heddle writes such rows; a damaged or edited file may hold them. */
static void a_chain_in_a_circle_ends(void **state)
{
    struct fixture *f = *state;
    put_chat(f, 1);
    put_turn(f, 1, 1, 2, SUCCEEDED, "a1");
    put_turn(f, 1, 2, 1, SUCCEEDED, "a2");
    put_chat(f, 2);
    put_turn(f, 2, 3, 4, FAILED, "");
    put_turn(f, 2, 4, 3, FAILED, "");
    assert_true(loaded(f, 1, 0).turn_count <= STORE_THREAD_TURNS_MAX);
    assert_int_equal(0, loaded(f, 2, 0).turn_count);
}

static void a_chain_does_not_leave_its_conversation(void **state)
{
    struct fixture *f = *state;
    put_tree(f);
    put_turn(f, 2, 10, 5, SUCCEEDED, "a10");
    struct store_message_thread thread = loaded(f, 2, 10);
    expect_queries("q10 ", &thread);
    assert_int_equal(1, thread.message_count);
}

/* --- who may --- */

static void what_is_not_theirs_is_not_found(void **state)
{
    struct fixture *f = *state;
    put_tree(f);
    const struct store_message_thread_load good = request_of(f, 1, 0);
    struct store_message_thread_load requests[5];
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        requests[i] = good;
    requests[0].app_id = id_of(f, 'a', 2);
    requests[1].end_user_id = id_of(f, 'e', 2);
    requests[2].conversation_id = id_of(f, 'c', 7);
    requests[3].workspace_id = STR("another");
    requests[4].conversation_id = STR("nonsense");
    struct store_message_thread thread;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++)
        assert_reason(STATUS_NOT_FOUND, "CONVERSATION_NOT_FOUND", f, load_thread(f, &requests[i], &thread));
    static const int parents[] = {9, 77}; /* of another conversation, of none */
    for (size_t i = 0; i < ARRAY_LEN(parents); i++) {
        const struct store_message_thread_load request = request_of(f, 1, parents[i]);
        assert_reason(STATUS_NOT_FOUND, "MESSAGE_NOT_FOUND", f, load_thread(f, &request, &thread));
    }
    struct store_message_thread_load nonsense = good;
    nonsense.parent_message_id = STR("nonsense");
    assert_reason(STATUS_NOT_FOUND, "MESSAGE_NOT_FOUND", f, load_thread(f, &nonsense, &thread));
}

/* --- variables --- */

/* Sealed as a journal does it: bound to workspace, conversation and name. */
static void put_secret(struct fixture *f, int chat, const char *bound_name, const char *name)
{
    static const struct sql sql = {
        "insert into conversation_variables (conversation_id, name, id, value_type, description, "
        "created_at_ms, updated_at_ms, key_id, sealed) values ($1, $2, $1, 'secret', '', 1, 1, $3, $4)"};
    struct record_id conversation = record_id_of(id_of(f, 'c', chat));
    struct keyring ring;
    struct buf sealed, aad;
    struct str key_id;
    buf_init(&sealed, 1000);
    buf_init(&aad, 1000);
    buf_put(&aad, STR("default"));
    buf_put_char(&aad, '\0');
    buf_put(&aad, id_of(f, 'c', chat));
    buf_put_char(&aad, '\0');
    buf_put_c(&aad, bound_name);
    assert_ok(keyring_init(&ring, MASTER_KEY_A, &f->err));
    assert_ok(keyring_seal(&ring, buf_str(&aad), STR("\"hush\""), &sealed, &key_id, &f->err));
    struct db *db = records_connect(f);
    assert_ok(db_run(db, &sql,
                     DB_VALUES(record_id_value(&conversation), DB_TEXT(str_c(name)), DB_TEXT(key_id),
                               DB_BLOB(buf_str(&sealed))),
                     &f->err));
    db_close(db);
    buf_fini(&sealed);
    buf_fini(&aad);
    keyring_fini(&ring);
}

static void put_variables(struct fixture *f)
{
    const struct variable_row plain = {.id = id_of(f, 'b', 1), .name = STR("mood"), .value = STR("\"good\"")};
    put_variable(f, id_of(f, 'c', 1), &plain);
    put_secret(f, 1, "token", "token");
}

static void variables_come_opened(void **state)
{
    struct fixture *f = *state;
    put_tree(f);
    put_variables(f);
    struct store_message_thread_load request = request_of(f, 1, 0);
    char upper[UUID_TEXT_LEN + 1]; /* an id is the same in capitals */
    snprintf(upper, sizeof upper, "%.*s", STR_ARG(request.conversation_id));
    for (char *c = upper; *c != '\0'; c++)
        *c = (char)(*c >= 'a' && *c <= 'f' ? *c - 'a' + 'A' : *c);
    for (int i = 0; i < 2; i++) {
        struct store_message_thread thread;
        assert_ok(load_thread(f, &request, &thread));
        assert_int_equal(2, thread.variable_count);
        assert_str("mood", thread.variables[0].name);
        assert_str("string", thread.variables[0].value_type);
        assert_str("\"good\"", thread.variables[0].value);
        assert_false(thread.variables[0].has_secret);
        assert_str("token", thread.variables[1].name);
        assert_str("\"hush\"", thread.variables[1].value);
        assert_true(thread.variables[1].has_secret);
        request.conversation_id = str_c(upper);
    }
    assert_int_equal(0, loaded(f, 2, 0).variable_count);
}

static void a_sealed_value_that_was_moved_is_not_opened(void **state)
{
    struct fixture *f = *state;
    put_tree(f);
    put_secret(f, 1, "token", "another");
    struct store_message_thread thread;
    const struct store_message_thread_load request = request_of(f, 1, 0);
    assert_reason(STATUS_DATA_LOSS, "SEAL_BROKEN", f, load_thread(f, &request, &thread));
    assert_null(strstr(f->err.message, "hush"));
}

/* --- memory --- */

static void note(void *arg, const struct store_message_thread *thread, const struct status *status)
{
    assert_true((thread != NULL) == (status->code == STATUS_OK));
    *(struct status *)arg = *status;
}

static enum status_code submit(struct fixture *f, struct store *store, struct status *ret, struct status *err)
{
    const struct store_message_thread_load request = request_of(f, 1, 0);
    return store_message_thread_load(store, &request, note, ret, err);
}

static void loading_survives_every_failing_allocation(void **state)
{
    put_tree(*state);
    put_variables(*state);
    starve(*state, submit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_sees_the_chain_of_its_parents, records_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(an_empty_conversation_has_no_turns, records_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_not_said_is_left_out, records_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(of_a_long_thread_the_newest_turns_are_given, records_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_chain_in_a_circle_ends, records_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_chain_does_not_leave_its_conversation, records_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(what_is_not_theirs_is_not_found, records_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(variables_come_opened, records_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_sealed_value_that_was_moved_is_not_opened, records_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(loading_survives_every_failing_allocation, records_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
