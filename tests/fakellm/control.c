/* control: the program's own requests. */
#include "control.h"

enum { ANSWER_BYTES_MAX = 64 * 1024 * 1024 /* 10,000 rows of the report with long keys */ };

static void respond(struct http_conn *conn, int status, struct text *body)
{
    if (body->failed)
        http_respond(conn, 500, "application/json",
                     SPAN("{\"error\":{\"message\":\"fakellm: out of memory\"}}\n"));
    else
        http_respond(conn, status, "application/json", (struct span){body->ptr, body->len});
    text_fini(body);
}

static void get_requests(struct control *control, struct http_conn *conn, struct span body)
{
    (void)body;
    struct text answer;
    text_init(&answer, REQUEST_LOG_JSON_BYTES_MAX);
    request_log_put_json(control->service->log, &answer);
    respond(conn, 200, &answer);
}

static void get_stats(struct control *control, struct http_conn *conn, struct span body)
{
    (void)body;
    struct text answer;
    text_init(&answer, ANSWER_BYTES_MAX);
    request_log_put_stats(control->service->log, http_server_connections(control->server), &answer);
    respond(conn, 200, &answer);
}

static void get_keys(struct control *control, struct http_conn *conn, struct span body)
{
    (void)body;
    struct text answer;
    text_init(&answer, ANSWER_BYTES_MAX);
    key_report_put_json(control->service->keys, &answer);
    respond(conn, 200, &answer);
}

static void set_script(struct control *control, struct script *take_script)
{
    script_unref(control->service->script);
    control->service->script = take_script;
}

static void set_limits(struct control *control, struct limits *take_limits)
{
    limits_unref(control->service->limits);
    control->service->limits = take_limits;
}

static void post_reset(struct control *control, struct http_conn *conn, struct span body)
{
    (void)body;
    request_log_reset(control->service->log);
    key_report_reset(control->service->keys);
    script_restart(control->first_script);
    limits_restart(control->first_limits);
    set_script(control, script_ref(control->first_script));
    set_limits(control, limits_ref(control->first_limits));
    http_respond(conn, 200, "application/json", SPAN("{}\n"));
}

static void put_refusal(struct text *answer, const char *message)
{
    text_put(answer, SPAN("{\"error\":{\"message\":"));
    text_put_json(answer, message);
    text_put(answer, SPAN("}}\n"));
}

static void post_script(struct control *control, struct http_conn *conn, struct span body)
{
    char message[RULE_MESSAGE_BYTES] = "script: is empty";
    struct text answer;
    text_init(&answer, ANSWER_BYTES_MAX);
    struct script *script = body.len > 0 ? script_new(body, &control->options, message) : NULL;
    if (script != NULL) {
        set_script(control, script);
        text_putf(&answer, "{\"rules\":%zu}\n", script_rule_count(script));
    } else {
        put_refusal(&answer, message);
    }
    respond(conn, script != NULL ? 200 : 400, &answer);
}

static void post_limits(struct control *control, struct http_conn *conn, struct span body)
{
    char message[LIMIT_MESSAGE_BYTES] = "limits: is empty";
    struct text answer;
    text_init(&answer, ANSWER_BYTES_MAX);
    struct limits *limits = body.len > 0 ? limits_new(body, message) : NULL;
    if (limits != NULL) {
        set_limits(control, limits);
        text_putf(&answer, "{\"limits\":%zu}\n", limits_count(limits));
    } else {
        put_refusal(&answer, message);
    }
    respond(conn, limits != NULL ? 200 : 400, &answer);
}

bool control_request(struct control *control, struct http_conn *conn, const struct http_request *req)
{
    static const struct {
        const char *method, *path;
        void (*answer)(struct control *control, struct http_conn *conn, struct span body);
    } routes[] = {
        {"GET", "/control/requests", get_requests}, {"GET", "/control/stats", get_stats},
        {"GET", "/control/keys", get_keys},         {"POST", "/control/reset", post_reset},
        {"POST", "/control/script", post_script},   {"POST", "/control/limits", post_limits},
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (!span_is(req->path, routes[i].path))
            continue;
        if (span_is(req->method, routes[i].method))
            routes[i].answer(control, conn, req->body);
        else
            http_respond(conn, 405, "application/json",
                         SPAN("{\"error\":{\"message\":\"method not allowed\"}}\n"));
        return true;
    }
    return false;
}
