/*
 * records_bench: fills a store with records of runs and conversations, reads them back as the gateway does, and says how long
 * that took, as one line of JSON; tests/bench/run uses it.
 *
 * --store FILE     a new store's; its records lie beside it
 * --runs N         to fill it with: half of a workflow app, half of a chat app with ten messages to a conversation
 * --rounds N       of each question, each about other records
 *
 *   {"runs", "conversations", "fill_us", "bytes": of the file, "questions": [{"name", "items": of an answer, "us": {…}}]}
 *
 * A question's time is from handing it in to its answer: the store's queue and thread are in it. Exit code: 1 when an answer is
 * not what it should be.
 */
#include "shared/base/clock.h"
#include "shared/store/conversation.h"
#include "shared/store/message_thread.h"
#include "shared/store/run.h"
#include "shared/store/sqlite_path.h"
#include "tests/bench/histogram.h"
#include "tests/bench/records_fill.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { RUNS_MIN = 20000 };    /* below it there is no full page of some questions */
enum { OTHER = 3 };           /* number of an app that has nothing */
enum { NOBODY = 0x7fffffff }; /* and of an end user */

struct options {
    const char *store;
    int64_t runs, rounds;
};

/* What all questions share. */
struct bench {
    struct options options;
    struct store *store;
    struct records records;
    uint64_t random;
    char ids[8][UUID_TEXT_LEN + 1]; /* of the question under way */
};

/* Text of an id, at one of eight places; good until the place is used again. */
static struct str text_of(struct bench *b, size_t place, enum records_group group, int64_t n)
{
    uuid_format(records_id(group, n), b->ids[place]);
    return str_c(b->ids[place]);
}

/* 0 to n - 1, the same row of numbers each time. */
static int64_t random_below(struct bench *b, int64_t n)
{
    b->random = b->random * 6364136223846793005u + 1442695040888963407u;
    return n <= 1 ? 0 : (int64_t)((b->random >> 33) % (uint64_t)n);
}

/* --- questions --- */

struct answer {
    struct store_wait wait;
    int64_t items;
};

static void answered(struct answer *a, size_t items, const struct status *status)
{
    a->items = (int64_t)items;
    store_wait_done(&a->wait, status);
}

static void got_run(void *arg, const struct store_run *run, const struct status *status)
{
    answered(arg, run != NULL && run->nodes.len == RECORDS_NODES_BYTES && run->outputs.len > 0, status);
}

static void got_runs(void *arg, const struct store_run_page *page, const struct status *status)
{
    answered(arg, page == NULL ? 0 : page->count, status);
}

static void got_conversations(void *arg, const struct store_conversation_page *page,
                              const struct status *status)
{
    answered(arg, page == NULL ? 0 : page->count, status);
}

static void got_messages(void *arg, const struct store_message_page *page, const struct status *status)
{
    answered(arg, page == NULL ? 0 : page->count, status);
}

static void got_variables(void *arg, const struct store_conversation_variable_page *page,
                          const struct status *status)
{
    answered(arg, page == NULL ? 0 : page->count, status);
}

static void got_thread(void *arg, const struct store_message_thread *thread, const struct status *status)
{
    answered(arg, thread == NULL ? 0 : thread->turn_count, status);
}

static enum status_code ask_run(struct bench *b, struct answer *a, struct status *err)
{
    const struct store_run_ref r = {.run_id = text_of(b, 0, RUN_GROUP, random_below(b, b->records.runs))};
    return store_run_get(b->store, &r, got_run, a, err);
}

/* Lists of runs: what they have in common. */
static struct store_run_list list_of(struct bench *b, int64_t app)
{
    return (struct store_run_list){.app_id = text_of(b, 0, APP_GROUP, app)};
}

static enum status_code ask_list(struct bench *b, const struct store_run_list *r, struct answer *a,
                                 struct status *err)
{
    return store_run_list(b->store, r, got_runs, a, err);
}

static enum status_code ask_newest(struct bench *b, struct answer *a, struct status *err)
{
    const struct store_run_list r = list_of(b, WORKFLOW);
    return ask_list(b, &r, a, err);
}

static enum status_code ask_older(struct bench *b, struct answer *a, struct status *err)
{
    struct store_run_list r = list_of(b, WORKFLOW);
    r.created_before_ms = records_first_ms + (100 + random_below(b, b->records.runs - 100)) * RECORDS_RUN_MS;
    return ask_list(b, &r, a, err);
}

static enum status_code ask_hour(struct bench *b, struct answer *a, struct status *err)
{
    struct store_run_list r = list_of(b, CHAT);
    r.created_after_ms = records_first_ms + random_below(b, b->records.runs) * RECORDS_RUN_MS;
    r.created_before_ms = r.created_after_ms + 3600 * 1000;
    return ask_list(b, &r, a, err);
}

