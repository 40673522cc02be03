/*
 * Chunks of a chat stream read by hand: the usual ones are, all others are left to the parser.
 */
#include "executor/model/chunk_scan.h"
#include "tests/support/check.h"

#define CHUNK(choice)                                                                                        \
    "{\"id\":\"c-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"m\","           \
    "\"system_fingerprint\":null,\"choices\":[" choice "],\"usage\":null}"
#define DELTA(members) CHUNK("{\"index\":0,\"delta\":{" members "},\"logprobs\":null,\"finish_reason\":null}")

static void the_usual_chunks_are_read(void **state)
{
    static const struct {
        const char *json, *text, *reasoning, *finish;
    } rows[] = {
        {DELTA("\"content\":\" lorem\""), " lorem", "", ""},
        {DELTA("\"role\":\"assistant\",\"content\":\"\",\"refusal\":null"), "", "", ""},
        {DELTA("\"content\":\"\xc3\xa4\xe2\x82\xac\""), "\xc3\xa4\xe2\x82\xac", "", ""},
        {DELTA("\"content\":\"a\\n\\t\\\"b\\\"\\\\\\/\\r\\b\\f\""), "a\n\t\"b\"\\/\r\b\f", "", ""},
        {DELTA("\"content\":\"\\\\a\",\"reasoning_content\":\"b\\\\\""), "\\a", "b\\", ""},
        {DELTA("\"content\":null,\"reasoning_content\":\"hm\",\"tool_calls\":null"), "", "hm", ""},
        {DELTA("\"content\":null,\"reasoning\":\"hm\""), "", "hm", ""},
        {CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}"), "", "", "stop"},
        {CHUNK("{\"delta\":{\"content\":\"a\"},\"content_filter_results\":{\"hate\":{\"filtered\":false,"
               "\"n\":[1.5,-2,\"x\",true]}}}"),
         "a", "", ""},
        {" { \"choices\" : [ { \"delta\" : { \"content\" : \"a\" } } ] , \"obfuscation\" : \"xyz\" } \n", "a",
         "", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct protocol_piece piece = {.is_last = false};
        struct buf scratch;
        buf_init(&scratch, 4096);
        if (!chunk_scan(str_c(rows[i].json), &scratch, &piece))
            fail_msg("not read: %s", rows[i].json);
        assert_str(rows[i].text, piece.text);
        assert_str(rows[i].reasoning, piece.reasoning);
        assert_str(rows[i].finish, piece.finish_reason);
        buf_fini(&scratch);
    }
}

static void what_is_unusual_is_left_to_the_parser(void **state)
{
    static const char *const rows[] = {
        "",
        "{}",
        "[]",
        "{\"choices\":[]}",
        "{\"choices\":[{}]}",
        "{\"choices\":null}",
        "{\"choices\":[{\"delta\":{}}],\"choices\":[]}",
        "{\"choices\":[{\"delta\":{\"content\":\"a\",\"content\":\"b\"}}]}",
        "{\"choices\":[{\"delta\":{}},{\"delta\":{}}]}",
        "{\"choices\":[{\"delta\":null}]}",
        "{\"choices\":[{\"message\":{\"content\":\"a\"}}]}",
        "{\"choices\":[{\"text\":\"a\"}]}",
        "{\"choices\":[{\"delta\":{\"tool_calls\":[]}}]}",
        "{\"choices\":[{\"delta\":{\"content\":[\"a\"]}}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"\\u00e4\"}}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"\\x\"}}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"a\nb\"}}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"a",
        "{\"choices\":[{\"delta\":{\"con\\u0074ent\":\"a\"}}]}",
        "{\"choices\":[{\"delta\":{}}],\"usage\":{}}",
        "{\"choices\":[{\"delta\":{}}],\"error\":\"x\"}",
        "{\"choices\":[{\"delta\":{}}],\"x_groq\":{}}",
        "{\"choices\":[{\"delta\":{}}],\"a\":01}",
        "{\"choices\":[{\"delta\":{}}],\"a\":1e5}",
        "{\"choices\":[{\"delta\":{}}],\"a\":-}",
        "{\"choices\":[{\"delta\":{}}],\"a\":nul}",
        "{\"choices\":[{\"delta\":{}}],\"a\":[[[[[[[[[[1]]]]]]]]]]}",
        "{\"choices\":[{\"delta\":{}}],}",
        "{\"choices\":[{\"delta\":{}}]} x",
        "{\"choices\":[{\"delta\":{}}]",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct protocol_piece piece = {.text = STR("untouched")};
        struct buf scratch;
        buf_init(&scratch, 4096);
        if (chunk_scan(str_c(rows[i]), &scratch, &piece))
            fail_msg("read: %s", rows[i]);
        assert_str("untouched", piece.text);
        buf_fini(&scratch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_chunks_are_read),
        cmocka_unit_test(what_is_unusual_is_left_to_the_parser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
