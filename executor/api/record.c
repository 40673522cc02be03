/* record: see the header. */
#include "executor/api/record.h"

#include "executor/value/form.h"
#include "shared/base/log.h"

/* Field numbers of heddle.v1.ConversationMessage. */
enum { MESSAGE_USER_FILES = 12, MESSAGE_ANSWER_FILES = 13 };

void record_init(struct record *record, struct journal *journal, const struct journal_ops *ops,
                 const Heddle__Executor__V1__ExecuteRequest *request, const struct version *version,
                 const struct conversation_state *conversation)
{
    bool is_message = request->conversation_id[0] != '\0';
    bool is_wanted = version->record != STORE_RECORD_NONE || is_message;
    *record = (struct record){.place = {.ops = ops},
                              .journal = is_wanted ? journal : NULL,
                              .request = request,
                              .version = version,
                              .conversation = conversation};
    buf_init(&record->node, LIMIT_RUN_BYTES);
    buf_init(&record->answer, LIMIT_RUN_BYTES);
}

void record_fini(struct record *record)
{
    buf_fini(&record->node);
    buf_fini(&record->answer);
}

bool record_is_kept(const struct record *record)
{
    return record->journal != NULL;
}

/* What the caller has sent: without sys.*, which workflow_started shows, too. */
static void put_own_inputs(struct buf *b, const struct value *inputs)
{
    const char *between = "{";
    for (size_t i = 0; inputs != NULL && i < value_count(inputs); i++) {
        if (str_starts(value_key(inputs, i), STR("sys.")))
            continue;
        buf_put_c(b, between);
        buf_put_json_string(b, value_key(inputs, i));
        buf_put_char(b, ':');
        value_put_json(b, value_member(inputs, i), JSON_COMPACT, true);
        between = ",";
    }
    buf_put_c(b, between[0] == '{' ? "{}" : "}");
}

static void put_json(struct buf *b, const struct value *v)
{
    if (v != NULL)
        value_put_json(b, v, JSON_COMPACT, true);
}

bool record_begin(struct record *record, const struct run *run, const struct run_event *started)
{
    const Heddle__Executor__V1__ExecuteRequest *request = record->request;
    const struct graph *graph = record->version->graph;
    const struct value *files = run_system_value(run, "files");
    bool has_files = files != NULL && value_count(files) > 0;
    bool is_full = record->version->record == STORE_RECORD_FULL;
    struct buf inputs, own_inputs, query_files, user_files;
    buf_init(&inputs, LIMIT_RUN_BYTES);
    buf_init(&own_inputs, LIMIT_RUN_BYTES);
    buf_init(&query_files, LIMIT_RUN_BYTES);
    buf_init(&user_files, LIMIT_RUN_BYTES);
    if (is_full)
        put_json(&inputs, started->started.inputs);
    if (is_full && request->conversation_id[0] != '\0')
        put_own_inputs(&own_inputs, started->started.inputs);
    if (has_files) {
        put_json(&query_files, files);
        event_encode_files(MESSAGE_USER_FILES, files, &user_files);
    }
    record->created_at_ms = started->created_at_ms;
    const struct journal_begin begin = {
        .workspace_id = str_c(request->workspace_id),
        .run_id = str_c(request->run_id),
        .app_id = str_c(request->app_id),
        .version_id = str_c(request->version_id),
        .end_user_id = str_c(request->end_user_id),
        .user = str_c(request->user),
        .end_user_type = str_c(request->end_user_type),
        .mode = record->version->mode,
        .record = record->version->record,
        .version_number = record->version->number,
        .attempt = request->attempt,
        .created_at_ms = started->created_at_ms,
        .inputs = buf_str(&inputs),
        .must_be_first = request->run_id_is_own,
        .conversation_id = str_c(request->conversation_id),
        .message_id = str_c(request->message_id),
        .parent_message_id = str_c(record->conversation->parent_message_id),
        .conversation_is_new = request->conversation_is_new,
        .message_inputs = buf_str(&own_inputs),
        .query = str_c(request->query),
        .query_files = buf_str(&query_files),
        .user_files = buf_str(&user_files),
        .introduction =
            graph->features == NULL ? STR("") : value_get_text(graph->features, "opening_statement", STR("")),
    };
    record->has_begun = !inputs.failed && !own_inputs.failed && !query_files.failed && !user_files.failed &&
                        journal_begin(record->journal, &record->place, &begin);
    buf_fini(&inputs);
    buf_fini(&own_inputs);
    buf_fini(&query_files);
    buf_fini(&user_files);
    return record->has_begun;
}

