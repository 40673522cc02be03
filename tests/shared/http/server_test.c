/* Tests of the HTTP server: pages, methods, addresses, callers who take their time. */
#include "shared/base/clock.h"
#include "shared/http/server.h"
#include "tests/support/check.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void write_hello(void *arg, struct http_page *page)
{
    page->content_type = "text/x-hello";
    buf_put_c(&page->body, arg);
}

static void write_not_ready(void *arg, struct http_page *page)
{
    (void)arg;
    page->status = 503;
    buf_put_c(&page->body, "draining\n");
}

static void write_failed(void *arg, struct http_page *page)
{
    (void)arg;
    page->body.failed = true;
}

static const struct http_route routes[] = {
    {"/hello", write_hello}, {"/readyz", write_not_ready}, {"/failed", write_failed}};

static struct http_server *start(const char *address)
{
    struct http_server *server = NULL;
    struct status err;
    const struct http_server_options options = {
        .address = address, .routes = routes, .route_count = ARRAY_LEN(routes), .arg = "hello\n"};
    if (http_server_new(&options, &server, &err) != STATUS_OK)
        fail_msg("%s", err.message);
    return server;
}

static int connect_to(const struct http_server *server)
{
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)http_server_port(server)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(0, connect(fd, (struct sockaddr *)&name, sizeof name));
    return fd;
}

/* All that comes until the other side closes; the fd is closed. The caller frees it. */
static char *read_all(int fd)
{
    struct buf all;
    char piece[4096];
    buf_init(&all, (size_t)1024 * 1024);
    for (ssize_t n; (n = read(fd, piece, sizeof piece)) > 0;)
        buf_put(&all, (struct str){piece, (size_t)n});
    close(fd);
    char *text = buf_take(&all, NULL);
    assert_non_null(text);
    return text;
}

static char *ask(const struct http_server *server, const char *request)
{
    int fd = connect_to(server);
    assert_int_equal(strlen(request), write(fd, request, strlen(request)));
    return read_all(fd);
}

