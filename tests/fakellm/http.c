/*
 * http: an HTTP/1.1 server on one loop.
 *
 * Reading never stops, not even while an answer goes out: that is how a client that leaves is noticed in the same turn.
 * Answers are put together in one buffer of the server and handed to the system at once; only what it does not take is
 * copied for the connection. So thousands of idle or waiting connections hold no buffers.
 */
#include "http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum {
    CONNECTIONS_MAX = 60000,           /* under the 16-bit port space of one client address */
    LISTEN_BACKLOG = 4096,             /* 10,000 clients that connect at once arrive in few turns */
    READ_BYTES = 64 * 1024,            /* one read; the buffer is shared by all connections */
    INPUT_KEEP_BYTES = 16 * 1024,      /* a connection between requests keeps no more than this */
    EARLY_INPUT_BYTES_MAX = 64 * 1024, /* what a client may send ahead while its answer is under way */
    OUT_BYTES_MAX = 128 * 1024 * 1024, /* one send: a whole reply with all its bytes escaped */
    OUT_KEEP_BYTES = 4 * 1024 * 1024,  /* the shared buffer shrinks to nothing above this */
    LINGER_MS = 1000                   /* how long we wait for the client to close after our last answer */
};

enum conn_state {
    CONN_HEAD,      /* reads a request's head, or waits for one */
    CONN_BODY,      /* reads its body */
    CONN_ANSWERING, /* its exchange is under way */
    CONN_LINGER,    /* we have closed our side; waits for the client's end */
    CONN_CLOSED     /* handles are closing */
};

struct http_server {
    uv_loop_t *loop;
    uv_tcp_t listener;
    struct http_handler handler;
    struct http_conn *conns;
    size_t conn_count;
    bool is_stopped;
    struct text out;
    char read_buf[READ_BYTES];
};

struct http_conn {
    struct http_server *server;
    struct http_conn *prev, *next;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    uv_shutdown_t shutdown;
    int open_handles;
    enum conn_state state;

    struct text in;
    size_t scanned, head_bytes;
    struct http_head head;
    const char *head_base; /* in.ptr when `head` was parsed: its spans point there */
    struct http_chunked chunked;
    bool is_processing;
    bool keep_alive;

    void *exchange;
    bool is_framed; /* the answer goes out in chunks */
    bool is_reset;  /* its end is one */
    bool is_writing;
    enum http_after after_write;
    char *unsent; /* owned by the write in flight */
};

static void conn_process(struct http_conn *conn);

const char *http_end_name(enum http_end how)
{
    static const char *const names[] = {
        [HTTP_COMPLETED] = "completed",
        [HTTP_CLIENT_CLOSED] = "client_closed",
        [HTTP_CLIENT_RESET] = "reset",
        [HTTP_BROKEN_OFF] = "broken_off",
    };
    return names[how];
}

/* ---- the end of a connection ---- */

static void conn_handle_closed(uv_handle_t *handle)
{
    struct http_conn *conn = handle->data;
    if (--conn->open_handles > 0)
        return;
    DL_DELETE(conn->server->conns, conn);
    conn->server->conn_count--;
    text_fini(&conn->in);
    free(conn->unsent);
    free(conn);
}

/* Closes the connection; its exchange, if there is one, ends as `how`. */
static void conn_end(struct http_conn *conn, enum http_end how)
{
    if (conn->state == CONN_CLOSED)
        return;
    conn->state = CONN_CLOSED;
    if (!conn->is_reset || uv_tcp_close_reset(&conn->tcp, conn_handle_closed) < 0)
        uv_close((uv_handle_t *)&conn->tcp, conn_handle_closed);
    uv_close((uv_handle_t *)&conn->timer, conn_handle_closed);
    void *exchange = conn->exchange;
    conn->exchange = NULL;
    if (exchange != NULL)
        conn->server->handler.ended(exchange, how);
}

static void on_linger_timeout(uv_timer_t *timer)
{
    conn_end(timer->data, HTTP_COMPLETED);
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    if (status < 0)
        conn_end(shutdown->data, HTTP_COMPLETED);
}

/* Closing with unread input would reset the connection and could take our last answer with it: first only our side. */
static void conn_linger(struct http_conn *conn)
{
    conn->state = CONN_LINGER;
    if (uv_shutdown(&conn->shutdown, (uv_stream_t *)&conn->tcp, on_shutdown) < 0 ||
        uv_timer_start(&conn->timer, on_linger_timeout, LINGER_MS, 0) < 0)
        conn_end(conn, HTTP_COMPLETED);
}

