/*
 * Conversations: their lists, names and ends, their messages and variables; and that all of it is one end user's.
 */
#include "shared/store/conversation.h"
#include "tests/shared/store/records.h"
#include "tests/shared/store/starved.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCEEDED = 2, FAILED = 4 };

static struct store_conversation_ref ref_of(struct fixture *f, int n)
{
    return (struct store_conversation_ref){
        .app_id = id_of(f, 'a', 1), .end_user_id = id_of(f, 'e', 1), .conversation_id = id_of(f, 'c', n)};
}

/* Conversation n of app 1 and end user 1. */
static void put_chat(struct fixture *f, int n, const char *name)
{
    const struct conversation_row row = {.id = id_of(f, 'c', n),
                                         .app_id = id_of(f, 'a', 1),
                                         .end_user_id = id_of(f, 'e', 1),
                                         .name = str_c(name),
                                         .inputs = STR("{\"a\":1}"),
                                         .created_at_ms = 1000 + n,
                                         .updated_at_ms = 2000 + n};
    put_conversation(f, &row);
}

/* Message n of a conversation: "q<n>", behind the one before. */
static void put_turn(struct fixture *f, int chat, int n)
{
    const struct store_message message = {.message_id = id_of(f, 'd', n),
                                          .parent_message_id = n > 1 ? id_of(f, 'd', n - 1) : STR(""),
                                          .run_id = id_of(f, 'f', n),
                                          .status = SUCCEEDED,
                                          .created_at_ms = 3000 + n,
                                          .finished_at_ms = 4000 + n,
                                          .query = str_c(arena_printf(&f->arena, "q%d", n)),
                                          .answer = STR("a")};
    put_message(f, id_of(f, 'c', chat), &message);
}

/* Conversation 1 as seen by others: another app, end user, workspace; one that is not there, one that cannot be. */
enum { STRANGERS = 5 };
static void strangers(struct fixture *f, struct store_conversation_ref ret[STRANGERS])
{
    for (size_t i = 0; i < STRANGERS; i++)
        ret[i] = ref_of(f, 1);
    ret[0].app_id = id_of(f, 'a', 2);
    ret[1].end_user_id = id_of(f, 'e', 2);
    ret[2].workspace_id = STR("another");
    ret[3].conversation_id = id_of(f, 'c', 99);
    ret[4].conversation_id = STR("nonsense");
}

/* --- list --- */

enum { CHATS = 60 };

static enum store_conversation_order compared_by;

/* Earlier in the list first. */
static int in_order(const void *a, const void *b)
{
    const struct conversation_row *x = a, *y = b;
    bool is_by_use = compared_by == STORE_LAST_USED_FIRST || compared_by == STORE_LAST_USED_LAST;
    bool is_descending = compared_by == STORE_LAST_USED_FIRST || compared_by == STORE_NEWEST_FIRST;
    int64_t x_ms = is_by_use ? x->updated_at_ms : x->created_at_ms,
            y_ms = is_by_use ? y->updated_at_ms : y->created_at_ms;
    int ascending = x_ms != y_ms ? (x_ms < y_ms ? -1 : 1) : str_cmp(x->id, y->id);
    return is_descending ? -ascending : ascending;
}

/* Times are shared by several, and neither follow the ids nor one another. */
static void put_chats(struct fixture *f, struct conversation_row rows[CHATS])
{
    for (int i = 0; i < CHATS; i++) {
        rows[i] = (struct conversation_row){.id = id_of(f, 'c', i * 37 % CHATS),
                                            .app_id = id_of(f, 'a', 1),
                                            .end_user_id = id_of(f, 'e', 1),
                                            .name = STR("a name"),
                                            .created_at_ms = 1000 + i * 7 % 20,
                                            .updated_at_ms = 2000 + i * 11 % 20};
        put_conversation(f, &rows[i]);
        struct conversation_row another = rows[i]; /* of others, in between */
        another.id = id_of(f, 'b', i);
        if (i % 2 == 0)
            another.app_id = id_of(f, 'a', 2);
        else
            another.end_user_id = id_of(f, 'e', 2);
        put_conversation(f, &another);
    }
}