static enum status_code ask_nobodys_app(struct bench *b, struct answer *a, struct status *err)
{
    const struct store_run_list r = list_of(b, OTHER);
    return ask_list(b, &r, a, err);
}

static enum status_code ask_user(struct bench *b, int64_t user, int32_t status, struct answer *a,
                                 struct status *err)
{
    struct store_run_list r = list_of(b, WORKFLOW);
    r.end_user_id = text_of(b, 1, USER_GROUP, user);
    r.status = status;
    return ask_list(b, &r, a, err);
}

static enum status_code ask_busy_user(struct bench *b, struct answer *a, struct status *err)
{
    return ask_user(b, 0, 0, a, err);
}

static enum status_code ask_any_user(struct bench *b, struct answer *a, struct status *err)
{
    return ask_user(b, 1 + random_below(b, b->records.users - 1), 0, a, err);
}

static enum status_code ask_nobody(struct bench *b, struct answer *a, struct status *err)
{
    return ask_user(b, NOBODY, 0, a, err);
}

static enum status_code ask_busy_users_failed(struct bench *b, struct answer *a, struct status *err)
{
    return ask_user(b, 0, 4, a, err);
}

static enum status_code ask_any_users_failed(struct bench *b, struct answer *a, struct status *err)
{
    return ask_user(b, 1 + random_below(b, b->records.users - 1), 4, a, err);
}

static enum status_code ask_status(struct bench *b, int32_t status, int32_t reason, struct answer *a,
                                   struct status *err)
{
    struct store_run_list r = list_of(b, WORKFLOW);
    r.status = status;
    r.end_reason = reason;
    return ask_list(b, &r, a, err);
}

static enum status_code ask_succeeded(struct bench *b, struct answer *a, struct status *err)
{
    return ask_status(b, 2, 0, a, err);
}

static enum status_code ask_failed(struct bench *b, struct answer *a, struct status *err)
{
    return ask_status(b, 4, 0, a, err);
}

static enum status_code ask_running(struct bench *b, struct answer *a, struct status *err)
{
    return ask_status(b, 1, 0, a, err);
}

static enum status_code ask_timed_out(struct bench *b, struct answer *a, struct status *err)
{
    return ask_status(b, 0, 5, a, err);
}

static enum status_code ask_conversations_runs(struct bench *b, struct answer *a, struct status *err)
{
    struct store_run_list r = list_of(b, CHAT);
    r.conversation_id = text_of(b, 1, CHAT_GROUP, random_below(b, b->records.chats));
    return ask_list(b, &r, a, err);
}

static enum status_code ask_keyword(struct bench *b, const char *keyword, struct answer *a,
                                    struct status *err)
{
    struct store_run_list r = list_of(b, WORKFLOW);
    r.keyword = str_c(keyword);
    return ask_list(b, &r, a, err);
}

static enum status_code ask_common_word(struct bench *b, struct answer *a, struct status *err)
{
    return ask_keyword(b, "\"topic\":\"t8\"", a, err);
}

static enum status_code ask_rare_word(struct bench *b, struct answer *a, struct status *err)
{
    return ask_keyword(b, "nobody said this", a, err);
}

static enum status_code ask_numbered(struct bench *b, struct answer *a, struct status *err)
{
    struct store_run_list r = list_of(b, WORKFLOW);
    r.page = (int32_t)(1 + random_below(b, 50));
    return ask_list(b, &r, a, err);
}

static enum status_code ask_total(struct bench *b, int32_t status, struct answer *a, struct status *err)
{
    struct store_run_list r = list_of(b, WORKFLOW);
    r.status = status;
    r.with_total = true;
    return ask_list(b, &r, a, err);
}

static enum status_code ask_total_of_failed(struct bench *b, struct answer *a, struct status *err)
{
    return ask_total(b, 4, a, err);
}

static enum status_code ask_total_of_all(struct bench *b, struct answer *a, struct status *err)
{
    return ask_total(b, 0, a, err);
}

static enum status_code ask_conversations(struct bench *b, int64_t user, enum store_conversation_order order,
                                          struct answer *a, struct status *err)
{
    const struct store_conversation_list r = {.app_id = text_of(b, 0, APP_GROUP, CHAT),
                                              .end_user_id = text_of(b, 1, USER_GROUP, user),
                                              .order = order};
    return store_conversation_list(b->store, &r, got_conversations, a, err);
}

static enum status_code ask_conversations_by_use(struct bench *b, struct answer *a, struct status *err)
{
    return ask_conversations(b, 0, STORE_LAST_USED_FIRST, a, err);
}

static enum status_code ask_conversations_by_age(struct bench *b, struct answer *a, struct status *err)
{
    return ask_conversations(b, 0, STORE_OLDEST_FIRST, a, err);
}

