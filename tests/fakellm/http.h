#ifndef FAKELLM_HTTP_H
#define FAKELLM_HTTP_H

#include <uv.h>

#include "http_parse.h"
#include "text.h"

/*
 * http: an HTTP/1.1 server on one loop. It reads requests, writes answers, and tells at once when a client leaves.
 * Threads  everything belongs to the loop's thread.
 *
 * One request of a connection is answered at a time. Its answer is an *exchange*: the handler answers within
 * `request`, or notes its own object with http_set_exchange() and goes on later, in `resume`.
 */
struct http_server;
struct http_conn;

struct http_request {
    struct span method, path, query, body;
    const struct http_head *head; /* what else its head says */
};

/* How an exchange ended. */
enum http_end {
    HTTP_COMPLETED,     /* the system has taken the whole answer */
    HTTP_CLIENT_CLOSED, /* the client closed the connection before that */
    HTTP_CLIENT_RESET,  /* … or reset it */
    HTTP_BROKEN_OFF /* we closed it: the answer asked for that (HTTP_BREAK, HTTP_RESET), or the server stops */
};

/* "completed", "client_closed", "reset", "broken_off". */
const char *http_end_name(enum http_end how);

struct http_handler {
    void *arg; /* for `request` */

    /* Borrows req for the call. Must answer with http_send(), or note an exchange and arm http_wait(). */
    void (*request)(void *arg, struct http_conn *conn, const struct http_request *req);

    /* Go on: the time of http_wait() has come, or what http_send() could not pass on at once has gone out. */
    void (*resume)(void *exchange);

    /* Called exactly once for every exchange that was set; it may be in http_send(). */
    void (*ended)(void *exchange, enum http_end how);
};

/* What follows the bytes of one http_send(). */
enum http_after {
    HTTP_MORE,           /* more of this answer */
    HTTP_MORE_NEXT_TURN, /* more, but not before the loop has turned: these bytes are a write of their own */
    HTTP_LAST,           /* nothing: the answer is complete */
    HTTP_BREAK,          /* nothing: the connection is closed in the middle of the answer */
    HTTP_RESET           /* nothing: it is reset */
};

struct http_answer {
    int status;
    const char *content_type;
    const char *request_id; /* header x-request-id; may be NULL */
    const char *encoding;   /* header content-encoding; may be NULL */
    struct span headers;    /* more lines, each with its CR LF */
    int64_t
        content_length; /* -1: not known before the end (sent chunked; HTTP/1.0: ends with the connection) */
};

/* Listens on addr. On failure returns a libuv error code, and the server must still be ended. */
int http_server_start(uv_loop_t *loop, const struct sockaddr *addr, const struct http_handler *handler,
                      struct http_server **ret_server);

/* The port the server listens on. */
int http_server_port(const struct http_server *server);
size_t http_server_connections(const struct http_server *server);

/* Stops listening and closes every connection; exchanges end as HTTP_BROKEN_OFF. NULL is fine. */
void http_server_stop(struct http_server *server);

/* After the loop has run empty. NULL is fine. */
void http_server_free(struct http_server *server);

void http_set_exchange(struct http_conn *conn, void *exchange);

/* Calls `resume` at due_ns (uv_hrtime), never earlier than a millisecond before it. */
void http_wait(struct http_conn *conn, int64_t due_ns);

/*
 * Sends part of the answer: its head when `head` is given (first call), then `body`, in one write. Without a head ever
 * given, the body's bytes are sent as they are.
 * Returns true when the system took everything and the caller may send the next part now. False: wait for `resume`;
 * the exchange may also have ended meanwhile, so the caller returns without looking at it again.
 */
bool http_send(struct http_conn *conn, const struct http_answer *head, struct span body,
               enum http_after after);

/* Sends a whole answer. */
void http_respond(struct http_conn *conn, int status, const char *content_type, struct span body);

#endif
