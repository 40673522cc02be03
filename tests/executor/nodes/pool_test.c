/*
 * What nodes see of the variables of a run, and how texts show it: dify-dsl.md 2.1 to 2.4 and 2.6, end to end. Each template is
 * what an if-else compares with (text form) and an answer (markdown form).
 */
#include "tests/executor/player/player.h"
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_BYTES_MAX = 1 << 16 };

#define LONG_30 "abcdefghijklmnopqrstuvwxyz_123"
#define FORM                                                                                                 \
    NODE("start", "start",                                                                                   \
         "variables: [{variable: o, type: json_object}, {variable: f, type: file}, {variable: fs, type: "    \
         "file-list}, {variable: n, type: number}, {variable: optional, type: text-input}]")
#define VARIABLES                                                                                            \
    "  environment_variables: [{name: key, value_type: secret, value: abcdefghijkl}, "                       \
    "{name: region, value_type: string, value: eu}]\n"                                                       \
    "  conversation_variables: [{name: mood, value_type: string, value: calm}, "                             \
    "{name: list, value_type: 'array[string]', value: []}, {name: float, value_type: float, value: 2}]\n"

static const char inputs[] =
    "{\"o\":{\"s\":\"it's "
    "\\\"é\\\"\",\"yes\":true,\"no\":false,\"i\":-7,\"f\":1e16,\"tiny\":0.00001,\"one\":1.0,"
    "\"nil\":null,\"map\":{\"é\":[1,true,null],\"m\":{}},\"none\":[],\"ss\":[\"a\",\"é\\\"\"],"
    "\"ns\":[1,2.5],\"bs\":[true,false],\"os\":[{\"a\":1,\"b\":null}],\"mixed\":[\"it's\",null,[1]],"
    "\"" LONG_30 "\":\"long\",\"" LONG_30 "x\":\"longer\",\"0\":\"zero\",\"a-b\":\"dash\",\"ns.0\":\"dots\"},"
    "\"f\":{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/a.png\"},"
    "\"fs\":[{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/a.png\"},"
    "{\"type\":\"document\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/"
    "b.pdf\"}],\"n\":5}";

struct row {
    const char *template, *text, *markdown; /* markdown NULL: as text */
};

static void assert_shown(const struct row *row)
{
    struct player p;
    struct buf dsl, expected;
    const char *markdown = row->markdown != NULL ? row->markdown : row->text;
    buf_init(&dsl, TEXT_BYTES_MAX);
    buf_init(&expected, TEXT_BYTES_MAX);
    buf_put_c(&dsl,
              "app: {mode: advanced-chat, name: test}\nkind: app\nversion: 0.3.1\nworkflow:\n" VARIABLES
              "  graph:\n    nodes:\n" FORM
              "    - {id: if, type: custom, data: {type: if-else, title: if, cases: [{case_id: 'true', "
              "logical_operator: and, conditions: [{variable_selector: [sys, query], comparison_operator: "
              "is not, value: ");
    buf_put_json_string(&dsl, str_c(row->template));
    buf_put_c(&dsl, "}]}]}}\n    - {id: a, type: custom, data: {type: answer, title: a, answer: ");
    buf_put_json_string(&dsl, str_c(row->template));
    buf_put_c(&dsl, "}}\n    edges:\n" EDGE("start", "if") HANDLE("if", "'true'", "a")
                        HANDLE("if", "'false'", "a"));
    buf_put_char(&dsl, '\0');
    player_open(&p, dsl.ptr);
    player_start(&p, &(struct play){.query = "what?", .inputs = inputs});
    while (!player_saw(&p, "node_finished if"))
        assert_int_equal(RUN_MORE, run_advance(p.run, 1, 1000000));
    buf_put_c(&expected, "\"expected_value\":");
    buf_put_json_string(&expected, str_c(row->text));
    buf_put_c(&expected, ",\"comparison_operator\"");
    buf_put_char(&expected, '\0');
    assert_text_contains(expected.ptr, p.last_record);
    player_finish(&p);
    assert_int_equal(RUN_STATUS_SUCCEEDED, p.status);
    assert_text(markdown, p.text); /* what streamed */
    buf_clear(&expected);
    buf_put_c(&expected, "{\"answer\":");
    buf_put_json_string(&expected, str_c(markdown));
    buf_put_char(&expected, '\0');
    assert_text_contains(expected.ptr, p.outputs); /* what the node put out */
    player_close(&p);
    buf_fini(&dsl);
    buf_fini(&expected);
}