static void pages_and_methods(void **state)
{
    (void)state;
    static const struct {
        const char *request, *status, *holds;
    } rows[] = {
        {"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "\r\n\r\nhello\n"},
        {"GET /hello?a=b HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "text/x-hello"},
        {"HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", "Content-Length: 6\r\n"},
        {"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 503 ", "draining"},
        {"GET /failed HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 500 ", "Content-Length: 0"},
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ", "nothing here"},
        {"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 404 ", ""},
        {"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405 ", "Allow: GET, HEAD"},
        {"DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 ", "Connection: close"},
    };
    struct http_server *server = start("127.0.0.1:0");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *answer = ask(server, rows[i].request);
        assert_contains(rows[i].status, answer);
        assert_contains(rows[i].holds, answer);
        free(answer);
    }
    char *answer = ask(server, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_null(strstr(answer, "\r\n\r\nhello"));
    free(answer);
    http_server_free(server);
}

static void headers_have_a_maximum(void **state)
{
    (void)state;
    struct http_server *server = start("127.0.0.1:0");
    char request[HTTP_SERVER_HEADER_BYTES * 2];
    int len = snprintf(request, sizeof request, "GET /hello HTTP/1.1\r\nHost: x\r\nX-Long: ");
    memset(request + len, 'a', sizeof request - (size_t)len);
    request[sizeof request - 1] = '\0';
    int fd = connect_to(server);
    /* The server may close before it has read all of it. */
    (void)send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
    char *answer = read_all(fd);
    assert_null(strstr(answer, " 200 "));
    free(answer);
    http_server_free(server);
}

static void a_connection_that_takes_too_long_is_closed(void **state)
{
    (void)state;
    struct http_server *server = start("127.0.0.1:0");
    int fd = connect_to(server);
    assert_int_equal(4, write(fd, "GET ", 4));
    while (http_server_connections(server) == 0)
        usleep(1000);
    int64_t now_ms = clock_monotonic_ms();
    http_server_tick(server, now_ms - HTTP_SERVER_LIFE_MS); /* not yet */
    assert_int_equal(1, http_server_connections(server));
    http_server_tick(server, now_ms + HTTP_SERVER_LIFE_MS);
    char *answer = read_all(fd); /* returns: it was closed */
    assert_null(strstr(answer, " 200 "));
    free(answer);
    http_server_free(server);
}

static void a_crowd_of_silent_ones_keeps_nobody_out(void **state)
{
    (void)state;
    enum { CROWD = HTTP_SERVER_CONNECTIONS_MAX * 3 };
    struct http_server *server = start("127.0.0.1:0");
    int fds[CROWD];
    for (size_t i = 0; i < CROWD; i++)
        fds[i] = connect_to(server);
    char *answer = ask(server, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_contains("HTTP/1.1 200 ", answer);
    free(answer);
    assert_true(http_server_connections(server) <= HTTP_SERVER_CONNECTIONS_MAX);
    for (size_t i = 0; i < CROWD; i++)
        close(fds[i]);
    http_server_free(server);
}

static void addresses(void **state)
{
    (void)state;
    struct http_server *server = start("127.0.0.1:0"), *other = NULL;
    struct status err;
    char taken[64];
    snprintf(taken, sizeof taken, "127.0.0.1:%d", http_server_port(server));
    const struct {
        const char *address;
        enum status_code code;
        const char *words;
    } rows[] = {
        {taken, STATUS_ALREADY_EXISTS, "in use"},
        {"127.0.0.1", STATUS_INVALID_ARGUMENT, "host:port"},
        {"127.0.0.1:65536", STATUS_INVALID_ARGUMENT, "host:port"},
        {"127.0.0.1:x", STATUS_INVALID_ARGUMENT, "host:port"},
        {":7480", STATUS_INVALID_ARGUMENT, "host:port"},
        {"", STATUS_INVALID_ARGUMENT, "host:port"},
        {"unix:", STATUS_INVALID_ARGUMENT, "socket path"},
        {"unix:/nowhere/at/all.sock", STATUS_UNAVAILABLE, "cannot listen"},
        {"192.0.2.1:0", STATUS_UNAVAILABLE, "cannot listen"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct http_server_options options = {.address = rows[i].address, .routes = routes};
        assert_code(rows[i].code, http_server_new(&options, &other, &err));
        assert_contains(rows[i].words, err.message);
        assert_null(other);
    }
    http_server_free(server);
}

static void a_unix_socket_is_its_owners_and_a_stale_one_is_replaced(void **state)
{
    (void)state;
    char folder[] = "/tmp/heddle-http-XXXXXX", address[64];
    assert_non_null(mkdtemp(folder));
    snprintf(address, sizeof address, "unix:%s/s", folder);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s/s", folder);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(0, bind(stale, (struct sockaddr *)&name, sizeof name));
    close(stale);
    struct http_server *server = start(address);
    struct stat st;
    assert_int_equal(0, stat(name.sun_path, &st));
    assert_int_equal(0600, st.st_mode & 0777);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(0, connect(fd, (struct sockaddr *)&name, sizeof name));
    static const char request[] = "GET /hello HTTP/1.0\r\n\r\n";
    assert_int_equal(sizeof request - 1, write(fd, request, sizeof request - 1));
    char *answer = read_all(fd);
    assert_contains("hello\n", answer);
    free(answer);
    http_server_free(server);
    assert_int_equal(-1, stat(name.sun_path, &st));
    assert_int_equal(0, rmdir(folder));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_and_methods),
        cmocka_unit_test(headers_have_a_maximum),
        cmocka_unit_test(a_connection_that_takes_too_long_is_closed),
        cmocka_unit_test(a_crowd_of_silent_ones_keeps_nobody_out),
        cmocka_unit_test(addresses),
        cmocka_unit_test(a_unix_socket_is_its_owners_and_a_stale_one_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
