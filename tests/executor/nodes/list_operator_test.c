/*
 * list-operator nodes: which lists are taken, filters by type, extract, order, limit, and the order of them all
 * (dify-dsl.md 4.14).
 */
#include "tests/executor/player/player.h"
#include <stdio.h>
#include <stdlib.h>

#define FORM                                                                                                 \
    NODE("start", "start",                                                                                   \
         "variables: [{variable: o, type: json_object}, {variable: file, type: file}, "                      \
         "{variable: files, type: file-list}]")

static const char inputs[] =
    "{\"o\":{\"texts\":[\"apple\",\"Banana\",\"\",\"cherry\",\"app\"],"
    "\"numbers\":[3,1.5,-2,3.0,10],\"flags\":[true,false,true],\"none\":[],"
    "\"maps\":[{\"a\":1}],\"mixed\":[1,\"a\"],\"nested\":[[1]],\"nil\":null,\"text\":\"app\",\"empty\":\"\","
    "\"zero\":0,\"no_flag\":false,\"map\":{},\"five\":5,\"two\":\"2\","
    "\"big\":[9007199254740993,9007199254740992,9007199254740992.0]},"
    "\"file\":{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/a.png\"},"
    "\"files\":[{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/b.png\"},"
    "{\"type\":\"document\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/c.pdf\"},"
    "{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://a.example/a.png\"},"
    "{\"type\":\"audio\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/\"}]}";

/* config: without the variable. result: in `end`; of files only their names. */
#define APP(variable, config)                                                                                \
    EXPORT("workflow", "",                                                                                   \
           FORM NODE("list", "list-operator", "variable: [" variable "]" config)                             \
               NODE("end", "end",                                                                            \
                    "outputs: [{variable: result, value_selector: [list, result]}, "                         \
                    "{variable: first, value_selector: [list, first_record]}, "                              \
                    "{variable: last, value_selector: [list, last_record]}]"),                               \
           EDGE("start", "list") EDGE("list", "end"))
#define FILTER(conditions)    ", filter_by: {enabled: true, conditions: [" conditions "]}"
#define COND(op, value)       "{comparison_operator: '" op "', value: " value "}"
#define KEY(key, op, value)   "{key: " key ", comparison_operator: '" op "', value: " value "}"
#define EXTRACT(serial)       ", extract_by: {enabled: true, serial: " serial "}"
#define ORDER(key, direction) ", order_by: {enabled: true, key: " key ", value: " direction "}"
#define LIMIT(size)           ", limit: {enabled: true, size: " size "}"
#define TEXTS(config)         APP("start, o, texts", config)
#define NUMBERS(config)       APP("start, o, numbers", config)
#define FLAGS(config)         APP("start, o, flags", config)
#define FILES(config)         APP("start, files", config)

struct row {
    const char *dsl, *result;
};

static void play(struct player *p, const char *dsl)
{
    player_open(p, dsl);
    player_play(p, &(struct play){.inputs = inputs});
}

static void assert_results(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct player p;
        char expected[512];
        play(&p, rows[i].dsl);
        snprintf(expected, sizeof expected, "{\"result\":%s,", rows[i].result);
        if (p.status != RUN_STATUS_SUCCEEDED || !str_starts(buf_str(&p.outputs), str_c(expected)))
            fail_msg("row %zu has to give %s, not %.*s %s", i, expected, STR_ARG(buf_str(&p.outputs)),
                     p.error);
        player_close(&p);
    }
}

static void assert_errors(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct player p;
        play(&p, rows[i].dsl);
        if (p.status != RUN_STATUS_FAILED || !str_eq_c(str_c(rows[i].result), p.error))
            fail_msg("row %zu has to fail with \"%s\", not \"%s\"", i, rows[i].result, p.error);
        player_close(&p);
    }
}

/* --- the list --- */

static void without_operations_the_list_comes_back(void **state)
{
    struct player p;
    (void)state;
    play(&p, NUMBERS(""));
    assert_text("{\"result\":[3,1.5,-2,3.0,10],\"first\":3,\"last\":10}", p.outputs);
    player_close(&p);
    /* What is not enabled is not looked at. */
    play(
        &p,
        NUMBERS(", filter_by: {enabled: false, conditions: [{key: '', comparison_operator: '', value: ''}]}, "
                "extract_by: {enabled: false, serial: '9'}, order_by: {enabled: false, key: '', value: ''}, "
                "limit: {enabled: false, size: x}"));
    assert_text("{\"result\":[3,1.5,-2,3.0,10],\"first\":3,\"last\":10}", p.outputs);
    player_close(&p);
    play(&p, NUMBERS(", filter_by: null, extract_by: 5, order_by: [], limit: {enabled: 'yes'}"));
    assert_text("{\"result\":[3,1.5,-2,3.0,10],\"first\":3,\"last\":10}", p.outputs);
    player_close(&p);
}

