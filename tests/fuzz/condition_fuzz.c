// libs: heddle_run
/*
 * Whatever conditions an if-else has, on whatever values, its run comes to an end: by a branch, or by an error with words.
 *
 * The input is read as a list of conditions, four bytes each (variable, operator, value, tests of files), and then the text
 * that some of the values and one of the variables are.
 */
#include "executor/nodes/condition.h"
#include "executor/run/run.h"
#include "executor/value/parse.h"
#include <assert.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CONDITIONS_MAX = 6, TEXT_BYTES_MAX = 200, TURNS_MAX = 1000, RUN_BYTES_MAX = 1 << 20 };
enum { DSL_BYTES_MAX = 1 << 16, OPERATORS = CONDITION_NOT_EXISTS + 1 };

static const char inputs[] =
    "{\"o\":{\"empty\":\"\",\"text\":\"some text\",\"digits\":\"12\",\"zero\":0,\"one\":1,"
    "\"most\":9223372036854775807,\"least\":-9223372036854775808,\"real\":1.5,\"vast\":1e308,\"flag\":true,"
    "\"off\":false,\"nil\":null,\"map\":{\"a\":1},\"none\":[],\"texts\":[\"a\",\"\"],\"numbers\":[1,2.5],"
    "\"flags\":[true,false],\"maps\":[{}],\"mixed\":[1,\"a\",null,[1]]},"
    "\"file\":{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/a.png\"},"
    "\"files\":[{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/a.png\"},"
    "{\"type\":\"custom\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/\"}]}";
static const char *const variables[] = {
    "o, empty", "o, text",     "o, digits",  "o, zero",  "o, one",    "o, most", "o, least",
    "o, real",  "o, vast",     "o, flag",    "o, 'off'", "o, nil",    "o, map",  "o, none",
    "o, texts", "o, numbers",  "o, flags",   "o, maps",  "o, mixed",  "o",       "file",
    "files",    "files, name", "file, size", "gone",     "o, map, a", "words"};
/* Of values; what is NULL is the text of the input. */
static const char *const values[] = {NULL,
                                     NULL,
                                     "''",
                                     "'1'",
                                     "'1.5'",
                                     "'-9223372036854775809'",
                                     "'1e999'",
                                     "' +7 '",
                                     "'true'",
                                     "'[true, false]'",
                                     "'{{#start.o.text#}}'",
                                     "'{{#start.o.numbers#}}'",
                                     "'{{#start.words#}}'",
                                     "true",
                                     "false",
                                     "null",
                                     "5",
                                     "2.5",
                                     "[]",
                                     "['a', 'some text', '']",
                                     "[true]",
                                     "['true', false, 1]",
                                     "[1, null, {}, [a]]",
                                     "{a: 1}"};
static const char *const keys[] = {
    "name", "type", "extension", "size", "mime_type", "url", "transfer_method", "related_id", "colour"};

static void put_value(struct buf *b, uint8_t choice, struct str text)
{
    const char *value = values[choice % ARRAY_LEN(values)];
    if (value != NULL)
        buf_put_c(b, value);
    else
        buf_put_json_string(b, text);
}

static void put_condition(struct buf *b, const uint8_t bytes[4], struct str text)
{
    buf_printf(b, "{variable_selector: [start, %s], comparison_operator: '%s', value: ",
               variables[bytes[0] % ARRAY_LEN(variables)], condition_operator_name(bytes[1] % OPERATORS));
    put_value(b, bytes[2], text);
    if (bytes[3] > 0) {
        buf_printf(b, ", sub_variable_condition: {logical_operator: %s, conditions: [",
                   bytes[3] % 2 ? "or" : "and");
        for (unsigned i = 0; i < bytes[3] % 4u; i++) {
            buf_printf(b, "%s{key: %s, comparison_operator: '%s', value: ", i > 0 ? ", " : "",
                       keys[(bytes[3] / 4u + i) % ARRAY_LEN(keys)],
                       condition_operator_name((bytes[3] / 4u + i * 5u) % OPERATORS));
            put_value(b, (uint8_t)(bytes[2] + i), text);
            buf_put_char(b, '}');
        }
        buf_put_c(b, "]}");
    }
    buf_put_char(b, '}');
}

