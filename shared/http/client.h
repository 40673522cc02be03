/*
 * client: HTTP requests over a libuv loop, by libcurl (worker-loop.md 1 to 6).
 *
 * Threads    a client and its transfers belong to the thread of the loop. http_global_init() before any thread starts.
 * Callbacks  header and data come from inside libcurl and must only note things; they may call any function here (what
 *            libcurl does not allow then is put off until it has returned). done comes outside of libcurl. None of them
 *            comes from inside http_start().
 * Repeats    libcurl sends a request again when a kept connection turns out to be closed, and so does the client, once,
 *            when such a connection broke before a byte came back. A request for HTTP_SEND_ONCE uses a connection of its
 *            own, so there is nothing to repeat.
 */
#pragma once
#include "shared/base/buf.h"
#include "shared/http/headers.h"
#include <uv.h>

/* transfers. Requests of one client at a time: what one worker can hold in memory (worker-loop.md 3). */
#define HTTP_TRANSFERS_MAX 16384
/* ms. To connect, TLS handshake included, when a request does not say. */
#define HTTP_CONNECT_MS 10000
/* ms, bytes. For how long, and how much of an answer is read behind its end, so that its connection can be used again. */
#define HTTP_LINGER_MS        2000
#define HTTP_LINGER_BYTES_MAX ((size_t)64 * 1024)
/* headers. Of one request, beside its list: those of a trace. */
#define HTTP_MORE_HEADERS_MAX 2

struct http_client;
struct http_transfer;

/* Once per process, main thread, around all clients. */
MUST_CHECK enum status_code http_global_init(struct status *err);
void http_global_fini(void);

enum http_version {
    HTTP_VERSION_1_1,
    HTTP_VERSION_2 /* over TLS, when the server chooses it (ALPN); cheaper in connections, dearer in CPU */
};

/*
 * ca_file   PEM bundle of the authorities servers are checked against; NULL: the system's
 * proxy     URL; NULL: none, whatever the environment says
 */
struct http_client_options {
    uv_loop_t *loop;
    const char *ca_file;
    const char *proxy;
    enum http_version version;
};

/* RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code http_client_new(const struct http_client_options *options,
                                            struct http_client **ret_client, struct status *err);
/*
 * Ends all transfers without their callbacks, closes connections and timers. The loop has to run once more (until nothing
 * is left in it) for the memory to be freed. NULL is fine. Not from a callback.
 */
void http_client_close(struct http_client *take_client);

enum http_repeat {
    HTTP_MAY_REPEAT, /* at least once: see Repeats */
    HTTP_SEND_ONCE
};

/*
 * method      "GET", "POST" …; static or living until the end of the transfer
 * url         NUL-terminated, http or https; copied
 * headers     NULL: none; the transfer holds a reference
 * more        more_count (HTTP_MORE_HEADERS_MAX at most) headers of this request alone, in front of those; copied
 * connect_ms  0: HTTP_CONNECT_MS
 * total_ms    from start to end; 0: no limit
 * first_ms    from start until http_first_seen(); 0: no limit
 * idle_ms     longest silence of the server; 0: no limit
 *             The three count no time in which the transfer is paused, and are kept to half a second or better.
 * takes_compressed  the answer may come as gzip or deflate; data is what it unpacks to, which has no bound of its own
 */
struct http_request {
    const char *method;
    const char *url;
    struct http_headers *headers;
    const struct http_header *more;
    size_t more_count;
    int64_t connect_ms, total_ms, first_ms, idle_ms;
    enum http_repeat repeat;
    bool takes_compressed;
};

enum http_outcome {
    HTTP_ANSWERED,      /* the whole answer came, whatever its status */
    HTTP_NOT_CONNECTED, /* name, connection or TLS: the request did not reach the server */
    HTTP_TIMED_OUT,     /* connect_ms, total_ms or idle_ms */
    HTTP_BROKEN         /* the connection ended before the answer did, or the answer is not HTTP */
};

/*
 * status     of the answer; 0: none came
 * words      for people, of a failure; borrowed; "" for HTTP_ANSWERED
 */
struct http_result {
    enum http_outcome outcome;
    int status;
    const char *words;
};

/*
 * header   one line of the answer (NULL: not wanted); trimmed
 * data     bytes of the body; status and content type as http_transfer_*() say
 * done     exactly once and last, unless the transfer was cancelled; the transfer is gone when it returns
 */
struct http_handler {
    void (*header)(void *arg, struct str name, struct str value);
    void (*data)(void *arg, struct str bytes);
    void (*done)(void *arg, const struct http_result *result);
};

/*
 * Starts a request.
 * take_body            its bytes (NULL: no body); as after buf_init() afterwards, on success only
 * RESOURCE_EXHAUSTED   HTTP_TRANSFERS_MAX, or no memory
 * INVALID_ARGUMENT     libcurl does not understand the url, or one of `more` is no header
 */
MUST_CHECK enum status_code http_start(struct http_client *client, const struct http_request *request,
                                       struct buf *take_body, const struct http_handler *handler, void *arg,
                                       struct http_transfer **ret_transfer, struct status *err);
/*
 * Ends it without callbacks. Outside of header and data the connection is closed before this returns (a kept HTTP/2
 * connection stays, its stream is reset); inside of them right after libcurl has returned.
 */
void http_cancel(struct http_transfer *t);
/* No data comes any more after this returns, until http_resume(). One piece more may stay in memory. */
void http_pause(struct http_transfer *t);
/* data may come before this returns. */
void http_resume(struct http_transfer *t);
/* What the owner was waiting for is here: first_ms is over. */
void http_first_seen(struct http_transfer *t);
/* Another idle_ms from now on. */
void http_set_idle(struct http_transfer *t, int64_t idle_ms);
/*
 * From header or data: the owner wants no more of this answer. No data comes any more, and done comes soon, as if the answer
 * had ended here, though the server may keep it open. What is left is read and dropped (HTTP_LINGER_…).
 */
void http_finish(struct http_transfer *t);

int http_transfer_status(const struct http_transfer *t); /* 0: not known yet */
/* "text/event-stream; charset=utf-8"; "" when not said. Borrowed until the end. */
struct str http_transfer_content_type(const struct http_transfer *t);
size_t http_client_transfers(const struct http_client *client); /* in flight */