/* Even where the operations would be errors. */
static void what_is_empty_gives_an_empty_list(void **state)
{
    static const char *const dsls[] = {
        APP("start, o, none", EXTRACT("'9'") FILTER(COND("=", "'x'"))),
        APP("start, o, nil", EXTRACT("'9'")),
        APP("start, o, empty", LIMIT("1")),
        APP("start, o, zero", ""),
        APP("start, o, no_flag", ""),
        APP("start, o, map", ""),
        APP("sys, files", ORDER("''", "asc")),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(dsls); i++) {
        struct player p;
        play(&p, dsls[i]);
        assert_text("{\"result\":[],\"first\":null,\"last\":null}", p.outputs);
        player_close(&p);
    }
}

static void other_values_are_refused(void **state)
{
    static const struct row rows[] = {
        {APP("start, o, gone", ""), "Variable not found for selector: ['start', 'o', 'gone']"},
        {APP("nobody, result", ""), "Variable not found for selector: ['nobody', 'result']"},
        {APP("", ""), "Variable not found for selector: []"},
        {APP("start", ""), "Variable not found for selector: ['start']"},
        {APP("start, o, maps", ""),
         "Variable ['start', 'o', 'maps'] is not an array type, actual type: array[object]"},
        {APP("start, o, mixed", ""),
         "Variable ['start', 'o', 'mixed'] is not an array type, actual type: array[any]"},
        {APP("start, o, nested", ""),
         "Variable ['start', 'o', 'nested'] is not an array type, actual type: array[any]"},
        {APP("start, o, text", ""),
         "Variable ['start', 'o', 'text'] is not an array type, actual type: string"},
        {APP("start, o, five", ""),
         "Variable ['start', 'o', 'five'] is not an array type, actual type: integer"},
        {APP("start, o", ""), "Variable ['start', 'o'] is not an array type, actual type: object"},
        {APP("start, file", ""), "Variable ['start', 'file'] is not an array type, actual type: file"},
    };
    (void)state;
    assert_errors(rows, ARRAY_LEN(rows));
}

/* --- filters --- */

static void texts_are_filtered_by_their_operators(void **state)
{
    static const struct row rows[] = {
        {TEXTS(FILTER(COND("contains", "app"))), "[\"apple\",\"app\"]"},
        {TEXTS(FILTER(COND("contains", "''"))), "[\"apple\",\"Banana\",\"\",\"cherry\",\"app\"]"},
        {TEXTS(FILTER(COND("not contains", "app"))), "[\"Banana\",\"\",\"cherry\"]"},
        {TEXTS(FILTER(COND("start with", "B"))), "[\"Banana\"]"},
        {TEXTS(FILTER(COND("end with", "e"))), "[\"apple\"]"},
        {TEXTS(FILTER(COND("is", "app"))), "[\"app\"]"},
        {TEXTS(FILTER(COND("is", "App"))), "[]"},
        {TEXTS(FILTER(COND("is not", "app"))), "[\"apple\",\"Banana\",\"\",\"cherry\"]"},
        {TEXTS(FILTER(COND("in", "'apple, cherry'"))),
         "[\"apple\",\"\",\"cherry\",\"app\"]"}, /* a part of it */
        {TEXTS(FILTER(COND("not in", "'apple, cherry'"))), "[\"Banana\"]"},
        {TEXTS(FILTER(COND("empty", "''"))), "[\"\"]"},
        {TEXTS(FILTER(COND("not empty", "''"))), "[\"apple\",\"Banana\",\"cherry\",\"app\"]"},
        {TEXTS(FILTER(COND("contains", "'{{#start.o.text#}}'"))), "[\"apple\",\"app\"]"},
        {TEXTS(FILTER(COND("start with", "a") "," COND("end with", "p"))), "[\"app\"]"},
        {TEXTS(FILTER("{value: app}")), "[\"apple\",\"app\"]"}, /* contains, if nothing is said */
        {TEXTS(FILTER("{comparison_operator: empty}")), "[\"\"]"},
        {TEXTS(FILTER("")), "[\"apple\",\"Banana\",\"\",\"cherry\",\"app\"]"},
        {TEXTS(", filter_by: {enabled: true}"), "[\"apple\",\"Banana\",\"\",\"cherry\",\"app\"]"},
    };
    static const struct row errors[] = {
        {TEXTS(FILTER(COND("=", "a"))), "Invalid condition: ="},
        {TEXTS(FILTER(COND("is", "nobody") "," COND(">", "a"))), "Invalid condition: >"}, /* none left */
        {TEXTS(FILTER(COND("in", "[app]"))), "Invalid filter value: ['app']"},
        {TEXTS(FILTER(COND("is", "true"))), "Invalid filter value: True"},
        {TEXTS(FILTER(COND("is", "5"))), "Invalid filter value: 5"},
        {TEXTS(FILTER(COND("empty", "null"))), "Invalid filter value: None"},
        {TEXTS(FILTER(COND("is", "{a: 1}"))), "Invalid filter value: {'a': 1}"},
    };
    (void)state;
    assert_results(rows, ARRAY_LEN(rows));
    assert_errors(errors, ARRAY_LEN(errors));
}

