/* run_records: runs list, show and tail. See records.h. */
#include "gateway/ctl/records.h"

#include "gateway/ctl/list.h"
#include "heddle/v1/workflow.pb-c.h"
#include "shared/base/clock.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* runs. Shown without --limit, at most with it, and of one question. */
enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 100000, PAGE = 100 };
/* bytes. Of an error in a list, and of inputs and outputs on one screen. */
enum { ERROR_CUT = 100, PAYLOAD_CUT = 600 };

static const char *status_of(int status, char ret[ENUM_WORD_BYTES])
{
    return enum_word(&heddle__v1__run_status__descriptor, status, "RUN_STATUS_", ret);
}

static const char *reason_of(int reason, char ret[ENUM_WORD_BYTES])
{
    return reason == 0 ? "" : enum_word(&heddle__v1__end_reason__descriptor, reason, "END_REASON_", ret);
}

/* --- list --- */

static bool read_filters(const struct ctl_args *args, Heddle__V1__ListRunsRequest *request)
{
    int value;
    int64_t span_ms;
    const char *status = args_option(args, "status"), *reason = args_option(args, "reason"),
               *since = args_option(args, "since");
    if (status != NULL) {
        if (!enum_read("status", &heddle__v1__run_status__descriptor, "RUN_STATUS_", status, &value))
            return false;
        request->status = (Heddle__V1__RunStatus)value;
    }
    if (reason != NULL) {
        if (!enum_read("reason", &heddle__v1__end_reason__descriptor, "END_REASON_", reason, &value))
            return false;
        request->end_reason = (Heddle__V1__EndReason)value;
    }
    if (since != NULL) {
        if (!span_read("since", since, &span_ms))
            return false;
        request->created_after_ms = clock_wall_ms() - span_ms;
    }
    request->user = text_of(args_option(args, "user"));
    request->keyword = text_of(args_option(args, "keyword"));
    request->conversation_id = text_of(args_option(args, "conversation"));
    return true;
}

/* One page; NULL: said why. */
static Heddle__V1__ListRunsResponse *next_page(struct ctl *ctl, const Heddle__V1__ListRunsRequest *request)
{
    struct status err;
    ProtobufCMessage *reply = session_try(ctl, METHOD_LIST_RUNS, &request->base, 30000, &err);
    if (reply == NULL)
        say_status(ctl, &err);
    return (Heddle__V1__ListRunsResponse *)reply;
}

static void put_row(struct table *t, const Heddle__V1__Run *run)
{
    char word[ENUM_WORD_BYTES];
    struct buf error;
    buf_init(&error, 4096);
    put_cut(&error, str_c(run->error), ERROR_CUT);
    table_put(t, str_c(run->run_id));
    table_put_time(t, run->created_at_ms);
    table_put(t, str_c(status_of((int)run->status, word)));
    table_put(t, str_c(reason_of((int)run->end_reason, word)));
    table_put_int(t, run->elapsed_ms);
    table_put_int(t, run->total_tokens);
    table_put(t, str_c(run->user));
    table_put(t, buf_str(&error));
    buf_fini(&error);
}

static const char *const headings[] = {"RUN",     "BEGUN (UTC)", "STATUS", "REASON",
                                       "TOOK MS", "TOKENS",      "USER",   "ERROR"};

