/* segments: see the header. */
#include "tests/bench/segments.h"

#include "shared/base/str.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static uint64_t port_of(const char *target)
{
    const char *colon = strrchr(target, ':');
    uint64_t port = 0;
    return colon != NULL && str_to_u64(str_c(colon + 1), &port) ? port : 0;
}

static bool goes_to(int fd, uint64_t port)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0)
        return false;
    if (peer.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&peer)->sin_port) == port;
    return peer.ss_family == AF_INET6 && ntohs(((const struct sockaddr_in6 *)&peer)->sin6_port) == port;
}

void segments_count(const char *target, uint64_t *ret_in, uint64_t *ret_out)
{
    uint64_t port = port_of(target), fd;
    DIR *open_files = port != 0 ? opendir("/proc/self/fd") : NULL;
    *ret_in = *ret_out = 0;
    for (struct dirent *file; open_files != NULL && (file = readdir(open_files)) != NULL;) {
        struct tcp_info info = {0};
        socklen_t size = sizeof info;
        if (!str_to_u64(str_c(file->d_name), &fd) || !goes_to((int)fd, port) ||
            getsockopt((int)fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
            continue;
        *ret_in += info.tcpi_data_segs_in;
        *ret_out += info.tcpi_data_segs_out;
    }
    if (open_files != NULL)
        (void)closedir(open_files); /* only read */
}
