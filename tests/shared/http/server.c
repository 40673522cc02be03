/*
 * server: see server.h.
 */
#include "tests/shared/http/server.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { REQUEST_BYTES_MAX = 8 * 1024 * 1024 };

struct connection {
    uv_tcp_t tcp;
    struct server *server;
    struct buf in;
    bool is_closing;
    struct connection *next;
};

struct server {
    uv_tcp_t tcp;
    struct server_script script;
    void *arg;
    int port;
    unsigned accepted;
    struct connection *connections;
};

struct sending {
    uv_write_t write;
    char *bytes;
};

static void connection_closed(uv_handle_t *h)
{
    struct connection *c = h->data;
    buf_fini(&c->in);
    free(c);
}

static void forget(struct connection *c)
{
    struct connection **at = &c->server->connections;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
}

static void end(struct connection *c)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    forget(c);
    uv_close((uv_handle_t *)&c->tcp, connection_closed);
}

static void on_alloc(uv_handle_t *h, size_t size, uv_buf_t *ret)
{
    (void)h;
    ret->base = malloc(size);
    ret->len = size;
}

/* Length of the first request in `in`; 0: not all here. */
static size_t request_length(struct str in)
{
    size_t head = str_find(in, STR("\r\n\r\n"), 0);
    if (head == SIZE_MAX)
        return 0;
    uint64_t body = 0;
    size_t at = str_find(str_sub(in, 0, head), STR("Content-Length: "), 0);
    if (at != SIZE_MAX) {
        size_t from = at + strlen("Content-Length: ");
        size_t to = str_find(in, STR("\r\n"), from);
        bool ok = str_to_u64(str_sub(in, from, to), &body);
        assert(ok);
    }
    size_t whole = head + 4 + body;
    return in.len >= whole ? whole : 0;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
    struct connection *c = stream->data;
    struct server *s = c->server;
    if (n > 0)
        buf_put(&c->in, (struct str){bytes->base, (size_t)n});
    free(bytes->base);
    if (n < 0) {
        if (s->script.closed != NULL)
            s->script.closed(c, s->arg);
        end(c);
        return;
    }
    size_t whole;
    while (!c->is_closing && (whole = request_length(buf_str(&c->in))) > 0) {
        s->script.request(c, (struct str){c->in.ptr, whole}, s->arg);
        buf_drop(&c->in, whole);
    }
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct server *s = stream->data;
    assert(status == 0);
    struct connection *c = calloc(1, sizeof *c);
    assert(c != NULL);
    c->server = s;
    buf_init(&c->in, REQUEST_BYTES_MAX);
    uv_tcp_init(stream->loop, &c->tcp);
    c->tcp.data = c;
    c->next = s->connections;
    s->connections = c;
    s->accepted++;
    int rc = uv_accept(stream, (uv_stream_t *)&c->tcp);
    assert(rc == 0);
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

struct server *server_new(uv_loop_t *loop, const struct server_script *script, void *arg)
{
    struct server *s = calloc(1, sizeof *s);
    assert(s != NULL);
    s->script = *script;
    s->arg = arg;
    uv_tcp_init(loop, &s->tcp);
    s->tcp.data = s;
    struct sockaddr_in address;
    uv_ip4_addr("127.0.0.1", 0, &address);
    int rc = uv_tcp_bind(&s->tcp, (struct sockaddr *)&address, 0);
    assert(rc == 0);
    rc = uv_listen((uv_stream_t *)&s->tcp, 128, on_connection);
    assert(rc == 0);
    int length = sizeof address;
    uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&address, &length);
    s->port = ntohs(address.sin_port);
    return s;
}

static void server_closed(uv_handle_t *h)
{
    free(h->data);
}

void server_close(struct server *s)
{
    while (s->connections != NULL)
        end(s->connections);
    uv_close((uv_handle_t *)&s->tcp, server_closed);
}

int server_port(const struct server *s)
{
    return s->port;
}

unsigned server_connections(const struct server *s)
{
    return s->accepted;
}

static void on_sent(uv_write_t *write, int status)
{
    (void)status; /* a peer that is gone is what some tests want */
    struct sending *sending = write->data;
    free(sending->bytes);
    free(sending);
}

void connection_send_bytes(struct connection *c, struct str bytes)
{
    struct sending *sending = calloc(1, sizeof *sending);
    assert(sending != NULL);
    sending->bytes = str_dup(bytes);
    sending->write.data = sending;
    uv_buf_t out = uv_buf_init(sending->bytes, (unsigned)bytes.len);
    int rc = uv_write(&sending->write, (uv_stream_t *)&c->tcp, &out, 1, on_sent);
    assert(rc == 0);
}

void connection_send(struct connection *c, const char *text)
{
    connection_send_bytes(c, str_c(text));
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    (void)status;
    end(shutdown->handle->data);
    free(shutdown);
}

void connection_close(struct connection *c)
{
    uv_shutdown_t *shutdown = calloc(1, sizeof *shutdown);
    assert(shutdown != NULL);
    uv_read_stop((uv_stream_t *)&c->tcp);
    uv_shutdown(shutdown, (uv_stream_t *)&c->tcp, on_shutdown);
}

void connection_reset(struct connection *c)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    forget(c);
    uv_tcp_close_reset(&c->tcp, connection_closed);
}
