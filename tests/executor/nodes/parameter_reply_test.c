/*
 * parameter-extractor nodes: what becomes of a model's reply: the object that is found in it, what is said of it, and the
 * values that are made of it (dify-dsl.md 4.9).
 */
#include "tests/executor/nodes/extractor_play.h"
#include <stdlib.h>
#include <string.h>

#define NO_OBJECT "The reply of the model has no JSON object with values in it"
#define NUMBER_OF "Invalid number of parameters"

struct row {
    const char *name, *dsl, *reply, *reason, *values;
};

static void check_rows(const struct row *rows, size_t count, bool is_call)
{
    for (size_t i = 0; i < count; i++) {
        struct player p;
        print_message("%s\n", rows[i].name);
        extractor_play(&p, rows[i].dsl, is_call ? NULL : rows[i].reply, is_call ? rows[i].reply : NULL);
        check_extracted(&p, rows[i].reason, rows[i].values);
        player_close(&p);
    }
}
#define CHECK_TEXTS(rows) check_rows((rows), sizeof(rows) / sizeof(rows)[0], false)
#define CHECK_CALLS(rows) check_rows((rows), sizeof(rows) / sizeof(rows)[0], true)

/* --- finding the object --- */

static void the_first_object_of_a_text_is_taken(void **state)
{
#define BOTH PROMPT(CITY ", " BUDGET)
    static const struct row rows[] = {
        {"bare", BOTH, "{" ROME "}", NULL, ROME},
        {"fenced", BOTH, "```json\n{\n \"budget\": 500, \"city\": \"Rome\"}\n```", NULL, ROME},
        {"with prose around", BOTH, "Here you are: {" ROME "}. Anything else?", NULL, ROME},
        {"behind a list", BOTH, "[1, 2] {" ROME "}", NULL, ROME},
        {"in a list", BOTH, "[{" ROME "}, {\"city\": 1}]", NULL, ROME},
        {"behind what is no JSON", BOTH, "{city} [a, {" ROME "}", NULL, ROME},
        {"behind an open bracket", BOTH, "[ { {" ROME "}", NULL, ROME},
        {"behind a wrong bracket", BOTH, "{ ] {" ROME "}", NULL, ROME},
        {"behind a closed one", BOTH, "}] {" ROME "}", NULL, ROME},
        {"the first of two", BOTH, "{" ROME "} {\"city\":\"Oslo\",\"budget\":1}", NULL, ROME},
        {"brackets in strings that are balanced", BOTH, "{\"city\":\"R[om]e {}\",\"budget\":500}", NULL,
         "\"city\":\"R[om]e {}\",\"budget\":500"},
        {"brackets in strings that are not", BOTH, "{\"city\":\"Rome :]\",\"budget\":500}", NO_OBJECT, NONE},
        {"a bracket in a string that hides the end", BOTH, "{\"city\":\"Rome {\",\"budget\":500}", NO_OBJECT,
         NONE},
        {"an inner object", BOTH, "{broken {" ROME "} }", NULL, ROME},
        {"a thought is text like other text", BOTH,
         "<think>{\"city\":\"Oslo\",\"budget\":1}</think>{" ROME "}", NULL, "\"city\":\"Oslo\",\"budget\":1"},
        {"nothing", BOTH, "", NO_OBJECT, NONE},
        {"prose", BOTH, "I could not find a city.", NO_OBJECT, NONE},
        {"half an object", BOTH, "{\"city\":\"Rome\",", NO_OBJECT, NONE},
        {"single quotes", BOTH, "{'city':'Rome','budget':500}", NO_OBJECT, NONE},
        {"a list", BOTH, "[\"Rome\", 500]", NO_OBJECT, NONE},
        {"an empty object", BOTH, "{}", NO_OBJECT, NONE},
        {"an empty object first", BOTH, "{} {" ROME "}", NO_OBJECT, NONE},
        {"a number", BOTH, "500", NO_OBJECT, NONE},
    };
    (void)state;
    CHECK_TEXTS(rows);
}

static void arguments_of_the_first_call_are_taken(void **state)
{
#define BOTH_CALLS CALLS(CITY ", " BUDGET)
    static const struct row rows[] = {
        {"good", BOTH_CALLS, "{" ROME "}", NULL, ROME},
        {"with prose around", BOTH_CALLS, "call: {" ROME "} done", NULL, ROME},
        {"none", BOTH_CALLS, "", NUMBER_OF, NONE},
        {"no JSON", BOTH_CALLS, "Rome", NUMBER_OF, NONE},
        {"half JSON", BOTH_CALLS, "{\"city\":\"Rome\"", NUMBER_OF, NONE},
        {"an empty object", BOTH_CALLS, "{}", NUMBER_OF, NONE},
        {"a list", BOTH_CALLS, "[]", NUMBER_OF, NONE},
        {"null", BOTH_CALLS, "null", NUMBER_OF, NONE},
    };
    struct player p;
    (void)state;
    CHECK_CALLS(rows);
    /* The text is not looked at then. */
    extractor_play(&p, BOTH_CALLS, "{\"city\":\"Oslo\",\"budget\":1}", "{" ROME "}");
    check_extracted(&p, NULL, ROME);
    player_close(&p);
    extractor_play(&p, BOTH_CALLS, "{" ROME "}", "nonsense");
    check_extracted(&p, NUMBER_OF, NONE);
    player_close(&p);
}