enum ctl_exit runs_list(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__ListRunsRequest request = HEDDLE__V1__LIST_RUNS_REQUEST__INIT;
    int64_t limit = LIMIT_DEFAULT;
    const char *limit_text = args_option(args, "limit");
    if ((limit_text != NULL && !read_number("limit", limit_text, 1, LIMIT_MAX, &limit)) ||
        !read_filters(args, &request))
        return CTL_USAGE;
    if (!session_open(ctl, CTL_PUBLIC))
        return CTL_FAILED;
    struct table t;
    struct buf text;
    buf_init(&text, CTL_OUTPUT_BYTES_MAX);
    table_init(&t, ARRAY_LEN(headings), headings);
    Heddle__V1__ListRunsResponse *page = NULL, *before;
    do {
        request.page_size = (int32_t)(limit < PAGE ? limit : PAGE);
        before = page;
        page = next_page(ctl, &request);
        heddle__v1__list_runs_response__free_unpacked(before, NULL);
        for (size_t i = 0; page != NULL && i < page->n_runs; i++, limit--) {
            if (ctl->is_json)
                message_put_json(&text, &page->runs[i]->base, JSON_ONE_LINE);
            else
                put_row(&t, page->runs[i]);
        }
        request.page_token = page == NULL ? text_of("") : page->next_page_token;
    } while (request.page_token[0] != '\0' && limit > 0);
    if (ctl->is_json)
        buf_fini(&t.cells);
    else
        table_print(&t, &text);
    enum ctl_exit result = page == NULL ? CTL_FAILED : CTL_OK;
    heddle__v1__list_runs_response__free_unpacked(page, NULL);
    return print_buf(&text) == CTL_OK ? result : CTL_FAILED;
}

/* --- show --- */

/* A node without a title is named by its id; inside an iteration or a loop the element or round follows. */
static void put_node_name(struct buf *b, const Heddle__V1__NodeFinished *node)
{
    buf_put_c(b, node->title[0] != '\0' ? node->title : node->node_id);
    if (node->iteration_id[0] != '\0')
        buf_printf(b, "[%d]", (int)node->iteration_index);
    if (node->loop_id[0] != '\0')
        buf_printf(b, "[%d]", (int)node->loop_index);
}

static const char *text_member(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(member) ? member->valuestring : "";
}

static int64_t number_member(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    bool is_number = cJSON_IsNumber(member) && member->valuedouble >= 0 && member->valuedouble < 1e15;
    return is_number ? (int64_t)member->valuedouble : 0;
}

/* "main", "main, 2 tried, waited 120 ms": which credential a model call had. */
static void put_credential(struct buf *b, const cJSON *credential)
{
    int64_t tried = number_member(credential, "tried"), waited_ms = number_member(credential, "waited_ms");
    if (credential == NULL)
        return;
    buf_put_c(b, text_member(credential, "name"));
    if (tried > 1)
        buf_printf(b, ", %lld tried", (long long)tried);
    if (waited_ms > 0)
        buf_printf(b, ", waited %lld ms", (long long)waited_ms);
}

static void put_node_row(struct table *t, const Heddle__V1__NodeFinished *node, const cJSON *credential)
{
    char word[ENUM_WORD_BYTES];
    struct buf cell;
    buf_init(&cell, CTL_OUTPUT_BYTES_MAX);
    table_put_int(t, node->index);
    put_node_name(&cell, node);
    table_put(t, buf_str(&cell));
    table_put(t, str_c(node->node_type));
    table_put(
        t, str_c(enum_word(&heddle__v1__node_status__descriptor, (int)node->status, "NODE_STATUS_", word)));
    table_put_int(t, node->elapsed_ms);
    table_put_int(t, node->total_tokens);
    buf_clear(&cell);
    put_credential(&cell, credential);
    table_put(t, buf_str(&cell));
    buf_fini(&cell);
}

/* Why a node failed, and who refused it on the way. */
static void put_node_troubles(struct buf *b, const Heddle__V1__NodeFinished *node, const cJSON *credential)
{
    const cJSON *refused;
    if (node->error[0] != '\0') {
        buf_put_c(b, "\n");
        put_node_name(b, node);
        buf_printf(b, " (%s) failed: %s%s%s\n", node->node_type, node->error_type,
                   node->error_type[0] != '\0' ? ": " : "", node->error);
        if (node->error_strategy[0] != '\0')
            buf_printf(b, "  handled by %s\n", node->error_strategy);
    }
    bool is_first = node->error[0] == '\0';
    cJSON_ArrayForEach (refused, cJSON_GetObjectItemCaseSensitive(credential, "refused")) {
        if (is_first) {
            buf_put_c(b, "\n");
            put_node_name(b, node);
            buf_printf(b, " (%s):\n", node->node_type);
        }
        is_first = false;
        buf_printf(b, "  refused by \"%s\": %s: %s\n", text_member(refused, "credential"),
                   text_member(refused, "error_type"), text_member(refused, "message"));
    }
}

