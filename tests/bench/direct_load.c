/* direct_load: see the header. One epoll loop; a connection carries one request at a time. */
#include "tests/bench/direct_load.h"

#include "shared/base/clock.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RESPONSE_BYTES_MAX = 16 * 1024 * 1024,
    REQUEST_BYTES_MAX = 16 * 1024,
    READ_BYTES = 16 * 1024,
    EVENTS_MAX = 64
};

struct conn {
    int fd; /* -1: closed */
    bool is_busy;
    int64_t start_us, first_us, last_us; /* of text; 0: has not come */
    struct buf response;
};

struct direct {
    const struct load_options *options;
    struct load_result *result;
    int epoll;
    size_t busy;
    struct sockaddr_in address;
    struct buf request;
    struct conn *conns;
};

static enum status_code read_target(const char *target, struct direct *direct, struct str *ret_path,
                                    struct status *err)
{
    struct str rest = str_c(target), host = {0}, port = {0}, scheme = STR("http://");
    char text[INET_ADDRSTRLEN];
    uint64_t number = 0;
    if (!str_starts(rest, scheme))
        return status_set(err, STATUS_INVALID_ARGUMENT, "--direct: not http://ADDRESS:PORT/PATH");
    rest = str_sub(rest, scheme.len, rest.len);
    size_t slash = str_find(rest, STR("/"), 0);
    *ret_path = str_sub(rest, slash == SIZE_MAX ? rest.len : slash, rest.len);
    struct str place = str_sub(rest, 0, slash == SIZE_MAX ? rest.len : slash);
    if (!str_split(&place, ':', &host) || !str_split(&place, ':', &port) || host.len >= sizeof text ||
        !str_to_u64(port, &number) || number == 0 || number > 65535)
        return status_set(err, STATUS_INVALID_ARGUMENT, "--direct: no port in %.100s", target);
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    direct->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)number)};
    if (inet_pton(AF_INET, text, &direct->address.sin_addr) != 1)
        return status_set(err, STATUS_INVALID_ARGUMENT, "--direct: %s is no IPv4 address", text);
    return STATUS_OK;
}

/* What the executor sends for a start, llm, answer app, so that the server has the same work. */
static bool make_request(struct direct *direct, struct str path)
{
    struct buf body;
    buf_init(&body, REQUEST_BYTES_MAX);
    buf_put_c(&body, "{\"model\":\"gpt-4o-mini\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
                     "\"messages\":[{\"role\":\"system\",\"content\":\"You answer briefly.\"},"
                     "{\"role\":\"user\",\"content\":");
    buf_put_json_string(&body, str_c(direct->options->query));
    buf_put_c(&body, "}],\"temperature\":0.3}");
    buf_init(&direct->request, REQUEST_BYTES_MAX);
    buf_printf(&direct->request,
               "POST %.*s/chat/completions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer bench\r\n"
               "Content-Type: application/json\r\nAccept: text/event-stream\r\nContent-Length: %zu\r\n\r\n",
               STR_ARG(path), body.len);
    buf_put(&direct->request, buf_str(&body));
    bool is_made = !body.failed && !direct->request.failed;
    buf_fini(&body);
    return is_made;
}

