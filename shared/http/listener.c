/* listener: see the header. */
#include "shared/http/listener.h"

#include "shared/base/str.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* connections. Waiting to be taken. */
#define BACKLOG 64

static enum status_code say(const char *address, int error, struct status *err)
{
    if (error == EADDRINUSE)
        return status_set(err, STATUS_ALREADY_EXISTS, "%s: in use", address);
    return status_set(err, STATUS_UNAVAILABLE, "cannot listen on %s: %s", address, strerror(error));
}

/* -1 with errno. */
static int open_at(const struct sockaddr *name, socklen_t name_len)
{
    int fd = socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    if (name->sa_family != AF_UNIX)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
                         sizeof on); /* else a restart may find it in use */
    if (bind(fd, name, name_len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static enum status_code open_unix(const char *address, int *ret_fd, struct status *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    const char *path = address + strlen("unix:");
    if (path[0] == '\0' || strlen(path) >= sizeof name.sun_path)
        return status_set(err, STATUS_INVALID_ARGUMENT, "%s: a socket path has 1 to %zu bytes", address,
                          sizeof name.sun_path - 1);
    memcpy(name.sun_path, path, strlen(path));
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        bool is_left_over =
            probe >= 0 && connect(probe, (struct sockaddr *)&name, sizeof name) != 0 && errno == ECONNREFUSED;
        if (probe >= 0)
            close(probe);
        if (is_left_over)
            (void)unlink(path); /* else bind() says what is wrong */
    }
    mode_t before = umask(S_IXUSR | S_IRWXG | S_IRWXO);
    *ret_fd = open_at((struct sockaddr *)&name, sizeof name);
    int error = errno;
    umask(before);
    return *ret_fd >= 0 ? STATUS_OK : say(address, error, err);
}

static enum status_code open_tcp(const char *address, struct str host, struct str port, int *ret_fd,
                                 int *ret_port, struct status *err)
{
    char host_text[256], port_text[8];
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    memcpy(host_text, host.ptr, host.len);
    host_text[host.len] = '\0';
    memcpy(port_text, port.ptr, port.len);
    port_text[port.len] = '\0';
    int rc = getaddrinfo(host_text, port_text, &hints, &found);
    if (rc != 0)
        return status_set(err, STATUS_INVALID_ARGUMENT, "%s: %s", address, gai_strerror(rc));
    *ret_fd = open_at(found->ai_addr, found->ai_addrlen);
    int error = errno;
    freeaddrinfo(found);
    if (*ret_fd < 0)
        return say(address, error, err);
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    if (getsockname(*ret_fd, (struct sockaddr *)&name, &len) == 0)
        *ret_port = ntohs(name.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&name)->sin6_port
                                                     : ((struct sockaddr_in *)&name)->sin_port);
    return STATUS_OK;
}

enum status_code listener_open(const char *address, int *ret_fd, int *ret_port, struct status *err)
{
    struct str all = str_c(address);
    *ret_port = 0;
    if (str_starts(all, STR("unix:")))
        return open_unix(address, ret_fd, err);
    size_t colon = all.len;
    while (colon > 0 && all.ptr[colon - 1] != ':')
        colon--;
    uint64_t number;
    struct str host = str_sub(all, 0, colon > 0 ? colon - 1 : 0), port = str_sub(all, colon, all.len);
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = str_sub(host, 1, host.len - 1);
    if (host.len == 0 || host.len > 255 || port.len > 5 || !str_to_u64(port, &number) || number > 65535)
        return status_set(err, STATUS_INVALID_ARGUMENT,
                          "%s: write host:port, with a port from 0 to 65535, or unix:PATH", address);
    return open_tcp(address, host, port, ret_fd, ret_port, err);
}
