/*
 * model_config: see model_config.h.
 */
#include "executor/nodes/model_config.h"
#include "executor/value/parse.h"

/* parameters of a model. */
enum { MODEL_PARAMS_MAX = 200 };
/* characters. Of a parameter made from a template (dify-dsl.md 4.3). */
enum { PARAM_CHARS_MAX = 1024 };

static void compile_params(struct node_compile *nc, struct value *params, struct model_config *ret);
static void compile_memory(const struct value *memory, struct model_config *ret);
static void compile_vision(struct node_compile *nc, const struct value *vision, struct model_config *ret);
static struct value *make_param(const struct model_param *param, struct node_exec *x);

static const struct value *object_in(const struct value *v, const char *key)
{
    const struct value *member = v == NULL ? NULL : value_get_c(v, key);
    return member != NULL && value_type(member) == VALUE_OBJECT ? member : NULL;
}

void model_config_compile(struct node_compile *nc, const struct value *data, struct model_config *ret)
{
    const struct value *model = object_in(data, "model");
    *ret = (struct model_config){.vision.slot = SELECTOR_UNRESOLVED};
    if (model == NULL) {
        node_compile_problem(nc, "model", "choose a model", "the node has no model");
        return;
    }
    ret->provider = value_get_text(model, "provider", STR(""));
    ret->name = value_get_text(model, "name", STR(""));
    ret->mode = value_get_text(model, "mode", STR("chat"));
    ret->is_completion = str_eq_c(ret->mode, "completion");
    compile_params(nc, value_get_c(model, "completion_params"), ret);
    compile_memory(object_in(data, "memory"), ret);
    compile_vision(nc, object_in(data, "vision"), ret);
}

static void compile_params(struct node_compile *nc, struct value *params, struct model_config *ret)
{
    size_t count = params != NULL && value_type(params) == VALUE_OBJECT ? value_count(params) : 0;
    bool has_template = false;
    if (count > MODEL_PARAMS_MAX) {
        node_compile_problem(nc, "model.completion_params", "set fewer parameters",
                             "%zu parameters are more than %d", count, MODEL_PARAMS_MAX);
        return;
    }
    ret->params = arena_array(node_compile_arena(nc), count, sizeof *ret->params);
    for (size_t i = 0; ret->params != NULL && i < count; i++) {
        struct model_param *param = &ret->params[ret->param_count++];
        *param = (struct model_param){.key = value_key(params, i), .value = value_member(params, i)};
        param->is_template = value_type(param->value) == VALUE_STRING &&
                             str_find(value_text(param->value), STR("{{#"), 0) != SIZE_MAX;
        if (param->is_template)
            param->text = node_compile_template(nc, value_text(param->value), "model.completion_params");
        has_template |= param->is_template;
    }
    ret->fixed_params = count > 0 && !has_template ? params : NULL;
}

/* The prefixes are always the same, too. */
static void compile_memory(const struct value *memory, struct model_config *ret)
{
    const struct value *window = object_in(memory, "window");
    int64_t size = window == NULL ? 0 : value_get_int(window, "size", 0);
    memory_compile(memory, &ret->memory);
    ret->memory.turns_max = size > 0 && size < MEMORY_TURNS_MAX ? (size_t)size : MEMORY_TURNS_MAX;
    ret->memory.user_prefix = STR("Human");
    ret->memory.assistant_prefix = STR("Assistant");
}

static void compile_vision(struct node_compile *nc, const struct value *vision, struct model_config *ret)
{
    const struct value *configs = object_in(vision, "configs");
    ret->has_vision = vision != NULL && value_get_bool(vision, "enabled", false);
    if (!ret->has_vision)
        return;
    ret->detail = configs == NULL ? STR("high") : value_get_text(configs, "detail", STR("high"));
    if (configs != NULL)
        ret->vision = node_compile_selector(nc, value_get_c(configs, "variable_selector"),
                                            "vision.configs.variable_selector");
    if (ret->vision.count == 0 &&
        selector_from_dotted(node_compile_arena(nc), STR("sys.files"), &ret->vision))
        node_compile_use(nc, &ret->vision);
}

/* --- in a run --- */

struct model_facts model_config_facts(const struct model_config *config, struct node_exec *x)
{
    struct model_facts facts = model_facts_of(config->provider, config->name);
    int64_t context = node_exec_model_context(x, config->provider, config->name);
    if (context > 0)
        facts.context_tokens = context;
    return facts;
}

bool model_config_params(const struct model_config *config, struct node_exec *x, struct value **ret)
{
    *ret = NULL;
    if (config->param_count == 0 || config->fixed_params != NULL) {
        *ret = value_ref(config->fixed_params);
        return true;
    }
    struct value_builder b;
    value_object_begin(&b, node_exec_account(x));
    for (size_t i = 0; i < config->param_count; i++)
        value_object_put(&b, config->params[i].key, make_param(&config->params[i], x));
    *ret = value_object_end(&b);
    return *ret != NULL;
}

/* A rendered number or boolean becomes one. */
static struct value *make_param(const struct model_param *param, struct node_exec *x)
{
    if (!param->is_template)
        return value_ref(param->value);
    struct value_account *a = node_exec_account(x);
    struct value *text = node_exec_render(x, &param->text, TEMPLATE_TEXT), *parsed = NULL;
    if (text == NULL)
        return NULL;
    struct str s = value_text(text);
    size_t cut = 0;
    for (int chars = 0; chars < PARAM_CHARS_MAX && cut < s.len; chars++)
        cut += str_utf8_first(str_sub(s, cut, s.len));
    if (cut < s.len) {
        struct value *shorter = value_string(a, str_sub(s, 0, cut));
        value_unref(text);
        return shorter;
    }
    bool is_json = value_parse_json(a, s, &parsed, NULL) == STATUS_OK;
    if (is_json && (value_is_number(parsed) || value_type(parsed) == VALUE_BOOL)) {
        value_unref(text);
        return parsed;
    }
    value_unref(parsed);
    return text;
}
