/*
 * Records of runs: one, lists of them by every filter (beside a simple list in memory), and the closing of what was lost.
 */
#include "shared/store/record_id.h"
#include "tests/shared/store/records.h"
#include "tests/shared/store/starved.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNNING = 1, SUCCEEDED = 2, PARTIAL = 3, FAILED = 4, STOPPED = 5 };
enum { COMPLETED = 1, NODE_FAILED = 2, STOPPED_BY_USER = 3, EXECUTOR_LOST = 8 };

static struct store_run example(struct fixture *f, int n)
{
    return (struct store_run){.run_id = id_of(f, 'f', n),
                              .app_id = id_of(f, 'a', 1),
                              .version_id = id_of(f, 'b', 1),
                              .end_user_id = id_of(f, 'e', 1),
                              .user = STR("u-1"),
                              .end_user_type = STR("service-api"),
                              .version_number = 3,
                              .mode = STORE_APP_WORKFLOW,
                              .record = STORE_RECORD_FULL,
                              .status = SUCCEEDED,
                              .end_reason = COMPLETED,
                              .attempt = 1,
                              .created_at_ms = 1000 + n,
                              .finished_at_ms = 1500 + n,
                              .elapsed_ms = 500};
}

static enum status_code get(struct fixture *f, int n, struct store_run *ret)
{
    const struct store_run_ref ref = {.run_id = id_of(f, 'f', n)};
    return get_run(f, &ref, ret);
}

/* --- one --- */

static void a_run_comes_with_all_that_is_kept(void **state)
{
    struct fixture *f = *state;
    struct store_run run = example(f, 1), got;
    run.mode = STORE_APP_CHAT;
    run.conversation_id = id_of(f, 'c', 1);
    run.message_id = id_of(f, 'd', 1);
    run.total_tokens = 70;
    run.total_steps = 4;
    run.exceptions_count = 2;
    run.usage = STR("u\0sage");
    run.error = STR("why");
    run.inputs = STR("{\"a\":1}");
    run.outputs = STR("{\"b\":2}");
    put_run(f, &run);
    put_nodes(f, run.run_id, 1, STR("second"));
    put_nodes(f, run.run_id, 0, STR("first\0"));
    put_nodes(f, id_of(f, 'f', 2), 0, STR("of another run"));
    const struct store_message message = {.message_id = run.message_id,
                                          .run_id = run.run_id,
                                          .answer = STR("It is so."),
                                          .answer_files = STR("files")};
    put_message(f, run.conversation_id, &message);

    assert_ok(get(f, 1, &got));
    const struct {
        struct str expected, got;
    } texts[] = {{run.run_id, got.run_id},
                 {run.app_id, got.app_id},
                 {run.version_id, got.version_id},
                 {run.end_user_id, got.end_user_id},
                 {run.conversation_id, got.conversation_id},
                 {run.message_id, got.message_id},
                 {run.user, got.user},
                 {run.end_user_type, got.end_user_type},
                 {run.usage, got.usage},
                 {run.error, got.error},
                 {run.inputs, got.inputs},
                 {run.outputs, got.outputs},
                 {STR("first\0second"), got.nodes},
                 {message.answer, got.answer},
                 {message.answer_files, got.answer_files}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_true(str_eq(texts[i].expected, texts[i].got));
    const int64_t numbers[][2] = {
        {3, got.version_number},   {STORE_APP_CHAT, got.mode},  {STORE_RECORD_FULL, got.record},
        {SUCCEEDED, got.status},   {COMPLETED, got.end_reason}, {1, got.attempt},
        {1001, got.created_at_ms}, {1501, got.finished_at_ms},  {500, got.elapsed_ms},
        {70, got.total_tokens},    {4, got.total_steps},        {2, got.exceptions_count}};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        assert_int_equal(numbers[i][0], numbers[i][1]);
}

static void what_was_not_kept_is_empty(void **state)
{
    struct fixture *f = *state;
    struct store_run run = example(f, 1), got;
    run.end_user_id = STR("");
    run.message_id = id_of(f, 'd', 1); /* of a conversation that was deleted */
    put_run(f, &run);
    assert_ok(get(f, 1, &got));
    const struct str texts[] = {got.end_user_id, got.conversation_id, got.usage,  got.error,       got.inputs,
                                got.outputs,     got.nodes,           got.answer, got.answer_files};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_str("", texts[i]);
}

static void what_is_not_theirs_is_not_found(void **state)
{
    struct fixture *f = *state;
    const struct store_run run = example(f, 1);
    struct store_run got;
    put_run(f, &run);
    const struct store_run_ref theirs[] = {{.run_id = run.run_id},
                                           {.run_id = run.run_id, .app_id = run.app_id},
                                           {.run_id = run.run_id, .end_user_id = run.end_user_id},
                                           {.workspace_id = STR("default"),
                                            .run_id = run.run_id,
                                            .app_id = run.app_id,
                                            .end_user_id = run.end_user_id}};
    for (size_t i = 0; i < ARRAY_LEN(theirs); i++)
        assert_ok(get_run(f, &theirs[i], &got));
    const struct store_run_ref others[] = {
        {.run_id = id_of(f, 'f', 2)},
        {.run_id = run.run_id, .app_id = id_of(f, 'a', 2)},
        {.run_id = run.run_id, .app_id = run.app_id, .end_user_id = id_of(f, 'e', 2)},
        {.workspace_id = STR("another"), .run_id = run.run_id}};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_reason(STATUS_NOT_FOUND, "RUN_NOT_FOUND", f, get_run(f, &others[i], &got));
    const struct store_run_ref nonsense = {.run_id = STR("nonsense")};
    assert_field("run_id", f, get_run(f, &nonsense, &got));
}

/* --- lists, beside a list in memory --- */

/* runs. Of the list in memory, of two apps. */
enum { MODEL_RUNS = 240 };

struct model {
    struct store_run runs[MODEL_RUNS];
    uint64_t seed;
};

static uint32_t next_random(struct model *m, uint32_t below)
{
    m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->seed >> 33) % below;
}