static void numbers_are_filtered_by_their_operators(void **state)
{
    static const struct row rows[] = {
        {NUMBERS(FILTER(COND("=", "'3'"))), "[3,3.0]"},
        {NUMBERS(FILTER(COND("≠", "'3'"))), "[1.5,-2,10]"},
        {NUMBERS(FILTER(COND("<", "'3'"))), "[1.5,-2]"},
        {NUMBERS(FILTER(COND("≤", "'3.0'"))), "[3,1.5,-2,3.0]"},
        {NUMBERS(FILTER(COND(">", "'3'"))), "[10]"},
        {NUMBERS(FILTER(COND("≥", "'3'"))), "[3,3.0,10]"},
        {NUMBERS(FILTER(COND("<", "' -1.5e0 '"))), "[-2]"},
        {NUMBERS(FILTER(COND("=", "'+10'"))), "[10]"},
        {NUMBERS(FILTER(COND(">", "'{{#start.o.five#}}'"))), "[10]"},
        {NUMBERS(FILTER(COND(">", "'0'") "," COND("<", "'3'"))), "[1.5]"},
        {NUMBERS(FILTER(COND("=", "'7'"))), "[]"},
        /* A value is a double, whose 53 bits are compared exactly with the 64 of an integer. */
        {APP("start, o, big", FILTER(COND("=", "'9007199254740992'"))),
         "[9007199254740992,9007199254740992.0]"},
        {APP("start, o, big", FILTER(COND(">", "'9007199254740992'"))), "[9007199254740993]"},
    };
    static const struct row errors[] = {
        {NUMBERS(FILTER(COND("=", "x"))), "could not convert string to float: 'x'"},
        {NUMBERS(FILTER(COND("=", "''"))), "could not convert string to float: ''"},
        {NUMBERS(FILTER("{comparison_operator: '='}")), "could not convert string to float: ''"},
        {NUMBERS(FILTER(COND("=", "3"))), "Invalid filter value: 3"},
        {NUMBERS(FILTER(COND("=", "['3']"))), "Invalid filter value: ['3']"},
        {NUMBERS(FILTER(COND("=", "false"))), "Invalid filter value: False"},
        {NUMBERS(FILTER(COND("is", "'3'"))), "Invalid condition: is"},
        {NUMBERS(FILTER(COND("contains", "'3'"))), "Invalid condition: contains"},
    };
    (void)state;
    assert_results(rows, ARRAY_LEN(rows));
    assert_errors(errors, ARRAY_LEN(errors));
}

