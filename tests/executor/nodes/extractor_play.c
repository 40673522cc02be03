/*
 * extractor_play: see extractor_play.h.
 */
#include "tests/executor/nodes/extractor_play.h"
#include <stdio.h>

const struct play extractor_inputs = {.query = "hello", .inputs = "{\"x\":\"to Rome for 500\",\"n\":5}"};

void extractor_play(struct player *p, const char *dsl, const char *text, const char *arguments)
{
    const struct model_tool_call call = {STR("call-1"), STR("extract_parameters"), str_c(arguments)};
    llm_ask(p, dsl, &extractor_inputs, NULL);
    if (text != NULL)
        player_say(p, 0, text);
    player_done_calls(p, 0, &call, arguments != NULL ? 1 : 0);
    player_finish(p);
}

void check_extracted(struct player *p, const char *reason, const char *values)
{
    char head[600], tail[600];
    assert_int_equal(RUN_STATUS_SUCCEEDED, p->status);
    if (reason == NULL)
        snprintf(head, sizeof head, "\"outputs\":{\"__is_success\":1,\"__reason\":null,\"__usage\":{");
    else
        snprintf(head, sizeof head, "\"outputs\":{\"__is_success\":0,\"__reason\":\"%s\",\"__usage\":{",
                 reason);
    snprintf(tail, sizeof tail, "\"time_to_generate\":0.15}%s%s}}", values[0] != '\0' ? "," : "", values);
    assert_text_contains(head, p->last_record);
    struct str record = buf_str(&p->last_record);
    if (!str_ends(record, str_c(tail)))
        fail_msg("\"%.*s\" does not end with \"%s\"", STR_ARG(record), tail);
}