static int newest_first(const void *a, const void *b)
{
    const struct store_run *x = a, *y = b;
    if (x->created_at_ms != y->created_at_ms)
        return x->created_at_ms > y->created_at_ms ? -1 : 1;
    return -str_cmp(x->run_id, y->run_id);
}

/* Ids do not follow the time, as callers may bring their own; several runs begin at one time. */
static void put_model(struct fixture *f, struct model *m)
{
    static const int ends[][2] = {{RUNNING, 0},           {SUCCEEDED, COMPLETED},     {SUCCEEDED, COMPLETED},
                                  {FAILED, NODE_FAILED},  {STOPPED, STOPPED_BY_USER}, {PARTIAL, COMPLETED},
                                  {FAILED, EXECUTOR_LOST}};
    static const char *const texts[] = {"", "{\"say\":\"needle\"}", "{\"say\":\"hay\"}"};
    m->seed = 5;
    for (int i = 0; i < MODEL_RUNS; i++) {
        struct store_run run = example(f, (int)next_random(m, 1 << 20) * MODEL_RUNS + i);
        const int *end = ends[next_random(m, ARRAY_LEN(ends))];
        uint32_t chat = next_random(m, 4), user = next_random(m, 3);
        run.app_id = id_of(f, 'a', 1 + (int)next_random(m, 2));
        run.end_user_id = id_of(f, 'e', (int)user);
        run.conversation_id = chat == 0 ? STR("") : id_of(f, 'c', (int)chat);
        run.user = next_random(m, 20) == 0 ? STR("has a needle") : STR("u");
        run.inputs = str_c(texts[next_random(m, ARRAY_LEN(texts))]);
        run.outputs = str_c(texts[next_random(m, ARRAY_LEN(texts))]);
        run.created_at_ms = 1000 + next_random(m, MODEL_RUNS / 2);
        run.status = end[0];
        run.end_reason = end[1];
        run.finished_at_ms = run.status == RUNNING ? 0 : run.created_at_ms + 1;
        put_run(f, &run);
        m->runs[i] = run;
    }
    qsort(m->runs, MODEL_RUNS, sizeof m->runs[0], newest_first);
}