static void booleans_are_filtered_by_their_operators(void **state)
{
    static const struct row rows[] = {
        {FLAGS(FILTER(COND("is", "true"))), "[true,true]"},
        {FLAGS(FILTER(COND("is", "false"))), "[false]"},
        {FLAGS(FILTER(COND("is not", "true"))), "[false]"},
        {FLAGS(FILTER(COND("is", "true") "," COND("is", "false"))), "[]"},
    };
    static const struct row errors[] = {
        {FLAGS(FILTER(COND("contains", "true"))), "Invalid condition: contains"},
        {FLAGS(FILTER(COND("is", "'true'"))), "Boolean filter expects a boolean value, got string"},
        {FLAGS(FILTER("{comparison_operator: is}")), "Boolean filter expects a boolean value, got string"},
        {FLAGS(FILTER(COND("is", "1"))), "Boolean filter expects a boolean value, got integer"},
        {FLAGS(FILTER(COND("is", "[true]"))), "Boolean filter expects a boolean value, got array[boolean]"},
        {FLAGS(FILTER(COND("is", "null"))), "Boolean filter expects a boolean value, got none"},
    };
    (void)state;
    assert_results(rows, ARRAY_LEN(rows));
    assert_errors(errors, ARRAY_LEN(errors));
}

/* names: of the files that stay, as an array of texts. */
static void assert_files(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct player p;
        struct buf names;
        play(&p, rows[i].dsl);
        if (p.status != RUN_STATUS_SUCCEEDED)
            fail_msg("row %zu: %s", i, p.error);
        buf_init(&names, 4096);
        struct str outputs = buf_str(&p.outputs);
        size_t end = str_find(outputs, STR("],\"first\""), 0), at = 0;
        assert_int_not_equal(end, SIZE_MAX);
        static const char key[] = "\"filename\":\"";
        while ((at = str_find(str_sub(outputs, 0, end), STR("\"filename\":\""), at)) != SIZE_MAX) {
            at += sizeof key - 1;
            buf_put(&names, str_sub(outputs, at, str_find(outputs, STR("\""), at)));
            buf_put_char(&names, ' ');
        }
        if (!str_eq_c(buf_str(&names), rows[i].result))
            fail_msg("row %zu has to give \"%s\", not \"%.*s\"", i, rows[i].result, STR_ARG(buf_str(&names)));
        buf_fini(&names);
        player_close(&p);
    }
}

static void files_are_filtered_by_their_attributes(void **state)
{
    static const struct row rows[] = {
        {FILES(""), "b.png c.pdf a.png  "},
        {FILES(FILTER(KEY("name", "start with", "a"))), "a.png "},
        {FILES(FILTER(KEY("name", "empty", "''"))), " "},
        {FILES(FILTER(KEY("name", "not in", "'a.png c.pdf'"))), "b.png "},
        {FILES(FILTER(KEY("extension", "is", "'.png'"))), "b.png a.png "},
        {FILES(FILTER(KEY("extension", "is", "png"))), ""}, /* with its dot, unlike conditions */
        {FILES(FILTER(KEY("extension", "empty", "''"))), " "},
        {FILES(FILTER(KEY("mime_type", "contains", "image"))), "b.png a.png "},
        {FILES(FILTER(KEY("mime_type", "is", "application/pdf"))), "c.pdf "},
        {FILES(FILTER(KEY("url", "contains", "'//a.'"))), "a.png "},
        {FILES(FILTER(KEY("related_id", "empty", "''"))), "b.png c.pdf a.png  "},
        {FILES(FILTER(KEY("type", "in", "[image, audio]"))), "b.png a.png  "},
        {FILES(FILTER(KEY("type", "not in", "[image, audio]"))), "c.pdf "},
        {FILES(FILTER(KEY("type", "in", "'image audio'"))), "b.png a.png  "}, /* a text: a part of it */
        {FILES(FILTER(KEY("type", "not in", "[]"))), "b.png c.pdf a.png  "},
        {FILES(FILTER(KEY("type", "in", "[5, null, {a: 1}]"))), ""},
        {FILES(FILTER(KEY("transfer_method", "in", "[remote_url]"))), "b.png c.pdf a.png  "},
        {FILES(FILTER(KEY("transfer_method", "not in", "[remote_url]"))), ""},
        {FILES(FILTER(KEY("size", "<", "'0'"))), "b.png c.pdf a.png  "}, /* -1: not known */
        {FILES(FILTER(KEY("size", "≥", "'{{#start.o.zero#}}'"))), ""},
        {FILES(FILTER(KEY("type", "in", "[image]") "," KEY("name", "contains", "b"))), "b.png "},
        /* Operators and numbers are looked at file by file: with none left nothing is wrong. */
        {FILES(FILTER(KEY("name", "is", "nobody") "," KEY("name", "=", "x") "," KEY("size", "=", "x"))), ""},
    };
    static const struct row errors[] = {
        {FILES(FILTER(KEY("colour", "is", "red"))), "Invalid key: colour"},
        {FILES(FILTER(COND("is", "red"))), "Invalid key: "},
        {FILES(FILTER(KEY("name", "is", "nobody") "," KEY("colour", "is", "red"))), "Invalid key: colour"},
        {FILES(FILTER(KEY("name", "in", "[a.png]"))), "Invalid key: name"}, /* takes a text only */
        {FILES(FILTER(KEY("size", "=", "['1']"))), "Invalid key: size"},
        {FILES(FILTER(KEY("size", "=", "big"))), "could not convert string to float: 'big'"},
        {FILES(FILTER(KEY("size", "contains", "'1'"))), "Invalid condition: contains"},
        {FILES(FILTER(KEY("name", ">", "a"))), "Invalid condition: >"},
        {FILES(FILTER(KEY("type", "is", "image"))), "Invalid condition: is"},
        {FILES(FILTER(KEY("type", "in", "true"))), "File filter expects a string value, got boolean"},
        {FILES(FILTER(KEY("type", "in", "7"))), "Invalid filter value: 7"},
        {FILES(FILTER(KEY("type", "in", "null"))), "Invalid filter value: None"},
        {FILES(FILTER(KEY("[type]", "in", "image"))), "Invalid key: "},
    };
    (void)state;
    assert_files(rows, ARRAY_LEN(rows));
    assert_errors(errors, ARRAY_LEN(errors));
}

