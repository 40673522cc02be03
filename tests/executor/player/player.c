/*
 * player: see player.h.
 */
#include "tests/executor/player/player.h"
#include "executor/value/form.h"
#include "executor/value/parse.h"
#include "tests/executor/player/player_log.h"
#include "tests/support/alloc_fail.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOG_BYTES_MAX = 16 * 1024 * 1024 };

static void on_emit(void *arg, struct run *run, const struct run_event *event);
static struct model_call *on_model_start(void *arg, struct run *run, const struct model_request *request,
                                         const struct model_callbacks *callbacks, void *callback_arg,
                                         struct status *err);
static void on_model_cancel(void *arg, struct run *run, struct model_call *call);

static void on_timer_start(void *arg, struct run *run, int64_t at_ms)
{
    (void)run;
    ((struct player *)arg)->timer_ms = at_ms;
}

static void on_wake(void *arg, struct run *run)
{
    (void)run;
    ((struct player *)arg)->wakes++;
}

static int64_t on_now_us(void *arg)
{
    return ((struct player *)arg)->now_us;
}

static void on_new_id(void *arg, char text[37])
{
    snprintf(text, 37, "00000000-0000-7000-8000-%012d", (int)++((struct player *)arg)->ids);
}

static int64_t on_model_context(void *arg, struct run *run, struct str provider, struct str model)
{
    (void)run;
    (void)provider;
    (void)model;
    return ((struct player *)arg)->context;
}

static const struct run_host host = {.emit = on_emit,
                                     .model_start = on_model_start,
                                     .model_cancel = on_model_cancel,
                                     .timer_start = on_timer_start,
                                     .wake = on_wake,
                                     .now_us = on_now_us,
                                     .new_id = on_new_id,
                                     .model_context = on_model_context};

/* --- exports --- */

static enum status_code compile(struct player *p, struct str dsl, bool is_lenient, struct buf *problems)
{
    struct graph_report report;
    struct status err = {0};
    graph_report_init(&report);
    enum status_code rc = graph_compile(dsl, is_lenient, &report, &p->graph, &err);
    for (uint32_t i = 0; i < report.count; i++) {
        if (!report.problems[i].is_warning)
            buf_printf(problems, "%s: %s\n", report.problems[i].path, report.problems[i].text);
    }
    graph_report_fini(&report);
    return rc;
}

static void open_text(struct player *p, struct str dsl, bool is_lenient)
{
    struct buf problems;
    *p = (struct player){.now_us = 1000000000, .reply = "mocked llm response"};
    buf_init(&problems, LOG_BYTES_MAX);
    buf_init(&p->log, LOG_BYTES_MAX);
    buf_init(&p->text, LOG_BYTES_MAX);
    buf_init(&p->outputs, LOG_BYTES_MAX);
    buf_init(&p->last_loop_variables, LOG_BYTES_MAX);
    buf_init(&p->last_record, LOG_BYTES_MAX);
    if (compile(p, dsl, is_lenient, &problems) != STATUS_OK)
        fail_msg("the export has problems:\n%.*s", STR_ARG(buf_str(&problems)));
    buf_fini(&problems);
}

void player_open(struct player *p, const char *dsl)
{
    open_text(p, str_c(dsl), false);
}

void player_open_lenient(struct player *p, const char *dsl)
{
    open_text(p, str_c(dsl), true);
}

char *player_problems(const char *dsl)
{
    struct player p = {0};
    struct buf problems;
    buf_init(&problems, LOG_BYTES_MAX);
    assert_code(STATUS_INVALID_ARGUMENT, compile(&p, str_c(dsl), false, &problems));
    return buf_take(&problems, NULL);
}

void player_open_export(struct player *p, const char *name)
{
    const char *folder = getenv("HEDDLE_DSL_DIR"), *source = getenv("HEDDLE_SOURCE_DIR");
    char path[1024], chunk[4096];
    struct buf text;
    if (folder != NULL)
        snprintf(path, sizeof path, "%s/%s", folder, name);
    else
        snprintf(path, sizeof path, "%s/../shared/dsl/%s", source != NULL ? source : ".", name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        print_message("skipped: no %s (HEDDLE_DSL_DIR)\n", name);
        skip();
    }
    buf_init(&text, LOG_BYTES_MAX);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, file)) > 0;)
        buf_put(&text, (struct str){chunk, n});
    fclose(file);
    open_text(p, buf_str(&text), false);
    buf_fini(&text);
}

