/*
 * db: one connection to a database, behind a driver. The only thing the rest of shared/store knows of SQLite; a second
 * driver brings its own `struct db_driver` and, where one text does not serve both, a second text in `struct sql`.
 *
 * Statements  write parameters as $1 … $9, are kept prepared, and are known by the address of their struct sql: it must be
 *             static. Only texts, 64-bit integers, bytes and NULL go in and out; booleans are 0 and 1.
 * Errors      UNAVAILABLE (STORE_BUSY, STORE_FULL, STORE_IO), ALREADY_EXISTS (a unique key), FAILED_PRECONDITION
 *             (STORE_READ_ONLY), DATA_LOSS (STORE_CORRUPT), RESOURCE_EXHAUSTED (memory), INTERNAL (our mistake;
 *             ROW_REFUSED: about this row only)
 * Threads     a connection belongs to one thread at a time.
 * Source      postgres.md section 9 (the statements that both databases understand).
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/str.h"

/* parameters. Of one statement; two digits at most in their names. */
#define DB_VALUES_MAX 32

struct sql {
    const char *text;
};

enum db_kind { DB_KIND_NULL, DB_KIND_INT, DB_KIND_TEXT, DB_KIND_BLOB };
struct db_value {
    enum db_kind kind;
    int64_t number;
    struct str bytes;
};
#define DB_NULL    ((struct db_value){.kind = DB_KIND_NULL})
#define DB_INT(n)  ((struct db_value){.kind = DB_KIND_INT, .number = (n)})
#define DB_TEXT(s) ((struct db_value){.kind = DB_KIND_TEXT, .bytes = (s)})
#define DB_BLOB(s) ((struct db_value){.kind = DB_KIND_BLOB, .bytes = (s)})
/* The pair of arguments `values, count`: DB_VALUES(DB_TEXT(id), DB_INT(n)). */
#define DB_VALUES(...)                                                                                       \
    (const struct db_value[]){__VA_ARGS__},                                                                  \
        sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value)
#define DB_NO_VALUES NULL, 0

/* The two databases of a store (store.h, enum store_file). */
enum db_part { DB_CONTROL, DB_RECORDS, DB_PARTS };

struct db {
    const struct db_driver *driver;
    enum db_part part;
};

/* One running statement; failure sticks, so a loop needs no checks of its own. */
struct db_rows {
    struct db *db;
    void *statement; /* the driver's; NULL when it did not start */
    enum status_code rc;
    struct status *err;
};

/* What is done to the schema in one transaction. Released ones never change. */
struct db_migration {
    int version; /* from 1, without gaps */
    const char *script;
};

struct db_schema { /* the steps, in order */
    const struct db_migration *migrations;
    size_t count;
};

struct db_open {
    enum db_part part;
    bool create;     /* make it when there is none */
    bool query_only; /* refuse every write */
    bool is_relaxed; /* a commit outlives this process, but not a power cut */
    bool leaves_log; /* its commits leave db_checkpoint() to somebody else (checkpoint.h) */
};
enum db_access { DB_READ, DB_WRITE };

/* Of a copy on its way; false ends it. */
struct db_watch {
    bool (*goes_on)(void *arg, int64_t done_bytes, int64_t all_bytes);
    void *arg;
};

struct db_driver {
    const char *scheme; /* what URLs start with: "sqlite:" */
    struct db_schema schemas[DB_PARTS];
    /* rest: the URL behind the scheme. Errors besides the above: NOT_FOUND, INVALID_ARGUMENT (field "store"). */
    enum status_code (*open)(const char *rest, const struct db_open *how, struct db **ret_db,
                             struct status *err);
    void (*close)(struct db *db);
    enum status_code (*script)(struct db *db, const char *script, struct status *err);
    enum status_code (*begin)(struct db *db, enum db_access access, struct status *err);
    enum status_code (*commit)(struct db *db, struct status *err);
    void (*rollback)(struct db *db); /* does nothing outside a transaction */
    void *(*start)(struct db *db, const struct sql *sql, const struct db_value *values, size_t count,
                   struct status *err); /* NULL on failure */
    enum status_code (*next)(struct db *db, void *statement, bool *ret_row, struct status *err);
    struct db_value (*column)(void *statement, int column);
    void (*end)(void *statement);
    enum status_code (*has_table)(struct db *db, const char *name, bool *ret, struct status *err);
    enum status_code (*data_version)(struct db *db, int64_t *ret_version, struct status *err);
    enum status_code (*check)(struct db *db, struct status *err);
    int64_t (*log_pages)(struct db *db);
    enum status_code (*checkpoint)(struct db *db, int wait_ms, struct status *err);
    enum status_code (*copy)(struct db *db, const char *path, const struct db_watch *watch,
                             struct status *err);
    enum status_code (*file)(const char *rest, enum db_part part, char **ret_path, struct status *err);
};