#define ALL_OF(rows)                                                                                         \
    do {                                                                                                     \
        (void)state;                                                                                         \
        for (size_t row = 0; row < ARRAY_LEN(rows); row++)                                                   \
            assert_shown(&(rows)[row]);                                                                      \
    } while (0)

/* --- 2.1: looking up --- */

static void lookups_go_by_keys_of_objects_and_attributes_of_files(void **state)
{
    static const struct row rows[] = {
        {"{{#start.n#}}", "5", NULL},
        {"{{#start.o.map.m#}}", "{}", NULL},
        {"<{{#start.gone#}}>", "<start.gone>", NULL},
        {"<{{#nobody.x#}}>", "<nobody.x>", NULL},
        {"<{{#start.o.gone#}}>", "<start.o.gone>", NULL},
        {"<{{#start.o.nil#}}>", "<>", NULL},                /* null at the end is a value */
        {"<{{#start.o.nil.x#}}>", "<start.o.nil.x>", NULL}, /* on the way it is not */
        {"<{{#start.optional#}}>", "<>", NULL},             /* an input not given is null */
        {"<{{#start.o.ns.x#}}>", "<start.o.ns.x>", NULL},   /* nothing is in a list, */
        {"<{{#start.o.s.x#}}>", "<start.o.s.x>", NULL},     /* a text, */
        {"<{{#start.n.x#}}>", "<start.n.x>", NULL},         /* a number */
        {"<{{#start.o.yes.x#}}>", "<start.o.yes.x>", NULL}, /* or a boolean */
        {"<{{#start.fs.name#}}>", "<start.fs.name>", NULL},
        {"{{#start.f.type#}} {{#start.f.size#}} {{#start.f.name#}}", "image -1 a.png", NULL},
        {"{{#start.f.mime_type#}} {{#start.f.transfer_method#}}", "image/png remote_url", NULL},
        {"{{#start.f.url#}} {{#start.f.extension#}}", "https://e.example/a.png .png", NULL},
        {"<{{#start.f.related_id#}}>", "<>", NULL},
        {"<{{#start.f.filename#}}>", "<start.f.filename>", NULL}, /* no attribute */
        {"{{#start.f.name.x.y#}}", "a.png", NULL},                /* only the third part counts */
    };
    ALL_OF(rows);
}

/* --- 2.2: forms --- */

static void every_type_has_its_text_and_its_markdown(void **state)
{
    static const struct row rows[] = {
        {"<{{#start.o.nil#}}>", "<>", NULL},
        {"{{#start.o.s#}}", "it's \"é\"", NULL},
        {"{{#env.key#}}", "abcdefghijkl", NULL}, /* a secret is masked in logs only */
        {"{{#start.o.yes#}} {{#start.o.no#}}", "True False", NULL},
        {"{{#start.o.i#}}", "-7", NULL},
        {"{{#start.o.f#}} {{#start.o.tiny#}} {{#start.o.one#}}", "1e+16 1e-05 1.0", NULL},
        {"{{#start.o.map#}}", "{\"é\": [1, true, null], \"m\": {}}",
         "{\n  \"é\": [\n    1,\n    true,\n    null\n  ],\n  \"m\": {}\n}"},
        {"{{#start.o.ss#}}", "[\"a\", \"é\\\"\"]", "- a\n- é\""},
        {"{{#start.o.ns#}}", "[1, 2.5]", "- 1\n- 2.5"},
        {"{{#start.o.bs#}}", "[True, False]", "- True\n- False"},
        {"{{#start.o.os#}}", "[{'a': 1, 'b': None}]", "- {'a': 1, 'b': None}"},
        {"{{#start.o.mixed#}}", "[\"it's\", None, [1]]", "- it's\n- None\n- [1]"},
        {"<{{#start.o.none#}}{{#conversation.list#}}>", "<>", NULL},
        {"<{{#start.f#}}>", "<>", "<![a.png](https://e.example/a.png)>"},
        {"<{{#start.fs#}}>", "<>", "<![a.png](https://e.example/a.png)\n[b.pdf](https://e.example/b.pdf)>"},
    };
    ALL_OF(rows);
}

/* --- 2.3: what is a reference --- */