static bool is_in(const struct store_run *run, const struct store_run_list *r)
{
    return str_eq(run->app_id, r->app_id) &&
           (r->end_user_id.len == 0 || str_eq(run->end_user_id, r->end_user_id)) &&
           (r->conversation_id.len == 0 || str_eq(run->conversation_id, r->conversation_id)) &&
           (r->status == 0 || run->status == r->status) &&
           (r->end_reason == 0 || run->end_reason == r->end_reason) &&
           (r->created_after_ms == 0 || run->created_at_ms >= r->created_after_ms) &&
           (r->created_before_ms == 0 || run->created_at_ms < r->created_before_ms) &&
           (r->keyword.len == 0 || str_find(run->user, r->keyword, 0) != SIZE_MAX ||
            str_find(run->inputs, r->keyword, 0) != SIZE_MAX ||
            str_find(run->outputs, r->keyword, 0) != SIZE_MAX);
}

static size_t select_runs(const struct model *m, const struct store_run_list *r,
                          const struct store_run *ret[MODEL_RUNS])
{
    size_t count = 0;
    for (size_t i = 0; i < MODEL_RUNS; i++) {
        if (is_in(&m->runs[i], r))
            ret[count++] = &m->runs[i];
    }
    return count;
}

static void expect_run(const struct store_run *expected, const struct store_run *got)
{
    assert_true(str_eq(expected->run_id, got->run_id));
    assert_int_equal(expected->status, got->status);
    assert_int_equal(expected->created_at_ms, got->created_at_ms);
    assert_str("", got->inputs);
    assert_str("", got->outputs);
    assert_str("", got->nodes);
}

static void expect_pages(struct fixture *f, const struct model *m, const struct store_run_list *filter)
{
    const struct store_run *expected[MODEL_RUNS];
    size_t count = select_runs(m, filter, expected), seen = 0;
    struct store_run_list r = *filter;
    struct store_run_page page = {.next_page_token = STR("")};
    do { /* by token */
        r.page_token = page.next_page_token;
        assert_ok(list_runs(f, &r, &page));
        assert_true(seen + page.count <= count);
        assert_true(page.next_page_token.len == 0 || page.count == (size_t)r.page_size);
        for (size_t i = 0; i < page.count; i++)
            expect_run(expected[seen++], &page.runs[i]);
    } while (page.next_page_token.len > 0);
    assert_int_equal(count, seen);

    r.page_token = STR("");
    r.with_total = true;
    size_t pages = count / (size_t)r.page_size + 1;
    for (r.page = 1; r.page <= (int32_t)pages + 1; r.page++) { /* by number, one behind the last as well */
        size_t from = ((size_t)r.page - 1) * (size_t)r.page_size;
        size_t left = from < count ? count - from : 0, size = (size_t)r.page_size;
        assert_ok(list_runs(f, &r, &page));
        assert_int_equal(left < size ? left : size, page.count);
        assert_int_equal(count, page.total);
        assert_false(page.total_is_least);
        for (size_t i = 0; i < page.count; i++)
            expect_run(expected[from + i], &page.runs[i]);
        assert_int_equal(left > size, page.next_page_token.len > 0);
    }
}

