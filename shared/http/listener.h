/*
 * listener: a listening stream socket at an address as people write it. Inside shared/http.
 * Threads  main thread at start: it changes the process's umask for a moment.
 */
#pragma once
#include "shared/base/status.h"

/* "127.0.0.1:7480", "[::1]:0", "unix:PATH". Errors as http_server_new(). ret_port: 0 for unix sockets. */
MUST_CHECK enum status_code listener_open(const char *address, int *ret_fd, int *ret_port,
                                          struct status *err);