/* --- extract, order, limit --- */

static void extract_takes_one_element(void **state)
{
    static const struct row rows[] = {
        {NUMBERS(EXTRACT("'1'")), "[3]"},
        {NUMBERS(EXTRACT("'5'")), "[10]"},
        {NUMBERS(EXTRACT("' +2 '")), "[1.5]"},
        {NUMBERS(EXTRACT("3")), "[-2]"},
        {NUMBERS(EXTRACT("'{{#start.o.two#}}'")), "[1.5]"},
        {NUMBERS(", extract_by: {enabled: true}"), "[3]"}, /* the first, if nothing is said */
        {TEXTS(EXTRACT("'2'")), "[\"Banana\"]"},
        {FLAGS(EXTRACT("'2'")), "[false]"},
    };
    static const struct row errors[] = {
        {NUMBERS(EXTRACT("'0'")), "Invalid serial index: must be >= 1, got 0"},
        {NUMBERS(EXTRACT("'-1'")), "Invalid serial index: must be >= 1, got -1"},
        {NUMBERS(EXTRACT("'6'")), "Invalid serial index: must be <= 5, got 6"},
        {NUMBERS(EXTRACT("'1.5'")), "invalid literal for int() with base 10: '1.5'"},
        {NUMBERS(EXTRACT("''")), "invalid literal for int() with base 10: ''"},
        {NUMBERS(EXTRACT("x")), "invalid literal for int() with base 10: 'x'"},
        {NUMBERS(EXTRACT("'{{#start.o.text#}}'")), "invalid literal for int() with base 10: 'app'"},
        {NUMBERS(EXTRACT("'99999999999999999999'")),
         "invalid literal for int() with base 10: '99999999999999999999'"},
        {NUMBERS(FILTER(COND(">", "'99'")) EXTRACT("'1'")), "Invalid serial index: must be <= 0, got 1"},
    };
    (void)state;
    assert_results(rows, ARRAY_LEN(rows));
    assert_errors(errors, ARRAY_LEN(errors));
}

