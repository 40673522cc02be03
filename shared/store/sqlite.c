/*
 * sqlite: the driver for a file on one machine (db.h). Used by db.c only.
 *
 * WAL, so that readers and the writer do not wait for each other; synchronous=full, so that a commit outlives a power cut.
 * Prepared statements are kept by the address of their struct sql; parameters are bound by name, because SQLite numbers
 * `$2, $1` by appearance (postgres.md section 9).
 */
#include "shared/base/clock.h"
#include "shared/store/sqlite_db.h"
#include "shared/store/sqlite_path.h"
#include "shared/store/sqlite_schema.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ms. How long a statement waits for the write lock of another process (worker-loop.md section 9). */
#define BUSY_MS 2000
/* KiB. Of a busy writer: a large commit whose pages do not fit in is written twice. */
#define WRITER_CACHE_KIB "32768"
/* bytes. Of the write-ahead log that stay on disk when it starts anew: what a long reader made it grow is given back. */
#define LOG_BYTES_KEPT "67108864"
/* ms. Between two tries to switch a new file to WAL: SQLite does not wait by itself then. */
#define WAL_RETRY_MS 10

/* Some forty statements: looking through a list of pointers costs nothing beside a step of the database. */
struct statement {
    struct statement *next;
    const struct sql *sql;
    sqlite3_stmt *stmt;
    int index[DB_VALUES_MAX]; /* of $1, $2, …; 0 when the text does not use it */
};

static enum status_code check_path(const char *path, const struct db_open *how, struct status *err);
static enum status_code check_directory(const char *path, struct status *err);
static enum status_code create_file(const char *path, struct status *err);
static enum status_code path_error(const char *path, int error, struct status *err);
static enum status_code configure(struct sqlite_db *s, const struct db_open *how, struct status *err);
static int wait_for_lock(void *arg, int tries);
static int note_log_pages(void *arg, sqlite3 *handle, const char *database, int pages);
static enum status_code switch_to_wal(struct sqlite_db *s, struct status *err);
static enum status_code pragma_text(struct sqlite_db *s, const char *pragma, char *ret, size_t size,
                                    struct status *err);
static struct statement *prepare(struct sqlite_db *s, const struct sql *sql, struct status *err);
static int bind(sqlite3_stmt *stmt, int index, const struct db_value *value);