static void each_order_holds_all_of_them_once(void **state)
{
    struct fixture *f = *state;
    struct conversation_row rows[CHATS];
    put_chats(f, rows);
    static const int32_t sizes[] = {1, 7, 20, CHATS, 100};
    for (int order = STORE_LAST_USED_FIRST; order <= STORE_OLDEST_FIRST; order++) {
        compared_by = (enum store_conversation_order)order;
        qsort(rows, CHATS, sizeof rows[0], in_order);
        for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
            struct store_conversation_list list = {.app_id = id_of(f, 'a', 1),
                                                   .end_user_id = id_of(f, 'e', 1),
                                                   .order = compared_by,
                                                   .page_size = sizes[s]};
            struct store_conversation_page page;
            size_t seen = 0;
            do {
                assert_ok(list_conversations(f, &list, &page));
                assert_true(page.next_page_token.len == 0 || page.count == (size_t)sizes[s]);
                for (size_t i = 0; i < page.count; i++, seen++) {
                    assert_true(seen < CHATS);
                    assert_true(str_eq(rows[seen].id, page.conversations[i].conversation_id));
                    assert_int_equal(rows[seen].created_at_ms, page.conversations[i].created_at_ms);
                    assert_int_equal(rows[seen].updated_at_ms, page.conversations[i].updated_at_ms);
                }
                list.page_token = page.next_page_token;
            } while (list.page_token.len > 0);
            assert_int_equal(CHATS, seen);
        }
    }
}

static void what_comes_meanwhile_does_not_move_pages(void **state)
{
    struct fixture *f = *state;
    for (int n = 1; n <= 6; n++)
        put_chat(f, n, "a name");
    struct store_conversation_list list = {.app_id = id_of(f, 'a', 1),
                                           .end_user_id = id_of(f, 'e', 1),
                                           .order = STORE_NEWEST_FIRST,
                                           .page_size = 2};
    struct store_conversation_page page;
    int expected = 6, came = 50;
    do {
        assert_ok(list_conversations(f, &list, &page));
        for (size_t i = 0; i < page.count; i++)
            assert_true(str_eq(id_of(f, 'c', expected--), page.conversations[i].conversation_id));
        put_chat(f, came++, "newer than all");
        list.page_token = page.next_page_token;
    } while (list.page_token.len > 0);
    assert_int_equal(0, expected);
}

static void a_list_says_what_it_cannot_read(void **state)
{
    struct fixture *f = *state;
    put_chat(f, 1, "a name");
    const struct store_conversation_list good = {.app_id = id_of(f, 'a', 1), .end_user_id = id_of(f, 'e', 1)};
    struct store_conversation_page page;
    struct store_conversation_list list = good;
    list.page_size = 101;
    assert_field("page_size", f, list_conversations(f, &list, &page));
    list = good;
    list.order = (enum store_conversation_order)4;
    assert_field("sort_by", f, list_conversations(f, &list, &page));
    struct store_conversation_ref theirs[STRANGERS];
    strangers(f, theirs);
    for (size_t i = 0; i < STRANGERS; i++) {
        list = (struct store_conversation_list){.workspace_id = theirs[i].workspace_id,
                                                .app_id = theirs[i].app_id,
                                                .end_user_id = theirs[i].end_user_id,
                                                .page_token = theirs[i].conversation_id};
        assert_reason(STATUS_NOT_FOUND, "CONVERSATION_NOT_FOUND", f, list_conversations(f, &list, &page));
    }
}

/* --- names --- */

static struct store_conversation only_one(struct fixture *f)
{
    struct store_conversation_page page;
    const struct store_conversation_list list = {.app_id = id_of(f, 'a', 1), .end_user_id = id_of(f, 'e', 1)};
    assert_ok(list_conversations(f, &list, &page));
    assert_int_equal(1, page.count);
    return page.conversations[0];
}

#define TEN "0123456789"

