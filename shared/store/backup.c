/* backup: see the header. Copies get their names when both are whole. */
#include "shared/store/backup.h"

#include "shared/store/db.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What SQLite may leave beside a copy that was not finished. */
static const char *const beside[] = {"", "-journal", "-wal", "-shm"};

struct copy { /* of one file */
    enum store_file file;
    enum db_part part;
    const struct store_backup_watch *watch;
    char *path, *temp; /* where it will be; where it is until then. NULL: there is none */
    bool is_there;     /* at `path` */
    int64_t bytes;
};

static enum status_code file_error(const char *path, int error, struct status *err)
{
    char words[128];
    const char *text = strerror_r(error, words, sizeof words);
    switch (error) {
    case EACCES:
    case EROFS:
    case EPERM:
        return status_reason(err, STATUS_FAILED_PRECONDITION, "STORE_READ_ONLY",
                             "backup: %s cannot be written: %s", path, text);
    case ENOENT:
    case ENOTDIR:
        return status_reason(err, STATUS_NOT_FOUND, "STORE_NOT_FOUND", "backup: %s: no such directory", path);
    case EEXIST:
        return status_reason(err, STATUS_ALREADY_EXISTS, "STORE_EXISTS", "backup: %s is there already", path);
    case ENOSPC:
    case EDQUOT:
        return status_reason(err, STATUS_UNAVAILABLE, "STORE_FULL", "backup: %s: %s", path, text);
    default:
        return status_reason(err, STATUS_UNAVAILABLE, "STORE_IO", "backup: %s: %s", path, text);
    }
}

/* Names of the copy, and an empty file to write it into. */
static enum status_code name_copy(struct copy *copy, const char *url, const char *directory,
                                  struct status *err)
{
    char *from = NULL;
    enum status_code rc = db_file(url, copy->part, &from, err);
    if (rc != STATUS_OK)
        return rc;
    const char *slash = strrchr(from, '/'), *name = slash == NULL ? from : slash + 1;
    int failed = asprintf(&copy->path, "%s/%s", directory, name);
    if (failed < 0)
        copy->path = NULL;
    char *temp = NULL;
    if (failed >= 0 && asprintf(&temp, "%s.XXXXXX", copy->path) < 0)
        temp = NULL;
    free(from);
    if (temp == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "backup: no memory");
    struct stat there;
    int fd = -1, error = stat(copy->path, &there) == 0 ? EEXIST : 0;
    if (error == 0 && (fd = mkostemp(temp, O_CLOEXEC)) < 0) /* with mode 0600 */
        error = errno;
    if (error != 0) {
        free(temp);
        return file_error(error == EEXIST ? copy->path : directory, error, err);
    }
    close(fd);
    copy->temp = temp;
    return STATUS_OK;
}

static bool goes_on(void *arg, int64_t done_bytes, int64_t all_bytes)
{
    struct copy *copy = arg;
    copy->bytes = all_bytes;
    return copy->watch == NULL || copy->watch->goes_on(copy->watch->arg, copy->file, done_bytes, all_bytes);
}

/* Opened and closed again, so that nothing lies beside it. */
static enum status_code check_copy(const struct copy *copy, struct status *err)
{
    char *url = NULL;
    if (asprintf(&url, "sqlite:%s", copy->temp) < 0)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "backup: no memory");
    struct db *db = NULL;
    enum status_code rc = db_open(url, &(struct db_open){.part = DB_CONTROL}, &db, err);
    free(url);
    if (rc != STATUS_OK)
        return rc;
    rc = db_check(db, err);
    db_close(db);
    return rc;
}

static enum status_code sync_path(const char *path, int flags, struct status *err)
{
    int fd = open(path, flags | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return error == 0 ? STATUS_OK : file_error(path, error, err);
}

static enum status_code make_copy(struct copy *copy, const char *url, const char *directory,
                                  struct status *err)
{
    struct db *db = NULL;
    enum status_code rc = db_open(url, &(struct db_open){.part = copy->part}, &db, err);
    if (rc == STATUS_NOT_FOUND && copy->part == DB_RECORDS)
        return STATUS_OK; /* no executor has run yet */
    if (rc != STATUS_OK)
        return rc;
    rc = name_copy(copy, url, directory, err);
    if (rc == STATUS_OK)
        rc = db_copy(db, copy->temp, &(struct db_watch){goes_on, copy}, err);
    db_close(db);
    if (rc == STATUS_OK)
        rc = check_copy(copy, err);
    if (rc == STATUS_OK)
        rc = sync_path(copy->temp, O_RDWR, err);
    struct stat file;
    if (rc == STATUS_OK)
        copy->bytes = stat(copy->temp, &file) == 0 ? file.st_size : 0;
    return rc;
}

static enum status_code give_name(struct copy *copy, struct status *err)
{
    if (copy->temp == NULL)
        return STATUS_OK;
    int error = renameat2(AT_FDCWD, copy->temp, AT_FDCWD, copy->path, RENAME_NOREPLACE) == 0 ? 0 : errno;
    if ((error == EINVAL || error == ENOSYS) && rename(copy->temp, copy->path) == 0)
        error = 0; /* a file system without that flag: looked at before */
    copy->is_there = error == 0;
    return error == 0 ? STATUS_OK : file_error(copy->path, error, err);
}

static void remove_copy(const struct copy *copy)
{
    if (copy->is_there)
        (void)unlink(copy->path);
    for (size_t i = 0; copy->temp != NULL && i < ARRAY_LEN(beside); i++) {
        char *path = NULL;
        if (asprintf(&path, "%s%s", copy->temp, beside[i]) < 0)
            continue;
        (void)unlink(path);
        free(path);
    }
}

enum status_code store_backup(const char *url, const char *directory, const struct store_backup_watch *watch,
                              struct store_backup_sizes *ret, struct status *err)
{
    struct copy copies[] = {{.file = STORE_RECORDS, .part = DB_RECORDS, .watch = watch},
                            {.file = STORE_CONTROL, .part = DB_CONTROL, .watch = watch}};
    enum status_code rc = STATUS_OK;
    for (size_t i = 0; rc == STATUS_OK && i < ARRAY_LEN(copies); i++)
        rc = make_copy(&copies[i], url, directory, err);
    for (size_t i = 0; rc == STATUS_OK && i < ARRAY_LEN(copies); i++)
        rc = give_name(&copies[i], err);
    if (rc == STATUS_OK)
        rc = sync_path(directory, O_RDONLY | O_DIRECTORY, err);
    for (size_t i = 0; i < ARRAY_LEN(copies); i++) {
        if (rc != STATUS_OK)
            remove_copy(&copies[i]);
        free(copies[i].path);
        free(copies[i].temp);
    }
    if (rc == STATUS_OK && ret != NULL)
        *ret =
            (struct store_backup_sizes){.records_bytes = copies[0].bytes, .control_bytes = copies[1].bytes};
    return rc;
}
