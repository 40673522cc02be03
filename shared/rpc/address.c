/*
 * address: see address.h. The library replaces a socket file without asking whether somebody listens on it, so that is
 * found out first; a lock on the folder keeps others from doing the same in between.
 */
#include "shared/rpc/address.h"
#include "shared/base/str.h"
#include "shared/rpc/server.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static enum status_code listen_unix(grpc_server *server, const char *address,
                                    grpc_server_credentials *credentials, struct status *err);
static bool has_port(struct str address);
static int lock_folder(const char *path);
static enum status_code check_free(const char *path, struct status *err);

enum status_code rpc_address_listen(grpc_server *server, const char *address,
                                    grpc_server_credentials *credentials, int *ret_port, struct status *err)
{
    *ret_port = 0;
    if (str_starts(str_c(address), STR("unix:")))
        return listen_unix(server, address, credentials, err);
    if (!has_port(str_c(address)))
        return status_set(err, STATUS_INVALID_ARGUMENT, "%s: write host:port, with a port from 0 to 65535",
                          address);
    *ret_port = grpc_server_add_http2_port(server, address, credentials);
    if (*ret_port == 0)
        return status_set(err, STATUS_UNAVAILABLE,
                          "cannot listen on %s: in use, or no address of this machine", address);
    return STATUS_OK;
}

static enum status_code listen_unix(grpc_server *server, const char *address,
                                    grpc_server_credentials *credentials, struct status *err)
{
    const char *path = address + strlen("unix:");
    if (strncmp(path, "//", 2) == 0)
        path += 2;
    if (path[0] == '\0' || strlen(path) > RPC_UNIX_PATH_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "%s: a socket path has 1 to %d bytes", address,
                          RPC_UNIX_PATH_MAX);
    int lock = lock_folder(path);
    if (lock < 0)
        return status_set(err, STATUS_UNAVAILABLE, "%s: the folder cannot be used: %s", address,
                          strerror(errno));
    enum status_code rc = check_free(path, err);
    if (rc == STATUS_OK) {
        mode_t before = umask(S_IXUSR | S_IRWXG | S_IRWXO);
        int port = grpc_server_add_http2_port(server, address, credentials);
        umask(before);
        if (port == 0)
            rc = status_set(err, STATUS_UNAVAILABLE, "cannot listen on %s", address);
    }
    close(lock); /* ends the lock: from here on a connection shows that we listen */
    return rc;
}

/* The library takes a port modulo 65536 without a word. */
static bool has_port(struct str address)
{
    size_t colon = address.len;
    while (colon > 0 && address.ptr[colon - 1] != ':')
        colon--;
    uint64_t port;
    return colon > 1 && str_to_u64(str_sub(address, colon, address.len), &port) && port <= 65535;
}

/* Locked file of the folder that path lies in; -1 with errno. */
static int lock_folder(const char *path)
{
    char folder[RPC_UNIX_PATH_MAX + 1] = ".";
    const char *slash = strrchr(path, '/');
    if (slash != NULL) {
        size_t len = slash == path ? 1 : (size_t)(slash - path);
        memcpy(folder, path, len);
        folder[len] = '\0';
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    while (flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

/* Nothing there, or a socket nobody listens on. */
static enum status_code check_free(const char *path, struct status *err)
{
    struct stat st;
    if (lstat(path, &st) != 0) {
        if (errno == ENOENT)
            return STATUS_OK;
        return status_set(err, STATUS_UNAVAILABLE, "%s: %s", path, strerror(errno));
    }
    if (!S_ISSOCK(st.st_mode))
        return status_set(err, STATUS_ALREADY_EXISTS, "%s: lies there and is no socket", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return status_set(err, STATUS_UNAVAILABLE, "%s: %s", path, strerror(errno));
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, path, strlen(path));
    int error = connect(fd, (struct sockaddr *)&name, sizeof name) == 0 ? 0 : errno;
    close(fd);
    if (error == ECONNREFUSED || error == ENOENT)
        return STATUS_OK; /* left over; the library removes it */
    /* Connected, or its queue is full, or it is not ours to open. */
    return status_set(err, STATUS_ALREADY_EXISTS, "%s: in use", path);
}