static void a_name_is_made_from_the_first_message(void **state)
{
    static const struct {
        const char *query, *name;
    } cases[] = {{"How are you?", "How are you?"},
                 {"", ""},
                 {"  \n\t ", ""},
                 {"  How \n\n are\tyou?  ", "How are you?"},
                 {TEN TEN TEN TEN "0123456", TEN TEN TEN TEN "0123456"},
                 {TEN TEN TEN TEN "01234567", TEN TEN TEN TEN "0123456..."},
                 {TEN TEN TEN TEN "0123456   ", TEN TEN TEN TEN "0123456"},
                 {"\xc3\xa4\xc3\xb6\xc3\xbc\xe2\x82\xac", "\xc3\xa4\xc3\xb6\xc3\xbc\xe2\x82\xac"},
                 {"\xe2\x82\xac" TEN TEN TEN TEN "01234567", "\xe2\x82\xac" TEN TEN TEN TEN "012345..."},
                 {TEN TEN TEN TEN "012345\xf0\x9f\x98\x80\xf0\x9f\x98\x80",
                  TEN TEN TEN TEN "012345\xf0\x9f\x98\x80..."}};
    struct fixture *f = *state;
    put_chat(f, 1, "");
    assert_str("", only_one(f).name); /* nothing was said yet */
    put_turn(f, 1, 2);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct store_message first = {.message_id = id_of(f, 'd', 1), .query = str_c(cases[i].query)};
        put_message(f, id_of(f, 'c', 1), &first);
        assert_str(cases[i].name, only_one(f).name);
        records_script(f, "delete from messages where substr(id, 16) = x'01'");
    }
    assert_str("q2", only_one(f).name);
}

static void a_name_that_was_given_stays(void **state)
{
    struct fixture *f = *state;
    struct store_conversation got;
    put_chat(f, 1, "");
    put_turn(f, 1, 1);
    struct store_conversation_rename rename = {.ref = ref_of(f, 1), .name = STR("Weather")};
    assert_ok(rename_conversation(f, &rename, &got));
    assert_true(str_eq(id_of(f, 'c', 1), got.conversation_id));
    assert_str("Weather", got.name);
    assert_str("Welcome.", got.introduction);
    assert_str("{\"a\":1}", got.inputs);
    assert_int_equal(1001, got.created_at_ms);
    assert_true(got.updated_at_ms > 2001);
    assert_str("Weather", only_one(f).name);

    rename.name = STR("");
    assert_ok(rename_conversation(f, &rename, &got));
    assert_str("q1", got.name);
    assert_str("q1", only_one(f).name);
}

static void a_bad_name_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_conversation got;
    char *long_name = arena_alloc(&f->arena, STORE_NAME_BYTES_MAX + 2);
    memset(long_name, 'n', STORE_NAME_BYTES_MAX + 1);
    const struct str names[] = {STR(" \t"), STR("\xff"), STR("a\0b"), str_c(long_name)};
    put_chat(f, 1, "a name");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct store_conversation_rename rename = {.ref = ref_of(f, 1), .name = names[i]};
        assert_field("name", f, rename_conversation(f, &rename, &got));
    }
    struct store_conversation_ref theirs[STRANGERS];
    strangers(f, theirs);
    for (size_t i = 0; i < STRANGERS; i++) {
        const struct store_conversation_rename rename = {.ref = theirs[i], .name = STR("new")};
        assert_reason(STATUS_NOT_FOUND, "CONVERSATION_NOT_FOUND", f, rename_conversation(f, &rename, &got));
    }
    assert_str("a name", only_one(f).name);
    assert_int_equal(2001, only_one(f).updated_at_ms);
}

/* --- delete --- */

static void a_deleted_conversation_is_gone_with_all_that_was_said(void **state)
{
    struct fixture *f = *state;
    const struct variable_row variable = {.id = id_of(f, 'b', 1), .name = STR("v"), .value = STR("1")};
    const struct store_run run = {.run_id = id_of(f, 'f', 1),
                                  .app_id = id_of(f, 'a', 1),
                                  .conversation_id = id_of(f, 'c', 1),
                                  .user = STR("u"),
                                  .end_user_type = STR("t")};
    put_run(f, &run);
    for (int chat = 1; chat <= 2; chat++) {
        put_chat(f, chat, "a name");
        put_turn(f, chat, 2 * chat);
        put_turn(f, chat, 2 * chat + 1);
        put_variable(f, id_of(f, 'c', chat), &variable);
    }
    struct store_conversation_ref theirs[STRANGERS];
    strangers(f, theirs);
    for (size_t i = 0; i < STRANGERS; i++)
        assert_reason(STATUS_NOT_FOUND, "CONVERSATION_NOT_FOUND", f, delete_conversation(f, &theirs[i]));
    assert_int_equal(2, records_number(f, "select count(*) from conversations"));

    const struct store_conversation_ref ref = ref_of(f, 1);
    assert_ok(delete_conversation(f, &ref));
    assert_int_equal(1, records_number(f, "select count(*) from conversations"));
    assert_int_equal(2, records_number(f, "select count(*) from messages"));
    assert_int_equal(1, records_number(f, "select count(*) from conversation_variables"));
    assert_int_equal(1, records_number(f, "select count(*) from runs"));
    assert_true(str_eq(id_of(f, 'c', 2), only_one(f).conversation_id));
    assert_reason(STATUS_NOT_FOUND, "CONVERSATION_NOT_FOUND", f, delete_conversation(f, &ref));
}

