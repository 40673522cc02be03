/*
 * What is known of models by their names.
 */
#include "executor/nodes/model_facts.h"
#include "tests/support/check.h"
#include <string.h>

static void families_are_known_by_their_names(void **state)
{
    static const struct {
        const char *provider, *model;
        int64_t context;
        const char *can; /* t: tool calls, s: json_schema, o: json_object */
    } rows[] = {
        {"openai", "gpt-4o-mini", 128000, "tso"},
        {"langgenius/openai/openai", "gpt-4o", 128000, "tso"},
        {"openai", "gpt-4o-2024-05-13", 128000, "to"},
        {"openai", "gpt-4.1-nano", 1047576, "tso"},
        {"openai", "gpt-5", 400000, "tso"},
        {"openai", "gpt-4", 8192, "t"},
        {"openai", "gpt-4-0613", 8192, "t"},
        {"openai", "gpt-4-1106-preview", 128000, "to"},
        {"openai", "gpt-4-turbo-2024-04-09", 128000, "to"},
        {"openai", "gpt-3.5-turbo", 16385, "to"},
        {"openai", "gpt-3.5-turbo-instruct", 4096, ""},
        {"openai", "o1-mini", 128000, ""},
        {"openai", "o3-mini", 200000, "tso"},
        {"openai", "o4-mini", 200000, "tso"},
        {"openai", "chatgpt-4o-latest", 128000, ""},
        {"anthropic", "claude-3-5-sonnet-20241022", 200000, "t"},
        {"bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", 200000, "t"},
        {"google", "gemini-2.5-pro", 1048576, "tso"},
        {"deepseek", "deepseek-chat", 128000, "to"},
        {"siliconflow", "deepseek-ai/DeepSeek-V3", 128000, "to"},
        {"tongyi", "qwen-max", 32768, "to"},
        {"siliconflow", "Qwen/Qwen2.5-72B-Instruct", 131072, "to"},
        {"zhipuai", "glm-4-plus", 128000, "to"},
        {"moonshot", "moonshot-v1-8k", 8192, "to"},
        {"moonshot", "kimi-k2-0711-preview", 131072, "to"},
        {"mistralai", "mistral-large-latest", 131072, "to"},
        {"groq", "meta-llama/Llama-3.1-8B-Instruct", 131072, "t"},
        {"groq", "llama-3-8b", 8192, ""},
        {"replicate", "llama-2-70b-chat", 4096, ""},
        {"ollama", "llama3.1", 0, "tso"},
        {"langgenius/ollama/ollama", "gpt-oss", 0, "tso"},
        {"openai", "a-model-of-our-own", 0, "t"},
        {"openai", "gpt-4o/", 0, "t"},
        {"", "", 0, "t"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct model_facts facts = model_facts_of(str_c(rows[i].provider), str_c(rows[i].model));
        bool is_right = facts.context_tokens == rows[i].context &&
                        facts.has_tool_calls == (strchr(rows[i].can, 't') != NULL) &&
                        facts.has_json_schema == (strchr(rows[i].can, 's') != NULL) &&
                        facts.has_json_object == (strchr(rows[i].can, 'o') != NULL);
        if (!is_right)
            fail_msg("%s: %d %d %d %d", rows[i].model, (int)facts.context_tokens, facts.has_tool_calls,
                     facts.has_json_schema, facts.has_json_object);
    }
}

static void a_name_beyond_all_bounds_is_unknown(void **state)
{
    char name[1000] = "gpt-4o";
    (void)state;
    memset(name + 6, 'x', sizeof name - 7);
    assert_int_equal(0, model_facts_of(STR("openai"), str_c(name)).context_tokens);
    name[200] = '\0';
    assert_int_equal(128000, model_facts_of(STR("openai"), str_c(name)).context_tokens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_are_known_by_their_names),
        cmocka_unit_test(a_name_beyond_all_bounds_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