static void put_nodes(struct buf *b, const Heddle__V1__Run *run)
{
    static const char *const node_headings[] = {"#",       "NODE",   "TYPE",      "STATUS",
                                                "TOOK MS", "TOKENS", "CREDENTIAL"};
    struct table t;
    struct buf troubles;
    buf_init(&troubles, CTL_OUTPUT_BYTES_MAX);
    table_init(&t, ARRAY_LEN(node_headings), node_headings);
    if (run->nodes_left_out > 0)
        buf_printf(b, "the first %d nodes are left out\n", (int)run->nodes_left_out);
    for (size_t i = 0; i < run->n_nodes; i++) {
        cJSON *data = cJSON_ParseWithOpts(run->nodes[i]->process_data_json, NULL, 1);
        const cJSON *credential = cJSON_GetObjectItemCaseSensitive(data, "credential");
        put_node_row(&t, run->nodes[i], credential);
        put_node_troubles(&troubles, run->nodes[i], credential);
        cJSON_Delete(data);
    }
    buf_put_char(b, '\n');
    table_print(&t, b);
    buf_put(b, buf_str(&troubles));
    b->failed |= troubles.failed;
    buf_fini(&troubles);
}

static void put_usage(struct buf *b, const Heddle__V1__Run *run)
{
    const Heddle__V1__Usage *usage = run->usage;
    buf_printf(b, "tokens         %lld", (long long)run->total_tokens);
    if (usage != NULL)
        buf_printf(b, " (%lld prompt, %lld completion)", (long long)usage->prompt_tokens,
                   (long long)usage->completion_tokens);
    if (usage != NULL && usage->total_price[0] != '\0')
        buf_printf(b, ", %s %s", usage->total_price, usage->currency);
    buf_put_char(b, '\n');
}

static void put_payload(struct buf *b, const char *name, const char *json, bool is_whole)
{
    if (json[0] == '\0')
        return;
    buf_printf(b, "%-13s  ", name);
    put_cut(b, str_c(json), is_whole ? SIZE_MAX : PAYLOAD_CUT);
    buf_put_char(b, '\n');
}

static void put_run(struct buf *b, const Heddle__V1__Run *run, bool is_whole)
{
    char status[ENUM_WORD_BYTES], reason[ENUM_WORD_BYTES];
    buf_printf(b, "run            %s\n", run->run_id);
    buf_printf(b, "status         %s%s%s\n", status_of((int)run->status, status),
               run->end_reason != 0 ? ", " : "", reason_of((int)run->end_reason, reason));
    if (run->error[0] != '\0')
        buf_printf(b, "error          %s\n", run->error);
    buf_printf(b, "user           %s (%s)\n", run->user, run->end_user_type);
    buf_put_c(b, "begun          ");
    put_time(b, run->created_at_ms);
    if (run->finished_at_ms != 0)
        buf_printf(b, " UTC, took %lld ms\n", (long long)run->elapsed_ms);
    else
        buf_put_c(b, " UTC, runs\n");
    put_usage(b, run);
    buf_printf(b, "steps          %d, %d failures of nodes\n", (int)run->total_steps,
               (int)run->exceptions_count);
    buf_printf(b, "app            %s, version %d (%s)\n", run->app_id, (int)run->version_number,
               run->workflow_id);
    if (run->conversation_id[0] != '\0')
        buf_printf(b, "conversation   %s, message %s\n", run->conversation_id, run->message_id);
    put_payload(b, "inputs", run->inputs_json, is_whole);
    put_payload(b, "outputs", run->outputs_json, is_whole);
    if (run->payloads_left_out)
        buf_put_c(b, "               inputs or outputs are left out: too large\n");
    if (run->n_nodes > 0)
        put_nodes(b, run);
}

