/*
 * server: a small HTTP server for pages that the process writes in memory: metrics, health. GET and HEAD of known paths, and
 * nothing else (404, 405). One thread of its own; each connection carries one request.
 *
 * Hostile callers   connections have a maximum, headers too (431); a connection that has not brought its whole request, or not
 *                   taken its whole answer, is closed after HTTP_SERVER_LIFE_MS, however busily it drips; when many are open the
 *                   oldest one that still says nothing makes room for the next.
 * Threads           made, ticked and freed by the main thread; pages are written on the server's thread, one at a time.
 */
#pragma once
#include "shared/base/buf.h"

/* connections. At a time; monitoring needs a handful. */
#define HTTP_SERVER_CONNECTIONS_MAX 128
/* connections. From so many on the oldest one without a request makes room. */
#define HTTP_SERVER_CROWD 96
/* bytes. Request line and headers of one connection, with what the server keeps for it. */
#define HTTP_SERVER_HEADER_BYTES (16 * 1024)
/* ms. From its first byte to the last of its answer. */
#define HTTP_SERVER_LIFE_MS 10000
/* bytes. Of a page. */
#define HTTP_SERVER_PAGE_BYTES_MAX ((size_t)32 * 1024 * 1024)

/* Filled in by a route: the status ("200", …) and the body; an empty page with 500 is sent when the body has failed. */
struct http_page {
    unsigned status;
    const char *content_type; /* static */
    struct buf body;
};
struct http_route {
    const char *path; /* "/metrics"; a query behind it is ignored */
    void (*write)(void *arg, struct http_page *page);
};

/*
 * address   "127.0.0.1:7480", "[::1]:7480", "host:0" (any free port), "unix:PATH" (mode 0600; a stale socket is replaced)
 * routes    static; arg is theirs
 */
struct http_server_options {
    const char *address;
    const struct http_route *routes;
    size_t route_count;
    void *arg;
};

struct http_server;
/*
 * Listens and serves. Errors are about `address`:
 * INVALID_ARGUMENT     not understood
 * ALREADY_EXISTS       somebody listens there
 * UNAVAILABLE          cannot listen there for another reason
 * RESOURCE_EXHAUSTED   no memory, or no thread to be had
 */
MUST_CHECK enum status_code http_server_new(const struct http_server_options *options,
                                            struct http_server **ret_server, struct status *err);
/* Closes connections that have lived too long. At least once a second; now_ms is monotonic. */
void http_server_tick(struct http_server *server, int64_t now_ms);
/* Ends all connections and the thread. NULL is fine. */
void http_server_free(struct http_server *server);
/* It listens on; 0 for unix sockets. */
int http_server_port(const struct http_server *server);
/* Open now; any thread. */
size_t http_server_connections(struct http_server *server);