static enum status_code open_part(const char *path, const struct db_open *how, struct db **ret_db,
                                  struct status *err)
{
    enum status_code rc = check_path(path, how, err);
    if (rc != STATUS_OK)
        return rc;
    struct sqlite_db *s = calloc(1, sizeof *s);
    if (s == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no memory");
    s->db.driver = &sqlite_driver;
    s->db.part = how->part;
    int opened = sqlite3_open_v2(path, &s->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    rc = opened == SQLITE_OK ? configure(s, how, err) : sqlite_error(s->handle, opened, err);
    if (rc != STATUS_OK) {
        (void)status_prefix(err, "%s", path);
        sqlite_driver.close(&s->db);
        return rc;
    }
    *ret_db = &s->db;
    return STATUS_OK;
}

static enum status_code sqlite_open(const char *path, const struct db_open *how, struct db **ret_db,
                                    struct status *err)
{
    bool is_path = path[0] != '\0' && path[0] != ':';
    char *own = sqlite_path(path, is_path && how->part == DB_RECORDS ? ".records" : "", true);
    if (own == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no memory");
    enum status_code rc = open_part(own, how, ret_db, err);
    free(own);
    return rc;
}

static void sqlite_close(struct db *db)
{
    struct sqlite_db *s = sqlite_of(db);
    for (struct statement *st = s->statements, *next; st != NULL; st = next) {
        next = st->next;
        sqlite3_finalize(st->stmt);
        free(st);
    }
    int rc = sqlite3_close(s->handle);
    assert(rc == SQLITE_OK); /* every statement is finalized */
    free(s);
}

static enum status_code sqlite_script(struct db *db, const char *script, struct status *err)
{
    struct sqlite_db *s = sqlite_of(db);
    int rc = sqlite3_exec(s->handle, script, NULL, NULL, NULL);
    return rc == SQLITE_OK ? STATUS_OK : sqlite_error(s->handle, rc, err);
}

static enum status_code sqlite_begin(struct db *db, enum db_access access, struct status *err)
{
    static const struct sql read = {"begin"}, write = {"begin immediate"};
    return db_run(db, access == DB_WRITE ? &write : &read, DB_NO_VALUES, err);
}

static enum status_code sqlite_commit(struct db *db, struct status *err)
{
    static const struct sql sql = {"commit"};
    return db_run(db, &sql, DB_NO_VALUES, err);
}

static void sqlite_rollback(struct db *db)
{
    struct sqlite_db *s = sqlite_of(db);
    if (sqlite3_get_autocommit(s->handle) != 0)
        return; /* none open: after some errors SQLite has rolled back by itself */
    int rc = sqlite3_exec(s->handle, "rollback", NULL, NULL, NULL);
    assert(rc == SQLITE_OK || sqlite3_get_autocommit(s->handle) != 0);
}

static void *sqlite_start(struct db *db, const struct sql *sql, const struct db_value *values, size_t count,
                          struct status *err)
{
    struct sqlite_db *s = sqlite_of(db);
    struct statement *st = prepare(s, sql, err);
    if (st == NULL)
        return NULL;
    assert(sqlite3_stmt_busy(st->stmt) == 0); /* one use at a time */
    for (size_t i = 0; i < count; i++) {
        if (st->index[i] == 0)
            continue; /* the text does not need it */
        int rc = bind(st->stmt, st->index[i], &values[i]);
        if (rc != SQLITE_OK) {
            sqlite_error(s->handle, rc, err);
            sqlite_driver.end(st);
            return NULL;
        }
    }
    return st;
}

static enum status_code sqlite_next(struct db *db, void *statement, bool *ret_row, struct status *err)
{
    struct statement *st = statement;
    int rc = sqlite3_step(st->stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return sqlite_error(sqlite_of(db)->handle, rc, err);
    *ret_row = rc == SQLITE_ROW;
    return STATUS_OK;
}

static struct db_value sqlite_column(void *statement, int column)
{
    sqlite3_stmt *stmt = ((struct statement *)statement)->stmt;
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        return DB_INT(sqlite3_column_int64(stmt, column));
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(stmt, column);
        return DB_TEXT(((struct str){text, (size_t)sqlite3_column_bytes(stmt, column)}));
    }
    case SQLITE_BLOB: {
        const char *bytes = sqlite3_column_blob(stmt, column);
        return DB_BLOB(((struct str){bytes, (size_t)sqlite3_column_bytes(stmt, column)}));
    }
    default: /* NULL; no column of ours is REAL */
        return DB_NULL;
    }
}

static void sqlite_end(void *statement)
{
    struct statement *st = statement;
    sqlite3_reset(st->stmt); /* its status has been told by step */
    sqlite3_clear_bindings(st->stmt);
}

static enum status_code sqlite_has_table(struct db *db, const char *name, bool *ret, struct status *err)
{
    static const struct sql sql = {"select 1 from sqlite_schema where type = 'table' and name = $1"};
    bool found = false;
    struct db_rows rows = db_query(db, &sql, DB_VALUES(DB_TEXT(str_c(name))), err);
    while (db_next(&rows))
        found = true;
    enum status_code rc = db_end(&rows);
    if (rc == STATUS_OK)
        *ret = found;
    return rc;
}

static enum status_code sqlite_data_version(struct db *db, int64_t *ret_version, struct status *err)
{
    static const struct sql sql = {"pragma data_version"};
    int64_t version = 0;
    struct db_rows rows = db_query(db, &sql, DB_NO_VALUES, err);
    while (db_next(&rows))
        version = db_int(&rows, 0);
    enum status_code rc = db_end(&rows);
    if (rc == STATUS_OK)
        *ret_version = version;
    return rc;
}

static enum status_code sqlite_check(struct db *db, struct status *err)
{
    char found[256], query_only[8];
    enum status_code rc = pragma_text(sqlite_of(db), "pragma quick_check(1)", found, sizeof found, err);
    if (rc != STATUS_OK)
        return rc;
    if (strcmp(found, "ok") != 0)
        return status_reason(err, STATUS_DATA_LOSS, "STORE_CORRUPT", "store: the file is damaged: %s", found);
    rc = pragma_text(sqlite_of(db), "pragma query_only", query_only, sizeof query_only, err);
    bool is_query_only = rc == STATUS_OK && strcmp(query_only, "1") == 0;
    /* Who only reads needs a writable file too, for what SQLite keeps beside it: lift our own rule for the trial. */
    if (is_query_only)
        rc = sqlite_script(db, "pragma query_only = off", err);
    if (rc == STATUS_OK)
        rc = sqlite_begin(db, DB_WRITE, err);
    if (rc == STATUS_OK)
        rc = sqlite_script(db, "create table check_write (n integer) strict", err);
    sqlite_rollback(db);
    struct status late;
    if (is_query_only && sqlite_script(db, "pragma query_only = on", &late) != STATUS_OK && rc == STATUS_OK) {
        *err = late;
        rc = late.code;
    }
    return rc;
}

const struct db_driver sqlite_driver = {
    .scheme = "sqlite:",
    .schemas = {[DB_CONTROL] = {sqlite_migrations, SQLITE_MIGRATION_COUNT},
                [DB_RECORDS] = {sqlite_record_migrations, SQLITE_RECORD_MIGRATION_COUNT}},
    .open = sqlite_open,
    .close = sqlite_close,
    .script = sqlite_script,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .start = sqlite_start,
    .next = sqlite_next,
    .column = sqlite_column,
    .end = sqlite_end,
    .has_table = sqlite_has_table,
    .data_version = sqlite_data_version,
    .check = sqlite_check,
    .log_pages = sqlite_log_pages,
    .checkpoint = sqlite_checkpoint,
    .copy = sqlite_copy,
    .file = sqlite_file,
};

/*
 * Says in clear words what SQLite would only call "unable to open database file". An existing file is never opened here:
 * closing it again would drop the locks this process may hold on it already.
 */
static enum status_code check_path(const char *path, const struct db_open *how, struct status *err)
{
    if (path[0] == '\0' || path[0] == ':')
        return status_field(err, "store", "sqlite: needs the path of a file");
    struct stat file;
    if (stat(path, &file) != 0) {
        if (errno != ENOENT)
            return path_error(path, errno, err);
        if (!how->create)
            return status_reason(err, STATUS_NOT_FOUND, "STORE_NOT_FOUND", "store: %s: no such file", path);
        enum status_code rc = check_directory(path, err);
        return rc == STATUS_OK ? create_file(path, err) : rc;
    }
    if (!S_ISREG(file.st_mode))
        return status_field(err, "store", "%s is not a file", path);
    if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0)
        return path_error(path, errno, err);
    return check_directory(path, err);
}

/* SQLite keeps two more files beside the database. */
static enum status_code check_directory(const char *path, struct status *err)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash == NULL   ? strdup(".")
                : slash == path ? strdup("/")
                                : strndup(path, (size_t)(slash - path));
    if (dir == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no memory");
    enum status_code rc = STATUS_OK;
    if (faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) != 0)
        rc = errno == ENOENT ? status_reason(err, STATUS_NOT_FOUND, "STORE_NOT_FOUND",
                                             "store: %s: no such directory", dir)
                             : path_error(dir, errno, err);
    free(dir);
    return rc;
}