static ProtobufCMessage *get_run(struct ctl *ctl, const char *run_id, Heddle__V1__Payloads payloads,
                                 struct status *err)
{
    Heddle__V1__GetRunRequest request = HEDDLE__V1__GET_RUN_REQUEST__INIT;
    request.run_id = text_of(run_id);
    request.payloads = payloads;
    return session_try(ctl, METHOD_GET_RUN, &request.base, 30000, err);
}

enum ctl_exit runs_show(struct ctl *ctl, const struct ctl_args *args)
{
    if (!session_open(ctl, CTL_PUBLIC))
        return CTL_FAILED;
    struct status err;
    ProtobufCMessage *message = get_run(ctl, args->positional[0], HEDDLE__V1__PAYLOADS__PAYLOADS_JSON, &err);
    if (message == NULL) {
        say_status(ctl, &err);
        return CTL_FAILED;
    }
    struct buf text, safe;
    buf_init(&text, CTL_OUTPUT_BYTES_MAX);
    buf_init(&safe, CTL_OUTPUT_BYTES_MAX);
    if (ctl->is_json) {
        message_put_json(&safe, message, JSON_PRETTY);
    } else {
        put_run(&text, (const Heddle__V1__Run *)message, args_has(args, "full"));
        text_put_safe(&safe, buf_str(&text));
        safe.failed |= text.failed;
    }
    buf_fini(&text);
    protobuf_c_message_free_unpacked(message, NULL);
    return print_buf(&safe);
}

/* --- tail --- */

/* ids. Runs that were shown last: what is new is told by them. */
#define SHOWN_MAX 2000
/* runs. Shown as running, and asked about until they have ended. */
#define OPEN_MAX 200
/* ms. Between two questions. */
#define TAIL_MS 1000

struct tail {
    struct ctl *ctl;
    Heddle__V1__ListRunsRequest request;
    char shown[SHOWN_MAX][40];
    size_t shown_count; /* so far; the ring's place is its rest */
    char open[OPEN_MAX][40];
    size_t open_count;
};

static bool is_shown(const struct tail *tail, const char *run_id)
{
    size_t count = tail->shown_count < SHOWN_MAX ? tail->shown_count : SHOWN_MAX;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(tail->shown[i], run_id) == 0)
            return true;
    }
    return false;
}

static bool show_line(struct tail *tail, const Heddle__V1__Run *run)
{
    char status[ENUM_WORD_BYTES], reason[ENUM_WORD_BYTES];
    struct buf text, safe;
    buf_init(&text, CTL_OUTPUT_BYTES_MAX);
    buf_init(&safe, CTL_OUTPUT_BYTES_MAX);
    if (tail->ctl->is_json) {
        message_put_json(&safe, &run->base, JSON_ONE_LINE);
    } else {
        put_time(&text, run->finished_at_ms != 0 ? run->finished_at_ms : run->created_at_ms);
        buf_printf(&text, "  %s  %s%s%s  %lld ms  %lld tokens  %s  ", run->run_id,
                   status_of((int)run->status, status), run->end_reason != 0 ? ", " : "",
                   reason_of((int)run->end_reason, reason), (long long)run->elapsed_ms,
                   (long long)run->total_tokens, run->user);
        put_cut(&text, str_c(run->error), ERROR_CUT);
        buf_put_char(&text, '\n');
        text_put_safe(&safe, buf_str(&text));
    }
    buf_fini(&text);
    return print_buf(&safe) == CTL_OK;
}

/* A run that was not shown before. */
static bool show_new(struct tail *tail, const Heddle__V1__Run *run)
{
    char *place = tail->shown[tail->shown_count++ % SHOWN_MAX];
    struct str id = str_sub(str_c(run->run_id), 0, sizeof tail->shown[0] - 1);
    memcpy(place, id.ptr, id.len);
    place[id.len] = '\0';
    if (run->finished_at_ms == 0 && tail->open_count < OPEN_MAX)
        memcpy(tail->open[tail->open_count++], place, sizeof tail->open[0]);
    if (run->created_at_ms > tail->request.created_after_ms)
        tail->request.created_after_ms = run->created_at_ms;
    return show_line(tail, run);
}