static void only_the_exact_pattern_is_a_reference(void **state)
{
    static const struct row rows[] = {
        {"{{#start.o." LONG_30 "#}}", "long", NULL},
        {"{{#start.o." LONG_30 "x#}}", "{{#start.o." LONG_30 "x#}}", NULL}, /* a name of more than 30 */
        {"{{#start.o.0#}}", "{{#start.o.0#}}", NULL},                       /* that begins with a digit, */
        {"{{#start.o.a-b#}}", "{{#start.o.a-b#}}", NULL},                   /* or has a dash */
        {"{{# start.n #}}", "{{# start.n #}}", NULL},
        {"{{#start#}}", "{{#start#}}", NULL},
        {"{{start.n}}", "{{start.n}}", NULL},
        {"{#start.n#}", "{#start.n#}", NULL},
        {"{{#start.n#}", "{{#start.n#}", NULL},
        {"{{{#start.n#}}}", "{5}", NULL},
        {"{{#start.n#}}{{#start.n#}}", "55", NULL},
        {"{{#histories#}} {{#url#}} {{#$output.x#}}", "{{#histories#}} {{#url#}} {{#$output.x#}}", NULL},
        {"{{#nobody.a.b.c.d.e.f.g.h.i.j#}}", "nobody.a.b.c.d.e.f.g.h.i.j", NULL}, /* ten names */
        {"{{#nobody.a.b.c.d.e.f.g.h.i.j.k#}}", "{{#nobody.a.b.c.d.e.f.g.h.i.j.k#}}", NULL},
    };
    ALL_OF(rows);
}

static void a_literal_that_is_a_selector_is_looked_up(void **state)
{
    static const struct row rows[] = {
        {"sys.query", "what?", NULL},
        {"start.o.ss", "[\"a\", \"é\\\"\"]", "- a\n- é\""},
        {"start.o.0", "zero", NULL}, /* split at dots, whatever the names */
        {"start.o.a-b", "dash", NULL},
        {"<{{#start.n#}}start.n{{#start.n#}}>", "<555>", NULL}, /* a piece between two references */
        {" sys.query", " sys.query", NULL},
        {"sys.query.", "sys.query.", NULL},
        {"{{#start.n#}} sys.query", "5 sys.query", NULL},
        {"start.o.ns.0", "start.o.ns.0", NULL},
        {"rag.x", "rag.x", NULL},
        {"Dr. No.", "Dr. No.", NULL},
        {"start", "start", NULL},
    };
    ALL_OF(rows);
}

/* --- 2.4, 2.6: sys, env, conversation --- */

static void variables_of_the_run_are_there(void **state)
{
    static const struct row rows[] = {
        {"{{#sys.query#}} {{#sys.dialogue_count#}} {{#sys.conversation_id#}}", "what? 1 conversation-1",
         NULL},
        {"{{#sys.user_id#}} {{#sys.app_id#}} {{#sys.workflow_id#}} {{#sys.workflow_run_id#}}",
         "u-1 app-1 version-1 run-1", NULL},
        {"<{{#sys.files#}}>", "<>", NULL},
        {"<{{#sys.timestamp#}}>", "<sys.timestamp>", NULL}, /* of workflows */
        {"<{{#sys.document_id#}}>", "<sys.document_id>", NULL},
        {"{{#env.region#}}", "eu", NULL},
        {"{{#conversation.mood#}} {{#conversation.float#}}", "calm 2.0", NULL},
        {"{{#conversation.gone#}}", "conversation.gone", NULL},
    };
    ALL_OF(rows);
}

/* A list of one name, or of none, is not found: no problem, as a name that does not exist is none. */
static void a_selector_of_fewer_than_two_names_is_not_found(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("workflow", "",
                           FORM NODE("end", "end",
                                     "outputs: [{variable: one, value_selector: [start]}, "
                                     "{variable: none, value_selector: []}, "
                                     "{variable: two, value_selector: [start, n]}]"),
                           EDGE("start", "end")));
    player_play(&p, &(struct play){.inputs = inputs});
    assert_text("{\"one\":null,\"none\":null,\"two\":5}", p.outputs);
    player_close(&p);
    player_open(&p,
                EXPORT("workflow", "",
                       FORM NODE("if", "if-else",
                                 "cases: [{case_id: 'true', logical_operator: and, conditions: "
                                 "[{variable_selector: [start], comparison_operator: empty, value: ''}]}]")
                           NODE("end", "end", "outputs: []"),
                       EDGE("start", "if") HANDLE("if", "'true'", "end")));
    player_play(&p, &(struct play){.inputs = inputs});
    assert_string_equal("Variable ['start'] not found", p.error);
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_go_by_keys_of_objects_and_attributes_of_files),
        cmocka_unit_test(every_type_has_its_text_and_its_markdown),
        cmocka_unit_test(only_the_exact_pattern_is_a_reference),
        cmocka_unit_test(a_literal_that_is_a_selector_is_looked_up),
        cmocka_unit_test(variables_of_the_run_are_there),
        cmocka_unit_test(a_selector_of_fewer_than_two_names_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
