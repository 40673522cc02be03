/*
 * migrate: see migrate.h.
 */
#include "shared/store/migrate.h"
#include "shared/base/clock.h"

static enum status_code step_up(struct db *db, const struct db_migration *migrations, size_t count,
                                int *ret_was, struct status *err);
static enum status_code read_version(struct db *db, int *ret, struct status *err);
static enum status_code newer_error(int version, size_t known, struct status *err);

enum status_code migrate_up(struct db *db, const struct db_migration *migrations, size_t count, int *ret_from,
                            struct status *err)
{
    int from = -1, version = 0;
    do {
        enum status_code rc = db_begin(db, DB_WRITE, err);
        if (rc == STATUS_OK)
            rc = step_up(db, migrations, count, &version, err);
        if (rc != STATUS_OK) {
            db_rollback(db);
            return rc;
        }
        rc = db_commit(db, err);
        if (rc != STATUS_OK)
            return rc;
        if (from < 0)
            from = version;
    } while ((size_t)version < count);
    if (ret_from != NULL)
        *ret_from = from;
    return STATUS_OK;
}

enum status_code migrate_check(struct db *db, size_t count, struct status *err)
{
    int version;
    enum status_code rc = db_begin(db, DB_READ, err);
    if (rc != STATUS_OK)
        return rc;
    rc = read_version(db, &version, err);
    db_rollback(db);
    if (rc != STATUS_OK)
        return rc;
    if ((size_t)version > count)
        return newer_error(version, count, err);
    if ((size_t)version < count)
        return status_reason(
            err, STATUS_FAILED_PRECONDITION, "SCHEMA_OLDER",
            "store: its schema is number %d and has to be brought to %zu: heddle-gateway migrate", version,
            count);
    return STATUS_OK;
}

/* In a transaction: the next step, if there is one. ret_was: the number before it. */
static enum status_code step_up(struct db *db, const struct db_migration *migrations, size_t count,
                                int *ret_was, struct status *err)
{
    static const struct sql note = {"insert into schema_migrations (version, applied_at_ms) values ($1, $2)"};
    int version;
    enum status_code rc = read_version(db, &version, err);
    if (rc != STATUS_OK)
        return rc;
    if ((size_t)version > count)
        return newer_error(version, count, err);
    *ret_was = version;
    if ((size_t)version == count)
        return STATUS_OK;
    const struct db_migration *step = &migrations[version];
    if (version == 0)
        rc = db_script(db,
                       "create table schema_migrations "
                       "(version integer primary key not null, applied_at_ms bigint not null)",
                       err);
    if (rc == STATUS_OK)
        rc = db_script(db, step->script, err);
    if (rc == STATUS_OK)
        rc = db_run(db, &note, DB_VALUES(DB_INT(step->version), DB_INT(clock_wall_ms())), err);
    if (rc != STATUS_OK)
        return status_prefix(err, "migration %d", step->version);
    return STATUS_OK;
}

/* 0 for a database without our tables. */
static enum status_code read_version(struct db *db, int *ret, struct status *err)
{
    static const struct sql latest = {"select max(version) from schema_migrations"};
    bool has_table = false;
    enum status_code rc = db_has_table(db, "schema_migrations", &has_table, err);
    if (rc != STATUS_OK)
        return rc;
    int version = 0;
    if (has_table) {
        struct db_rows rows = db_query(db, &latest, DB_NO_VALUES, err);
        while (db_next(&rows))
            version = (int)db_int(&rows, 0);
        rc = db_end(&rows);
    }
    if (rc == STATUS_OK)
        *ret = version;
    return rc;
}

static enum status_code newer_error(int version, size_t known, struct status *err)
{
    return status_reason(
        err, STATUS_FAILED_PRECONDITION, "SCHEMA_NEWER",
        "store: its schema is number %d, written by a newer Heddle; this one knows %zu and would damage it",
        version, known);
}