static void a_list_holds_what_its_filters_say(void **state)
{
    static struct model m;
    struct fixture *f = *state;
    put_model(f, &m);
    for (int i = 0; i < 160; i++) {
        uint32_t chat = next_random(&m, 6), user = next_random(&m, 6), status = next_random(&m, 9),
                 reason = next_random(&m, 12);
        const struct store_run_list filter = {
            .app_id = id_of(f, 'a', 1 + (int)next_random(&m, 2)),
            .end_user_id = user < 3 ? id_of(f, 'e', (int)user) : STR(""),
            .conversation_id = chat > 0 && chat < 4 ? id_of(f, 'c', (int)chat) : STR(""),
            .status = status <= STOPPED ? (int32_t)status : 0,
            .end_reason = reason <= EXECUTOR_LOST ? (int32_t)reason : 0,
            .created_after_ms = next_random(&m, 3) == 0 ? 1000 + next_random(&m, MODEL_RUNS / 2) : 0,
            .created_before_ms = next_random(&m, 3) == 0 ? 1000 + next_random(&m, MODEL_RUNS / 2) : 0,
            .keyword = next_random(&m, 4) == 0 ? STR("needle") : STR(""),
            .page_size = 1 + (int32_t)next_random(&m, 40)};
        expect_pages(f, &m, &filter);
    }
    static const struct store_run_list single[] = {
        {.page_size = 7},
        {.status = SUCCEEDED, .page_size = 7},
        {.status = FAILED, .page_size = 7},
        {.end_reason = COMPLETED, .page_size = 7},
        {.end_reason = EXECUTOR_LOST, .page_size = 7},
        {.keyword = {"needle", 6}, .page_size = 7},
        {.keyword = {"nowhere", 7}, .page_size = 7},
        {.created_after_ms = 1040, .created_before_ms = 1080, .page_size = 7},
    };
    for (size_t i = 0; i < ARRAY_LEN(single); i++) {
        struct store_run_list filter = single[i];
        filter.app_id = id_of(f, 'a', 1);
        expect_pages(f, &m, &filter);
    }
}

static void what_comes_meanwhile_does_not_move_pages(void **state)
{
    struct fixture *f = *state;
    for (int n = 1; n <= 10; n++) {
        const struct store_run run = example(f, n);
        put_run(f, &run);
    }
    struct store_run_list r = {.app_id = id_of(f, 'a', 1), .page_size = 3};
    struct store_run_page page;
    int expected = 10, came = 100;
    do {
        assert_ok(list_runs(f, &r, &page));
        for (size_t i = 0; i < page.count; i++) {
            assert_true(str_eq(id_of(f, 'f', expected--), page.runs[i].run_id));
            expected -= expected == 6;
        }
        const struct store_run run = example(f, came++); /* newer than all */
        put_run(f, &run);
        records_script(f, "delete from runs where created_at_ms = 1006"); /* of the second page */
        r.page_token = page.next_page_token;
    } while (r.page_token.len > 0);
    assert_int_equal(0, expected);
}

static void another_workspace_sees_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_run run = example(f, 1);
    put_run(f, &run);
    run.run_id = id_of(f, 'f', 2);
    put_run_as(f, "another", 1, &run);
    const struct store_run_list r = {
        .workspace_id = STR("another"), .app_id = run.app_id, .with_total = true};
    struct store_run_page page;
    assert_ok(list_runs(f, &r, &page));
    assert_int_equal(1, page.count);
    assert_int_equal(1, page.total);
    assert_true(str_eq(run.run_id, page.runs[0].run_id));
}

static void a_list_says_what_it_cannot_read(void **state)
{
    struct fixture *f = *state;
    const struct store_run run = example(f, 1);
    put_run(f, &run);
    const struct {
        const char *field;
        struct store_run_list list;
    } cases[] = {
        {"app_id", {.app_id = STR("")}},
        {"app_id", {.app_id = STR("nonsense")}},
        {"end_user_id", {.app_id = run.app_id, .end_user_id = STR("nonsense")}},
        {"conversation_id", {.app_id = run.app_id, .conversation_id = STR("nonsense")}},
        {"keyword", {.app_id = run.app_id, .keyword = STR("\xff")}},
        {"page_size", {.app_id = run.app_id, .page_size = -1}},
        {"page_size", {.app_id = run.app_id, .page_size = STORE_PAGE_MAX + 1}},
        {"page_token", {.app_id = run.app_id, .page_token = STR("bm9uc2Vuc2U=")}}, /* one part */
        {"page_token", {.app_id = run.app_id, .page_token = STR("eAB5")}},         /* no time, no id */
        {"page_token", {.app_id = run.app_id, .page_token = STR("***")}},
        {"page", {.app_id = run.app_id, .page = -1}},
        {"page", {.app_id = run.app_id, .page = 1, .page_token = STR("eAB5")}},
        {"page", {.app_id = run.app_id, .page = INT32_MAX, .page_size = 100}},
        {"page", {.app_id = run.app_id, .page = STORE_RUN_COUNT_MAX / 100 + 2, .page_size = 100}},
    };
    struct store_run_page page;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(STATUS_INVALID_ARGUMENT, list_runs(f, &cases[i].list, &page));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (strcmp(cases[i].field, "page") != 0 || cases[i].list.page_token.len == 0)
            assert_field(cases[i].field, f, list_runs(f, &cases[i].list, &page));
    }
}

