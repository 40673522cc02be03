/* sqlite_presence: db_presence for SQLite: bytes of a file. */
#include "shared/store/db_presence.h"
#include "shared/store/sqlite_path.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct db_presence {
    int fd;
    char *path;
    bool is_new;
};

enum status_code db_presence_open(const char *url, struct db_presence **ret, struct status *err)
{
    static const char scheme[] = "sqlite:";
    if (strncmp(url, scheme, sizeof scheme - 1) != 0)
        return status_field(err, "store", "must be sqlite:PATH");
    char *path = sqlite_path(url + sizeof scheme - 1, ".presence", false);
    struct db_presence *presence = calloc(1, sizeof *presence);
    if (path == NULL || presence == NULL) {
        free(path);
        free(presence);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "store: no memory");
    }
    presence->path = path;
    presence->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    presence->is_new = presence->fd >= 0;
    if (presence->fd < 0 && errno == EEXIST)
        presence->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (presence->fd < 0) {
        enum status_code rc =
            status_reason(err, STATUS_UNAVAILABLE, "STORE_IO", "store: %s: %s", path, strerror(errno));
        db_presence_close(presence);
        return rc;
    }
    *ret = presence;
    return STATUS_OK;
}

void db_presence_close(struct db_presence *presence)
{
    if (presence == NULL)
        return;
    if (presence->fd >= 0)
        close(presence->fd);
    free(presence->path);
    free(presence);
}

bool db_presence_is_new(const struct db_presence *presence)
{
    return presence->is_new;
}

bool db_presence_is_in_place(const struct db_presence *presence)
{
    struct stat held, named;
    return fstat(presence->fd, &held) == 0 && stat(presence->path, &named) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

static struct flock lock_of(int64_t number)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = number, .l_len = 1};
}

enum status_code db_presence_hold(struct db_presence *presence, int64_t number, struct status *err)
{
    struct flock lock = lock_of(number);
    if (fcntl(presence->fd, F_OFD_SETLK, &lock) == 0)
        return STATUS_OK;
    if (errno == EAGAIN || errno == EACCES)
        return status_set(err, STATUS_ALREADY_EXISTS, "store: number %lld is held", (long long)number);
    return status_reason(err, STATUS_UNAVAILABLE, "STORE_IO", "store: presence: %s", strerror(errno));
}

bool db_presence_is_free(const struct db_presence *presence, int64_t number)
{
    struct flock lock = lock_of(number);
    return fcntl(presence->fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}