static enum status_code ask_any_users_conversations(struct bench *b, struct answer *a, struct status *err)
{
    return ask_conversations(b, 1 + random_below(b, b->records.users - 1), STORE_LAST_USED_FIRST, a, err);
}

static struct store_conversation_ref chat_ref(struct bench *b, int64_t chat)
{
    return (struct store_conversation_ref){
        .app_id = text_of(b, 0, APP_GROUP, CHAT),
        .end_user_id = text_of(b, 1, USER_GROUP, records_user_of_chat(&b->records, chat)),
        .conversation_id = text_of(b, 2, CHAT_GROUP, chat)};
}

static enum status_code ask_messages(struct bench *b, struct answer *a, struct status *err)
{
    const struct store_message_list r = {.ref = chat_ref(b, random_below(b, b->records.chats))};
    return store_message_list(b->store, &r, got_messages, a, err);
}

static enum status_code ask_older_messages(struct bench *b, struct answer *a, struct status *err)
{
    int64_t n =
        2 * RECORDS_MESSAGES * b->records.chats + 1 + 2 * (20 + random_below(b, RECORDS_LONG_MESSAGES - 20));
    const struct store_message_list r = {.ref = chat_ref(b, b->records.chats),
                                         .page_token = text_of(b, 3, MESSAGE_GROUP, n)};
    return store_message_list(b->store, &r, got_messages, a, err);
}

static enum status_code ask_variables(struct bench *b, struct answer *a, struct status *err)
{
    const struct store_conversation_variable_list r = {.ref = chat_ref(b, random_below(b, b->records.chats))};
    return store_conversation_variable_list(b->store, &r, got_variables, a, err);
}

static enum status_code ask_thread(struct bench *b, int64_t chat, struct answer *a, struct status *err)
{
    const struct store_conversation_ref ref = chat_ref(b, chat);
    const struct store_message_thread_load r = {
        .app_id = ref.app_id, .end_user_id = ref.end_user_id, .conversation_id = ref.conversation_id};
    return store_message_thread_load(b->store, &r, got_thread, a, err);
}

static enum status_code ask_short_thread(struct bench *b, struct answer *a, struct status *err)
{
    return ask_thread(b, random_below(b, b->records.chats), a, err);
}

static enum status_code ask_long_thread(struct bench *b, struct answer *a, struct status *err)
{
    return ask_thread(b, b->records.chats, a, err);
}

struct question {
    const char *name;
    enum status_code (*ask)(struct bench *b, struct answer *a, struct status *err);
    int64_t least, most; /* items of an answer */
};
static const struct question questions[] = {
    {"a run with its nodes", ask_run, 1, 1},
    {"runs: the newest", ask_newest, 20, 20},
    {"runs: before some time", ask_older, 20, 20},
    {"runs: of an hour", ask_hour, 0, 20},
    {"runs: of an app that has none", ask_nobodys_app, 0, 0},
    {"runs: of a user who has a fifth of all", ask_busy_user, 20, 20},
    {"runs: of any user", ask_any_user, 0, 20},
    {"runs: of a user who has none", ask_nobody, 0, 0},
    {"runs: that failed (4.5 %)", ask_failed, 20, 20},
    {"runs: that succeeded (94 %)", ask_succeeded, 20, 20},
    {"runs: that run (none)", ask_running, 0, 0},
    {"runs: that took too long (0.5 %)", ask_timed_out, 1, 20},
    {"runs: of that user, failed", ask_busy_users_failed, 1, 20},
    {"runs: of any user, failed", ask_any_users_failed, 0, 20},
    {"runs: of a conversation", ask_conversations_runs, RECORDS_MESSAGES, RECORDS_MESSAGES},
    {"runs: page 1 to 50 by number", ask_numbered, 20, 20},
    {"runs: that failed, and how many", ask_total_of_failed, 20, 20},
    {"runs: all, and how many", ask_total_of_all, 20, 20},
    {"runs: with a word that is in 2 % of them", ask_common_word, 1, 20},
    {"runs: with a word that is in none", ask_rare_word, 0, 0},
    {"conversations: last used first", ask_conversations_by_use, 20, 20},
    {"conversations: oldest first", ask_conversations_by_age, 20, 20},
    {"conversations: of any user", ask_any_users_conversations, 0, 20},
    {"messages: of a conversation", ask_messages, RECORDS_MESSAGES, RECORDS_MESSAGES},
    {"messages: older ones of a long conversation", ask_older_messages, 20, 20},
    {"variables of a conversation", ask_variables, 3, 3},
    {"a thread of ten messages", ask_short_thread, RECORDS_MESSAGES, RECORDS_MESSAGES},
    {"a thread of two thousand messages", ask_long_thread, STORE_THREAD_TURNS_MAX, STORE_THREAD_TURNS_MAX},
};