static void order_is_by_value_or_attribute(void **state)
{
    static const struct row rows[] = {
        {NUMBERS(ORDER("''", "asc")), "[-2,1.5,3,3.0,10]"},
        {NUMBERS(ORDER("''", "desc")), "[10,3,3.0,1.5,-2]"}, /* equal ones keep their order both ways */
        {NUMBERS(", order_by: {enabled: true}"), "[-2,1.5,3,3.0,10]"},
        {NUMBERS(ORDER("name", "asc")), "[-2,1.5,3,3.0,10]"}, /* no file: not looked at */
        {TEXTS(ORDER("''", "asc")), "[\"\",\"Banana\",\"app\",\"apple\",\"cherry\"]"},
        {TEXTS(ORDER("''", "desc")), "[\"cherry\",\"apple\",\"app\",\"Banana\",\"\"]"},
        {FLAGS(ORDER("''", "asc")), "[false,true,true]"},
        {FLAGS(ORDER("''", "desc")), "[true,true,false]"},
        {APP("start, o, big", ORDER("''", "asc")), "[9007199254740992,9007199254740992.0,9007199254740993]"},
    };
    static const struct row files[] = {
        {FILES(ORDER("name", "asc")), " a.png b.png c.pdf "},
        {FILES(ORDER("name", "desc")), "c.pdf b.png a.png  "},
        {FILES(ORDER("type", "asc")), " c.pdf b.png a.png "},
        {FILES(ORDER("type", "desc")), "b.png a.png c.pdf  "},
        {FILES(ORDER("extension", "asc")), " c.pdf b.png a.png "},
        {FILES(ORDER("mime_type", "desc")), "b.png a.png c.pdf  "},
        {FILES(ORDER("transfer_method", "desc")), "b.png c.pdf a.png  "},
        {FILES(ORDER("url", "asc")), "a.png  b.png c.pdf "},
        {FILES(ORDER("related_id", "asc")), "b.png c.pdf a.png  "},
        {FILES(ORDER("size", "desc")), "b.png c.pdf a.png  "},
    };
    static const struct row errors[] = {
        {FILES(ORDER("''", "asc")), "Invalid order key: "},
        {FILES(ORDER("colour", "asc")), "Invalid order key: colour"},
        {FILES(FILTER(KEY("name", "is", "nobody")) ORDER("colour", "asc")), "Invalid order key: colour"},
    };
    (void)state;
    assert_results(rows, ARRAY_LEN(rows));
    assert_files(files, ARRAY_LEN(files));
    assert_errors(errors, ARRAY_LEN(errors));
}

static void limit_is_a_slice_of_python(void **state)
{
    static const struct row rows[] = {
        {NUMBERS(LIMIT("2")), "[3,1.5]"},
        {NUMBERS(LIMIT("0")), "[]"},
        {NUMBERS(LIMIT("5")), "[3,1.5,-2,3.0,10]"},
        {NUMBERS(LIMIT("99")), "[3,1.5,-2,3.0,10]"},
        {NUMBERS(LIMIT("-1")), "[3,1.5,-2,3.0]"}, /* the last is dropped */
        {NUMBERS(LIMIT("-4")), "[3]"},
        {NUMBERS(LIMIT("-5")), "[]"},
        {NUMBERS(LIMIT("-9223372036854775808")), "[]"},
        {NUMBERS(LIMIT("2.0")), "[3,1.5]"},
        {NUMBERS(LIMIT("' 2 '")), "[3,1.5]"},
        {NUMBERS(", limit: {enabled: true}"), "[3,1.5,-2,3.0]"}, /* -1, if nothing is said */
    };
    (void)state;
    assert_results(rows, ARRAY_LEN(rows));
}

static void filter_comes_first_then_extract_order_limit(void **state)
{
    static const struct row rows[] = {
        {NUMBERS(LIMIT("2") ORDER("''", "desc")), "[10,3]"},
        {NUMBERS(", filter_by: {enabled: false, conditions: []}" LIMIT("2") ORDER("\"\"", "asc")),
         "[-2,1.5]"},
        {NUMBERS(LIMIT("2") ORDER("''", "asc") FILTER(COND(">", "'0'"))), "[1.5,3]"},
        {NUMBERS(EXTRACT("'2'") ORDER("''", "asc")), "[1.5]"}, /* the second before they are ordered */
        {NUMBERS(EXTRACT("'2'") FILTER(COND(">", "'2'"))), "[3.0]"},
        {NUMBERS(EXTRACT("'2'") LIMIT("1")), "[1.5]"},
        {NUMBERS(EXTRACT("'2'") LIMIT("-1")), "[]"},
    };
    (void)state;
    assert_results(rows, ARRAY_LEN(rows));
}

/* --- the record --- */

static void the_record_shows_the_list_and_the_result(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, TEXTS(FILTER(COND("contains", "app")) ORDER("''", "asc")));
    player_start(&p, &(struct play){.inputs = inputs});
    while (!player_saw(&p, "node_finished list"))
        assert_int_equal(run_advance(p.run, 1, 1000000), RUN_MORE);
    assert_text(
        "{\"inputs\":{\"variable\":[\"apple\",\"Banana\",\"\",\"cherry\",\"app\"]},"
        "\"process_data\":{\"variable\":[\"apple\",\"Banana\",\"\",\"cherry\",\"app\"]},"
        "\"outputs\":{\"result\":[\"app\",\"apple\"],\"first_record\":\"app\",\"last_record\":\"apple\"}}",
        p.last_record);
    player_close(&p);
    player_open(&p, APP("start, o, zero", ""));
    player_start(&p, &(struct play){.inputs = inputs});
    while (!player_saw(&p, "node_finished list"))
        assert_int_equal(run_advance(p.run, 1, 1000000), RUN_MORE);
    assert_text("{\"inputs\":{\"variable\":[]},\"process_data\":{\"variable\":[]},"
                "\"outputs\":{\"result\":[],\"first_record\":null,\"last_record\":null}}",
                p.last_record);
    player_close(&p);
}