/* SQLite gives its side files the mode of the database. */
static enum status_code create_file(const char *path, struct status *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? STATUS_OK : path_error(path, errno, err); /* another process was faster */
    close(fd);
    return STATUS_OK;
}

static enum status_code path_error(const char *path, int error, struct status *err)
{
    char words[128];
    const char *text = strerror_r(error, words, sizeof words);
    if (error == EACCES || error == EROFS || error == EPERM)
        return status_reason(err, STATUS_FAILED_PRECONDITION, "STORE_READ_ONLY",
                             "store: %s cannot be written: %s", path, text);
    return status_reason(err, STATUS_UNAVAILABLE, "STORE_IO", "store: %s: %s", path, text);
}

static enum status_code configure(struct sqlite_db *s, const struct db_open *how, struct status *err)
{
    sqlite3_extended_result_codes(s->handle, 1);
    s->busy_ms = BUSY_MS;
    sqlite3_busy_handler(s->handle, wait_for_lock, s);
    sqlite3_db_config(s->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    enum status_code rc = switch_to_wal(s, err);
    if (rc == STATUS_OK)
        rc = sqlite_script(&s->db,
                           "pragma synchronous = full;"
                           "pragma foreign_keys = on;"
                           "pragma temp_store = memory;"
                           "pragma journal_size_limit = " LOG_BYTES_KEPT,
                           err);
    if (rc == STATUS_OK && how->is_relaxed)
        rc = sqlite_script(&s->db, "pragma synchronous = normal", err);
    if (rc == STATUS_OK && how->leaves_log)
        rc = sqlite_script(&s->db, "pragma cache_size = -" WRITER_CACHE_KIB, err);
    if (how->leaves_log)
        sqlite3_wal_hook(s->handle, note_log_pages, s); /* in place of checkpoints inside commits */
    if (rc == STATUS_OK && how->query_only)
        rc = sqlite_script(&s->db, "pragma query_only = on", err);
    return rc;
}

/* Locks are held for some ms. SQLite's own way is to sleep longer and longer, and whoever came later is served first. */
static int wait_for_lock(void *arg, int tries)
{
    if (tries >= ((const struct sqlite_db *)arg)->busy_ms)
        return 0;
    poll(NULL, 0, 1);
    return 1;
}

static int note_log_pages(void *arg, sqlite3 *handle, const char *database, int pages)
{
    (void)handle;
    (void)database;
    ((struct sqlite_db *)arg)->log_pages = pages;
    return SQLITE_OK;
}

/* Busy when another connection is reading at this moment, or switches as well. */
static enum status_code switch_to_wal(struct sqlite_db *s, struct status *err)
{
    int64_t until = clock_monotonic_ms() + BUSY_MS;
    for (;;) {
        char mode[16] = "";
        struct status failed = {0};
        enum status_code rc = pragma_text(s, "pragma journal_mode = wal", mode, sizeof mode, &failed);
        if (rc == STATUS_OK && strcmp(mode, "wal") == 0)
            return STATUS_OK;
        if (rc == STATUS_OK)
            return status_reason(err, STATUS_FAILED_PRECONDITION, "STORE_READ_ONLY",
                                 "store: no write-ahead log here (mode %s)", mode);
        bool is_busy = failed.reason != NULL && strcmp(failed.reason, "STORE_BUSY") == 0;
        if (!is_busy || clock_monotonic_ms() >= until) {
            if (err != NULL)
                *err = failed;
            return rc;
        }
        poll(NULL, 0, WAL_RETRY_MS);
    }
}

/* First column of the first row, cut to `size`. */
static enum status_code pragma_text(struct sqlite_db *s, const char *pragma, char *ret, size_t size,
                                    struct status *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->handle, pragma, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    enum status_code code = STATUS_OK;
    if (rc == SQLITE_ROW)
        snprintf(ret, size, "%s", (const char *)sqlite3_column_text(stmt, 0));
    else
        code = sqlite_error(s->handle, rc, err);
    sqlite3_finalize(stmt);
    return code;
}

static struct statement *prepare(struct sqlite_db *s, const struct sql *sql, struct status *err)
{
    for (struct statement *known = s->statements; known != NULL; known = known->next) {
        if (known->sql == sql)
            return known;
    }
    struct statement *st = calloc(1, sizeof *st);
    if (st == NULL) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no memory");
        return NULL;
    }
    st->sql = sql;
    int rc = sqlite3_prepare_v3(s->handle, sql->text, -1, SQLITE_PREPARE_PERSISTENT, &st->stmt, NULL);
    if (rc != SQLITE_OK) {
        sqlite_error(s->handle, rc, err);
        free(st);
        return NULL;
    }
    for (int i = 0; i < DB_VALUES_MAX; i++) {
        char name[8];
        snprintf(name, sizeof name, "$%d", i + 1);
        st->index[i] = sqlite3_bind_parameter_index(st->stmt, name);
    }
    st->next = s->statements;
    s->statements = st;
    return st;
}

