/*
 * attempt_bench: an attempt against a server on the same loop: what the provider sends byte by byte, and what is heard of it.
 */
#pragma once
#include "executor/model/attempt.h"
#include "tests/shared/http/server.h"
#include "tests/support/check.h"

struct bench {
    uv_loop_t loop;
    struct server *server;
    struct http_client *http;
    struct http_headers *headers;
    struct str answer; /* ptr NULL: none yet */
    bool ends;         /* the server closes after its answer */
    bool resets;       /* the same without manners */
    struct connection *connection;
    bool is_closed; /* by the client */
    char url[64];
    struct attempt_params params; /* what differs from the usual */
    struct buf request, text;
    unsigned pieces; /* of text */
    bool is_over;
    bool is_whole; /* the text is wanted in one piece */
    char error_type[64], finish_reason[32];
    struct buf calls; /* "id name arguments" of each, a line */
    struct buf message, words;
    struct attempt_failure failure; /* its numbers */
    struct usage usage;
    bool has_usage;
};

/* The server sends `answer` (NULL, or ptr NULL: nothing until the test does) and, when it ends, closes. */
void begin(struct bench *b, const char *answer, bool ends);
void begin_with(struct bench *b, const struct protocol *protocol, struct str answer, bool ends);
struct attempt *start(struct bench *b);
void run_until_over(struct bench *b);
/* Lets the loop run for about `ms` in which nothing is to happen. */
void run_for(struct bench *b, uint64_t ms);
void end(struct bench *b);
extern const struct attempt_callbacks bench_callbacks;

#define STREAM                                                                                               \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n"
#define JSON(status) "HTTP/1.1 " status "\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
#define TEXT(text)   "data: {\"choices\":[{\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define STOP         "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n"
#define THINK(text)  "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"" text "\"}}]}\n\n"
#define DONE         "data: [DONE]\n\n"
#define UNAVAILABLE  "InvokeServerUnavailableError"