/* What is thrown has a type of its own; what is returned has none. */
static void errors_have_their_type(void **state)
{
    static const struct row rows[] = {
        {NUMBERS(EXTRACT("'0'")), "WorkflowNodeError"},
        {NUMBERS(EXTRACT("x")), "WorkflowNodeError"},
        {NUMBERS(EXTRACT("'6'")), ""},
        {NUMBERS(FILTER(COND("=", "x"))), "WorkflowNodeError"},
        {NUMBERS(FILTER(COND("is", "'3'"))), ""},
        {FLAGS(FILTER(COND("is", "'true'"))), "WorkflowNodeError"},
        {FILES(FILTER(KEY("type", "in", "true"))), "WorkflowNodeError"},
        {APP("start, o, gone", ""), ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        play(&p, rows[i].dsl);
        assert_string_equal(rows[i].result, p.last_error_type);
        player_close(&p);
    }
}

/* The result can be filtered again: an empty one prints as its type does, and files stay files. */
static void the_result_has_the_type_of_the_list(void **state)
{
    static const struct row rows[] = {
        {EXPORT(
             "advanced-chat", "",
             FORM NODE("one", "list-operator", "variable: [start, files], limit: {enabled: true, size: 2}")
                 NODE("two", "list-operator", "variable: [one, result]" FILTER(KEY("type", "in", "[image]")))
                     ANSWER("a", "{{#two.result#}} {{#two.first_record.name#}}"),
             EDGE("start", "one") EDGE("one", "two") EDGE("two", "a")),
         "![b.png](https://e.example/b.png) b.png"},
        {EXPORT(
             "advanced-chat", "",
             FORM NODE("one", "list-operator", "variable: [start, o, texts], limit: {enabled: true, size: 0}")
                 NODE("t", "assigner", "version: '2', items: []")
                     ANSWER("a", "<{{#one.result#}}{{#one.first_record#}}>"),
             EDGE("start", "one") EDGE("one", "t") EDGE("t", "a")),
         "<>"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct player p;
        player_open(&p, rows[i].dsl);
        player_play(&p, &(struct play){.query = "q", .inputs = inputs});
        assert_text(rows[i].result, p.text);
        player_close(&p);
    }
}

/* An assigner of version 1 does not ask what it puts into a list. */
static void an_element_of_another_type_is_an_error(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat",
                           "  conversation_variables: [{name: l, value_type: 'array[string]', value: [x]}]\n",
                           FORM NODE("set", "assigner",
                                     "write_mode: append, assigned_variable_selector: [conversation, l], "
                                     "input_variable_selector: [start, o, five]")
                               NODE("list", "list-operator", "variable: [conversation, l]" ORDER("''", "asc"))
                                   ANSWER("a", ""),
                           EDGE("start", "set") EDGE("set", "list") EDGE("list", "a")));
    player_play(&p, &(struct play){.query = "q", .inputs = inputs});
    assert_int_equal(p.status, RUN_STATUS_FAILED);
    assert_string_equal("element 2 of the array[string] is of type integer", p.error);
    player_close(&p);
}

/* --- limits, problems --- */

