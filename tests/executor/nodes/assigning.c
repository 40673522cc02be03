/*
 * assigning: see assigning.h.
 */
#include "tests/executor/nodes/assigning.h"
#include <string.h>

enum { DSL_BYTES_MAX = 1 << 16 };

#define FORM                                                                                                 \
    NODE("start", "start", "variables: [{variable: o, type: json_object}, {variable: file, type: file}]")

const char assigning_inputs[] =
    "{\"o\":{\"text\":\"t\",\"whole\":2,\"real\":2.5,\"zero\":0,\"flag\":true,\"map\":{\"k\":1},\"nil\":null,"
    "\"texts\":[\"a\",\"b\"],\"numbers\":[2,2.5],\"flags\":[true],\"maps\":[{\"k\":1}],\"mixed\":[1,\"a\"],"
    "\"none\":[],\"nested\":[[1]],\"nils\":[null],\"json\":\"{}\"},"
    "\"file\":{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/a.png\"}}";
const char assigning_files[] =
    "[{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/a.png\"},"
    "{\"type\":\"document\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/b.pdf\"}]";

void assigning_open(struct player *p, const struct target *t, const char *more, const char *config)
{
    struct buf dsl;
    buf_init(&dsl, DSL_BYTES_MAX);
    buf_printf(&dsl,
               "app: {mode: advanced-chat, name: test}\nkind: app\nversion: 0.3.1\nworkflow:\n"
               "  conversation_variables: [{name: t, value_type: '%s', value: %s}%s]\n"
               "  graph:\n    nodes:\n" FORM,
               t->type, t->value, more);
    if (t->overwritten != NULL)
        buf_printf(&dsl,
                   NODE("before", "assigner",
                        "write_mode: over-write, assigned_variable_selector: [conversation, t], "
                        "input_variable_selector: [%s]"),
                   t->overwritten);
    buf_printf(&dsl, NODE("set", "assigner", "%s"), config);
    buf_put_c(&dsl,
              ANSWER("a", "{{#conversation.t#}}") ANSWER("failed", "{{#set.error_message#}}|"
                                                                   "{{#conversation.t#}}") "    edges:\n");
    buf_put_c(&dsl,
              t->overwritten != NULL ? EDGE("start", "before") EDGE("before", "set") : EDGE("start", "set"));
    buf_put_c(&dsl, EDGE("set", "a"));
    if (strstr(config, "fail-branch") != NULL)
        buf_put_c(&dsl, HANDLE("set", "fail-branch", "failed"));
    buf_put_char(&dsl, '\0');
    assert_false(dsl.failed);
    player_open(p, dsl.ptr);
    buf_fini(&dsl);
}

void assigning_play_set(struct player *p)
{
    player_start(p, &(struct play){.query = "q", .inputs = assigning_inputs, .files = assigning_files});
    while (!player_saw(p, "node_finished set"))
        assert_int_not_equal(run_advance(p->run, 1, 1000000), RUN_ENDED);
}

void assigning_play(struct player *p)
{
    player_play(p, &(struct play){.query = "q", .inputs = assigning_inputs, .files = assigning_files});
}