static enum http_end end_by_error(int error)
{
    return error == UV_EOF || error == UV_EPIPE ? HTTP_CLIENT_CLOSED : HTTP_CLIENT_RESET;
}

/* ---- answers ---- */

/* The system has everything of one http_send(). */
static void conn_sent(struct http_conn *conn, enum http_after after)
{
    if (after == HTTP_BREAK || after == HTTP_RESET) {
        conn->is_reset = after == HTTP_RESET;
        conn_end(conn, HTTP_BROKEN_OFF);
    } else if (after == HTTP_LAST) {
        void *exchange = conn->exchange;
        conn->exchange = NULL;
        conn->state = CONN_HEAD;
        if (!conn->keep_alive)
            conn_linger(conn);
        if (exchange != NULL)
            conn->server->handler.ended(exchange, HTTP_COMPLETED);
        conn_process(conn); /* the next request may be there already */
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct http_conn *conn = write->data;
    conn->is_writing = false;
    free(conn->unsent);
    conn->unsent = NULL;
    if (conn->state == CONN_CLOSED)
        return;
    if (status < 0) {
        conn_end(conn, end_by_error(status));
        return;
    }
    enum http_after after = conn->after_write; /* the next request may set its own */
    conn_sent(conn, after);
    if (after == HTTP_MORE || after == HTTP_MORE_NEXT_TURN)
        conn->server->handler.resume(conn->exchange);
}

/* Hands bytes to the loop, which calls back in a later turn. */
static void conn_write_later(struct http_conn *conn, struct span bytes, enum http_after after)
{
    conn->unsent = malloc(bytes.len > 0 ? bytes.len : 1);
    if (conn->unsent == NULL) {
        conn_end(conn, HTTP_BROKEN_OFF);
        return;
    }
    if (bytes.len > 0)
        memcpy(conn->unsent, bytes.ptr, bytes.len);
    uv_buf_t buf = uv_buf_init(conn->unsent, (unsigned)bytes.len);
    int rc = uv_write(&conn->write, (uv_stream_t *)&conn->tcp, &buf, 1, on_written);
    if (rc < 0) {
        conn_end(conn, end_by_error(rc));
        return;
    }
    conn->is_writing = true;
    conn->after_write = after;
}

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {529, "Site is overloaded"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Other";
}

static void put_head(struct text *out, struct http_conn *conn, const struct http_answer *head)
{
    conn->is_framed = head->content_length < 0 && !conn->head.is_http10;
    conn->keep_alive &= head->content_length >= 0 || conn->is_framed;
    text_putf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", head->status, status_text(head->status),
              head->content_type);
    if (head->request_id != NULL)
        text_putf(out, "x-request-id: %s\r\n", head->request_id);
    if (head->encoding != NULL)
        text_putf(out, "Content-Encoding: %s\r\n", head->encoding);
    text_put(out, head->headers);
    if (head->content_length >= 0)
        text_putf(out, "Content-Length: %lld\r\n", (long long)head->content_length);
    else
        text_put(out, SPAN("Cache-Control: no-cache\r\n"));
    if (conn->is_framed)
        text_put(out, SPAN("Transfer-Encoding: chunked\r\n"));
    text_putf(out, "Connection: %s\r\n\r\n", conn->keep_alive ? "keep-alive" : "close");
}

bool http_send(struct http_conn *conn, const struct http_answer *head, struct span body,
               enum http_after after)
{
    assert(conn->state == CONN_ANSWERING && !conn->is_writing);
    struct text *out = &conn->server->out;
    text_clear(out, OUT_KEEP_BYTES);
    if (head != NULL)
        put_head(out, conn, head);
    if (conn->is_framed && body.len > 0) {
        text_putf(out, "%zx\r\n", body.len);
        text_put(out, body);
        text_put(out, SPAN("\r\n"));
    } else {
        text_put(out, body);
    }
    if (conn->is_framed && after == HTTP_LAST)
        text_put(out, SPAN("0\r\n\r\n"));
    if (out->failed) {
        conn_end(conn, HTTP_BROKEN_OFF);
        return false;
    }
    size_t taken = 0;
    if (after != HTTP_MORE_NEXT_TURN && out->len > 0) {
        uv_buf_t buf = uv_buf_init(out->ptr, (unsigned)out->len);
        int n = uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1);
        if (n < 0 && n != UV_EAGAIN) {
            conn_end(conn, end_by_error(n));
            return false;
        }
        taken = n < 0 ? 0 : (size_t)n;
    }
    if (taken < out->len || after == HTTP_MORE_NEXT_TURN) {
        conn_write_later(conn, (struct span){out->ptr + taken, out->len - taken}, after);
        return false;
    }
    conn_sent(conn, after);
    return after == HTTP_MORE;
}