static void a_long_list_is_ordered_quickly(void **state)
{
    enum { COUNT = 100000 };
    struct player p;
    struct buf json;
    (void)state;
    buf_init(&json, 4 << 20);
    buf_put_c(&json, "{\"o\":{\"numbers\":[");
    uint64_t seed = 1;
    for (int i = 0; i < COUNT; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        buf_put_u64(&json, seed >> 33);
        buf_put_char(&json, i + 1 < COUNT ? ',' : ']');
    }
    buf_put_c(&json, "}}");
    buf_put_char(&json, '\0');
    player_open(&p,
                EXPORT("workflow", "",
                       FORM NODE("list", "list-operator",
                                 "variable: [start, o, numbers]" FILTER(COND("≥", "'0'")) ORDER("''", "desc"))
                           NODE("end", "end", "outputs: [{variable: out, value_selector: [list, result]}]"),
                       EDGE("start", "list") EDGE("list", "end")));
    player_play(&p, &(struct play){.inputs = json.ptr});
    assert_int_equal(p.status, RUN_STATUS_SUCCEEDED);
    /* All of them, none after a greater one. */
    struct str rest = str_sub(buf_str(&p.outputs), sizeof "{\"out\":[" - 1, p.outputs.len - 2), piece;
    uint64_t before = UINT64_MAX, n = 0;
    int count = 0;
    while (str_split(&rest, ',', &piece)) {
        assert_true(str_to_u64(piece, &n) && n <= before);
        before = n;
        count++;
    }
    assert_int_equal(COUNT, count);
    player_close(&p);
    buf_fini(&json);
}

static void broken_configurations_are_problems(void **state)
{
    static const struct row rows[] = {
        {APP("start, [x]", ""), "data.variable: name 2 of a selector"},
        {TEXTS(FILTER(COND("all of", "a"))),
         "filter_by.conditions[0].comparison_operator: unknown operator \"all of\""},
        {TEXTS(FILTER(COND("is", "a") "," COND("==", "a"))),
         "filter_by.conditions[1].comparison_operator: unknown"},
        {TEXTS(ORDER("''", "up")), "order_by.value: unknown order \"up\""},
        {TEXTS(LIMIT("x")), "limit.size: the size is no whole number"},
        {TEXTS(LIMIT("1.5")), "limit.size: the size is no whole number"},
        {TEXTS(LIMIT("[1]")), "limit.size: the size is no whole number"},
        {TEXTS(LIMIT("true")), "limit.size: the size is no whole number"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *problems = player_problems(rows[i].dsl);
        assert_contains(rows[i].result, problems);
        free(problems);
    }
    struct buf dsl;
    buf_init(&dsl, 1 << 16);
    buf_put_c(&dsl, "[");
    for (int i = 0; i < 101; i++)
        buf_put_c(&dsl, i > 0 ? ",{}" : "{}");
    buf_put_c(&dsl, "]");
    char *conditions = buf_take(&dsl, NULL);
    buf_printf(&dsl, TEXTS(", filter_by: {enabled: true, conditions: %s}"), conditions);
    free(conditions);
    char *text = buf_take(&dsl, NULL), *problems = player_problems(text);
    assert_contains("filter_by.conditions: 101 conditions are more than 100", problems);
    free(problems);
    free(text);
}

/* However little a run may hold, it ends as one that has done all or as one out of memory. */
static void a_run_without_memory_ends_by_its_limit(void **state)
{
    bool has_succeeded = false;
    (void)state;
    for (size_t bytes = 4000; !has_succeeded; bytes += 48) {
        struct player p;
        struct status err;
        struct play play = {.inputs = inputs, .limits = {.max_bytes = bytes, .max_steps = 100}};
        player_open(&p, NUMBERS(FILTER(COND(">", "'0'")) ORDER("''", "asc") LIMIT("-1")));
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
        cmocka_unit_test(without_operations_the_list_comes_back),
        cmocka_unit_test(what_is_empty_gives_an_empty_list),
        cmocka_unit_test(other_values_are_refused),
        cmocka_unit_test(texts_are_filtered_by_their_operators),
        cmocka_unit_test(numbers_are_filtered_by_their_operators),
        cmocka_unit_test(booleans_are_filtered_by_their_operators),
        cmocka_unit_test(files_are_filtered_by_their_attributes),
        cmocka_unit_test(extract_takes_one_element),
        cmocka_unit_test(order_is_by_value_or_attribute),
        cmocka_unit_test(limit_is_a_slice_of_python),
        cmocka_unit_test(filter_comes_first_then_extract_order_limit),
        cmocka_unit_test(the_record_shows_the_list_and_the_result),
        cmocka_unit_test(errors_have_their_type),
        cmocka_unit_test(the_result_has_the_type_of_the_list),
        cmocka_unit_test(an_element_of_another_type_is_an_error),
        cmocka_unit_test(a_long_list_is_ordered_quickly),
        cmocka_unit_test(broken_configurations_are_problems),
        cmocka_unit_test(a_run_without_memory_ends_by_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