/* A token of an open list cannot reach behind the bound of another one. */
static void a_bound_holds_for_every_token(void **state)
{
    struct fixture *f = *state;
    for (int n = 1; n <= 4; n++) {
        const struct store_run run = example(f, n);
        put_run(f, &run);
    }
    struct store_run_list r = {.app_id = id_of(f, 'a', 1), .page_size = 1};
    struct store_run_page page;
    assert_ok(list_runs(f, &r, &page));
    r.page_token = page.next_page_token; /* behind run 4 */
    r.created_before_ms = 1003;
    assert_ok(list_runs(f, &r, &page));
    assert_true(str_eq(id_of(f, 'f', 2), page.runs[0].run_id));
}

/* --- bounds --- */

/* `count` runs of app 1 that succeeded, 1 ms apart; those at the `marked` ms hold the word. */
static void put_many(struct fixture *f, int count, const char *marked)
{
    char *script = arena_printf(
        &f->arena,
        "with recursive n (n) as (select 1 union all select n + 1 from n where n < %d) "
        "insert into runs (id, app_id, version_id, version_number, mode, record, end_user_id, "
        "conversation_id, "
        "message_id, status, end_reason, attempt, owner, created_at_ms, finished_at_ms, \"user\", "
        "end_user_type, inputs) select randomblob(16), x'0189a00000007000800000000000%04x', x'', 1, 0, 0, "
        "x'', x'', x'', 2, "
        "1, 1, 1, 1000 + n, 2000 + n, 'u', 'service-api', case when n in (%s) then 'needle' else 'hay' end "
        "from n",
        count, 1, marked);
    assert_non_null(script);
    records_script(f, script);
}

static void a_rare_word_is_found_page_by_page(void **state)
{
    struct fixture *f = *state;
    put_many(f, 2 * STORE_RUN_SCAN_MAX + 50, "7, 20, 21");
    struct store_run_list r = {.app_id = id_of(f, 'a', 1), .keyword = STR("needle"), .page_size = 2};
    struct store_run_page page;
    size_t counts[4] = {0}, pages = 0;
    do {
        assert_true(pages < ARRAY_LEN(counts));
        assert_ok(list_runs(f, &r, &page));
        counts[pages++] = page.count;
        r.page_token = page.next_page_token;
    } while (r.page_token.len > 0);
    assert_int_equal(4, pages); /* two in vain, then two and one of three */
    assert_int_equal(0, counts[0] + counts[1]);
    assert_int_equal(2, counts[2]);
    assert_int_equal(1, counts[3]);
}

/* One index would have to look at more than a page may: the other one does not. */
static void a_list_by_two_filters_goes_by_the_rarer_one(void **state)
{
    enum { BUSY = 1, SELDOM = 2 };
    static const struct {
        int user;
        int32_t status;
    } cases[] = {{SELDOM, FAILED}, {BUSY, STOPPED}};
    struct fixture *f = *state;
    struct store_run stopped = example(f, 1), failed = example(f, 2);
    stopped.status = STOPPED;
    failed.status = FAILED;
    failed.end_user_id = id_of(f, 'e', SELDOM);
    put_run(f, &stopped);
    put_run(f, &failed);
    put_many(f, STORE_RUN_SCAN_MAX + 50, "0"); /* newer than both */
    const struct sql busy = {"update runs set end_user_id = $1, status = $2 where created_at_ms > 1002"};
    struct record_id user = record_id_of(id_of(f, 'e', BUSY));
    struct db *db = records_connect(f);
    assert_ok(db_run(db, &busy, DB_VALUES(record_id_value(&user), DB_INT(FAILED)), &f->err));
    db_close(db);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_run_page page;
        const struct store_run_list r = {.app_id = id_of(f, 'a', 1),
                                         .end_user_id = id_of(f, 'e', cases[i].user),
                                         .status = cases[i].status};
        assert_ok(list_runs(f, &r, &page));
        assert_int_equal(1, page.count);
        assert_str("", page.next_page_token);
        assert_int_equal(cases[i].status, page.runs[0].status);
    }
}

