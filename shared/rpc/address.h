/*
 * address: where a server may listen. Private to shared/rpc.
 * Threads  main thread at start: it changes the process's umask for a moment.
 */
#pragma once
#include "shared/base/status.h"
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

/*
 * Has `server` listen at `address` (server.h). A unix socket is made with mode 0600; of two processes that start at the same
 * time one gets it. ret_port: 0 for unix sockets.
 * Errors as rpc_server_start().
 */
MUST_CHECK enum status_code rpc_address_listen(grpc_server *server, const char *address,
                                               grpc_server_credentials *credentials, int *ret_port,
                                               struct status *err);