static enum status_code ask_once(struct bench *b, const struct question *q, int64_t *ret_items,
                                 int64_t *ret_us, struct status *err)
{
    struct answer answer = {.items = 0};
    store_wait_init(&answer.wait);
    int64_t begin_us = clock_monotonic_us();
    enum status_code rc = q->ask(b, &answer, err);
    if (rc != STATUS_OK) {
        store_wait_fini(&answer.wait);
        return rc;
    }
    rc = store_wait(&answer.wait, err);
    *ret_us = clock_monotonic_us() - begin_us;
    *ret_items = answer.items;
    if (rc == STATUS_OK && (answer.items < q->least || answer.items > q->most))
        return status_set(err, STATUS_INTERNAL, "%s: %lld items", q->name, (long long)answer.items);
    return rc;
}

static enum status_code ask_all(struct bench *b, struct buf *out, struct status *err)
{
    static struct histogram took; /* large for a stack */
    enum status_code rc = STATUS_OK;
    for (size_t i = 0; rc == STATUS_OK && i < ARRAY_LEN(questions); i++) {
        int64_t items = 0, all_items = 0, us = 0;
        took = (struct histogram){.count = 0};
        for (int64_t round = 0; rc == STATUS_OK && round < b->options.rounds; round++) {
            rc = ask_once(b, &questions[i], &items, &us, err);
            all_items += items;
            histogram_add(&took, us);
        }
        buf_printf(out, "%s{\"name\":\"%s\",\"items\":%.1f,\"us\":", i == 0 ? "" : ",", questions[i].name,
                   (double)all_items / (double)b->options.rounds);
        histogram_put_json(out, &took);
        buf_put_char(out, '}');
    }
    return rc;
}

/* --- the whole --- */

static int64_t file_bytes(const char *store)
{
    struct stat info;
    char *path = sqlite_path(store, ".records", true);
    int64_t bytes = path != NULL && stat(path, &info) == 0 ? (int64_t)info.st_size : 0;
    free(path);
    return bytes;
}

static enum status_code measure(struct bench *b, struct buf *out, struct status *err)
{
    char url[4096];
    struct db *db = NULL;
    int from, to;
    (void)snprintf(url, sizeof url, "sqlite:%s", b->options.store);
    const struct store_options options = {
        .file = STORE_RECORDS, .role = STORE_GATEWAY, .schema = STORE_MIGRATE};
    int64_t begin_us = clock_monotonic_us();
    enum status_code rc = store_migrate(url, STORE_RECORDS, &from, &to, err);
    if (rc == STATUS_OK)
        rc = db_open(url, &(struct db_open){.part = DB_RECORDS, .is_relaxed = true}, &db, err);
    if (rc == STATUS_OK)
        rc = records_fill(db, &b->records, err);
    db_close(db);
    int64_t fill_us = clock_monotonic_us() - begin_us;
    if (rc == STATUS_OK)
        rc = store_open(url, &options, &b->store, err);
    if (rc != STATUS_OK)
        return rc;
    buf_printf(out, "{\"runs\":%lld,\"conversations\":%lld,\"fill_us\":%lld,\"bytes\":%lld,\"questions\":[",
               (long long)b->records.runs, (long long)b->records.chats + 1, (long long)fill_us,
               (long long)file_bytes(b->options.store));
    rc = ask_all(b, out, err);
    buf_put_c(out, "]}");
    store_close(b->store);
    return rc;
}

static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {{"store", required_argument, NULL, 's'},
                                          {"runs", required_argument, NULL, 'n'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {NULL, 0, NULL, 0}};
    *o = (struct options){.runs = 1000000, .rounds = 1000};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (c == 's')
            o->store = optarg;
        else if ((c != 'n' || !str_to_i64(str_c(optarg), &o->runs)) &&
                 (c != 'r' || !str_to_i64(str_c(optarg), &o->rounds)))
            return false;
    }
    return o->store != NULL && o->runs >= RUNS_MIN && o->runs < NOBODY && o->rounds > 0 && optind == argc;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct status err = {0};
    struct buf out;
    if (!read_options(argc, argv, &bench.options)) {
        (void)fprintf(stderr, "records_bench: --store FILE [--runs N (at least %d)] [--rounds N]\n",
                      RUNS_MIN);
        return 2;
    }
    bench.records = records_of(bench.options.runs);
    buf_init(&out, 1 << 20);
    enum status_code rc = measure(&bench, &out, &err);
    if (rc == STATUS_OK)
        (void)printf("%.*s\n", STR_ARG(buf_str(&out)));
    else
        (void)fprintf(stderr, "records_bench: %s\n", err.message);
    buf_fini(&out);
    return rc == STATUS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