static void totals_and_numbered_pages_end_at_a_bound(void **state)
{
    struct fixture *f = *state;
    put_many(f, STORE_RUN_COUNT_MAX + 5, "1, 50000");
    const struct store_run_list by_index = {.app_id = id_of(f, 'a', 1), .page_size = 1, .with_total = true};
    struct store_run_list r = by_index;
    struct store_run_page page;
    assert_ok(list_runs(f, &r, &page));
    assert_int_equal(STORE_RUN_COUNT_MAX, page.total);
    assert_true(page.total_is_least);
    r.created_after_ms = 1000 + 11;
    assert_ok(list_runs(f, &r, &page));
    assert_int_equal(STORE_RUN_COUNT_MAX - 5, page.total);
    assert_false(page.total_is_least);

    r = by_index;
    r.keyword = STR("needle"); /* the second one lies behind the bound */
    assert_ok(list_runs(f, &r, &page));
    assert_int_equal(1, page.total);
    assert_true(page.total_is_least);
    r.page = 3;
    assert_field("page", f, list_runs(f, &r, &page));

    r = by_index;
    r.page = STORE_RUN_COUNT_MAX + 1;
    assert_ok(list_runs(f, &r, &page));
    assert_int_equal(1000 + 5, page.runs[0].created_at_ms);
    r.page++;
    assert_field("page", f, list_runs(f, &r, &page));
}

/* --- close --- */

static struct store_run_close lost(struct fixture *f, int n)
{
    return (struct store_run_close){.run_id = id_of(f, 'f', n),
                                    .app_id = id_of(f, 'a', 1),
                                    .version_id = id_of(f, 'b', 1),
                                    .end_user_id = id_of(f, 'e', 1),
                                    .user = STR("u-1"),
                                    .end_user_type = STR("service-api"),
                                    .record = STORE_RECORD_FULL,
                                    .attempt = 1,
                                    .status = FAILED,
                                    .end_reason = EXECUTOR_LOST,
                                    .error = STR("lost"),
                                    .created_at_ms = 1000,
                                    .finished_at_ms = 3000};
}

static struct store_run open_run(struct fixture *f, int n)
{
    struct store_run run = example(f, n);
    run.status = RUNNING;
    run.end_reason = 0;
    run.finished_at_ms = 0;
    run.elapsed_ms = 0;
    return run;
}

static void an_open_run_is_closed_with_its_message(void **state)
{
    struct fixture *f = *state;
    struct store_run run = open_run(f, 1), got;
    run.conversation_id = id_of(f, 'c', 1);
    run.message_id = id_of(f, 'd', 1);
    put_run(f, &run);
    put_nodes(f, run.run_id, 0, STR("nodes"));
    const struct store_message message = {
        .message_id = run.message_id, .run_id = run.run_id, .status = RUNNING, .created_at_ms = 1001};
    put_message(f, run.conversation_id, &message);
    struct store_run_close close = lost(f, 1);
    close.conversation_id = run.conversation_id;
    close.message_id = run.message_id;
    assert_ok(close_run(f, &close, &got));
    assert_int_equal(FAILED, got.status);
    assert_int_equal(EXECUTOR_LOST, got.end_reason);
    assert_int_equal(3000, got.finished_at_ms);
    assert_int_equal(3000 - 1001, got.elapsed_ms);
    assert_str("lost", got.error);
    assert_str("nodes", got.nodes);
    assert_int_equal(1, records_number(f, "select count(*) from messages where status = 4 and "
                                          "finished_at_ms = 3000 and error = 'lost'"));
}

