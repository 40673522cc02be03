/* control: the program's own requests. */
#include "control.h"

#include <string.h>

static void respond(struct http_conn *conn, int status, struct text *body)
{
    if (body->failed)
        http_respond(conn, 500, "application/json",
                     SPAN("{\"error\":{\"message\":\"fakellm: out of memory\"}}\n"));
    else
        http_respond(conn, status, "application/json", (struct span){body->ptr, body->len});
    text_fini(body);
}

void control_requests(struct control *control, struct http_conn *conn)
{
    struct text body;
    text_init(&body, REQUEST_LOG_JSON_BYTES_MAX);
    request_log_put_json(control->service->log, &body);
    respond(conn, 200, &body);
}

void control_stats(struct control *control, struct http_conn *conn)
{
    struct text body;
    text_init(&body, 4096);
    request_log_put_stats(control->service->log, http_server_connections(control->server), &body);
    respond(conn, 200, &body);
}

static void set_script(struct control *control, struct script *take_script)
{
    script_unref(control->service->script);
    control->service->script = take_script;
}

void control_reset(struct control *control, struct http_conn *conn)
{
    request_log_reset(control->service->log);
    set_script(control, script_ref(control->first_script));
    http_respond(conn, 200, "application/json", SPAN("{}\n"));
}

void control_script(struct control *control, struct http_conn *conn, struct span body)
{
    char message[RULE_MESSAGE_BYTES];
    struct text answer;
    text_init(&answer, 4096);
    struct script *script =
        body.len > 0 ? script_new(body, &control->defaults, control->is_burst, message) : NULL;
    if (script != NULL) {
        set_script(control, script);
        text_putf(&answer, "{\"rules\":%zu}\n", script_rule_count(script));
        respond(conn, 200, &answer);
        return;
    }
    text_put(&answer, SPAN("{\"error\":{\"message\":"));
    text_put_json(&answer, body.len > 0 ? message : "script: is empty");
    text_put(&answer, SPAN("}}\n"));
    respond(conn, 400, &answer);
}

static bool is_named_before(const struct script *script, size_t index)
{
    const char *model = script_rule(script, index)->model;
    for (size_t i = 0; i < index; i++) {
        const char *other = script_rule(script, i)->model;
        if (other != NULL && strcmp(other, model) == 0)
            return true;
    }
    return false;
}

static void put_model(struct text *out, const char *model)
{
    text_put(out, SPAN("{\"id\":"));
    text_put_json(out, model);
    text_put(out, SPAN(",\"object\":\"model\",\"created\":0,\"owned_by\":\"fakellm\"}"));
}

void control_models(struct control *control, struct http_conn *conn)
{
    const struct script *script = control->service->script;
    struct text body;
    text_init(&body, REQUEST_LOG_JSON_BYTES_MAX);
    text_put(&body, SPAN("{\"object\":\"list\",\"data\":["));
    put_model(&body, "fake-model");
    for (size_t i = 0; i < script_rule_count(script); i++) {
        if (script_rule(script, i)->model == NULL || is_named_before(script, i))
            continue;
        text_put(&body, SPAN(","));
        put_model(&body, script_rule(script, i)->model);
    }
    text_put(&body, SPAN("]}"));
    respond(conn, 200, &body);
}