void http_respond(struct http_conn *conn, int status, const char *content_type, struct span body)
{
    struct http_answer head = {
        .status = status, .content_type = content_type, .content_length = (int64_t)body.len};
    (void)http_send(conn, &head, body, HTTP_LAST); /* nothing follows a last part */
}

static void on_wait_over(uv_timer_t *timer)
{
    struct http_conn *conn = timer->data;
    conn->server->handler.resume(conn->exchange);
}

void http_wait(struct http_conn *conn, int64_t due_ns)
{
    assert(conn->state == CONN_ANSWERING && !conn->is_writing && conn->exchange != NULL);
    /* Both are whole milliseconds of the same clock, so the timer is never early. */
    int64_t due_ms = (due_ns + 999999) / 1000000;
    int64_t now_ms = (int64_t)uv_now(conn->server->loop);
    int rc = uv_timer_start(&conn->timer, on_wait_over, due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 0, 0);
    assert(rc == 0);
}

void http_set_exchange(struct http_conn *conn, void *exchange)
{
    assert(conn->state == CONN_ANSWERING && conn->exchange == NULL);
    conn->exchange = exchange;
}

/* ---- requests ---- */

static void conn_refuse(struct http_conn *conn, int status, const char *message)
{
    struct text body;
    text_init(&body, 1024);
    text_putf(
        &body,
        "{\"error\":{\"message\":\"%s\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}",
        message);
    conn->state = CONN_ANSWERING;
    conn->keep_alive = false;
    http_respond(conn, status, "application/json", (struct span){body.ptr, body.len});
    text_fini(&body);
}

static void conn_refuse_parse(struct http_conn *conn, enum http_parse rc, int too_large_status)
{
    if (rc == HTTP_PARSE_TOO_LARGE)
        conn_refuse(conn, too_large_status, "the request is too large");
    else
        conn_refuse(conn, 400, "this is not a valid HTTP/1.1 request");
}

/* Gives a complete request to the handler. */
static void conn_dispatch(struct http_conn *conn, size_t body_bytes)
{
    enum http_parse rc = HTTP_PARSE_DONE;
    if (conn->in.ptr != conn->head_base) /* the buffer moved while the body came in */
        rc = http_head_parse(conn->in.ptr, conn->head_bytes, &conn->head);
    assert(rc == HTTP_PARSE_DONE);
    struct http_request req = {.method = conn->head.method,
                               .path = conn->head.path,
                               .query = conn->head.query,
                               .body = {conn->in.ptr + conn->head_bytes, body_bytes},
                               .head = &conn->head};
    size_t used = conn->head_bytes + body_bytes;
    conn->scanned = 0;
    conn->keep_alive = conn->head.keep_alive;
    conn->is_framed = false;
    conn->state = CONN_ANSWERING;
    conn->server->handler.request(conn->server->handler.arg, conn, &req);
    if (conn->in.len <= used)
        text_clear(&conn->in, INPUT_KEEP_BYTES);
    else
        text_drop(&conn->in, used);
}

/* Returns true when the head is complete and its body can be read. */
static bool conn_read_head(struct http_conn *conn)
{
    enum http_parse rc = http_head_scan(conn->in.ptr, conn->in.len, &conn->scanned, &conn->head_bytes);
    if (rc == HTTP_PARSE_MORE)
        return false;
    if (rc != HTTP_PARSE_DONE) {
        conn_refuse_parse(conn, rc, 431);
        return false;
    }
    rc = http_head_parse(conn->in.ptr, conn->head_bytes, &conn->head);
    if (rc != HTTP_PARSE_DONE) {
        conn_refuse_parse(conn, rc, 413);
        return false;
    }
    conn->head_base = conn->in.ptr;
    conn->chunked = (struct http_chunked){0};
    conn->state = CONN_BODY;
    bool has_body = conn->head.is_chunked || conn->head.content_length > 0;
    if (conn->head.expects_continue && has_body && conn->in.len == conn->head_bytes) {
        uv_buf_t buf = uv_buf_init((char[]){"HTTP/1.1 100 Continue\r\n\r\n"}, 25);
        /* A client that misses this sends its body after a moment anyway. */
        (void)uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1);
    }
    return true;
}