void player_reserve(struct player *p)
{
    struct buf *bufs[] = {&p->log, &p->text, &p->outputs, &p->last_record, &p->last_loop_variables};
    for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
        (void)buf_reserve(bufs[i], 64 * 1024);
}

void player_starve(const char *dsl, const struct play *play, const char *reply, const char *outputs)
{
    bool has_failed = true;
    for (size_t n = 0; has_failed; n++) {
        struct player p;
        struct status err = {0};
        player_open(&p, dsl);
        player_reserve(&p);
        if (reply != NULL)
            p.reply = reply;
        alloc_fail_after(n);
        enum status_code rc = player_try(&p, play, &err);
        if (rc == STATUS_OK)
            player_finish(&p);
        alloc_fail_reset();
        has_failed = alloc_fail_hit();
        assert_int_equal(p.ends, rc == STATUS_OK);
        if (rc != STATUS_OK) {
            assert_code(STATUS_RESOURCE_EXHAUSTED, rc);
            assert_null(p.run);
        } else if (!has_failed) {
            assert_int_equal(p.status, RUN_STATUS_SUCCEEDED);
            if (outputs != NULL)
                assert_text(outputs, p.outputs);
            assert_true(n > 30);
        }
        player_close(&p);
    }
}

void player_close(struct player *p)
{
    run_free(p->run);
    graph_unref(p->graph);
    for (size_t i = 0; i < p->call_count; i++)
        free(p->calls[i].request);
    buf_fini(&p->log);
    buf_fini(&p->text);
    buf_fini(&p->outputs);
    buf_fini(&p->last_record);
    buf_fini(&p->last_loop_variables);
}

/* --- the run --- */

static struct value *parsed(const char *json)
{
    struct value *v = NULL;
    struct status err = {0};
    if (json != NULL && value_parse_json(NULL, str_c(json), &v, &err) != STATUS_OK &&
        err.code == STATUS_INVALID_ARGUMENT)
        fail_msg("%s: %s", json, err.message);
    return v;
}

enum status_code player_try(struct player *p, const struct play *play, struct status *err)
{
    struct run_params params = {.graph = p->graph,
                                .run_id = STR("run-1"),
                                .app_id = STR("app-1"),
                                .workflow_id = STR("version-1"),
                                .user = STR("u-1"),
                                .end_user_id = STR("end-user-1"),
                                .query = str_c(play->query),
                                .dialogue_count = play->dialogue_count > 0 ? play->dialogue_count : 1,
                                .inputs = parsed(play->inputs),
                                .files = parsed(play->files),
                                .environment = parsed(play->environment),
                                .history = play->history,
                                .conversation = play->conversation,
                                .wall_ms = 1754000000000,
                                .deadline_ms = play->deadline_ms,
                                .limits = play->limits};
    if (p->graph->mode == APP_MODE_CHATFLOW) {
        params.conversation_id = STR("conversation-1");
        params.message_id = STR("message-1");
    }
    enum status_code rc = run_new(&params, &host, p, &p->run, err);
    value_unref(params.inputs);
    value_unref(params.files);
    value_unref(params.environment);
    return rc;
}

void player_start(struct player *p, const struct play *play)
{
    struct status err = {0};
    if (player_try(p, play, &err) != STATUS_OK)
        fail_msg("refused: %s", err.message);
}

enum run_progress player_go(struct player *p)
{
    enum run_progress progress;
    do {
        p->wakes = 0;
        progress = run_advance(p->run, 1, 1000000);
        assert_true(run_has_ended(p->run) == (progress == RUN_ENDED));
    } while (progress == RUN_MORE || (progress == RUN_IDLE && p->wakes > 0));
    return progress;
}