/* --- messages --- */

static void messages_come_the_newest_page_first_and_each_oldest_first(void **state)
{
    struct fixture *f = *state;
    put_chat(f, 1, "a name");
    put_chat(f, 2, "another");
    for (int n = 1; n <= 11; n++)
        put_turn(f, 1, n);
    put_turn(f, 2, 50);
    static const int32_t sizes[] = {1, 4, 11, 100};
    for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
        struct store_message_list list = {.ref = ref_of(f, 1), .page_size = sizes[s]};
        struct store_message_page page;
        int newest = 11;
        do {
            assert_ok(list_messages(f, &list, &page));
            assert_true(page.next_page_token.len == 0 || page.count == (size_t)sizes[s]);
            newest -= (int)page.count;
            for (int i = 0; i < (int)page.count; i++)
                assert_true(str_eq(id_of(f, 'd', newest + 1 + i), page.messages[i].message_id));
            list.page_token = page.next_page_token;
        } while (list.page_token.len > 0);
        assert_int_equal(0, newest);
    }
}

static void newer_messages_do_not_move_older_pages(void **state)
{
    struct fixture *f = *state;
    put_chat(f, 1, "a name");
    for (int n = 1; n <= 4; n++)
        put_turn(f, 1, n);
    struct store_message_list list = {.ref = ref_of(f, 1), .page_size = 2};
    struct store_message_page page;
    assert_ok(list_messages(f, &list, &page));
    put_turn(f, 1, 5);
    list.page_token = page.next_page_token;
    assert_ok(list_messages(f, &list, &page));
    assert_int_equal(2, page.count);
    assert_str("q1", page.messages[0].query);
    assert_str("q2", page.messages[1].query);
    assert_str("", page.next_page_token);
}

static void a_message_comes_with_all_that_is_kept(void **state)
{
    struct fixture *f = *state;
    put_chat(f, 1, "a name");
    const struct store_message put = {.message_id = id_of(f, 'd', 2),
                                      .parent_message_id = id_of(f, 'd', 1),
                                      .run_id = id_of(f, 'f', 2),
                                      .inputs = STR("{\"b\":2}"),
                                      .query = STR("Why?"),
                                      .answer = STR("Half of"),
                                      .error = STR("broke off"),
                                      .usage = STR("us\0age"),
                                      .user_files = STR("user\0files"),
                                      .answer_files = STR("answer\0files"),
                                      .status = FAILED,
                                      .created_at_ms = 10,
                                      .finished_at_ms = 20};
    put_message(f, id_of(f, 'c', 1), &put);
    struct store_message_page page;
    const struct store_message_list list = {.ref = ref_of(f, 1)};
    assert_ok(list_messages(f, &list, &page));
    assert_int_equal(1, page.count);
    const struct store_message *got = &page.messages[0];
    const struct str texts[][2] = {
        {put.message_id, got->message_id}, {put.parent_message_id, got->parent_message_id},
        {put.run_id, got->run_id},         {put.inputs, got->inputs},
        {put.query, got->query},           {put.answer, got->answer},
        {put.error, got->error},           {put.usage, got->usage},
        {put.user_files, got->user_files}, {put.answer_files, got->answer_files}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_true(str_eq(texts[i][0], texts[i][1]));
    assert_int_equal(FAILED, got->status);
    assert_int_equal(10, got->created_at_ms);
    assert_int_equal(20, got->finished_at_ms);
}

static void messages_of_others_are_not_found(void **state)
{
    struct fixture *f = *state;
    struct store_message_page page;
    struct store_conversation_ref theirs[STRANGERS];
    put_chat(f, 1, "a name");
    put_chat(f, 2, "another");
    put_turn(f, 1, 1);
    put_turn(f, 2, 2);
    strangers(f, theirs);
    for (size_t i = 0; i < STRANGERS; i++) {
        const struct store_message_list list = {.ref = theirs[i]};
        assert_reason(STATUS_NOT_FOUND, "CONVERSATION_NOT_FOUND", f, list_messages(f, &list, &page));
    }
    const struct str tokens[] = {id_of(f, 'd', 2), id_of(f, 'd', 9), STR("nonsense")};
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        const struct store_message_list list = {.ref = ref_of(f, 1), .page_token = tokens[i]};
        assert_reason(STATUS_NOT_FOUND, "MESSAGE_NOT_FOUND", f, list_messages(f, &list, &page));
    }
    const struct store_message_list list = {.ref = ref_of(f, 1), .page_size = -1};
    assert_field("page_size", f, list_messages(f, &list, &page));
}

