/*
 * llm_play: see llm_play.h.
 */
#include "tests/executor/nodes/llm_play.h"
#include "executor/run/file.h"
#include "executor/run/run_core.h"
#include "executor/value/parse.h"

static struct value *files_of(const struct value *raw)
{
    struct value_builder list;
    struct status err;
    value_array_begin(&list, NULL);
    for (size_t i = 0; raw != NULL && i < value_count(raw); i++) {
        struct value *file = NULL;
        assert_ok(file_from_raw(NULL, value_item(raw, i), "history", &file, &err));
        value_array_put(&list, file);
    }
    return value_array_end_as(&list, VALUE_ELEM_FILE);
}

/* As the run keeps it: files are files. */
static struct value *history_of(const char *json)
{
    struct value *raw = NULL;
    struct value_builder turns, turn;
    struct status err;
    assert_ok(value_parse_json(NULL, str_c(json), &raw, &err));
    value_array_begin(&turns, NULL);
    for (size_t i = 0; i < value_count(raw); i++) {
        const struct value *said = value_item(raw, i);
        value_object_begin(&turn, NULL);
        value_object_put(&turn, STR("query"), value_ref(value_get_c(said, "query")));
        value_object_put(&turn, STR("answer"), value_ref(value_get_c(said, "answer")));
        value_object_put(&turn, STR("files"), files_of(value_get_c(said, "files")));
        value_array_put(&turns, value_object_end(&turn));
    }
    value_unref(raw);
    return value_array_end(&turns);
}

void llm_remember(struct player *p, const char *history)
{
    value_unref(p->run->history);
    p->run->history = history_of(history);
}

void llm_ask(struct player *p, const char *dsl, const struct play *play, const char *history)
{
    player_open(p, dsl);
    player_start(p, play);
    if (history != NULL)
        llm_remember(p, history);
    player_go(p);
    if (p->call_count != 1)
        fail_msg("no request: %.*s", STR_ARG(buf_str(&p->log)));
}

void assert_llm_sends(const char *dsl, const struct play *play, const char *history, const char *request)
{
    struct player p;
    llm_ask(&p, dsl, play, history);
    assert_string_equal(request, p.calls[0].request);
    player_close(&p);
}

void assert_llm_fails(const char *dsl, const struct play *play, const char *error_type, const char *error)
{
    struct player p;
    player_open(&p, dsl);
    player_play(&p, play);
    assert_int_equal(p.call_count, 0);
    assert_int_equal(p.status, RUN_STATUS_FAILED);
    assert_contains(error, p.error);
    assert_string_equal(error_type, p.last_error_type);
    player_close(&p);
}