/* One word of each call; false: no call was open. */
static bool say_word(struct player *p)
{
    bool has_open = false;
    size_t count = p->call_count;
    for (size_t i = 0; i < count; i++) {
        struct player_call *call = &p->calls[i];
        if (!call->is_open)
            continue;
        has_open = true;
        struct str rest = str_c(p->reply + call->said);
        size_t to = str_find(rest, STR(" "), 1);
        struct str word = str_sub(rest, 0, to);
        call->said += word.len;
        if (word.len > 0)
            call->callbacks.text(call->arg, word);
        else
            player_done(p, i, "stop");
        if (player_go(p) == RUN_ENDED)
            break;
    }
    return has_open;
}

void player_finish(struct player *p)
{
    for (int rounds = 0; player_go(p) != RUN_ENDED; rounds++) {
        assert_true(rounds < 10000);
        if (say_word(p))
            continue;
        assert_true(p->timer_ms > 0);
        player_pass(p, p->timer_ms - p->now_us / 1000);
    }
}

void player_play(struct player *p, const struct play *play)
{
    player_start(p, play);
    player_finish(p);
}

void player_say(struct player *p, size_t call, const char *text)
{
    assert_true(p->calls[call].is_open);
    p->calls[call].callbacks.text(p->calls[call].arg, str_c(text));
}

static void done(struct player *p, size_t call, const char *finish_reason,
                 const struct model_tool_call *calls, size_t count)
{
    struct model_reply reply = {
        .usage = {.prompt_tokens = 10, .completion_tokens = 5, .latency_ms = 200, .first_token_ms = 50},
        .finish_reason = str_c(finish_reason),
        .calls = calls,
        .call_count = count,
        .route = p->route,
        .price = p->price};
    assert_true(p->calls[call].is_open);
    p->calls[call].is_open = false;
    p->calls[call].callbacks.done(p->calls[call].arg, &reply);
}

void player_done(struct player *p, size_t call, const char *finish_reason)
{
    done(p, call, finish_reason, NULL, 0);
}

void player_done_calls(struct player *p, size_t call, const struct model_tool_call *calls, size_t count)
{
    done(p, call, "tool_calls", calls, count);
}

void player_fail(struct player *p, size_t call, const char *error_type, const char *message)
{
    assert_true(p->calls[call].is_open);
    p->calls[call].is_open = false;
    struct model_failure failure = {
        .error_type = error_type, .message = str_c(message), .route = p->route, .retry_ms = p->retry_ms};
    p->calls[call].callbacks.failed(p->calls[call].arg, &failure);
}

void player_pass(struct player *p, int64_t ms)
{
    p->now_us += ms * 1000;
    if (p->timer_ms > 0 && p->timer_ms <= p->now_us / 1000) {
        p->timer_ms = 0;
        run_timer(p->run);
    }
}

/* --- the model --- */

/* What else a message has. */
static void put_more(struct buf *b, const struct model_message *m)
{
    for (size_t i = 0; i < m->file_count; i++) {
        buf_printf(b, "%s\"%.*s %.*s\"", i == 0 ? ",\"files\":[" : ",", STR_ARG(m->files[i].url),
                   STR_ARG(m->files[i].detail));
        buf_put_c(b, i + 1 == m->file_count ? "]" : "");
    }
    for (size_t i = 0; i < m->call_count; i++) {
        buf_put_c(b, i == 0 ? ",\"calls\":[{\"id\":" : ",{\"id\":");
        buf_put_json_string(b, m->calls[i].id);
        buf_put_c(b, ",\"name\":");
        buf_put_json_string(b, m->calls[i].name);
        buf_printf(b, ",\"arguments\":%.*s}%s", STR_ARG(m->calls[i].arguments),
                   i + 1 == m->call_count ? "]" : "");
    }
    if (m->call_id.len > 0)
        buf_printf(b, ",\"call_id\":\"%.*s\"", STR_ARG(m->call_id));
}

static void put_tools(struct buf *b, const struct model_request *request)
{
    for (size_t i = 0; i < request->tool_count; i++) {
        const struct model_tool *tool = &request->tools[i];
        buf_put_c(b, i == 0 ? ",\"tools\":[{\"name\":" : ",{\"name\":");
        buf_put_json_string(b, tool->name);
        buf_put_c(b, ",\"description\":");
        buf_put_json_string(b, tool->description);
        buf_put_c(b, ",\"parameters\":");
        value_put_json(b, tool->parameters, JSON_COMPACT, false);
        buf_put_c(b, i + 1 == request->tool_count ? "}]" : "}");
    }
}

