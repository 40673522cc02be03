/*
 * db: see db.h. Hands everything to the connection's driver.
 */
#include "shared/store/db.h"
#include <assert.h>
#include <string.h>

static const struct db_driver *const drivers[] = {&sqlite_driver};

/* The driver of a URL, and what follows its scheme. */
static const struct db_driver *driver_of(const char *url, const char **ret_rest, struct status *err)
{
    for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
        size_t len = strlen(drivers[i]->scheme);
        if (strncmp(url, drivers[i]->scheme, len) == 0) {
            *ret_rest = url + len;
            return drivers[i];
        }
    }
    /* The URL is not repeated: it may hold a password. */
    status_field(err, "store", "must be sqlite:PATH");
    return NULL;
}

enum status_code db_open(const char *url, const struct db_open *how, struct db **ret_db, struct status *err)
{
    const char *rest;
    const struct db_driver *driver = driver_of(url, &rest, err);
    return driver == NULL ? STATUS_INVALID_ARGUMENT : driver->open(rest, how, ret_db, err);
}

enum status_code db_file(const char *url, enum db_part part, char **ret_path, struct status *err)
{
    const char *rest;
    const struct db_driver *driver = driver_of(url, &rest, err);
    return driver == NULL ? STATUS_INVALID_ARGUMENT : driver->file(rest, part, ret_path, err);
}

void db_close(struct db *take_db)
{
    if (take_db != NULL)
        take_db->driver->close(take_db);
}

const struct db_schema *db_schema(const struct db *db)
{
    return &db->driver->schemas[db->part];
}

enum status_code db_script(struct db *db, const char *script, struct status *err)
{
    return db->driver->script(db, script, err);
}

enum status_code db_begin(struct db *db, enum db_access access, struct status *err)
{
    return db->driver->begin(db, access, err);
}

enum status_code db_commit(struct db *db, struct status *err)
{
    enum status_code rc = db->driver->commit(db, err);
    if (rc != STATUS_OK)
        db->driver->rollback(db);
    return rc;
}

void db_rollback(struct db *db)
{
    db->driver->rollback(db);
}

enum status_code db_run(struct db *db, const struct sql *sql, const struct db_value *values, size_t count,
                        struct status *err)
{
    struct db_rows rows = db_query(db, sql, values, count, err);
    while (db_next(&rows))
        ;
    return db_end(&rows);
}

struct db_rows db_query(struct db *db, const struct sql *sql, const struct db_value *values, size_t count,
                        struct status *err)
{
    assert(count <= DB_VALUES_MAX);
    struct db_rows rows = {.db = db, .err = err};
    struct status failed; /* err may be NULL, the code is needed anyway */
    rows.statement = db->driver->start(db, sql, values, count, &failed);
    if (rows.statement == NULL) {
        rows.rc = failed.code;
        if (err != NULL)
            *err = failed;
    }
    return rows;
}

bool db_next(struct db_rows *rows)
{
    bool has_row = false;
    if (rows->statement != NULL && rows->rc == STATUS_OK)
        rows->rc = rows->db->driver->next(rows->db, rows->statement, &has_row, rows->err);
    return has_row;
}

enum status_code db_end(struct db_rows *rows)
{
    if (rows->statement != NULL)
        rows->db->driver->end(rows->statement);
    rows->statement = NULL;
    return rows->rc;
}

int64_t db_int(const struct db_rows *rows, int column)
{
    return rows->db->driver->column(rows->statement, column).number;
}

struct str db_text(const struct db_rows *rows, int column)
{
    return rows->db->driver->column(rows->statement, column).bytes;
}

enum status_code db_has_table(struct db *db, const char *name, bool *ret, struct status *err)
{
    return db->driver->has_table(db, name, ret, err);
}

enum status_code db_data_version(struct db *db, int64_t *ret_version, struct status *err)
{
    return db->driver->data_version(db, ret_version, err);
}

enum status_code db_check(struct db *db, struct status *err)
{
    return db->driver->check(db, err);
}

int64_t db_log_pages(struct db *db)
{
    return db->driver->log_pages(db);
}

enum status_code db_checkpoint(struct db *db, int wait_ms, struct status *err)
{
    return db->driver->checkpoint(db, wait_ms, err);
}

enum status_code db_copy(struct db *db, const char *path, const struct db_watch *watch, struct status *err)
{
    return db->driver->copy(db, path, watch, err);
}