static void put_export(struct buf *b, const uint8_t *data, size_t count, struct str text)
{
    buf_put_c(b, "kind: app\nversion: 0.3.1\napp: {mode: workflow, name: conditions}\nworkflow:\n  graph:\n"
                 "    nodes:\n"
                 "    - {id: start, data: {type: start, variables: [{variable: o, type: json_object}, "
                 "{variable: file, type: file}, {variable: files, type: file-list}, "
                 "{variable: words, type: paragraph}]}}\n"
                 "    - {id: if, data: {type: if-else, cases: [{case_id: 'true', logical_operator: ");
    buf_put_c(b, count % 2 ? "and" : "or");
    buf_put_c(b, ", conditions: [");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_c(b, ", ");
        put_condition(b, data + 4 * i, text);
    }
    buf_put_c(b,
              "]}]}}\n"
              "    - {id: end, data: {type: end, outputs: [{variable: r, value_selector: [if, result]}]}}\n"
              "    edges:\n"
              "    - {source: start, target: if}\n"
              "    - {source: if, sourceHandle: 'true', target: end}\n"
              "    - {source: if, sourceHandle: 'false', target: end}\n");
}

/* --- the run --- */

struct end {
    enum run_status status;
    bool has_words, has_result;
    int count;
};

static void on_emit(void *arg, struct run *run, const struct run_event *event)
{
    struct end *end = arg;
    (void)run;
    if (event->kind != EVENT_WORKFLOW_FINISHED)
        return;
    end->count++;
    end->status = event->finished.status;
    end->has_words = event->finished.error.len > 0;
    const struct value *r =
        event->finished.outputs == NULL ? NULL : value_get_c(event->finished.outputs, "r");
    end->has_result = r != NULL && value_type(r) == VALUE_BOOL;
}

static void on_timer_start(void *arg, struct run *run, int64_t at_ms)
{
    (void)arg;
    (void)run;
    (void)at_ms;
}

static void on_wake(void *arg, struct run *run)
{
    (void)arg;
    (void)run;
}

static int64_t on_now_us(void *arg)
{
    (void)arg;
    return 1000000;
}

static void on_new_id(void *arg, char text[37])
{
    (void)arg;
    snprintf(text, 37, "%036d", 1);
}

/* The fixed inputs and the text of this one. */
static struct value *make_inputs(struct str text)
{
    struct value *fixed = NULL;
    struct value_builder b;
    if (value_parse_json(NULL, str_c(inputs), &fixed, NULL) != STATUS_OK)
        return NULL;
    value_object_begin(&b, NULL);
    for (size_t i = 0; i < value_count(fixed); i++)
        value_object_put(&b, value_key(fixed, i), value_ref(value_member(fixed, i)));
    value_object_put(&b, STR("words"), value_string(NULL, text));
    value_unref(fixed);
    return value_object_end(&b);
}

static void play(struct graph *graph, struct str text)
{
    static const struct run_host table = {.emit = on_emit,
                                          .timer_start = on_timer_start,
                                          .wake = on_wake,
                                          .now_us = on_now_us,
                                          .new_id = on_new_id};
    struct end end = {0};
    struct run *run = NULL;
    struct run_params params = {.graph = graph,
                                .run_id = STR("r"),
                                .user = STR("u"),
                                .inputs = make_inputs(text),
                                .wall_ms = 1754000000000,
                                .limits = {.max_steps = 100, .max_bytes = RUN_BYTES_MAX}};
    enum status_code rc = run_new(&params, &table, &end, &run, NULL);
    value_unref(params.inputs);
    assert(rc == STATUS_OK);
    for (int turn = 0; run_advance(run, 3, 1000) != RUN_ENDED; turn++)
        assert(turn < TURNS_MAX);
    assert(end.count == 1);
    assert(end.status == RUN_STATUS_SUCCEEDED ? end.has_result
                                              : end.status == RUN_STATUS_FAILED && end.has_words);
    run_free(run);
}

static bool is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct graph_report report;
    struct graph *graph = NULL;
    struct buf dsl;
    if (size < 1)
        return 0;
    size_t count = data[0] % (CONDITIONS_MAX + 1);
    if (size < 1 + 4 * count || size > 1 + 4 * count + TEXT_BYTES_MAX)
        return 0;
    struct str text = {(const char *)data + 1 + 4 * count, size - 1 - 4 * count};
    buf_init(&dsl, DSL_BYTES_MAX);
    put_export(&dsl, data + 1, count, text);
    assert(!dsl.failed);
    graph_report_init(&report);
    if (graph_compile(buf_str(&dsl), false, &report, &graph, NULL) == STATUS_OK)
        play(graph, text);
    else
        assert(!is_plain(text)); /* YAML does not take every character */
    graph_unref(graph);
    graph_report_fini(&report);
    buf_fini(&dsl);
    return 0;
}