static void a_run_that_has_ended_stays_as_it_is(void **state)
{
    struct fixture *f = *state;
    struct store_run run = example(f, 1), got;
    run.message_id = id_of(f, 'd', 1);
    run.outputs = STR("{\"x\":1}");
    put_run(f, &run);
    const struct store_message message = {.message_id = run.message_id,
                                          .run_id = run.run_id,
                                          .status = SUCCEEDED,
                                          .finished_at_ms = 1501,
                                          .answer = STR("whole")};
    put_message(f, id_of(f, 'c', 1), &message);
    struct store_run_close close = lost(f, 1);
    close.message_id = run.message_id;
    for (int i = 0; i < 2; i++) {
        assert_ok(close_run(f, &close, &got));
        assert_int_equal(SUCCEEDED, got.status);
        assert_int_equal(COMPLETED, got.end_reason);
        assert_int_equal(1501, got.finished_at_ms);
        assert_str("{\"x\":1}", got.outputs);
        assert_str("whole", got.answer);
    }
    assert_int_equal(1, records_number(f, "select count(*) from messages where status = 2"));
}

static void a_run_without_a_beginning_gets_a_record(void **state)
{
    struct fixture *f = *state;
    struct store_run got;
    const struct store_run_close close = lost(f, 1);
    for (int i = 0; i < 2; i++) {
        assert_ok(close_run(f, &close, &got));
        assert_true(str_eq(close.run_id, got.run_id));
        assert_true(str_eq(close.end_user_id, got.end_user_id));
        assert_int_equal(FAILED, got.status);
        assert_int_equal(EXECUTOR_LOST, got.end_reason);
        assert_int_equal(2000, got.elapsed_ms);
        assert_str("u-1", got.user);
    }
    assert_int_equal(1, records_number(f, "select count(*) from runs"));
    assert_int_equal(0, records_number(f, "select count(*) from runs where finished_at_ms = 0"));
}

static void a_clock_that_was_set_back_makes_no_negative_time(void **state)
{
    struct fixture *f = *state;
    struct store_run got;
    const struct store_run run = open_run(f, 1);
    put_run(f, &run);
    for (int n = 1; n <= 2; n++) { /* with a beginning, and without */
        struct store_run_close close = lost(f, n);
        close.created_at_ms = 1001;
        close.finished_at_ms = 10;
        assert_ok(close_run(f, &close, &got));
        assert_int_equal(1001, got.finished_at_ms);
        assert_int_equal(0, got.elapsed_ms);
    }
}

static void a_newer_attempt_is_not_closed(void **state)
{
    struct fixture *f = *state;
    struct store_run run = open_run(f, 1), got;
    run.attempt = 2;
    put_run(f, &run);
    const struct store_run_close close = lost(f, 1);
    assert_ok(close_run(f, &close, &got));
    assert_int_equal(RUNNING, got.status);
    assert_int_equal(2, got.attempt);
}

/* Callers choose ids: one app's words do not reach another app's run. */
static void another_apps_run_is_neither_closed_nor_shown(void **state)
{
    struct fixture *f = *state;
    struct store_run run = open_run(f, 1), got;
    run.app_id = id_of(f, 'a', 2);
    run.inputs = STR("{\"a\":\"secret\"}");
    put_run(f, &run);
    const struct store_run_close close = lost(f, 1);
    assert_ok(close_run(f, &close, &got));
    assert_true(str_eq(close.app_id, got.app_id));
    assert_int_equal(FAILED, got.status);
    assert_str("", got.inputs);
    assert_int_equal(1, records_number(f, "select count(*) from runs where status = 1"));
}