/* --- variables --- */

static void put_variables(struct fixture *f, int count)
{
    for (int n = 1; n <= count; n++) { /* names against the order of age */
        const struct variable_row row = {.id = id_of(f, 'b', n),
                                         .name = str_c(arena_printf(&f->arena, "v%02d", count - n)),
                                         .value = str_c(arena_printf(&f->arena, "%d", n)),
                                         .created_at_ms = 1000 + n / 2};
        put_variable(f, id_of(f, 'c', 1), &row);
    }
}

static void variables_come_the_oldest_first(void **state)
{
    struct fixture *f = *state;
    put_chat(f, 1, "a name");
    put_variables(f, 9);
    static const int32_t sizes[] = {1, 4, 9, 100};
    for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
        struct store_conversation_variable_list list = {.ref = ref_of(f, 1), .page_size = sizes[s]};
        struct store_conversation_variable_page page;
        int n = 0;
        do {
            assert_ok(list_variables(f, &list, &page));
            for (size_t i = 0; i < page.count; i++) {
                const struct store_conversation_variable *v = &page.variables[i];
                n++;
                assert_true(str_eq(id_of(f, 'b', n), v->variable_id));
                assert_str(arena_printf(&f->arena, "%d", n), v->value);
                assert_str("string", v->value_type);
                assert_str("What it is for.", v->description);
                assert_int_equal(1000 + n / 2, v->created_at_ms);
                assert_int_equal(1001 + n / 2, v->updated_at_ms);
                assert_false(v->has_secret);
            }
            list.page_token = page.next_page_token;
        } while (list.page_token.len > 0);
        assert_int_equal(9, n);
    }
}

static void a_variable_is_found_by_its_name(void **state)
{
    struct fixture *f = *state;
    struct store_conversation_variable_page page;
    put_chat(f, 1, "a name");
    put_variables(f, 3);
    struct store_conversation_variable_list list = {.ref = ref_of(f, 1), .name = STR("v01")};
    assert_ok(list_variables(f, &list, &page));
    assert_int_equal(1, page.count);
    assert_str("2", page.variables[0].value);
    assert_str("", page.next_page_token);
    list.name = STR("v0");
    assert_ok(list_variables(f, &list, &page));
    assert_int_equal(0, page.count);
}

/* Also when the key that sealed it is not here: it is not needed. */
static void a_secret_does_not_leave(void **state)
{
    struct fixture *f = *state;
    struct store_conversation_variable_page page;
    put_chat(f, 1, "a name");
    put_variables(f, 1);
    records_script(
        f, "update conversation_variables set value = null, key_id = 'gone', sealed = x'736563726574'");
    const struct store_conversation_variable_list list = {.ref = ref_of(f, 1)};
    assert_ok(list_variables(f, &list, &page));
    assert_int_equal(1, page.count);
    assert_true(page.variables[0].has_secret);
    assert_true(page.variables[0].value.len > 2);
    for (size_t i = 1; i + 1 < page.variables[0].value.len; i++)
        assert_int_equal('*', page.variables[0].value.ptr[i]);
}

