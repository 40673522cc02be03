/*
 * Reasoning told apart from the answer (dify-dsl.md 4.3), however the text is cut.
 */
#include "executor/nodes/think.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <string.h>

enum { BYTES_MAX = 1 << 16 };

struct heard {
    struct buf text, reasoning;
    int blocks;
};

static void on_text(void *arg, struct str piece)
{
    buf_put(&((struct heard *)arg)->text, piece);
}

static void on_reasoning(void *arg, struct str piece)
{
    buf_put(&((struct heard *)arg)->reasoning, piece);
}

static void on_block_end(void *arg)
{
    ((struct heard *)arg)->blocks++;
}

static const struct think_sink sink = {on_text, on_reasoning, on_block_end};

static const struct {
    const char *whole, *text, *reasoning;
    int blocks;
} rows[] = {
    {"plain", "plain", "", 0},
    {"<think>why</think>answer", "answer", "why", 1},
    {"<think>why</think>\n\n answer", "answer", "why", 1},
    {"a<think>b</think>c<think>d</think>e", "ace", "bd", 2},
    {"<THINK>why</Think>answer", "answer", "why", 1},
    {"<think type=\"deep\">why</think>answer", "answer", "why", 1},
    {"<think\n>why</think>answer", "answer", "why", 1},
    {"<thinking>no tag</thinking>", "<thinking>no tag</thinking>", "", 0},
    {"a < b and <b>bold</b>", "a < b and <b>bold</b>", "", 0},
    {"<think>a < b </thin k> c</think>d", "d", "a < b </thin k> c", 1},
    {"<think>never closed", "", "never closed", 0},
    {"<think>never closed</thi", "", "never closed</thi", 0},
    {"text<thin", "text<thin", "", 0},
    {"text<think", "text<think", "", 0},
    {"  \n leading", "leading", "", 0},
    {"</think>alone", "</think>alone", "", 0},
    {"<<think>x</think>y", "<y", "x", 1},
    {"", "", "", 0},
};

static void the_stream_is_the_same_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t len = strlen(rows[i].whole);
        for (size_t step = 1; step <= len + 1; step++) {
            struct heard h = {0};
            struct think_filter f;
            buf_init(&h.text, BYTES_MAX);
            buf_init(&h.reasoning, BYTES_MAX);
            think_init(&f, &sink, &h);
            for (size_t at = 0; at < len; at += step)
                assert_true(think_put(&f, str_sub(str_c(rows[i].whole), at, at + step)));
            think_end(&f);
            assert_str(rows[i].text, buf_str(&h.text));
            assert_str(rows[i].reasoning, buf_str(&h.reasoning));
            assert_int_equal(rows[i].blocks, h.blocks);
            think_fini(&f);
            buf_fini(&h.text);
            buf_fini(&h.reasoning);
        }
    }
}

static void text_is_not_held_back_longer_than_needed(void **state)
{
    struct heard h = {0};
    struct think_filter f;
    (void)state;
    buf_init(&h.text, BYTES_MAX);
    buf_init(&h.reasoning, BYTES_MAX);
    think_init(&f, &sink, &h);
    assert_true(think_put(&f, STR("a <th")));
    assert_str("a ", buf_str(&h.text));
    assert_true(think_put(&f, STR("e")));
    assert_str("a <the", buf_str(&h.text));
    assert_true(think_put(&f, STR("<think>re")));
    assert_str("re", buf_str(&h.reasoning));
    think_fini(&f);
    buf_fini(&h.text);
    buf_fini(&h.reasoning);
}

static void a_tag_with_too_many_attributes_is_none(void **state)
{
    char whole[700] = "<think ";
    struct heard h = {0};
    struct think_filter f;
    (void)state;
    memset(whole + 7, 'x', 600);
    memcpy(whole + 607, ">y", 3);
    buf_init(&h.text, BYTES_MAX);
    buf_init(&h.reasoning, BYTES_MAX);
    think_init(&f, &sink, &h);
    for (size_t i = 0; i < strlen(whole); i++)
        assert_true(think_put(&f, (struct str){&whole[i], 1}));
    assert_str(whole, buf_str(&h.text));
    think_fini(&f);
    buf_fini(&h.text);
    buf_fini(&h.reasoning);
}

static void the_whole_text_is_tidied(void **state)
{
    static const struct {
        const char *whole, *text, *reasoning;
    } whole_rows[] = {
        {"<think> one </think>answer", "answer", "one"},
        {"<think>one\n</think>a<think>\ntwo</think>b", "ab", "one\ntwo"},
        {"a\n\n\n\nb", "a\n\nb", ""},
        {"a\n \t\n  b\nc", "a\n\n  b\nc", ""},
        {"a\n\nb", "a\n\nb", ""},
        {"  a \n", "a", ""},
        {"a\n\n<think>x</think>\n\nb", "a\n\nb", "x"},
        {"<think></think>a<think> </think>", "a", ""},
        {"<think>open", "", "open"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(whole_rows); i++) {
        struct buf text, reasoning;
        buf_init(&text, BYTES_MAX);
        buf_init(&reasoning, BYTES_MAX);
        think_split(str_c(whole_rows[i].whole), &text, &reasoning);
        assert_false(text.failed || reasoning.failed);
        assert_str(whole_rows[i].text, buf_str(&text));
        assert_str(whole_rows[i].reasoning, buf_str(&reasoning));
        buf_fini(&text);
        buf_fini(&reasoning);
    }
}

static void without_memory_a_split_says_so(void **state)
{
    (void)state;
    for (size_t n = 0;; n++) {
        struct buf text, reasoning;
        buf_init(&text, BYTES_MAX);
        buf_init(&reasoning, BYTES_MAX);
        alloc_fail_after(n);
        think_split(STR("a<think>b</think>c\n\n\nd"), &text, &reasoning);
        alloc_fail_reset();
        assert_true(alloc_fail_hit() == (text.failed || reasoning.failed));
        buf_fini(&text);
        buf_fini(&reasoning);
        if (!alloc_fail_hit())
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stream_is_the_same_however_it_is_cut),
        cmocka_unit_test(text_is_not_held_back_longer_than_needed),
        cmocka_unit_test(a_tag_with_too_many_attributes_is_none),
        cmocka_unit_test(the_whole_text_is_tidied),
        cmocka_unit_test(without_memory_a_split_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