/* The bytes stay the caller's: they live until the statement has ended. */
static int bind(sqlite3_stmt *stmt, int index, const struct db_value *value)
{
    const char *bytes = value->bytes.ptr == NULL ? "" : value->bytes.ptr; /* NULL would mean SQL's NULL */
    switch (value->kind) {
    case DB_KIND_NULL:
        return sqlite3_bind_null(stmt, index);
    case DB_KIND_INT:
        return sqlite3_bind_int64(stmt, index, value->number);
    case DB_KIND_TEXT:
        return sqlite3_bind_text64(stmt, index, bytes, value->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
    case DB_KIND_BLOB:
        return sqlite3_bind_blob64(stmt, index, bytes, value->bytes.len, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

/* SQLite's words name tables and columns, never values. */
enum status_code sqlite_error(sqlite3 *handle, int rc, struct status *err)
{
    const char *words =
        handle != NULL && sqlite3_errcode(handle) != SQLITE_OK ? sqlite3_errmsg(handle) : sqlite3_errstr(rc);
    if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY)
        return status_set(err, STATUS_ALREADY_EXISTS, "store: %s", words);
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: {
        enum status_code code =
            status_reason(err, STATUS_UNAVAILABLE, "STORE_BUSY", "store: another process keeps it locked");
        if (err != NULL)
            err->retry_ms = BUSY_MS;
        return code;
    }
    case SQLITE_FULL:
        return status_reason(err, STATUS_UNAVAILABLE, "STORE_FULL", "store: %s", words);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
        return status_reason(err, STATUS_UNAVAILABLE, "STORE_IO", "store: %s", words);
    case SQLITE_NOMEM:
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no memory");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return status_reason(err, STATUS_FAILED_PRECONDITION, "STORE_READ_ONLY", "store: %s", words);
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG: /* the row's fault, and only this row's */
        return status_reason(err, STATUS_INTERNAL, "ROW_REFUSED", "store: %s", words);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return status_reason(err, STATUS_DATA_LOSS, "STORE_CORRUPT", "store: %s", words);
    default:
        return status_set(err, STATUS_INTERNAL, "store: %s", words);
    }
}