static void a_run_without_a_record_is_as_it_was_asked_for(void **state)
{
    struct fixture *f = *state;
    struct store_run got;
    const struct store_message message = {
        .message_id = id_of(f, 'd', 1), .run_id = id_of(f, 'f', 1), .status = RUNNING};
    put_message(f, id_of(f, 'c', 1), &message);
    struct store_run_close close = lost(f, 1);
    close.record = STORE_RECORD_NONE;
    close.message_id = message.message_id;
    assert_ok(close_run(f, &close, &got));
    assert_int_equal(FAILED, got.status);
    assert_str("lost", got.error);
    assert_int_equal(0, records_number(f, "select count(*) from runs"));
    assert_int_equal(1, records_number(f, "select count(*) from messages where status = 4"));
}

static void a_deleted_app_is_noted_once(void **state)
{
    struct fixture *f = *state;
    const struct store_app_ref ref = {.app_id = id_of(f, 'a', 1)};
    assert_ok(remove_app_records(f, &ref));
    assert_ok(remove_app_records(f, &ref));
    assert_int_equal(1, records_number(f, "select count(*) from removals where workspace_id = 'default'"));
    assert_field("app_id", f, remove_app_records(f, &(struct store_app_ref){.app_id = STR("nonsense")}));
}

/* --- memory --- */

static void note_run(void *arg, const struct store_run *run, const struct status *status)
{
    assert_true((run != NULL) == (status->code == STATUS_OK));
    *(struct status *)arg = *status;
}

static void note_page(void *arg, const struct store_run_page *page, const struct status *status)
{
    assert_true((page != NULL) == (status->code == STATUS_OK));
    *(struct status *)arg = *status;
}

/* Made before allocations fail: ids need memory, too. */
static struct {
    struct store_run_ref get;
    struct store_run_list list;
    struct store_run_close close;
} requests;

static enum status_code submit_get(struct fixture *f, struct store *store, struct status *ret,
                                   struct status *err)
{
    (void)f;
    return store_run_get(store, &requests.get, note_run, ret, err);
}

static enum status_code submit_list(struct fixture *f, struct store *store, struct status *ret,
                                    struct status *err)
{
    (void)f;
    return store_run_list(store, &requests.list, note_page, ret, err);
}

static enum status_code submit_close(struct fixture *f, struct store *store, struct status *ret,
                                     struct status *err)
{
    (void)f;
    return store_run_close(store, &requests.close, note_run, ret, err);
}

static void calls_survive_every_failing_allocation(void **state)
{
    struct fixture *f = *state;
    for (int n = 1; n <= 2; n++) {
        struct store_run run = open_run(f, n);
        run.inputs = STR("{}");
        put_run(f, &run);
        put_nodes(f, run.run_id, 0, STR("nodes"));
    }
    requests.get = (struct store_run_ref){.run_id = id_of(f, 'f', 1)};
    requests.list = (struct store_run_list){.app_id = id_of(f, 'a', 1), .page_size = 1, .with_total = true};
    requests.close = lost(f, 1);
    starve(f, submit_get);
    starve(f, submit_list);
    starve(f, submit_close);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, records_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_run_comes_with_all_that_is_kept),
        TEST(what_was_not_kept_is_empty),
        TEST(what_is_not_theirs_is_not_found),
        TEST(a_list_holds_what_its_filters_say),
        TEST(what_comes_meanwhile_does_not_move_pages),
        TEST(another_workspace_sees_nothing),
        TEST(a_list_says_what_it_cannot_read),
        TEST(a_bound_holds_for_every_token),
        TEST(a_rare_word_is_found_page_by_page),
        TEST(a_list_by_two_filters_goes_by_the_rarer_one),
        TEST(totals_and_numbered_pages_end_at_a_bound),
        TEST(an_open_run_is_closed_with_its_message),
        TEST(a_run_that_has_ended_stays_as_it_is),
        TEST(a_run_without_a_beginning_gets_a_record),
        TEST(a_clock_that_was_set_back_makes_no_negative_time),
        TEST(a_newer_attempt_is_not_closed),
        TEST(another_apps_run_is_neither_closed_nor_shown),
        TEST(a_run_without_a_record_is_as_it_was_asked_for),
        TEST(a_deleted_app_is_noted_once),
        TEST(calls_survive_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