/* Returns true when a request was taken from the input. */
static bool conn_read_body(struct http_conn *conn)
{
    size_t body_bytes = conn->head.content_length;
    if (conn->head.is_chunked) {
        size_t len = conn->in.len - conn->head_bytes;
        enum http_parse rc = http_chunked_decode(&conn->chunked, conn->in.ptr + conn->head_bytes, &len);
        conn->in.len = conn->head_bytes + len;
        if (rc == HTTP_PARSE_MORE)
            return false;
        if (rc != HTTP_PARSE_DONE) {
            conn_refuse_parse(conn, rc, 413);
            return false;
        }
        body_bytes = conn->chunked.body_bytes;
    } else if (conn->in.len - conn->head_bytes < body_bytes) {
        return false;
    }
    conn_dispatch(conn, body_bytes);
    return true;
}

/* Handles what has come in, request after request. A request that is answered within its call comes back here. */
static void conn_process(struct http_conn *conn)
{
    if (conn->is_processing)
        return;
    conn->is_processing = true;
    bool goes_on = true;
    while (goes_on) {
        if (conn->state == CONN_HEAD)
            goes_on = conn->in.len > 0 && conn_read_head(conn);
        else
            goes_on = conn->state == CONN_BODY && conn_read_body(conn);
    }
    conn->is_processing = false;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    (void)suggested;
    struct http_conn *conn = handle->data;
    *ret_buf = uv_buf_init(conn->server->read_buf, READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct http_conn *conn = stream->data;
    if (n < 0) {
        conn_end(conn, end_by_error((int)n));
        return;
    }
    if (n == 0 || conn->state == CONN_LINGER || conn->state == CONN_CLOSED)
        return;
    text_put(&conn->in, (struct span){buf->base, (size_t)n});
    bool is_flood = conn->state == CONN_ANSWERING && conn->in.len > EARLY_INPUT_BYTES_MAX;
    if (conn->in.failed || is_flood) {
        conn_end(conn, HTTP_BROKEN_OFF);
        return;
    }
    conn_process(conn);
}

/* ---- the server ---- */

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_server *server = listener->data;
    struct http_conn *conn = status < 0 ? NULL : calloc(1, sizeof *conn);
    if (conn == NULL)
        return; /* the client waits in the backlog, or sees that it was turned away */
    conn->server = server;
    text_init(&conn->in, (size_t)HTTP_HEAD_BYTES_MAX + HTTP_BODY_BYTES_MAX + 2 * READ_BYTES);
    int rc = uv_tcp_init(server->loop, &conn->tcp);
    assert(rc == 0); /* no system call in it */
    rc = uv_timer_init(server->loop, &conn->timer);
    assert(rc == 0);
    conn->open_handles = 2;
    conn->tcp.data = conn->timer.data = conn->write.data = conn->shutdown.data = conn;
    DL_APPEND(server->conns, conn);
    server->conn_count++;
    if (uv_accept(listener, (uv_stream_t *)&conn->tcp) < 0 || server->conn_count > CONNECTIONS_MAX ||
        uv_tcp_nodelay(&conn->tcp, 1) < 0 || uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read) < 0)
        conn_end(conn, HTTP_BROKEN_OFF);
}

int http_server_start(uv_loop_t *loop, const struct sockaddr *addr, const struct http_handler *handler,
                      struct http_server **ret_server)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return UV_ENOMEM;
    server->loop = loop;
    server->handler = *handler;
    text_init(&server->out, OUT_BYTES_MAX);
    *ret_server = server;
    int rc = uv_tcp_init(loop, &server->listener);
    assert(rc == 0);
    server->listener.data = server;
    rc = uv_tcp_bind(&server->listener, addr, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&server->listener, LISTEN_BACKLOG, on_connection);
    return rc;
}

int http_server_port(const struct http_server *server)
{
    struct sockaddr_storage addr;
    int len = sizeof addr;
    if (uv_tcp_getsockname(&server->listener, (struct sockaddr *)&addr, &len) < 0)
        return 0;
    /* both families keep the port at the same place */
    return ntohs(((const struct sockaddr_in *)&addr)->sin_port);
}

size_t http_server_connections(const struct http_server *server)
{
    return server->conn_count;
}

void http_server_stop(struct http_server *server)
{
    if (server == NULL || server->is_stopped)
        return;
    server->is_stopped = true;
    uv_close((uv_handle_t *)&server->listener, NULL);
    struct http_conn *conn;
    DL_FOREACH (server->conns, conn) /* they leave the list in a later turn */
        conn_end(conn, HTTP_BROKEN_OFF);
}

void http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    assert(server->conns == NULL);
    text_fini(&server->out);
    free(server);
}