bool record_node(struct record *record, const struct event_node *node)
{
    if (!record->has_begun || record->version->record != STORE_RECORD_FULL)
        return true;
    struct buf *bytes = &record->node;
    buf_clear(bytes);
    event_encode_node_record(node, bytes);
    if (!bytes->failed)
        return journal_nodes(record->journal, &record->place, buf_str(bytes));
    log_warn("node_not_recorded", LOG_C("run_id", record->request->run_id), LOG_STR("node_id", node->node_id),
             LOG_C("why", "no memory, or too large"));
    return true;
}

void record_text(struct record *record, const struct run_event *event)
{
    struct buf *answer = &record->answer;
    uint64_t before = event->kind == EVENT_MESSAGE_REPLACE ? 0 : event->text.offset;
    if (before < answer->len)
        answer->len = (size_t)before; /* an attempt that had streamed was given up */
    if (before == answer->len)
        buf_put(answer, event->text.text);
    answer->failed = false;
}

/* The same without anything that takes memory. */
static bool end_shortly(struct record *record, struct journal_end *end)
{
    end->outputs = end->answer = end->answer_files = end->usage = STR("");
    end->variable_count = 0;
    log_warn("run_recorded_shortly", LOG_C("run_id", record->request->run_id), LOG_C("why", "no memory"));
    return journal_end(record->journal, &record->place, end);
}

bool record_end(struct record *record, const struct run *run, const struct event_finished *finished)
{
    bool is_message = record->request->conversation_id[0] != '\0', ok = true;
    struct buf outputs, usage, files;
    struct conversation_changes changes = {0};
    buf_init(&outputs, LIMIT_RUN_BYTES);
    buf_init(&usage, 4096);
    buf_init(&files, LIMIT_RUN_BYTES);
    if (record->version->record == STORE_RECORD_FULL)
        put_json(&outputs, finished->outputs);
    event_encode_usage(&finished->usage, &usage);
    struct journal_end end = {.status = (int)finished->status,
                              .end_reason = (int)finished->reason,
                              .finished_at_ms = finished->finished_at_ms,
                              .elapsed_ms = finished->elapsed_ms,
                              .total_tokens = finished->total_tokens,
                              .total_steps = finished->total_steps,
                              .exceptions_count = finished->exceptions_count,
                              .error = finished->error};
    if (is_message) {
        ok = conversation_changes_of(run, &changes);
        event_encode_files(MESSAGE_ANSWER_FILES, finished->files, &files);
        end.answer = buf_str(&record->answer);
        if (finished->outputs != NULL)
            end.answer = value_get_text(finished->outputs, "answer", end.answer);
    }
    end.outputs = buf_str(&outputs);
    end.usage = buf_str(&usage);
    end.answer_files = buf_str(&files);
    end.variables = changes.variables;
    end.variable_count = changes.count;
    bool is_noted = ok && !outputs.failed && !usage.failed && !files.failed &&
                    journal_end(record->journal, &record->place, &end);
    if (!is_noted)
        is_noted = end_shortly(record, &end);
    conversation_changes_fini(&changes);
    buf_fini(&outputs);
    buf_fini(&usage);
    buf_fini(&files);
    return is_noted;
}
