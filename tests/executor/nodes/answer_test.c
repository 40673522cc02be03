/*
 * answer and end: their records, and the files of answers (dify-dsl.md 3.8, 4.2).
 */
#include "tests/executor/player/player.h"
#include <string.h>

#define FORM                                                                                                 \
    NODE("start", "start",                                                                                   \
         "variables: [{variable: x, type: text-input}, {variable: one, type: file}, {variable: more, type: " \
         "file-list}]")
#define SENT(name)                                                                                           \
    "{\"type\":\"image\",\"transfer_method\":\"remote_url\",\"url\":\"https://e.example/" name "\"}"

static const struct play sent = {
    .query = "q",
    .inputs = "{\"x\":\"v\",\"one\":" SENT("1.png") ",\"more\":[" SENT("2.png") "," SENT("3.png") "]}"};

static void play_until(struct player *p, const char *dsl, const char *line)
{
    player_open(p, dsl);
    player_start(p, &sent);
    while (!player_saw(p, line))
        assert_int_not_equal(RUN_ENDED, run_advance(p->run, 1, 1000000));
}

static void an_end_shows_its_outputs_as_inputs(void **state)
{
    struct player p;
    (void)state;
    play_until(&p,
               EXPORT("workflow", "", FORM END_OF("end", "o", "start, x") END_OF("next", "p", "start, x"),
                      EDGE("start", "end") EDGE("end", "next")),
               "node_finished end");
    assert_text("{\"inputs\":{\"o\":\"v\"},\"process_data\":{},\"outputs\":{\"o\":\"v\"}}", p.last_record);
    player_close(&p);
}

static void an_answer_takes_any_list_of_variables(void **state)
{
    static const char *const dsls[] = {
#define APP(variables)                                                                                       \
    EXPORT("advanced-chat", "",                                                                              \
           FORM NODE("a", "answer", "answer: '{{#start.x#}}'" variables) ANSWER("next", "n"),                \
           EDGE("start", "a") EDGE("a", "next"))
        APP(""),
        APP(", variables: []"),
        APP(", variables: null"),
        APP(", variables: [{variable: y, value_selector: [nobody, y]}]"),
        APP(", variables: nonsense"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(dsls); i++) {
        struct player p;
        play_until(&p, dsls[i], "node_finished a");
        assert_text("{\"inputs\":{},\"process_data\":{},\"outputs\":{\"answer\":\"v\",\"files\":[]}}",
                    p.last_record);
        player_close(&p);
    }
}

static size_t count_of(struct player *p, const char *name)
{
    size_t count = 0, at = 0;
    for (; (at = str_find(buf_str(&p->outputs), str_c(name), at)) != SIZE_MAX; at++)
        count++;
    return count;
}

/* Files stand in the order of the references; the files of the answer that ended last are those of the run. */
static void the_last_answer_has_the_files(void **state)
{
    struct player p;
    (void)state;
    player_open(&p, EXPORT("advanced-chat", "", FORM ANSWER("a", "{{#start.more#}} {{#start.one#}}"),
                           EDGE("start", "a")));
    player_play(&p, &sent);
    buf_put_char(&p.outputs, '\0');
    const char *two = strstr(p.outputs.ptr, "\"filename\":\"2.png\""),
               *three = strstr(p.outputs.ptr, "\"filename\":\"3.png\""),
               *one = strstr(p.outputs.ptr, "\"filename\":\"1.png\"");
    assert_true(two != NULL && two < three && three < one);
    player_close(&p);
    player_open(&p, EXPORT("advanced-chat", "",
                           FORM ANSWER("a", "{{#start.more#}}") ANSWER("b", "{{#start.one#}}"),
                           EDGE("start", "a") EDGE("a", "b")));
    player_play(&p, &sent);
    assert_int_equal(1, count_of(&p, "\"filename\":"));
    assert_int_equal(1, count_of(&p, "\"filename\":\"1.png\""));
    player_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_shows_its_outputs_as_inputs),
        cmocka_unit_test(an_answer_takes_any_list_of_variables),
        cmocka_unit_test(the_last_answer_has_the_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
