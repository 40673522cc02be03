/*
 * server: see the header. libmicrohttpd reads and writes; its time-out only counts silence, so every connection is also in a
 * list of ours, by age, and is shut down when its time is over. It is the library that closes it then.
 */
#include "shared/http/server.h"

#include "shared/base/clock.h"
#include "shared/base/str.h"
#include "shared/http/listener.h"
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

/* s. Of silence. */
#define SILENCE_SECONDS 5

struct connection {
    int fd;
    int64_t since_ms;
    bool has_asked, is_shut;
    struct connection *prev, *next; /* oldest first */
};

struct http_server {
    struct http_server_options options;
    struct MHD_Daemon *daemon;
    int port;
    char *path;           /* of a unix socket; removed at the end */
    pthread_mutex_t lock; /* over the connections, and so that none is closed while we shut it down */
    struct connection *connections;
    size_t count;
};

static void shut(struct connection *c)
{
    if (!c->is_shut)
        (void)shutdown(c->fd, SHUT_RDWR);
    c->is_shut = true;
}

/* Under the lock: the oldest that has said nothing yet makes room. */
static void make_room(struct http_server *server)
{
    struct connection *c;
    if (server->count < HTTP_SERVER_CROWD)
        return;
    DL_FOREACH (server->connections, c) {
        if (!c->has_asked && !c->is_shut) {
            shut(c);
            return;
        }
    }
}

/* The library tells of a connection's beginning and end. */
static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = arg;
    struct connection *c = *context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (c == NULL)
            return;
        pthread_mutex_lock(&server->lock);
        DL_DELETE(server->connections, c);
        server->count--;
        pthread_mutex_unlock(&server->lock);
        free(c);
        return;
    }
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    c = calloc(1, sizeof *c);
    if (c == NULL) {
        (void)shutdown(fd, SHUT_RDWR); /* nobody would look after it */
        return;
    }
    *c = (struct connection){.fd = fd, .since_ms = clock_monotonic_ms()};
    *context = c;
    pthread_mutex_lock(&server->lock);
    make_room(server);
    DL_APPEND(server->connections, c);
    server->count++;
    pthread_mutex_unlock(&server->lock);
}

static const struct http_route *find_route(const struct http_server *server, const char *path)
{
    for (size_t i = 0; i < server->options.route_count; i++) {
        if (strcmp(path, server->options.routes[i].path) == 0)
            return &server->options.routes[i];
    }
    return NULL;
}

static void write_page(const struct http_server *server, const char *path, bool is_read,
                       struct http_page *page)
{
    const struct http_route *route = find_route(server, path);
    page->content_type = "text/plain; charset=utf-8";
    buf_init(&page->body, HTTP_SERVER_PAGE_BYTES_MAX);
    if (route == NULL) {
        page->status = MHD_HTTP_NOT_FOUND;
        buf_put_c(&page->body, "there is nothing here\n");
    } else if (!is_read) {
        page->status = MHD_HTTP_METHOD_NOT_ALLOWED;
        buf_put_c(&page->body, "GET and HEAD only\n");
    } else {
        page->status = MHD_HTTP_OK;
        route->write(server->options.arg, page);
    }
    if (page->body.failed) {
        buf_fini(&page->body);
        page->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
    }
}

/* One request, its headers read. A body is not waited for: the connection ends with the answer. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **context)
{
    (void)version;
    (void)upload;
    (void)upload_len;
    (void)context;
    struct http_server *server = arg;
    struct connection *c =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (c != NULL) {
        pthread_mutex_lock(&server->lock);
        c->has_asked = true;
        pthread_mutex_unlock(&server->lock);
    }
    bool is_read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    struct http_page page = {.status = 0};
    write_page(server, url, is_read, &page);
    size_t len = page.body.len;
    char *body = len > 0 ? page.body.ptr : NULL;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        len, body, body != NULL ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (response == NULL) {
        buf_fini(&page.body);
        return MHD_NO; /* ends the connection */
    }
    if (body == NULL)
        buf_fini(&page.body);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, page.content_type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (page.status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result rc = MHD_queue_response(connection, page.status, response);
    MHD_destroy_response(response);
    return rc;
}

/* What it has to say concerns single connections and is of no use to anybody. */
static void PRINTF_LIKE(2, 0) be_silent(void *arg, const char *fmt, va_list args)
{
    (void)arg;
    (void)fmt;
    (void)args;
}

static enum status_code start(struct http_server *server, int listener, struct status *err)
{
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, server,
        MHD_OPTION_EXTERNAL_LOGGER, be_silent, NULL, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listener,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)HTTP_SERVER_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENCE_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_SERVER_HEADER_BYTES, MHD_OPTION_END);
    return server->daemon != NULL
               ? STATUS_OK
               : status_set(err, STATUS_RESOURCE_EXHAUSTED, "no thread or no memory for the HTTP server");
}

enum status_code http_server_new(const struct http_server_options *options, struct http_server **ret_server,
                                 struct status *err)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for the HTTP server");
    server->options = *options;
    pthread_mutex_init(&server->lock, NULL);
    int listener = -1;
    enum status_code rc = listener_open(options->address, &listener, &server->port, err);
    bool is_unix = str_starts(str_c(options->address), STR("unix:"));
    if (rc == STATUS_OK && is_unix) {
        server->path = str_dup(str_c(options->address + strlen("unix:")));
        if (server->path == NULL)
            rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for the HTTP server");
    }
    if (rc == STATUS_OK)
        rc = start(server, listener, err);
    if (rc != STATUS_OK) {
        if (listener >= 0)
            close(listener);
        http_server_free(server);
        return rc;
    }
    server->options.address = NULL; /* borrowed for the start */
    *ret_server = server;
    return STATUS_OK;
}

void http_server_tick(struct http_server *server, int64_t now_ms)
{
    struct connection *c;
    pthread_mutex_lock(&server->lock);
    DL_FOREACH (server->connections, c) {
        if (now_ms - c->since_ms < HTTP_SERVER_LIFE_MS)
            break;
        shut(c);
    }
    pthread_mutex_unlock(&server->lock);
}

void http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon); /* closes the listener, too */
    if (server->path != NULL)
        (void)unlink(server->path);
    free(server->path);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

size_t http_server_connections(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    size_t count = server->count;
    pthread_mutex_unlock(&server->lock);
    return count;
}