/* Is this run, shown as running, still to be asked for? It is shown again once it has ended. False in *ret_ok: said why. */
static bool is_open(struct tail *tail, const char *run_id, bool *ret_ok)
{
    struct status err;
    ProtobufCMessage *message = get_run(tail->ctl, run_id, HEDDLE__V1__PAYLOADS__PAYLOADS_NONE, &err);
    *ret_ok = message != NULL || err.code == STATUS_NOT_FOUND; /* removed meanwhile */
    if (!*ret_ok)
        say_status(tail->ctl, &err);
    if (message == NULL)
        return false;
    const Heddle__V1__Run *run = (const Heddle__V1__Run *)message;
    bool goes_on = run->finished_at_ms == 0;
    if (!goes_on)
        *ret_ok = show_line(tail, run);
    protobuf_c_message_free_unpacked(message, NULL);
    return goes_on;
}

static bool show_ended(struct tail *tail)
{
    bool ok = true;
    for (size_t i = 0; ok && i < tail->open_count;) {
        if (is_open(tail, tail->open[i], &ok))
            i++;
        else
            memmove(tail->open[i], tail->open[--tail->open_count], sizeof tail->open[0]);
    }
    return ok;
}

/* What is new, the oldest first: all pages back to what was shown before. */
static bool show_begun(struct tail *tail, int64_t count_max)
{
    struct {
        Heddle__V1__ListRunsResponse *pages[SHOWN_MAX / PAGE];
        size_t count;
    } got = {.count = 0};
    bool ok = true;
    tail->request.page_token = text_of("");
    tail->request.page_size = (int32_t)(count_max < PAGE ? count_max : PAGE);
    do {
        Heddle__V1__ListRunsResponse *page = next_page(tail->ctl, &tail->request);
        ok = page != NULL;
        if (!ok)
            break;
        got.pages[got.count++] = page;
        count_max -= (int64_t)page->n_runs;
        tail->request.page_token = page->next_page_token;
    } while (tail->request.page_token[0] != '\0' && count_max > 0 && got.count < ARRAY_LEN(got.pages));
    for (size_t p = got.count; p-- > 0;) {
        for (size_t i = got.pages[p]->n_runs; ok && i-- > 0;) {
            if (!is_shown(tail, got.pages[p]->runs[i]->run_id))
                ok = show_new(tail, got.pages[p]->runs[i]);
        }
        heddle__v1__list_runs_response__free_unpacked(got.pages[p], NULL);
    }
    return ok;
}

enum ctl_exit runs_tail(struct ctl *ctl, const struct ctl_args *args)
{
    int64_t limit = 10;
    const char *limit_text = args_option(args, "limit");
    struct tail *tail = calloc(1, sizeof *tail);
    if (tail == NULL) {
        say_error("out of memory");
        return CTL_FAILED;
    }
    tail->ctl = ctl;
    heddle__v1__list_runs_request__init(&tail->request);
    enum ctl_exit result = CTL_USAGE;
    if ((limit_text == NULL || read_number("limit", limit_text, 1, PAGE, &limit)) &&
        read_filters(args, &tail->request)) {
        /* Ctrl-C ends it as it ends any program. */
        bool ok = session_open(ctl, CTL_PUBLIC) && show_begun(tail, limit);
        while (ok) {
            nanosleep(&(struct timespec){.tv_nsec = TAIL_MS % 1000 * 1000000, .tv_sec = TAIL_MS / 1000},
                      NULL);
            ok = show_ended(tail) && show_begun(tail, SHOWN_MAX);
        }
        result = CTL_FAILED;
    }
    free(tail);
    return result;
}