static void a_call_of_another_function_counts(void **state)
{
    const struct model_tool_call calls[] = {{STR("1"), STR("look_up"), STR("{" ROME "}")},
                                            {STR("2"), STR("extract_parameters"), STR("{}")}};
    struct player p;
    (void)state;
    llm_ask(&p, BOTH_CALLS, &extractor_inputs, NULL);
    player_done_calls(&p, 0, calls, 2);
    player_finish(&p);
    check_extracted(&p, NULL, ROME);
    assert_text_contains(
        "\"tool_call\":{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"look_up\"",
        p.last_record);
    player_close(&p);
}

static void a_model_that_writes_instead_of_calling_is_read(void **state)
{
    static const struct row rows[] = {
        {"JSON", BOTH_CALLS, "{" ROME "}", NULL, ROME},
        {"prose", BOTH_CALLS, "The city is Rome.", NO_OBJECT, NONE},
        {"nothing", BOTH_CALLS, "", NO_OBJECT, NONE},
    };
    (void)state;
    CHECK_TEXTS(rows);
}

static void a_huge_reply_is_read(void **state)
{
    enum { BYTES = 2 * 1024 * 1024 };
    static const char ends[] = "}{" ROME "}";
    char *reply = malloc(BYTES + sizeof ends);
    struct player p;
    (void)state;
    assert_non_null(reply);
    memcpy(reply + BYTES, ends, sizeof ends);
    static const struct {
        char fill;
        const char *reason, *values;
    } rows[] = {
        {'x', NULL, ROME},
        {'}', NULL, ROME},
        {'{', NO_OBJECT, NONE}, /* that many brackets are no answer */
        {'[', NO_OBJECT, NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(reply, rows[i].fill, BYTES);
        extractor_play(&p, BOTH, reply, NULL);
        check_extracted(&p, rows[i].reason, rows[i].values);
        player_close(&p);
    }
    for (int i = 0; i < BYTES / 2; i++) /* as many closed as open, far too deep */
        reply[i] = '[', reply[BYTES - 1 - i] = ']';
    extractor_play(&p, BOTH, reply, NULL);
    check_extracted(&p, NO_OBJECT, NONE);
    player_close(&p);
    free(reply);
}

static void without_an_object_arrays_have_no_default_to_check(void **state)
{
    static const struct row rows[] = {
        {"an array too", PROMPT(CITY ", " PARAM("l", "array[string]", "false")), "no", NUMBER_OF,
         "\"city\":\"\",\"l\":[]"},
        {"a choice", PROMPT(SELECT("select")), "no", "Invalid `select` value for parameter s", "\"s\":\"\""},
        {"a boolean", PROMPT(PARAM("b", "boolean", "true")), "no", NO_OBJECT, "\"b\":false"},
    };
    (void)state;
    CHECK_TEXTS(rows);
}

/* --- validation and what fits --- */

#define ONE(type)   PROMPT(PARAM("v", type, "true"))
#define WRONG(text) "Invalid value for parameter v: " text " is expected"

static void numbers(void **state)
{
#define NUMBER(text) "{\"v\":" text "}"
    static const struct row rows[] = {
        {"int", ONE("number"), NUMBER("5"), NULL, "\"v\":5"},
        {"float", ONE("number"), NUMBER("5.0"), NULL, "\"v\":5.0"},
        {"true", ONE("number"), NUMBER("true"), NULL, "\"v\":1"},
        {"false", ONE("number"), NUMBER("false"), NULL, "\"v\":0"},
        {"text of an int", ONE("number"), NUMBER("\" 5 \""), WRONG("string where number"), "\"v\":5"},
        {"text with sign", ONE("number"), NUMBER("\"+5\""), WRONG("string where number"), "\"v\":5"},
        {"negative text", ONE("number"), NUMBER("\"-5\""), WRONG("string where number"), "\"v\":-5"},
        {"text of a float", ONE("number"), NUMBER("\"5.0\""), WRONG("string where number"), "\"v\":5.0"},
        {"without digits behind the point", ONE("number"), NUMBER("\"5.\""), WRONG("string where number"),
         "\"v\":5.0"},
        {"without digits before the point", ONE("number"), NUMBER("\"-.5\""), WRONG("string where number"),
         "\"v\":-0.5"},
        {"with a point and an exponent", ONE("number"), NUMBER("\"1.e2\""), WRONG("string where number"),
         "\"v\":100.0"},
        {"with an exponent only", ONE("number"), NUMBER("\"1e2\""), WRONG("string where number"), "\"v\":0"},
        {"with underscores", ONE("number"), NUMBER("\"1_000\""), WRONG("string where number"), "\"v\":1000"},
        {"with underscores at the end", ONE("number"), NUMBER("\"1_\""), WRONG("string where number"),
         "\"v\":0"},
        {"too large for an int", ONE("number"), NUMBER("\"10000000000000000000\""),
         WRONG("string where number"), "\"v\":1e+19"},
        {"a point", ONE("number"), NUMBER("\".\""), WRONG("string where number"), "\"v\":0"},
        {"a plus", ONE("number"), NUMBER("\"+\""), WRONG("string where number"), "\"v\":0"},
        {"hex", ONE("number"), NUMBER("\"0x10\""), WRONG("string where number"), "\"v\":0"},
        {"words", ONE("number"), NUMBER("\"five\""), WRONG("string where number"), "\"v\":0"},
        {"with a unit", ONE("number"), NUMBER("\"5 EUR\""), WRONG("string where number"), "\"v\":0"},
        {"no text", ONE("number"), NUMBER("\"\""), WRONG("string where number"), "\"v\":0"},
        {"null", ONE("number"), NUMBER("null"), WRONG("none where number"), "\"v\":0"},
        {"a list", ONE("number"), NUMBER("[5]"), WRONG("array[number] where number"), "\"v\":0"},
        {"an object", ONE("number"), NUMBER("{}"), WRONG("object where number"), "\"v\":0"},
    };
    (void)state;
    CHECK_TEXTS(rows);
}

static void booleans(void **state)
{
    static const struct row rows[] = {
        {"true", ONE("boolean"), NUMBER("true"), NULL, "\"v\":true"},
        {"by its old name", ONE("bool"), NUMBER("false"), NULL, "\"v\":false"},
        {"an int", ONE("boolean"), NUMBER("2"), WRONG("integer where boolean"), "\"v\":true"},
        {"zero", ONE("boolean"), NUMBER("0"), WRONG("integer where boolean"), "\"v\":false"},
        {"a float", ONE("boolean"), NUMBER("1.0"), WRONG("float where boolean"), "\"v\":false"},
        {"a text", ONE("boolean"), NUMBER("\"true\""), WRONG("string where boolean"), "\"v\":false"},
        {"null", ONE("boolean"), NUMBER("null"), WRONG("none where boolean"), "\"v\":false"},
    };
    (void)state;
    CHECK_TEXTS(rows);
}

static void strings_and_choices(void **state)
{
    static const struct row rows[] = {
        {"text", ONE("string"), NUMBER("\"a\""), NULL, "\"v\":\"a\""},
        {"no text", ONE("string"), NUMBER("\"\""), NULL, "\"v\":\"\""},
        {"a number", ONE("string"), NUMBER("5"), WRONG("integer where string"), "\"v\":\"\""},
        {"null", ONE("string"), NUMBER("null"), WRONG("none where string"), "\"v\":\"\""},
        {"a list", ONE("string"), NUMBER("[\"a\"]"), WRONG("array[string] where string"), "\"v\":\"\""},
        {"a choice", PROMPT(SELECT("select")), "{\"s\":\"blue\"}", NULL, "\"s\":\"blue\""},
        {"none of the choices", PROMPT(SELECT("select")), "{\"s\":\"Blue\"}",
         "Invalid `select` value for parameter s", "\"s\":\"Blue\""},
        {"no text for a choice", PROMPT(SELECT("select")), "{\"s\":1}",
         "Invalid value for parameter s: integer where string is expected", "\"s\":\"\""},
        {"a string with options", PROMPT(SELECT("string")), "{\"s\":\"green\"}",
         "Invalid `select` value for parameter s", "\"s\":\"green\""},
        {"a select without options", ONE("select"), NUMBER("\"any\""), NULL, "\"v\":\"any\""},
    };
    (void)state;
    CHECK_TEXTS(rows);
}

static void arrays_keep_what_fits(void **state)
{
    static const struct row rows[] = {
        {"texts", ONE("array[string]"), NUMBER("[\"a\",\"b\"]"), NULL, "\"v\":[\"a\",\"b\"]"},
        {"texts and others", ONE("array[string]"), NUMBER("[\"a\",1,null,[],\"b\"]"),
         WRONG("array[any] where array[string]"), "\"v\":[\"a\",\"b\"]"},
        {"no texts", ONE("array[string]"), NUMBER("[]"), NULL, "\"v\":[]"},
        {"a text", ONE("array[string]"), NUMBER("\"a\""), WRONG("string where array[string]"), "\"v\":[]"},
        {"numbers", ONE("array[number]"), NUMBER("[1,2.5,true]"), NULL, "\"v\":[1,2.5,1]"},
        {"numbers and others", ONE("array[number]"), NUMBER("[1,\"2\",\"2.5\",\"x\",null,{}]"),
         WRONG("array[any] where array[number]"), "\"v\":[1,2,2.5]"},
        {"objects", ONE("array[object]"), NUMBER("[{\"a\":1},{}]"), NULL, "\"v\":[{\"a\":1},{}]"},
        {"objects and others", ONE("array[object]"), NUMBER("[{\"a\":1},[{}],\"{}\"]"),
         WRONG("array[any] where array[object]"), "\"v\":[{\"a\":1}]"},
        {"booleans", ONE("array[boolean]"), NUMBER("[true,false]"), NULL, "\"v\":[true,false]"},
        {"booleans and others", ONE("array[boolean]"), NUMBER("[true,1,\"true\"]"),
         WRONG("array[any] where array[boolean]"), "\"v\":[true]"},
        {"an object", ONE("array[number]"), NUMBER("{\"0\":1}"), WRONG("object where array[number]"),
         "\"v\":[]"},
        {"null", ONE("array[object]"), NUMBER("null"), WRONG("none where array[object]"), "\"v\":[]"},
    };
    (void)state;
    CHECK_TEXTS(rows);
}

static void keys_are_those_of_the_parameters(void **state)
{
#define OPTIONAL PROMPT(CITY ", " PARAM("budget", "number", "false"))
    static const struct row rows[] = {
        {"one too many", BOTH, "{" ROME ",\"more\":1}", NUMBER_OF, ROME},
        {"one too few", BOTH, "{\"city\":\"Rome\"}", NUMBER_OF, "\"city\":\"Rome\",\"budget\":0"},
        {"another name", BOTH, "{\"city\":\"Rome\",\"money\":500}", "Parameter budget is required",
         "\"city\":\"Rome\",\"budget\":0"},
        {"the first that is wrong", BOTH, "{\"town\":\"Rome\",\"budget\":\"x\"}",
         "Parameter city is required", NONE},
        {"one that may be missing is counted all the same", OPTIONAL, "{\"city\":\"Rome\"}", NUMBER_OF,
         "\"city\":\"Rome\",\"budget\":0"},
        {"another in its place", OPTIONAL, "{\"city\":\"Rome\",\"more\":1}",
         "Invalid value for parameter budget: nothing where number is expected",
         "\"city\":\"Rome\",\"budget\":0"},
        {"a key twice", BOTH, "{\"city\":\"Oslo\"," ROME "}", NULL, ROME},
        {"the order of the parameters", BOTH, "{\"budget\":500,\"city\":\"Rome\"}", NULL, ROME},
        {"no parameters", PROMPT(""), "{\"a\":1}", NUMBER_OF, ""},
        {"no parameters, nothing found", PROMPT(""), "{}", NO_OBJECT, ""},
    };
    struct player p;
    (void)state;
    CHECK_TEXTS(rows);
    extractor_play(&p, CALLS(""), NULL, "{}");
    check_extracted(&p, NULL, "");
    player_close(&p);
}

static void outputs_have_their_types(void **state)
{
    struct player p;
    (void)state;
    player_open(
        &p,
        EXPORT("workflow", "",
               FORM NODE("pe", "parameter-extractor",
                         PROMPT_CONFIG(CITY ", " PARAM("l", "array[number]", "true")))
                   NODE("t", "template-transform",
                        "template: '{{ a }} {{ b }}', variables: [{variable: a, value_selector: [pe, l]}, "
                        "{variable: b, value_selector: [pe, __is_success]}]")
                       END_OF("end", "out", "t, output"),
               EDGE("start", "pe") EDGE("pe", "t") EDGE("t", "end")));
    p.reply = "{\"city\":\"Rome\",\"l\":[1,\"2\"]}";
    player_play(&p, &extractor_inputs);
    assert_text("{\"out\":\"[1, 2] 0\"}", p.outputs);
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_object_of_a_text_is_taken),
        cmocka_unit_test(arguments_of_the_first_call_are_taken),
        cmocka_unit_test(a_call_of_another_function_counts),
        cmocka_unit_test(a_model_that_writes_instead_of_calling_is_read),
        cmocka_unit_test(a_huge_reply_is_read),
        cmocka_unit_test(without_an_object_arrays_have_no_default_to_check),
        cmocka_unit_test(numbers),
        cmocka_unit_test(booleans),
        cmocka_unit_test(strings_and_choices),
        cmocka_unit_test(arrays_keep_what_fits),
        cmocka_unit_test(keys_are_those_of_the_parameters),
        cmocka_unit_test(outputs_have_their_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
