/*
 * llm_compile: the configuration of llm nodes (dify-dsl.md 4.3).
 */
#include "executor/nodes/llm.h"
#include <stdio.h>

/* messages of a prompt. */
enum { LLM_MESSAGES_MAX = 1000 };

static void compile_prompt(struct node_compile *nc, const struct value *prompt, struct llm_config *config);
static void compile_message(struct node_compile *nc, const struct value *entry, struct str role,
                            const char *path, struct llm_config *config);
static void compile_basic(struct node_compile *nc, struct str text, const char *path, struct llm_text *ret);
static void compile_jinja(struct node_compile *nc, struct str text, const char *path,
                          struct llm_config *config, struct llm_text *ret);
static void compile_memory(struct node_compile *nc, const struct value *memory, struct llm_config *config);
static struct str image_detail(const struct value *configs);
static void compile_inputs(struct node_compile *nc, const struct value *data, struct llm_config *config);

void llm_compile(struct node_compile *nc, const struct value *data, struct node *node)
{
    struct llm_config *config = arena_alloc(node_compile_arena(nc), sizeof *config);
    if (config == NULL)
        return;
    node->config = config;
    const struct value *prompt_config = value_get_c(data, "prompt_config");
    const struct value *names = prompt_config == NULL ? NULL : value_get_c(prompt_config, "jinja2_variables");
    config->query = node_compile_variable(nc, STR("sys"), STR("query"));
    config->conversation_id = node_compile_variable(nc, STR("sys"), STR("conversation_id"));
    if (!bindings_compile(nc, names, "prompt_config.jinja2_variables", &config->names))
        return;
    model_config_compile(nc, data, &config->model);
    compile_prompt(nc, value_get_c(data, "prompt_template"), config);
    compile_memory(nc, value_get_c(data, "memory"), config);
    compile_inputs(nc, data, config);
    config->separates_reasoning =
        str_eq_c(value_get_text(data, "reasoning_format", STR("tagged")), "separated");
    structured_compile(nc, data, &config->structured);
}

/* A list of messages in chat mode, one text in completion mode. */
static void compile_prompt(struct node_compile *nc, const struct value *prompt, struct llm_config *config)
{
    bool is_list = prompt != NULL && value_type(prompt) == VALUE_ARRAY;
    size_t count = is_list                                                ? value_count(prompt)
                   : prompt != NULL && value_type(prompt) == VALUE_OBJECT ? 1
                                                                          : 0;
    if (count > LLM_MESSAGES_MAX) {
        node_compile_problem(nc, "prompt_template", "write fewer messages", "%zu messages are more than %d",
                             count, LLM_MESSAGES_MAX);
        return;
    }
    config->messages = arena_array(node_compile_arena(nc), count, sizeof *config->messages);
    for (size_t i = 0; config->messages != NULL && i < count; i++) {
        const struct value *entry = is_list ? value_item(prompt, i) : prompt;
        struct str role = is_list ? value_get_text(entry, "role", STR("user")) : STR("user");
        char path[48];
        snprintf(path, sizeof path, is_list ? "prompt_template[%zu]" : "prompt_template", i);
        compile_message(nc, entry, role, path, config);
    }
}

static void compile_message(struct node_compile *nc, const struct value *entry, struct str role,
                            const char *path, struct llm_config *config)
{
    struct llm_message *message = &config->messages[config->message_count++];
    struct str jinja = value_get_text(entry, "jinja2_text", STR(""));
    char at[80];
    message->role = role;
    if (!str_eq_c(role, "system") && !str_eq_c(role, "user") && !str_eq_c(role, "assistant")) {
        snprintf(at, sizeof at, "%s.role", path);
        node_compile_problem(nc, at, "use system, user or assistant", "unknown role \"%.*s\"", STR_ARG(role));
    }
    if (str_eq_c(value_get_text(entry, "edition_type", STR("basic")), "jinja2")) {
        snprintf(at, sizeof at, "%s.jinja2_text", path);
        compile_jinja(nc, jinja.len > 0 ? jinja : value_get_text(entry, "text", STR("")), at, config,
                      &message->text);
    } else {
        snprintf(at, sizeof at, "%s.text", path);
        compile_basic(nc, value_get_text(entry, "text", STR("")), at, &message->text);
    }
}

/* Cut at every {{#context#}}. */
static void compile_basic(struct node_compile *nc, struct str text, const char *path, struct llm_text *ret)
{
    const struct str token = STR("{{#context#}}");
    size_t count = 1;
    for (size_t at = 0; (at = str_find(text, token, at)) != SIZE_MAX; at += token.len)
        count++;
    ret->parts = arena_array(node_compile_arena(nc), count, sizeof *ret->parts);
    for (size_t from = 0; ret->parts != NULL && ret->count < count;) {
        size_t to = str_find(text, token, from);
        ret->parts[ret->count++] = node_compile_template(nc, str_sub(text, from, to), path);
        from = to + token.len;
    }
}

static void compile_jinja(struct node_compile *nc, struct str text, const char *path,
                          struct llm_config *config, struct llm_text *ret)
{
    struct status why = {0};
    ret->is_jinja = true;
    ret->parts = arena_alloc(node_compile_arena(nc), sizeof *ret->parts);
    if (ret->parts == NULL)
        return;
    if (template_parse_plain(node_compile_arena(nc), text, ret->parts, &why)) {
        bindings_resolve(&config->names, ret->parts);
        ret->count = 1;
    } else if (why.code == STATUS_INVALID_ARGUMENT) {
        node_compile_unsupported(nc, path, "use literal text and {{ name }} only",
                                 "the prompt needs Jinja2, which is not served: %s", why.message);
    }
}

static void compile_memory(struct node_compile *nc, const struct value *memory, struct llm_config *config)
{
    memory_compile(memory, &config->model.memory);
    if (!config->model.memory.is_on)
        return;
    struct str query = value_get_text(memory, "query_prompt_template", STR(""));
    if (query.len > 0)
        compile_basic(nc, query, "memory.query_prompt_template", &config->memory_query);
}

/* Context, and how images are looked at. */
static void compile_inputs(struct node_compile *nc, const struct value *data, struct llm_config *config)
{
    const struct value *context = value_get_c(data, "context"), *vision = value_get_c(data, "vision");
    config->has_context = context != NULL && value_get_bool(context, "enabled", false);
    if (config->has_context)
        config->context =
            node_compile_selector(nc, value_get_c(context, "variable_selector"), "context.variable_selector");
    config->detail = image_detail(vision == NULL ? NULL : value_get_c(vision, "configs"));
}

/* Of images that texts refer to as well, with vision or without. */
static struct str image_detail(const struct value *configs)
{
    struct str detail = configs == NULL ? STR("") : value_get_text(configs, "detail", STR(""));
    return str_eq_c(detail, "low") ? detail : STR("high");
}
