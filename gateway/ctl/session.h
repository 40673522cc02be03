/*
 * session: what a command of heddlectl works with: options, token, one connection, output.
 * Threads  the main thread; session_channel() and session_queue() may be used by the interrupt watcher too.
 */
#pragma once
#include "gateway/ctl/command.h"
#include "gateway/ctl/json.h"
#include "shared/rpc/blocking.h"
#include <protobuf-c/protobuf-c.h>

/* bytes. Of what one command prints at once, and of a file or standard input it reads. */
#define CTL_OUTPUT_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define CTL_INPUT_BYTES_MAX  ((size_t)12 * 1024 * 1024)

struct ctl {
    const char *gateway, *admin; /* addresses */
    const char *token;           /* NULL: none */
    bool is_json;
    int64_t timeout_ms; /* 0: the command's own default */
    struct rpc_queues *queues;
    struct rpc_channel *channel;
    char *owned_token;
    bool stdin_is_used; /* by the token */
};

enum ctl_listener { CTL_PUBLIC, CTL_ADMIN };
/* Connects (lazily: errors come with the first call). False: said why on stderr. */
MUST_CHECK bool session_open(struct ctl *ctl, enum ctl_listener listener);
void session_close(struct ctl *ctl); /* idempotent */

/* Indexes of the methods table, in the order of session.c. */
enum ctl_method {
    METHOD_SEND_MESSAGE,
    METHOD_RUN_WORKFLOW,
    METHOD_GET_RUN,
    METHOD_LIST_RUNS,
    METHOD_LIST_CONVERSATIONS,
    METHOD_LIST_MESSAGES,
    METHOD_RENAME_CONVERSATION,
    METHOD_DELETE_CONVERSATION,
    METHOD_LIST_VARIABLES,
    METHOD_STOP_TASK,
    METHOD_HEALTH_CHECK,
    METHOD_IMPORT_APP,
    METHOD_LIST_APPS,
    METHOD_GET_APP,
    METHOD_UPDATE_APP,
    METHOD_DELETE_APP,
    METHOD_LIST_VERSIONS,
    METHOD_PUBLISH_VERSION,
    METHOD_SET_APP_ENVIRONMENT,
    METHOD_CREATE_API_KEY,
    METHOD_LIST_API_KEYS,
    METHOD_DELETE_API_KEY,
    METHOD_CREATE_CREDENTIAL,
    METHOD_LIST_CREDENTIALS,
    METHOD_UPDATE_CREDENTIAL,
    METHOD_DELETE_CREDENTIAL,
    METHOD_TEST_CREDENTIAL,
    METHOD_SET_MODEL,
    METHOD_LIST_MODELS
};
/*
 * One unary call. Returns the unpacked reply (free with protobuf_c_message_free_unpacked), or NULL with *err.
 * default_ms: time limit unless --timeout was given.
 */
ProtobufCMessage *session_try(struct ctl *ctl, enum ctl_method method, const ProtobufCMessage *request,
                              int64_t default_ms, struct status *err);
/* The same for an administrator's call; a failure is said on stderr and gives NULL. */
ProtobufCMessage *session_admin(struct ctl *ctl, enum ctl_method method, const ProtobufCMessage *request);
/* Calls, and prints the reply as JSON or else the words. */
enum ctl_exit session_change(struct ctl *ctl, enum ctl_method method, const ProtobufCMessage *request,
                             const char *words);
/* Starts a stream on the public listener. False: said why. default: no time limit. */
MUST_CHECK bool session_stream(struct ctl *ctl, enum ctl_method method, const ProtobufCMessage *request,
                               struct rpc_blocking_stream **ret);

/* For a field of a request, which protobuf-c wants as char * and only reads; NULL gives "". */
char *text_of(const char *text);
/* "heddlectl: CODE (REASON): words" and a hint for what is common. */
void say_status(const struct ctl *ctl, const struct status *status);
void say_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Prints and empties the buffer. CTL_FAILED when it had failed or standard output is gone. */
enum ctl_exit print_buf(struct buf *take_text);
enum ctl_exit print_json(const ProtobufCMessage *message, enum json_layout layout);
/* A file's text, "-" is standard input; malloc'd, NUL behind it. NULL: said why. */
char *read_text(struct ctl *ctl, const char *path, size_t *ret_len);
/* A secret from environment variable `name`, else from standard input (one trailing line end cut). NULL: said why. */
char *read_secret(struct ctl *ctl, const char *name);
/* Whole number in [min, max]; false: said why. */
MUST_CHECK bool read_number(const char *option, const char *text, int64_t min, int64_t max, int64_t *ret);
MUST_CHECK bool read_yes_no(const char *option, const char *text, bool *ret);
/* UTC, "2026-11-24 20:27:18"; empty for 0. */
void put_time(struct buf *b, int64_t wall_ms);