extern const struct db_driver sqlite_driver;

/* url: scheme and rest. Errors of the driver's open; INVALID_ARGUMENT (field "store") for an unknown scheme. */
MUST_CHECK enum status_code db_open(const char *url, const struct db_open *how, struct db **ret_db,
                                    struct status *err);
void db_close(struct db *take_db); /* NULL is allowed */
const struct db_schema *db_schema(const struct db *db);

/* Several statements without parameters and results. */
MUST_CHECK enum status_code db_script(struct db *db, const char *script, struct status *err);
/* DB_READ: everything read until the end is of one moment. DB_WRITE: waits for the one write lock first. */
MUST_CHECK enum status_code db_begin(struct db *db, enum db_access access, struct status *err);
/* On failure nothing was written and the transaction is over. */
MUST_CHECK enum status_code db_commit(struct db *db, struct status *err);
void db_rollback(struct db *db);

/* A statement without results. values are borrowed for the call. */
MUST_CHECK enum status_code db_run(struct db *db, const struct sql *sql, const struct db_value *values,
                                   size_t count, struct status *err);
/*
 * A statement with results:
 *     struct db_rows rows = db_query(db, &sql_names, DB_VALUES(DB_TEXT(id)), err);
 *     while (db_next(&rows))
 *         name = db_text(&rows, 0);
 *     rc = db_end(&rows);
 * values and err must live until db_end(), which must come, and gives the status of it all.
 */
struct db_rows db_query(struct db *db, const struct sql *sql, const struct db_value *values, size_t count,
                        struct status *err);
bool db_next(struct db_rows *rows);
enum status_code db_end(struct db_rows *rows);
/* Columns of the current row, from 0; borrowed until the next db_next() or db_end(). NULL reads as 0 and "". */
int64_t db_int(const struct db_rows *rows, int column);
struct str db_text(const struct db_rows *rows, int column); /* bytes as well */

MUST_CHECK enum status_code db_has_table(struct db *db, const char *name, bool *ret, struct status *err);
/* A number that is another one after every commit of another connection, and stays after those of this one. */
MUST_CHECK enum status_code db_data_version(struct db *db, int64_t *ret_version, struct status *err);
/* Integrity of the whole database and whether it can be written. */
MUST_CHECK enum status_code db_check(struct db *db, struct status *err);

/* Pages a connection that leaves its log has put there since the log began anew, as its last commit left it. */
int64_t db_log_pages(struct db *db);
/*
 * Moves the log into the file. wait_ms 0: what can be moved without waiting for anybody. Otherwise all of it, waiting so long
 * for those who read; the log begins anew with the next commit.
 * UNAVAILABLE (STORE_BUSY): another is at it, or was reading for longer.
 */
MUST_CHECK enum status_code db_checkpoint(struct db *db, int wait_ms, struct status *err);
/*
 * Writes all of the database, as it is in one moment, to the file `path`, which is empty; commits go on meanwhile.
 * watch may be NULL. CANCELLED: it said so.
 */
MUST_CHECK enum status_code db_copy(struct db *db, const char *path, const struct db_watch *watch,
                                    struct status *err);
/* The file that a part of the store at `url` is kept in; free() it. FAILED_PRECONDITION: it is not kept in a file. */
MUST_CHECK enum status_code db_file(const char *url, enum db_part part, char **ret_path, struct status *err);
