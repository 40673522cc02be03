/*
 * assigner nodes, both versions: which value fits which operation on which variable, what comes out, and who sees it
 * (dify-dsl.md 2.2 zero values, 2.6, 4.11).
 */
#include "tests/executor/nodes/assigning.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 1 << 16 };

/* --- what comes out --- */

static void assert_becomes(const struct target *t, const char *config, const char *type, const char *value)
{
    struct player p;
    char expected[512];
    assigning_open(&p, t, "", config);
    assigning_play_set(&p);
    snprintf(
        expected, sizeof expected,
        "\"process_data\":{\"t\":%s,\"__updated_variables\":[{\"name\":\"t\",\"selector\":[\"conversation\","
        "\"t\"],\"value_type\":\"%s\",\"new_value\":%s}]},\"outputs\":{}}",
        value, type, value);
    assert_text_contains(expected, p.last_record);
    player_close(&p);
}

static void values_after_an_operation(void **state)
{
    static const struct {
        const char *type, *value, *config, *new_type, *new_value;
    } rows[] = {
        {"string", "x", CONSTANT("over-write", "'{{#sys.query#}}'"), "string", "\"{{#sys.query#}}\""},
        {"string", "x", CONSTANT("set", "''"), "string", "\"\""},
        {"string", "x", VARIABLE("over-write", "sys, query"), "string", "\"q\""},
        {"string", "x", ALONE("clear"), "string", "\"\""},
        {"number", "7", CONSTANT("set", "2.5"), "float", "2.5"},
        {"number", "7", CONSTANT("over-write", "true"), "integer", "1"}, /* stays a number */
        {"number", "7", ALONE("clear"), "integer", "0"},
        {"number", "7.5", ALONE("clear"), "float", "0.0"},
        {"number", "7", CONSTANT("+=", "2"), "integer", "9"},
        {"number", "7", CONSTANT("-=", "2"), "integer", "5"},
        {"number", "7", CONSTANT("*=", "2"), "integer", "14"},
        {"number", "8", CONSTANT("/=", "2"), "float", "4.0"}, /* always a float */
        {"number", "7", CONSTANT("/=", "2"), "float", "3.5"},
        {"number", "7", CONSTANT("+=", "0.5"), "float", "7.5"},
        {"number", "7", CONSTANT("+=", "true"), "integer", "8"},
        {"number", "7", CONSTANT("/=", "true"), "float", "7.0"},
        {"number", "1.5", CONSTANT("*=", "2"), "float", "3.0"},
        {"number", "1.5", CONSTANT("-=", "0.25"), "float", "1.25"},
        {"number", "-7", CONSTANT("/=", "-2"), "float", "3.5"},
        /* Beyond 64 bits: a float. */
        {"number", "9223372036854775807", CONSTANT("+=", "1"), "float", "9.223372036854776e+18"},
        {"number", "9223372036854775807", CONSTANT("+=", "0"), "integer", "9223372036854775807"},
        {"number", "-9223372036854775808", CONSTANT("-=", "1"), "float", "-9.223372036854776e+18"},
        {"number", "-9223372036854775808", CONSTANT("*=", "-1"), "float", "9.223372036854776e+18"},
        {"number", "-9223372036854775808", CONSTANT("/=", "-1"), "float", "9.223372036854776e+18"},
        {"number", "9007199254740993", CONSTANT("/=", "3"), "float", "3002399751580331.0"},
        {"number", "1.0e+308", CONSTANT("*=", "10"), "float", "null"}, /* infinite: JSON has no word for it */
        {"boolean", "true", CONSTANT("set", "false"), "boolean", "false"},
        {"boolean", "true", ALONE("clear"), "boolean", "false"},
        {"object", "{a: 1}", CONSTANT("set", "{b: [1]}"), "object", "{\"b\":[1]}"},
        {"object", "{a: 1}", CONSTANT("set", "' {\"b\": 1.0}'"), "object", "{\"b\":1.0}"},
        {"object", "{a: 1}", VARIABLE("over-write", "start, o, map"), "object", "{\"k\":1}"},
        {"object", "{a: 1}", ALONE("clear"), "object", "{}"},
        {"array[string]", "[x]", VARIABLE("over-write", "start, o, texts"), "array[string]", "[\"a\",\"b\"]"},
        {"array[string]", "[x]", VARIABLE("over-write", "start, o, none"), "array[string]", "[]"},
        {"array[string]", "[x]", ALONE("clear"), "array[string]", "[]"},
        {"array[string]", "[]", VARIABLE("append", "start, o, text"), "array[string]", "[\"t\"]"},
        {"array[string]", "[x]", VARIABLE("append", "start, o, text"), "array[string]", "[\"x\",\"t\"]"},
        {"array[string]", "[x]", VARIABLE("extend", "start, o, texts"), "array[string]",
         "[\"x\",\"a\",\"b\"]"},
        {"array[string]", "[]", VARIABLE("extend", "start, o, none"), "array[string]", "[]"},
        {"array[string]", "[x, y]", ALONE("remove-first"), "array[string]", "[\"y\"]"},
        {"array[string]", "[x, y]", ALONE("remove-last"), "array[string]", "[\"x\"]"},
        {"array[string]", "[x]", ALONE("remove-first"), "array[string]", "[]"},
        {"array[string]", "[]", ALONE("remove-first"), "array[string]", "[]"},
        {"array[string]", "[]", ALONE("remove-last"), "array[string]", "[]"},
        {"array[number]", "[1]", VARIABLE("append", "start, o, real"), "array[number]", "[1,2.5]"},
        {"array[number]", "[1]", VARIABLE("append", "start, o, flag"), "array[number]", "[1,true]"},
        {"array[number]", "[1]", VARIABLE("over-write", "start, o, flags"), "array[number]", "[true]"},
        {"array[number]", "[]", ALONE("clear"), "array[number]", "[]"},
        {"array[boolean]", "[]", VARIABLE("extend", "start, o, flags"), "array[boolean]", "[true]"},
        {"array[boolean]", "[false]", ALONE("clear"), "array[boolean]", "[]"},
        {"array[object]", "[]", VARIABLE("append", "start, o, map"), "array[object]", "[{\"k\":1}]"},
        {"array[object]", "[{a: 1}]", ALONE("clear"), "array[object]", "[]"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_becomes(&(struct target){rows[i].type, rows[i].value, NULL, NULL}, rows[i].config,
                       rows[i].new_type, rows[i].new_value);
}

static void an_array_of_anything_stays_one(void **state)
{
    static const struct target mixed = {"string", "x", "start, o, mixed", NULL};
    (void)state;
    assert_becomes(&mixed, VARIABLE("over-write", "start, o, texts"), "array[any]", "[\"a\",\"b\"]");
    assert_becomes(&mixed, VARIABLE("append", "start, o, text"), "array[any]", "[1,\"a\",\"t\"]");
    assert_becomes(&mixed, VARIABLE("extend", "start, o, maps"), "array[any]", "[1,\"a\",{\"k\":1}]");
    assert_becomes(&mixed, ALONE("remove-first"), "array[any]", "[\"a\"]");
    assert_becomes(&mixed, ALONE("clear"), "array[any]", "[]");
}

static void files_can_be_taken_off_a_list_and_nothing_else(void **state)
{
    struct player p;
    (void)state;
    assigning_open(&p, &(struct target){"string", "x", "sys, files", NULL}, "", ALONE("remove-first"));
    assigning_play(&p);
    assert_text("[b.pdf](https://e.example/b.pdf)", p.text);
    player_close(&p);
    assigning_open(&p, &(struct target){"string", "x", "sys, files", NULL}, "", ALONE("clear"));
    assigning_play(&p);
    assert_string_equal("unsupported variable type: array[file]", p.error);
    player_close(&p);
}

/* A null comes in by version 1 only; the variable still has the type that the export gives it. */
static void a_variable_that_holds_null_keeps_its_type(void **state)
{
    static const struct {
        const char *type, *value, *config, *new_type, *new_value; /* new_type NULL: new_value is the error */
    } rows[] = {
        {"array[string]", "[x]", ALONE("clear"), "array[string]", "[]"},
        {"array[string]", "[x]", VARIABLE("over-write", "start, o, none"), "array[string]", "[]"},
        {"array[string]", "[x]", VARIABLE("over-write", "start, o, numbers"), NULL,
         "Invalid input value [2, 2.5]"},
        {"array[string]", "[x]", VARIABLE("append", "start, o, text"), NULL,
         "Operation append is not supported for type array[string]"},
        {"array[string]", "[x]", ALONE("remove-first"), NULL,
         "Operation remove-first is not supported for type array[string]"},
        {"number", "1", ALONE("clear"), "integer", "0"},
        {"float", "1.5", ALONE("clear"), "float", "0.0"},
        {"number", "1", CONSTANT("set", "3"), "integer", "3"},
        {"number", "1", CONSTANT("+=", "3"), NULL, "Operation += is not supported for type number"},
        {"string", "x", CONSTANT("set", "y"), "string", "\"y\""},
        {"boolean", "true", ALONE("clear"), "boolean", "false"},
        {"object", "{}", CONSTANT("set", "{b: 1}"), "object", "{\"b\":1}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct target t = {rows[i].type, rows[i].value, "start, o, nil", NULL};
        struct player p;
        if (rows[i].new_type != NULL) {
            assert_becomes(&t, rows[i].config, rows[i].new_type, rows[i].new_value);
            continue;
        }
        assigning_open(&p, &t, "", rows[i].config);
        assigning_play(&p);
        assert_string_equal(rows[i].new_value, p.error);
        player_close(&p);
    }
}

/* --- version 2: several items --- */

static const struct target counter = {"number", "1", NULL, NULL};
#define MORE                                                                                                 \
    ", {name: u, value_type: number, value: 10}, {name: list, value_type: 'array[string]', value: []}, "     \
    "{name: map, value_type: object, value: {k: old}}"
#define ON(variable, rest) "{variable_selector: [conversation, " variable "], " rest "}"
#define ADD(n)             "operation: '+=', input_type: constant, value: " n
#define COPY(selector)     "operation: over-write, input_type: variable, value: [" selector "]"

static void later_items_see_what_earlier_ones_did(void **state)
{
    struct player p;
    (void)state;
    assigning_open(
        &p, &counter, MORE,
        "version: '2', items: [" ON("u", ADD("5")) ", " ON("t", COPY("conversation, u")) ", " ON(
            "t",
            ADD("1")) ", " ON("u",
                              ADD("1")) ", " ON("list",
                                                "operation: append, input_type: variable, value: "
                                                "[conversation, map, k]") ", " ON("map",
                                                                                  "operation: set, "
                                                                                  "input_type: "
                                                                                  "constant, value: {k: "
                                                                                  "new}") ", " ON("list",
                                                                                                  "opera"
                                                                                                  "tion:"
                                                                                                  " appe"
                                                                                                  "nd, "
                                                                                                  "input"
                                                                                                  "_type"
                                                                                                  ": "
                                                                                                  "varia"
                                                                                                  "ble, "
                                                                                                  "value"
                                                                                                  ": "
                                                                                                  "[conv"
                                                                                                  "ersat"
                                                                                                  "ion, "
                                                                                                  "map, "
                                                                                                  "k]") "]");
    assigning_play_set(&p);
    /* In the order of the first write to each, with the last value of each. */
    assert_text_contains(
        "\"process_data\":{\"u\":16,\"t\":16,\"list\":[\"old\",\"new\"],\"map\":{\"k\":\"new\"},"
        "\"__updated_variables\":["
        "{\"name\":\"u\",\"selector\":[\"conversation\",\"u\"],\"value_type\":\"integer\",\"new_value\":16},"
        "{\"name\":\"t\",\"selector\":[\"conversation\",\"t\"],\"value_type\":\"integer\",\"new_value\":16},"
        "{\"name\":\"list\",\"selector\":[\"conversation\",\"list\"],\"value_type\":\"array[string]\","
        "\"new_value\":[\"old\",\"new\"]},"
        "{\"name\":\"map\",\"selector\":[\"conversation\",\"map\"],\"value_type\":\"object\","
        "\"new_value\":{\"k\":\"new\"}}]},\"outputs\":{}}",
        p.last_record);
    player_finish(&p);
    assert_int_equal(p.status, RUN_STATUS_SUCCEEDED);
    assert_text("16", p.text);
    player_close(&p);
}

static void an_error_publishes_nothing(void **state)
{
    struct player p;
    (void)state;
    assigning_open(
        &p, &counter, MORE,
        "error_strategy: fail-branch, version: '2', items: [" ON("t", ADD("5")) ", " ON("t", ADD("x")) "]");
    assigning_play_set(&p);
    assert_text_contains("\"process_data\":{},\"outputs\":{\"error_message\":\"Invalid input value x\"",
                         p.last_record);
    player_finish(&p);
    assert_int_equal(p.status, RUN_STATUS_PARTIAL_SUCCEEDED);
    assert_text("Invalid input value x|1", p.text);
    player_close(&p);
}

static void a_null_input_is_passed_over(void **state)
{
    static const char *const configs[] = {VARIABLE("over-write", "start, o, nil"), "version: '2', items: []"};
    struct player p;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
        assigning_open(&p, &counter, "", configs[i]);
        assigning_play_set(&p);
        assert_text_contains("\"process_data\":{\"__updated_variables\":[]},\"outputs\":{}}", p.last_record);
        player_finish(&p);
        assert_text("1", p.text);
        player_close(&p);
    }
    assigning_open(&p, &counter, "",
                   "version: '2', items: [" ON("t", COPY("start, o, nil")) ", " ON("t", ADD("1")) "]");
    assigning_play(&p);
    assert_text("2", p.text);
    player_close(&p);
}

static void errors_of_items(void **state)
{
    static const struct {
        const char *config, *error;
    } rows[] = {
        {VARIABLE("over-write", "start, o, gone"), "Variable ['start', 'o', 'gone'] not found"},
        {VARIABLE("over-write", "nobody, \"it's\""), "Variable ['nobody', \"it's\"] not found"},
        {ITEM("operation: over-write, input_type: variable, value: start"), "Variable [] not found"},
        {ITEM("operation: over-write, input_type: variable, value: 5"), "Variable [] not found"},
        {ITEM("operation: over-write, input_type: variable, value: []"), "Variable [] not found"},
        {ITEM("operation: over-write, input_type: variable, value: [start]"), "Variable ['start'] not found"},
        {ITEM("operation: over-write, input_type: variable, value: null"), "Invalid input value None"},
        {ITEM("operation: over-write, input_type: variable"), "Invalid input value None"},
        {ITEM("operation: over-write, input_type: constant"), "Invalid input value None"},
        {ITEM("operation: '/=', input_type: constant, value: 0"), "Invalid input value 0"},
        {ITEM("operation: '/=', input_type: constant, value: 0.0"), "Invalid input value 0.0"},
        {ITEM("operation: '/=', input_type: constant, value: false"), "Invalid input value False"},
        {ITEM("operation: '+=', input_type: constant, value: '1'"), "Invalid input value 1"},
        {ITEM("operation: '+=', input_type: constant, value: [a, 1]"), "Invalid input value ['a', 1]"},
        {ITEM("operation: append, input_type: variable, value: [start, o, whole]"),
         "Operation append is not supported for type integer"},
        {ITEM("operation: '+=', input_type: variable, value: [start, o, whole]"),
         "Input type variable is not supported for operation +="},
        {"version: '2', items: [" ON("gone", ADD("1")) "]", "Variable ['conversation', 'gone'] not found"},
        {"version: '2', items: [{variable_selector: [conversation, t, a], " ADD("1") "}]",
         "Variable ['conversation', 't', 'a'] not found"},
        {"version: '2', items: [{variable_selector: [], " ADD("1") "}]", "Variable [] not found"},
        {"version: '2', items: [{variable_selector: [t], " ADD("1") "}]", "Variable ['t'] not found"},
    };
    struct player p;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assigning_open(&p, &counter, "", rows[i].config);
        assigning_play(&p);
        assert_int_equal(p.status, RUN_STATUS_FAILED);
        assert_string_equal(rows[i].error, p.error);
        player_close(&p);
    }
    assigning_open(&p, &(struct target){"object", "{a: 1}", NULL, NULL}, "", CONSTANT("set", "'{broken'"));
    assigning_play(&p);
    assert_string_equal("Invalid input value {broken", p.error);
    player_close(&p);
    assigning_open(&p, &(struct target){"object", "{a: 1}", NULL, NULL}, "", CONSTANT("set", "'[1]'"));
    assigning_play(&p);
    assert_string_equal("Invalid input value [1]", p.error);
    player_close(&p);
}

/* --- version 1 --- */

#define FIRST(mode, source)                                                                                  \
    "write_mode: " mode ", assigned_variable_selector: [conversation, t], input_variable_selector: [" source \
    "]"

static void the_first_version_does_not_ask_what_fits(void **state)
{
    static const struct {
        const char *type, *value, *config, *input, *new_type, *new_value;
    } rows[] = {
        {"string", "x", FIRST("over-write", "start, o, text"), "\"t\"", "string", "\"t\""},
        {"string", "x", FIRST("over-write", "start, o, whole"), "2", "integer", "2"},
        {"string", "x", FIRST("over-write", "start, o, nil"), "null", "none", "null"},
        {"string", "x", FIRST("over-write", "start, o, map, k"), "1", "integer", "1"},
        {"object", "{}", FIRST("over-write", "start, o, flag"), "true", "boolean", "true"},
        {"array[string]", "[x]", FIRST("over-write", "start, o, numbers"), "[2,2.5]", "array[string]",
         "[2,2.5]"},
        {"array[string]", "[x]", FIRST("over-write", "start, o, none"), "[]", "array[string]", "[]"},
        {"array[string]", "[x]", FIRST("append", "start, o, text"), "\"t\"", "array[string]",
         "[\"x\",\"t\"]"},
        {"array[string]", "[]", FIRST("append", "start, o, whole"), "2", "array[string]", "[2]"},
        {"array[number]", "[1]", FIRST("append", "start, o, nil"), "null", "array[number]", "[1,null]"},
        {"array[object]", "[]", FIRST("append", "start, o, texts"), "[\"a\",\"b\"]", "array[object]",
         "[[\"a\",\"b\"]]"},
        {"string", "x", FIRST("clear", ""), "\"\"", "string", "\"\""},
        {"number", "7", FIRST("clear", ""), "0", "integer", "0"},
        {"number", "7.5", FIRST("clear", ""), "0.0", "float", "0.0"},
        {"boolean", "true", FIRST("clear", "start, o, gone"), "false", "boolean",
         "false"}, /* not looked at */
        {"object", "{a: 1}", FIRST("clear", ""), "{}", "object", "{}"},
        {"array[string]", "[x]", FIRST("clear", ""), "[]", "array[string]", "[]"},
        {"array[number]", "[1]", "version: 1, " FIRST("clear", ""), "[]", "array[number]", "[]"},
        {"array[boolean]", "[true]", "version: '1', " FIRST("clear", ""), "[]", "array[boolean]", "[]"},
        {"array[object]", "[{}]", "version: null, " FIRST("clear", ""), "[]", "array[object]", "[]"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        char expected[256];
        assigning_open(&p, &(struct target){rows[i].type, rows[i].value, NULL, NULL}, "", rows[i].config);
        assigning_play_set(&p);
        snprintf(expected, sizeof expected, "{\"inputs\":{\"value\":%s},\"process_data\":{\"t\":%s,",
                 rows[i].input, rows[i].new_value);
        assert_text_contains(expected, p.last_record);
        snprintf(expected, sizeof expected, "\"value_type\":\"%s\",\"new_value\":%s}]},\"outputs\":{}}",
                 rows[i].new_type, rows[i].new_value);
        assert_text_contains(expected, p.last_record);
        player_finish(&p);
        assert_int_equal(p.status, RUN_STATUS_SUCCEEDED);
        player_close(&p);
    }
}

static void errors_of_the_first_version(void **state)
{
    static const struct {
        const char *overwritten, *config, *error;
    } rows[] = {
        {NULL, FIRST("over-write", "start, o, gone"), "input value not found"},
        {NULL, FIRST("over-write", ""), "input value not found"},
        {NULL, FIRST("over-write", "start"), "input value not found"},
        {NULL, FIRST("append", "nobody, x"), "input value not found"},
        {NULL, FIRST("append", "start, o, text"), "append mode requires an array variable"},
        {"start, o, nil", FIRST("append", "start, o, text"), "append mode requires an array variable"},
        {"sys, files", FIRST("clear", ""), "unsupported variable type: array[file]"},
        {"start, file", FIRST("clear", ""), "unsupported variable type: file"},
        {NULL,
         "write_mode: clear, assigned_variable_selector: [conversation, gone], input_variable_selector: []",
         "assigned variable not found"},
        {NULL, "write_mode: clear, assigned_variable_selector: [], input_variable_selector: []",
         "assigned variable not found"},
        {NULL, "write_mode: clear, assigned_variable_selector: [conversation, t, a]",
         "assigned variable not found"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        assigning_open(&p, &(struct target){"number", "1", rows[i].overwritten, NULL}, "", rows[i].config);
        assigning_play(&p);
        assert_int_equal(p.status, RUN_STATUS_FAILED);
        assert_string_equal(rows[i].error, p.error);
        assert_string_equal("WorkflowNodeError", p.last_error_type);
        player_close(&p);
    }
}

/* --- both --- */

static void others_see_a_write_at_once(void **state)
{
    struct player p;
    (void)state;
    player_open(
        &p, EXPORT("advanced-chat", "  conversation_variables: [{name: t, value_type: number, value: 1}]\n",
                   START ANSWER("first", "{{#conversation.t#}} ") NODE("set", "assigner", CONSTANT("+=", "1"))
                       NODE("if", "if-else",
                            "cases: [{case_id: 'true', logical_operator: and, conditions: "
                            "[{variable_selector: [conversation, t], comparison_operator: '=', "
                            "value: '2'}]}]") NODE("again", "assigner", CONSTANT("*=", "5"))
                           ANSWER("last", "{{#conversation.t#}}"),
                   EDGE("start", "first") EDGE("first", "set") EDGE("set", "if")
                       HANDLE("if", "'true'", "again") EDGE("again", "last")));
    player_play(&p, &(struct play){.query = "q"});
    assert_text("1 10", p.text);
    player_close(&p);
}

static void variables_of_a_loop_are_targets(void **state)
{
    struct player p;
    (void)state;
    player_open(
        &p,
        EXPORT(
            "workflow", "",
            START LOOP("loop", "3",
                       "{label: num, var_type: number, value_type: constant, value: 1}, "
                       "{label: log, var_type: 'array[number]', value_type: constant, value: ''}",
                       "")
                INSIDE("loop", "set", "assigner",
                       "version: '2', items: [{variable_selector: [loop, num], " ADD(
                           "1") "}, "
                                "{variable_selector: [loop, log], operation: append, input_type: variable, "
                                "value: [loop, num]}]")
                    NODE("end", "end",
                         "outputs: [{variable: num, value_selector: [loop, num]}, "
                         "{variable: log, value_selector: [loop, log]}]"),
            EDGE("start", "loop") EDGE("loopstart", "set") EDGE("loop", "end")));
    player_play(&p, &(struct play){0});
    assert_text("{\"num\":4,\"log\":[2,3,4]}", p.outputs);
    player_close(&p);
}

static void a_secret_is_not_shown_by_an_error(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat",
                           "  environment_variables: [{name: key, value_type: secret, value: abcdefghijkl}]\n"
                           "  conversation_variables: [{name: t, value_type: number, value: 1}]\n",
                           START NODE("set", "assigner", VARIABLE("over-write", "env, key")) ANSWER("a", ""),
                           EDGE("start", "set") EDGE("set", "a")));
    player_play(&p, &(struct play){.query = "q"});
    assert_string_equal("Invalid input value abcdef************kl", p.error);
    player_close(&p);
    /* Nor by a record: it stays a secret where a text belongs. */
    player_open(&p, EXPORT("advanced-chat",
                           "  environment_variables: [{name: key, value_type: secret, value: abcdefghijkl}]\n"
                           "  conversation_variables: [{name: t, value_type: string, value: x}]\n",
                           START NODE("set", "assigner", VARIABLE("over-write", "env, key"))
                               NODE("again", "assigner", CONSTANT("over-write", "y"))
                                   ANSWER("a", "{{#conversation.t#}}"),
                           EDGE("start", "set") EDGE("set", "again") EDGE("again", "a")));
    assigning_play_set(&p);
    assert_text_contains("\"process_data\":{\"t\":\"abcdef************kl\",", p.last_record);
    player_finish(&p);
    assert_text("y", p.text);
    player_close(&p);
}

static void a_long_value_is_cut_in_an_error(void **state)
{
    struct player p;
    struct buf json;
    (void)state;
    buf_init(&json, TEXT_BYTES_MAX);
    buf_put_c(&json, "{\"o\":{\"text\":\"");
    for (int i = 0; i < 5000; i++)
        buf_put_c(&json, "\xc3\xa4");
    buf_put_c(&json, "\",\"texts\":[\"a\"]}}");
    buf_put_char(&json, '\0');
    assigning_open(&p, &counter, "", VARIABLE("over-write", "start, o, text"));
    player_play(&p, &(struct play){.query = "q", .inputs = json.ptr});
    assert_true(strlen(p.error) < 300 && str_is_utf8(str_c(p.error)));
    assert_contains("Invalid input value \xc3\xa4", p.error);
    player_close(&p);
    buf_fini(&json);
}

static void broken_configurations_are_problems(void **state)
{
    static const struct {
        const char *config, *problem;
    } rows[] = {
        {ITEM("operation: '**', input_type: constant, value: 1"),
         "items[0].operation: unknown operation \"**\""},
        {ITEM("input_type: constant, value: 1"), "items[0].operation: unknown operation \"\""},
        {ITEM("operation: '+=', input_type: text, value: 1"),
         "items[0].input_type: unknown input_type \"text\""},
        {"version: '2', items: [{" ADD("1") "}]", "items[0].variable_selector: the assigner has no variable"},
        {"version: '2', items: [{variable_selector: conversation, " ADD("1") "}]",
         "items[0].variable_selector: a selector is a list"},
        {"version: '2', items: [5]", "items[0].operation: unknown operation"},
        {"version: '2'", "items: the assigner has no list of items"},
        {"version: '2', items: {}", "items: the assigner has no list of items"},
        {"version: '3', items: []", "version: an assigner of another version"},
        {"version: [2], items: []", "write_mode: unknown write_mode"},
        {"write_mode: set, assigned_variable_selector: [conversation, t]",
         "write_mode: unknown write_mode \"set\""},
        {"write_mode: clear", "assigned_variable_selector: the assigner has no variable"},
        {"write_mode: clear, assigned_variable_selector: 7",
         "assigned_variable_selector: a selector is a list"},
        {"write_mode: append, assigned_variable_selector: [conversation, t], input_variable_selector: {}",
         "input_variable_selector: a selector is a list"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char dsl[1024];
        snprintf(dsl, sizeof dsl,
                 EXPORT("advanced-chat", "", START NODE("set", "assigner", "%s") ANSWER("a", ""),
                        EDGE("start", "set") EDGE("set", "a")),
                 rows[i].config);
        char *problems = player_problems(dsl);
        assert_contains(rows[i].problem, problems);
        free(problems);
    }
}

static void an_assigner_has_at_most_1000_items(void **state)
{
    struct player p;
    struct buf config;
    (void)state;
    buf_init(&config, 1 << 20);
    buf_put_c(&config, "version: '2', items: [");
    for (int i = 0; i < 500; i++)
        buf_put_c(&config, ON("t", ADD("1")) ",");
    buf_put_c(&config, "]");
    buf_put_char(&config, '\0');
    assigning_open(&p, &counter, "", config.ptr);
    assigning_play(&p);
    assert_text("501", p.text);
    player_close(&p);
    buf_cut(&config, config.len - 2);
    for (int i = 0; i < 501; i++)
        buf_put_c(&config, ON("t", ADD("1")) ",");
    buf_put_c(&config, "]");
    buf_put_char(&config, '\0');
    struct buf dsl;
    buf_init(&dsl, 1 << 20);
    buf_printf(&dsl, EXPORT("advanced-chat", "", START NODE("set", "assigner", "%s"), EDGE("start", "set")),
               config.ptr);
    buf_put_char(&dsl, '\0');
    char *problems = player_problems(dsl.ptr);
    assert_contains("items: 1001 items are more than 1000", problems);
    free(problems);
    buf_fini(&dsl);
    buf_fini(&config);
}

/* However little a run may hold, it ends as one that has done all or as one out of memory. */
static void a_run_without_memory_ends_by_its_limit(void **state)
{
    bool has_succeeded = false;
    (void)state;
    for (size_t bytes = 2000; !has_succeeded; bytes += 64) {
        struct player p;
        struct status err;
        assigning_open(&p, &(struct target){"array[string]", "[x]", NULL, NULL}, MORE,
                       "version: '2', items: [" ON(
                           "t", "operation: extend, input_type: variable, value: [start, "
                                "o, texts]") ", " ON("map",
                                                     "operation: set, input_type: constant, value: '{\"k\": "
                                                     "[1, 2, 3]}'") "]");
        struct play play = {
            .query = "q", .inputs = assigning_inputs, .limits = {.max_bytes = bytes, .max_steps = 100}};
        if (player_try(&p, &play, &err) == STATUS_OK) {
            player_finish(&p);
            has_succeeded = p.status == RUN_STATUS_SUCCEEDED;
            assert_true(has_succeeded || p.reason == END_REASON_MEMORY_LIMIT);
        }
        player_close(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_after_an_operation),
        cmocka_unit_test(an_array_of_anything_stays_one),
        cmocka_unit_test(files_can_be_taken_off_a_list_and_nothing_else),
        cmocka_unit_test(a_variable_that_holds_null_keeps_its_type),
        cmocka_unit_test(later_items_see_what_earlier_ones_did),
        cmocka_unit_test(an_error_publishes_nothing),
        cmocka_unit_test(a_null_input_is_passed_over),
        cmocka_unit_test(errors_of_items),
        cmocka_unit_test(the_first_version_does_not_ask_what_fits),
        cmocka_unit_test(errors_of_the_first_version),
        cmocka_unit_test(others_see_a_write_at_once),
        cmocka_unit_test(variables_of_a_loop_are_targets),
        cmocka_unit_test(a_secret_is_not_shown_by_an_error),
        cmocka_unit_test(a_long_value_is_cut_in_an_error),
        cmocka_unit_test(broken_configurations_are_problems),
        cmocka_unit_test(an_assigner_has_at_most_1000_items),
        cmocka_unit_test(a_run_without_memory_ends_by_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