static struct model_call *on_model_start(void *arg, struct run *run, const struct model_request *request,
                                         const struct model_callbacks *callbacks, void *callback_arg,
                                         struct status *err)
{
    struct player *p = arg;
    struct buf b;
    (void)run;
    if (p->refusal != NULL) {
        status_set(err, STATUS_FAILED_PRECONDITION, "%s", p->refusal);
        return NULL;
    }
    assert_true(p->call_count < PLAYER_CALLS_MAX);
    buf_init(&b, LOG_BYTES_MAX);
    buf_put_c(&b, "{\"provider\":");
    buf_put_json_string(&b, request->provider);
    buf_put_c(&b, ",\"model\":");
    buf_put_json_string(&b, request->model);
    buf_put_c(&b, request->is_completion ? ",\"prompt\":[" : ",\"messages\":[");
    for (size_t i = 0; i < request->message_count; i++) {
        buf_put_c(&b, i > 0 ? ",{\"" : "{\"");
        buf_put(&b, request->messages[i].role);
        buf_put_c(&b, "\":");
        buf_put_json_string(&b, request->messages[i].text);
        put_more(&b, &request->messages[i]);
        buf_put_c(&b, "}");
    }
    buf_put_c(&b, "],\"params\":");
    if (request->params != NULL)
        value_put_json(&b, request->params, JSON_COMPACT, false);
    else
        buf_put_c(&b, "null");
    put_tools(&b, request);
    buf_put_c(&b, request->is_whole ? ",\"whole\":true}" : "}");
    struct player_call *call = &p->calls[p->call_count];
    char *text = buf_take(&b, NULL);
    if (text == NULL) {
        status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory");
        return NULL;
    }
    *call =
        (struct player_call){.callbacks = *callbacks, .arg = callback_arg, .is_open = true, .request = text};
    p->call_count++;
    return (struct model_call *)call;
}

static void on_model_cancel(void *arg, struct run *run, struct model_call *call)
{
    struct player_call *c = (struct player_call *)call;
    (void)arg;
    (void)run;
    assert_true(c->is_open);
    c->is_open = false;
    c->was_cancelled = true;
}

/* --- events --- */

static void on_emit(void *arg, struct run *run, const struct run_event *event)
{
    struct player *p = arg;
    assert_true(event->sequence > p->sequence);
    assert_true(p->ends == 0 || event->kind == EVENT_MESSAGE_END || event->kind == EVENT_ERROR);
    assert_true(event->created_at_ms >= 1754000000000);
    p->sequence = event->sequence;
    player_log(p, event);
    bool is_text = event->kind == EVENT_MESSAGE || event->kind == EVENT_TEXT_CHUNK;
    if (is_text) {
        assert_true(event->text.offset <= p->text.len);
        buf_cut(&p->text, event->text.offset);
        buf_put(&p->text, event->text.text);
        if (p->pauses_at_text)
            run_set_paused(run, true);
    }
}

void player_expect(struct player *p, const char *lines)
{
    if (!str_eq_c(buf_str(&p->log), lines))
        fail_msg("the log is\n%.*s\nexpected\n%s", STR_ARG(buf_str(&p->log)), lines);
    buf_clear(&p->log);
}

bool player_saw(struct player *p, const char *line)
{
    return player_count(p, line) > 0;
}

size_t player_count(struct player *p, const char *line)
{
    size_t len = strlen(line), at = 0, count = 0;
    for (struct str log = buf_str(&p->log); (at = str_find(log, str_c(line), at)) != SIZE_MAX; at += len)
        count += at == 0 || log.ptr[at - 1] == '\n';
    return count;
}

void player_check_contains(const char *needle, struct str text)
{
    if (str_find(text, str_c(needle), 0) == SIZE_MAX)
        fail_msg("\"%.*s\" has no \"%s\"", STR_ARG(text), needle);
}
