/*
 * Loss of power: whatever the disk had not been told to keep is there, or lost, or torn in sectors of 512 bytes. What was
 * acknowledged is there in every such state, and no run is there by half.
 *
 * HEDDLE_POWER_CUTS, HEDDLE_POWER_SEED: other numbers than those below.
 */
#include "shared/store/journal.h"
#include "tests/shared/store/fault_vfs.h"
#include "tests/shared/store/fixture.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    THREADS = 4,
    RUNS_EACH = 250,
    RUNS = THREADS * RUNS_EACH,
    CUTS = 250,
    SECTOR = 512,
    NODES_BYTES = 900
};

#define APP "01890a5d-ac96-774b-bcce-b302099a80a0"

static uint64_t random_state;
static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % n;
}

static unsigned long number_of(const char *variable, unsigned long otherwise)
{
    const char *text = getenv(variable);
    return text == NULL ? otherwise : strtoul(text, NULL, 10);
}

/* --- the load --- */

struct run {
    struct journal_run place;
    int number;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_begun, is_ended;
};

static void tell(struct run *r, bool *what)
{
    pthread_mutex_lock(&r->lock);
    *what = true;
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void begun(struct journal_run *place, enum journal_outcome outcome)
{
    assert_int_equal(JOURNAL_DURABLE, outcome);
    tell(CONTAINER_OF(place, struct run, place), &CONTAINER_OF(place, struct run, place)->is_begun);
}

static void ended(struct journal_run *place, enum journal_outcome outcome)
{
    struct run *r = CONTAINER_OF(place, struct run, place);
    assert_int_equal(JOURNAL_DURABLE, outcome);
    fault_vfs_mark(r->number); /* from here on it has to be there */
    tell(r, &r->is_ended);
}

static const struct journal_ops ops = {.begun = begun, .ended = ended};

static void wait_for(struct run *r, const bool *what)
{
    pthread_mutex_lock(&r->lock);
    while (!*what)
        pthread_cond_wait(&r->changed, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

static void make_run(struct journal *j, int number)
{
    struct run r = {.place.ops = &ops, .number = number};
    char id[UUID_TEXT_LEN + 1], message_id[UUID_TEXT_LEN + 1], chat_id[UUID_TEXT_LEN + 1];
    char nodes[NODES_BYTES / 2];
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.changed, NULL);
    snprintf(id, sizeof id, "01890a5d-ac96-774b-bcce-%012d", number);
    snprintf(message_id, sizeof message_id, "01890a5d-ac97-774b-bcce-%012d", number);
    snprintf(chat_id, sizeof chat_id, "01890a5d-ac98-774b-bcce-%012d", number);
    memset(nodes, 'a' + number % 26, sizeof nodes);
    bool is_apart = number % 3 == 0; /* beginning and end in commits of their own */
    const struct journal_begin begin = {.workspace_id = STR("default"),
                                        .run_id = str_c(id),
                                        .app_id = STR(APP),
                                        .version_id = STR(APP),
                                        .user = STR("u"),
                                        .record = STORE_RECORD_FULL,
                                        .mode = STORE_APP_CHAT,
                                        .attempt = 1,
                                        .created_at_ms = 1000 + number,
                                        .inputs = STR("{\"a\":1}"),
                                        .must_be_first = is_apart,
                                        .conversation_id = str_c(chat_id),
                                        .message_id = str_c(message_id),
                                        .conversation_is_new = true,
                                        .query = STR("why?")};
    const struct journal_end end = {.status = 2,
                                    .end_reason = 1,
                                    .finished_at_ms = 5000 + number,
                                    .outputs = STR("{\"x\":2}"),
                                    .answer = STR("because")};
    assert_true(journal_begin(j, &r.place, &begin));
    if (is_apart)
        wait_for(&r, &r.is_begun);
    for (int i = 0; i < 2; i++)
        assert_true(journal_nodes(j, &r.place, (struct str){nodes, sizeof nodes}));
    assert_true(journal_end(j, &r.place, &end));
    wait_for(&r, &r.is_ended);
    pthread_cond_destroy(&r.changed);
    pthread_mutex_destroy(&r.lock);
}

struct maker {
    pthread_t thread;
    struct journal *j;
    int first;
};

static void *make_runs(void *arg)
{
    struct maker *m = arg;
    for (int i = 0; i < RUNS_EACH; i++)
        make_run(m->j, m->first + i);
    return NULL;
}

/* --- what the disk holds --- */

struct image {
    uint8_t *bytes;
    size_t len, cap;
};

static void image_grow(struct image *image, size_t len)
{
    if (len > image->cap) {
        image->cap = len * 2;
        image->bytes = realloc(image->bytes, image->cap);
        assert_non_null(image->bytes);
    }
    if (len > image->len) {
        memset(image->bytes + image->len, 0, len - image->len);
        image->len = len;
    }
}

static void image_write(struct image *image, int64_t offset, const uint8_t *bytes, size_t len)
{
    image_grow(image, (size_t)offset + len);
    memcpy(image->bytes + offset, bytes, len);
}

static void image_apply(struct image *image, const struct fault_op *op)
{
    if (op->kind == FAULT_WRITE)
        image_write(image, op->offset, op->bytes, op->len);
    else if (op->kind == FAULT_TRUNCATE && (size_t)op->offset < image->len)
        image->len = (size_t)op->offset;
}

/* Any part of what was not synced may be there. */
static void image_apply_partly(struct image *image, const struct fault_op *op, uint32_t how)
{
    enum { NOTHING, EVERYTHING, SOME_OPS }; /* otherwise: some sectors */
    if (how == NOTHING || (how == SOME_OPS && random_below(2) == 0))
        return;
    if (how == EVERYTHING || how == SOME_OPS || op->kind != FAULT_WRITE) {
        if (op->kind == FAULT_WRITE || how == EVERYTHING || random_below(2) == 0)
            image_apply(image, op);
        return;
    }
    for (size_t at = 0; at < op->len;) {
        size_t len = SECTOR - ((size_t)op->offset + at) % SECTOR;
        len = len < op->len - at ? len : op->len - at;
        if (random_below(2) == 0)
            image_write(image, op->offset + (int64_t)at, op->bytes + at, len);
        at += len;
    }
}

static void image_copy(struct image *to, const struct image *from)
{
    to->len = 0;
    image_grow(to, from->len);
    if (from->len > 0)
        memcpy(to->bytes, from->bytes, from->len);
}

static void image_read(struct image *image, const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    image_grow(image, (size_t)ftell(file));
    rewind(file);
    assert_int_equal(image->len, fread(image->bytes, 1, image->len, file));
    fclose(file);
}

static void image_save(const struct image *image, const char *path)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    if (image->len > 0)
        assert_int_equal(image->len, fwrite(image->bytes, 1, image->len, file));
    assert_int_equal(0, fclose(file));
}

/* --- looking at a state --- */

struct lost { /* the machine's disk after a cut */
    char dir[64], path[2][128], url[128];
};

static int number_in(struct str id)
{
    assert_int_equal(16, id.len);
    int number = 0; /* the last 12 digits of the text are decimal */
    for (int i = 10; i < 16; i++)
        number = number * 100 + ((uint8_t)id.ptr[i] >> 4) * 10 + ((uint8_t)id.ptr[i] & 15);
    return number;
}

static int look(const struct lost *lost, bool is_there[RUNS])
{
    static const struct sql all = {
        "select r.id, r.finished_at_ms, r.status, coalesce((select sum(length(nodes)) from run_nodes n "
        "where n.workspace_id = r.workspace_id and n.run_id = r.id), 0), m.finished_at_ms, m.answer, "
        "(select count(*) from conversations c where c.workspace_id = r.workspace_id and "
        "c.id = r.conversation_id) "
        "from runs r left join messages m on m.workspace_id = r.workspace_id and m.id = r.message_id"};
    static const struct sql strays = {
        "select (select count(*) from messages where run_id not in (select id from runs)) + "
        "(select count(*) from run_nodes where run_id not in (select id from runs))"};
    struct db *db = NULL;
    struct status err = {0};
    int count = 0;
    memset(is_there, 0, RUNS * sizeof *is_there);
    assert_ok(db_open(lost->url, &(struct db_open){.part = DB_RECORDS}, &db, &err));
    assert_ok(db_check(db, &err));
    struct db_rows rows = db_query(db, &all, DB_NO_VALUES, &err);
    while (db_next(&rows)) {
        int number = number_in(db_text(&rows, 0));
        bool is_ended = db_int(&rows, 1) != 0;
        assert_in_range(number, 0, RUNS - 1);
        assert_int_equal(is_ended ? 5000 + number : 0, db_int(&rows, 1));
        assert_int_equal(is_ended ? 2 : 1, db_int(&rows, 2));
        if (is_ended)
            assert_int_equal(NODES_BYTES, db_int(&rows, 3));
        assert_int_equal(db_int(&rows, 1), db_int(&rows, 4)); /* run and message end together */
        assert_str(is_ended ? "because" : "", db_text(&rows, 5));
        assert_int_equal(1, db_int(&rows, 6));
        is_there[number] = is_ended;
        count++;
    }
    assert_ok(db_end(&rows));
    rows = db_query(db, &strays, DB_NO_VALUES, &err);
    while (db_next(&rows))
        assert_int_equal(0, db_int(&rows, 0));
    assert_ok(db_end(&rows));
    db_close(db);
    return count;
}

static int by_number(const void *a, const void *b)
{
    const size_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Half of them anywhere, half of them right before or behind a sync. */
static size_t *choose_cuts(const struct fault_op *noted, size_t op_count, size_t cut_count)
{
    size_t *cuts = calloc(cut_count, sizeof *cuts);
    assert_non_null(cuts);
    for (size_t i = 0; i < cut_count; i++) {
        size_t at = random_below((uint32_t)op_count);
        for (size_t tries = 0; i % 2 == 0 && noted[at].kind != FAULT_SYNC && tries < 10000; tries++)
            at = random_below((uint32_t)op_count);
        cuts[i] = at + random_below(2);
    }
    qsort(cuts, cut_count, sizeof *cuts, by_number);
    return cuts;
}

static void check_cuts(const struct lost *lost, struct image durable[2])
{
    static bool is_there[RUNS], is_told[RUNS];
    size_t op_count, cut_count = number_of("HEDDLE_POWER_CUTS", CUTS), done = 0, told = 0, moved = 0;
    const struct fault_op *noted = fault_vfs_ops(&op_count);
    size_t *cuts = choose_cuts(noted, op_count, cut_count), synced[2] = {0, 0};
    struct image image[2] = {{0}};
    for (size_t i = 0; i < cut_count; i++) {
        for (; done < cuts[i]; done++) {
            const struct fault_op *op = &noted[done];
            if (op->kind == FAULT_MARK) {
                is_told[op->mark] = true;
                told++;
            }
            if (op->kind != FAULT_SYNC)
                continue;
            moved += op->file == 0;
            for (size_t k = synced[op->file]; k < done; k++) {
                if (noted[k].kind != FAULT_MARK && noted[k].file == op->file)
                    image_apply(&durable[op->file], &noted[k]);
            }
            synced[op->file] = done;
        }
        uint32_t how = random_below(6);
        for (int file = 0; file < 2; file++) {
            image_copy(&image[file], &durable[file]);
            for (size_t k = synced[file]; k < done; k++) {
                bool is_its = noted[k].kind == FAULT_WRITE || noted[k].kind == FAULT_TRUNCATE;
                if (is_its && noted[k].file == file)
                    image_apply_partly(&image[file], &noted[k], how);
            }
            image_save(&image[file], lost->path[file]);
        }
        int count = look(lost, is_there);
        for (int n = 0; n < RUNS; n++) {
            if (is_told[n] && !is_there[n])
                fail_msg("cut %zu (way %u): run %d was acknowledged, and is gone", cuts[i], how, n);
        }
        assert_true((size_t)count >= told);
    }
    print_message("%zu states after %zu writes and syncs; runs acknowledged by the last: %zu\n", cut_count,
                  op_count, told);
    assert_true(told > RUNS / 2);
    assert_true(moved > 0); /* cuts fell before and behind moves of the log into the file, too */
    free(cuts);
    free(image[0].bytes);
    free(image[1].bytes);
}

static void what_was_acknowledged_outlives_a_loss_of_power(void **state)
{
    struct fixture *f = *state;
    struct journal *j = NULL;
    struct maker makers[THREADS];
    struct image durable[2] = {{0}};
    struct lost lost = {.dir = "/tmp/heddle-power-XXXXXX"};
    char path[128], log_path[128];
    int from, to;
    random_state = number_of("HEDDLE_POWER_SEED", 20261125);
    fault_vfs_install();
    /* Held open, so that the log stays. */
    struct db *first = NULL;
    assert_ok(db_open(f->url, &(struct db_open){.part = DB_RECORDS, .create = true}, &first, &f->err));
    assert_ok(store_migrate(f->url, STORE_RECORDS, &from, &to, &f->err));
    assert_ok(journal_open(&(struct journal_options){.url = f->url, .instance = 1}, &j, &f->err));
    snprintf(path, sizeof path, "%s/heddle.records.db", f->dir);
    snprintf(log_path, sizeof log_path, "%s/heddle.records.db-wal", f->dir);
    image_read(&durable[0], path);
    image_read(&durable[1], log_path);
    fault_vfs_pretend_syncs(true); /* what is durable is decided here */
    fault_vfs_note(true);
    for (int i = 0; i < THREADS; i++) {
        makers[i] = (struct maker){.j = j, .first = i * RUNS_EACH};
        assert_int_equal(0, pthread_create(&makers[i].thread, NULL, make_runs, &makers[i]));
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(makers[i].thread, NULL);
    fault_vfs_note(false);
    journal_close(j);
    db_close(first);

    assert_non_null(mkdtemp(lost.dir));
    snprintf(lost.path[0], sizeof lost.path[0], "%s/heddle.records.db", lost.dir);
    snprintf(lost.path[1], sizeof lost.path[1], "%s/heddle.records.db-wal", lost.dir);
    snprintf(lost.url, sizeof lost.url, "sqlite:%s/heddle.db", lost.dir);
    check_cuts(&lost, durable);
    unlink(lost.path[0]);
    unlink(lost.path[1]);
    assert_int_equal(0, rmdir(lost.dir));
    free(durable[0].bytes);
    free(durable[1].bytes);
    fault_vfs_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_acknowledged_outlives_a_loss_of_power, fixture_setup_empty,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