static void variables_of_others_are_not_found(void **state)
{
    struct fixture *f = *state;
    struct store_conversation_variable_page page;
    struct store_conversation_ref theirs[STRANGERS];
    put_chat(f, 1, "a name");
    put_chat(f, 2, "without variables");
    put_variables(f, 2);
    strangers(f, theirs);
    for (size_t i = 0; i < STRANGERS; i++) {
        const struct store_conversation_variable_list list = {.ref = theirs[i]};
        assert_reason(STATUS_NOT_FOUND, "CONVERSATION_NOT_FOUND", f, list_variables(f, &list, &page));
    }
    const struct store_conversation_variable_list lists[] = {
        {.ref = ref_of(f, 1), .page_token = id_of(f, 'b', 9)},
        {.ref = ref_of(f, 1), .page_token = STR("nonsense")},
        {.ref = ref_of(f, 2), .page_token = id_of(f, 'b', 1)}};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        assert_reason(STATUS_NOT_FOUND, "VARIABLE_NOT_FOUND", f, list_variables(f, &lists[i], &page));
}

/* --- memory --- */

static void note_page(void *arg, const struct store_conversation_page *page, const struct status *status)
{
    assert_true((page != NULL) == (status->code == STATUS_OK));
    *(struct status *)arg = *status;
}

static void note_one(void *arg, const struct store_conversation *one, const struct status *status)
{
    assert_true((one != NULL) == (status->code == STATUS_OK));
    *(struct status *)arg = *status;
}

static void note_messages(void *arg, const struct store_message_page *page, const struct status *status)
{
    assert_true((page != NULL) == (status->code == STATUS_OK));
    *(struct status *)arg = *status;
}

static void note_variables(void *arg, const struct store_conversation_variable_page *page,
                           const struct status *status)
{
    assert_true((page != NULL) == (status->code == STATUS_OK));
    *(struct status *)arg = *status;
}

/* Made before allocations fail: ids need memory, too. */
static struct {
    struct store_conversation_list list;
    struct store_conversation_rename rename;
    struct store_message_list messages;
    struct store_conversation_variable_list variables;
} requests;

static enum status_code submit_list(struct fixture *f, struct store *store, struct status *ret,
                                    struct status *err)
{
    (void)f;
    return store_conversation_list(store, &requests.list, note_page, ret, err);
}

static enum status_code submit_rename(struct fixture *f, struct store *store, struct status *ret,
                                      struct status *err)
{
    (void)f;
    return store_conversation_rename(store, &requests.rename, note_one, ret, err);
}

static enum status_code submit_messages(struct fixture *f, struct store *store, struct status *ret,
                                        struct status *err)
{
    (void)f;
    return store_message_list(store, &requests.messages, note_messages, ret, err);
}

static enum status_code submit_variables(struct fixture *f, struct store *store, struct status *ret,
                                         struct status *err)
{
    (void)f;
    return store_conversation_variable_list(store, &requests.variables, note_variables, ret, err);
}

static void calls_survive_every_failing_allocation(void **state)
{
    struct fixture *f = *state;
    put_chat(f, 1, "");
    put_chat(f, 2, "");
    put_turn(f, 1, 1);
    put_turn(f, 1, 2);
    put_variables(f, 20);
    requests.list = (struct store_conversation_list){
        .app_id = id_of(f, 'a', 1), .end_user_id = id_of(f, 'e', 1), .page_size = 1};
    requests.rename.ref = requests.messages.ref = requests.variables.ref = ref_of(f, 1);
    requests.messages.page_size = 1;
    starve(f, submit_list);
    starve(f, submit_rename);
    starve(f, submit_messages);
    starve(f, submit_variables);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, records_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_order_holds_all_of_them_once),
        TEST(what_comes_meanwhile_does_not_move_pages),
        TEST(a_list_says_what_it_cannot_read),
        TEST(a_name_is_made_from_the_first_message),
        TEST(a_name_that_was_given_stays),
        TEST(a_bad_name_changes_nothing),
        TEST(a_deleted_conversation_is_gone_with_all_that_was_said),
        TEST(messages_come_the_newest_page_first_and_each_oldest_first),
        TEST(newer_messages_do_not_move_older_pages),
        TEST(a_message_comes_with_all_that_is_kept),
        TEST(messages_of_others_are_not_found),
        TEST(variables_come_the_oldest_first),
        TEST(a_variable_is_found_by_its_name),
        TEST(a_secret_does_not_leave),
        TEST(variables_of_others_are_not_found),
        TEST(calls_survive_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