static enum status_code open_conn(struct direct *direct, struct conn *conn, struct status *err)
{
    int on = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (conn->fd < 0 || connect(conn->fd, (struct sockaddr *)&direct->address, sizeof direct->address) != 0 ||
        setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        epoll_ctl(direct->epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0)
        return status_set(err, STATUS_UNAVAILABLE, "--direct: cannot connect: %s", strerror(errno));
    return STATUS_OK;
}

static void close_conn(struct direct *direct, struct conn *conn, enum load_end end, const char *why)
{
    load_result_count(direct->result, end, why);
    (void)close(conn->fd); /* nothing is written any more */
    conn->fd = -1;
    conn->is_busy = false;
    direct->busy--;
}

static void start(struct direct *direct, struct conn *conn)
{
    struct buf *request = &direct->request;
    buf_clear(&conn->response);
    conn->is_busy = true;
    conn->first_us = conn->last_us = 0;
    direct->busy++;
    direct->result->started++;
    conn->start_us = clock_monotonic_us();
    /* A request is far smaller than the socket's buffer, which is empty. */
    if (send(conn->fd, request->ptr, request->len, MSG_NOSIGNAL) != (ssize_t)request->len)
        close_conn(direct, conn, LOAD_REFUSED, "the connection took no request");
}

static const struct str word = {"\"delta\":{\"content\":\"", 20};

static uint64_t count_words(struct str response)
{
    uint64_t count = 0;
    for (size_t at = str_find(response, word, 0); at != SIZE_MAX;
         at = str_find(response, word, at + word.len))
        count++;
    return count;
}

static void finish(struct direct *direct, struct conn *conn)
{
    struct str response = buf_str(&conn->response);
    struct load_result *result = direct->result;
    int64_t now_us = clock_monotonic_us();
    conn->is_busy = false;
    direct->busy--;
    if (!str_starts(response, STR("HTTP/1.1 200 ")) ||
        str_find(response, STR("data: [DONE]"), 0) == SIZE_MAX) {
        load_result_count(result, LOAD_FAILED, "the answer is no whole stream");
    } else {
        load_result_count(result, LOAD_OK, "");
        result->events += count_words(response);
        result->messages++;
        histogram_add(&result->whole, now_us - conn->start_us);
        if (conn->first_us != 0)
            histogram_add(&result->first_token, conn->first_us - conn->start_us);
    }
    if (load_may_start(direct->options, result, now_us))
        start(direct, conn);
}

static void record_text(struct direct *direct, struct conn *conn)
{
    int64_t now_us = clock_monotonic_us();
    if (conn->first_us == 0)
        conn->first_us = now_us;
    else
        histogram_add(&direct->result->gap, now_us - conn->last_us);
    conn->last_us = now_us;
}

static void read_more(struct direct *direct, struct conn *conn)
{
    struct buf *response = &conn->response;
    if (!buf_reserve(response, READ_BYTES)) {
        close_conn(direct, conn, LOAD_FAILED, "the answer is too long");
        return;
    }
    ssize_t n = recv(conn->fd, response->ptr + response->len, READ_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        close_conn(direct, conn, LOAD_LOST, n == 0 ? "connection closed" : strerror(errno));
        return;
    }
    size_t from = response->len >= word.len ? response->len - word.len + 1 : 0; /* one may lie across */
    response->len += (size_t)n;
    struct str all = buf_str(response);
    if (str_find(all, word, from) != SIZE_MAX)
        record_text(direct, conn);
    if (str_ends(all, STR("\r\n0\r\n\r\n")))
        finish(direct, conn);
}

static void loop(struct direct *direct)
{
    struct epoll_event events[EVENTS_MAX];
    while (direct->busy > 0) {
        int n = epoll_wait(direct->epoll, events, EVENTS_MAX, (int)direct->options->timeout_ms);
        if (n == 0) {
            load_result_count(direct->result, LOAD_LOST, "nothing came within the timeout");
            return;
        }
        for (int i = 0; i < n; i++) {
            struct conn *conn = events[i].data.ptr;
            if (conn->is_busy)
                read_more(direct, conn);
            else if (conn->fd >= 0)
                (void)epoll_ctl(direct->epoll, EPOLL_CTL_DEL, conn->fd,
                                NULL); /* closed behind the last answer */
        }
    }
}

static enum status_code prepare(struct direct *direct, struct status *err)
{
    struct str path;
    enum status_code rc = read_target(direct->options->target, direct, &path, err);
    if (rc != STATUS_OK)
        return rc;
    direct->conns = calloc(direct->options->in_flight, sizeof *direct->conns);
    direct->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (direct->conns == NULL || direct->epoll < 0 || !make_request(direct, path))
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "--direct: no memory");
    for (size_t i = 0; i < direct->options->in_flight; i++) {
        buf_init(&direct->conns[i].response, RESPONSE_BYTES_MAX);
        direct->conns[i].fd = -1;
    }
    for (size_t i = 0; rc == STATUS_OK && i < direct->options->in_flight; i++)
        rc = open_conn(direct, &direct->conns[i], err);
    return rc;
}

static void end(struct direct *direct)
{
    for (size_t i = 0; direct->conns != NULL && i < direct->options->in_flight; i++) {
        if (direct->conns[i].fd >= 0)
            (void)close(direct->conns[i].fd); /* all has been read */
        buf_fini(&direct->conns[i].response);
    }
    if (direct->epoll >= 0)
        (void)close(direct->epoll); /* holds no data */
    buf_fini(&direct->request);
    free(direct->conns);
}

enum status_code direct_load_run(const struct load_options *options, struct load_result *result,
                                 struct status *err)
{
    struct direct direct = {.options = options, .result = result, .epoll = -1};
    enum status_code rc = prepare(&direct, err);
    if (rc == STATUS_OK) {
        load_result_begin(result);
        for (size_t i = 0; i < options->in_flight; i++)
            if (load_may_start(options, result, clock_monotonic_us()))
                start(&direct, &direct.conns[i]);
        loop(&direct);
        load_result_end(result);
    }
    end(&direct);
    return rc;
}
