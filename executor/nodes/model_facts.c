/* model_facts: see the header. */
#include "executor/nodes/model_facts.h"
#include "shared/base/status.h"

/* bytes. Longer names are unknown. */
enum { NAME_BYTES_MAX = 256 };

enum { TOOLS = 1, SCHEMA = 2, OBJECT = 4 };

/* The first row that fits counts: the more special before the more general. */
static const struct {
    const char *provider, *model; /* globs */
    int64_t context_tokens;
    int can;
} table[] = {
    /* It serves models of all families, with a context that its operator sets. */
    {"ollama", "*", 0, TOOLS | SCHEMA | OBJECT},

    {"*", "gpt-5-chat*", 128000, SCHEMA | OBJECT},
    {"*", "gpt-5*", 400000, TOOLS | SCHEMA | OBJECT},
    {"*", "gpt-4.1*", 1047576, TOOLS | SCHEMA | OBJECT},
    {"*", "gpt-4.5*", 128000, TOOLS | SCHEMA | OBJECT},
    {"*", "gpt-4o-2024-05-13", 128000, TOOLS | OBJECT},
    {"*", "gpt-4o*", 128000, TOOLS | SCHEMA | OBJECT},
    {"*", "o1-mini*", 128000, 0},
    {"*", "o1-preview*", 128000, 0},
    {"*", "o1*", 200000, TOOLS | SCHEMA | OBJECT},
    {"*", "o3*", 200000, TOOLS | SCHEMA | OBJECT},
    {"*", "o4*", 200000, TOOLS | SCHEMA | OBJECT},
    {"*", "gpt-4-turbo*", 128000, TOOLS | OBJECT},
    {"*", "gpt-4-*preview", 128000, TOOLS | OBJECT},
    {"*", "gpt-4-32k*", 32768, TOOLS},
    {"*", "gpt-4*", 8192, TOOLS},
    {"*", "gpt-3.5-turbo-instruct*", 4096, 0},
    {"*", "gpt-3.5*", 16385, TOOLS | OBJECT},
    {"*", "chatgpt-*", 128000, 0},

    {"*", "*claude-*", 200000, TOOLS},

    {"*", "gemini-1.5-pro*", 2097152, TOOLS | SCHEMA | OBJECT},
    {"*", "gemini-*", 1048576, TOOLS | SCHEMA | OBJECT},

    {"*", "deepseek-*", 128000, TOOLS | OBJECT},
    {"*", "qwen-max*", 32768, TOOLS | OBJECT},
    {"*", "qwen*", 131072, TOOLS | OBJECT},
    {"*", "glm-*", 128000, TOOLS | OBJECT},
    {"*", "moonshot-v1-8k*", 8192, TOOLS | OBJECT},
    {"*", "moonshot-v1-32k*", 32768, TOOLS | OBJECT},
    {"*", "moonshot-*", 131072, TOOLS | OBJECT},
    {"*", "kimi*", 131072, TOOLS | OBJECT},
    {"*", "mistral*", 131072, TOOLS | OBJECT},
    {"*", "llama*2-*", 4096, 0},
    {"*", "llama-3-*", 8192, 0},
    {"*", "llama3-*", 8192, 0},
    {"*", "llama*", 131072, TOOLS},
};

/* The last part of a path in lower case, in `name`; longer than that: empty. */
static struct str plain_name(struct str path, char name[NAME_BYTES_MAX])
{
    size_t from = path.len;
    while (from > 0 && path.ptr[from - 1] != '/')
        from--;
    struct str last = str_sub(path, from, path.len);
    if (last.len > NAME_BYTES_MAX)
        return STR("");
    for (size_t i = 0; i < last.len; i++)
        name[i] = (char)(last.ptr[i] >= 'A' && last.ptr[i] <= 'Z' ? last.ptr[i] - 'A' + 'a' : last.ptr[i]);
    return (struct str){name, last.len};
}

struct model_facts model_facts_of(struct str provider, struct str model)
{
    char provider_name[NAME_BYTES_MAX], model_name[NAME_BYTES_MAX];
    struct str p = plain_name(provider, provider_name), m = plain_name(model, model_name);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (str_fits(p, str_c(table[i].provider)) && str_fits(m, str_c(table[i].model)))
            return (struct model_facts){.context_tokens = table[i].context_tokens,
                                        .has_tool_calls = table[i].can & TOOLS,
                                        .has_json_schema = table[i].can & SCHEMA,
                                        .has_json_object = table[i].can & OBJECT};
    }
    return (struct model_facts){.has_tool_calls = true};
}
