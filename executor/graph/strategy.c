/*
 * strategy: what a node does when it fails: retry, then its strategy (dify-dsl.md 3.6). Default values are checked when an
 * export is loaded, used or not.
 */
#include "executor/graph/compiler.h"
#include "executor/value/parse.h"
#include <stdio.h>

/* retries and ms. Editors allow 10 and 5000; a run has 20 minutes. */
enum { RETRIES_MAX = 100, RETRY_INTERVAL_MS_MAX = 10 * 60 * 1000 };
/* entries. A node has a handful of outputs. */
enum { DEFAULT_VALUES_MAX = 1000 };

static void compile_retry(struct node_compile *nc, const struct value *config);
static struct value *compile_defaults(struct node_compile *nc, const struct value *list);
static struct value *default_of(struct node_compile *nc, const struct value *entry, const char *path);
static bool is_given(const struct value *v);

void compile_strategy(struct node_compile *nc, const struct value *data)
{
    struct node *node = nc->node;
    const struct value *strategy = value_get_c(data, "error_strategy");
    struct str name = value_get_text(data, "error_strategy", STR(""));
    if (str_eq_c(name, "fail-branch")) {
        node->error_strategy = ERROR_STRATEGY_FAIL_BRANCH;
        node->kind = NODE_BRANCH;
    } else if (str_eq_c(name, "default-value")) {
        node->error_strategy = ERROR_STRATEGY_DEFAULT_VALUE;
    } else if (is_given(strategy) && !str_eq_c(name, "none") &&
               !(value_type(strategy) == VALUE_STRING && name.len == 0)) {
        node_compile_problem(nc, "error_strategy", "use fail-branch or default-value, or remove it",
                             "no known strategy: \"%.*s\"", STR_ARG(str_sub(name, 0, 80)));
    }
    struct value *defaults = compile_defaults(nc, value_get_c(data, "default_value"));
    if (node->error_strategy == ERROR_STRATEGY_DEFAULT_VALUE)
        node->default_outputs = defaults;
    if (node->type == NULL || node->type->has_retry)
        compile_retry(nc, value_get_c(data, "retry_config"));
}

static bool is_given(const struct value *v)
{
    return v != NULL && value_type(v) != VALUE_NONE;
}

/* --- retries --- */

/* A whole number from 0 to max, as a number or as text; 0 when it is missing. */
static int64_t whole_number(struct node_compile *nc, const struct value *config, const char *key, int64_t max)
{
    const struct value *v = value_get_c(config, key);
    int64_t n = value_get_int(config, key, -1);
    char path[64];
    (void)snprintf(path, sizeof path, "retry_config.%s", key);
    if (!is_given(v))
        return 0;
    if (value_type(v) == VALUE_STRING && !str_to_i64(value_text(v), &n))
        n = -1;
    if (n < 0)
        node_compile_problem(nc, path, "write a whole number", "has to be a whole number, 0 or more");
    if (n > max)
        node_compile_warning(nc, path, "write a smaller one", "%lld is cut to %lld", (long long)n,
                             (long long)max);
    return n < 0 ? 0 : n > max ? max : n;
}

static void compile_retry(struct node_compile *nc, const struct value *config)
{
    if (!is_given(config))
        return;
    if (value_type(config) != VALUE_OBJECT) {
        node_compile_problem(nc, "retry_config", "export the app again", "has to be a map");
        return;
    }
    nc->node->max_retries = (int)whole_number(nc, config, "max_retries", RETRIES_MAX);
    nc->node->retry_interval_ms = whole_number(nc, config, "retry_interval", RETRY_INTERVAL_MS_MAX);
    nc->node->retry_enabled = value_get_bool(config, "retry_enabled", false);
}

/* --- default values --- */

/* The outputs as one object, a constant of the graph; empty without any. NULL: no memory. */
static struct value *compile_defaults(struct node_compile *nc, const struct value *list)
{
    struct value_builder b;
    value_object_begin(&b, NULL);
    if (is_given(list) && (value_type(list) != VALUE_ARRAY || value_count(list) > DEFAULT_VALUES_MAX)) {
        node_compile_problem(nc, "default_value", "export the app again",
                             "has to be a list, of at most %d entries", DEFAULT_VALUES_MAX);
    } else if (is_given(list)) {
        for (size_t i = 0; i < value_count(list); i++) {
            const struct value *entry = value_item(list, i);
            struct str key = value_get_text(entry, "key", STR(""));
            char path[64];
            (void)snprintf(path, sizeof path, "default_value[%zu]", i);
            if (key.len == 0) {
                node_compile_problem(nc, path, "name the output it stands for",
                                     "a default value without key");
                continue;
            }
            struct value *v = default_of(nc, entry, path);
            if (v != NULL)
                value_object_put(&b, key, v);
        }
    }
    return compiler_keep(nc->c, value_object_end(&b));
}

static bool is_number(const struct value *v) /* Python: a bool is one */
{
    return value_is_number(v) || value_type(v) == VALUE_BOOL;
}

static bool is_string(const struct value *v)
{
    return value_type(v) == VALUE_STRING;
}

static bool is_object(const struct value *v)
{
    return value_type(v) == VALUE_OBJECT;
}

static bool is_array(const struct value *v)
{
    return value_type(v) == VALUE_ARRAY;
}

static bool is_anything(const struct value *v)
{
    (void)v;
    return true;
}

struct default_type {
    const char *name;
    bool (*is_fit)(const struct value *v);
    bool (*is_item_fit)(const struct value *item); /* of lists; NULL: no list */
    const char *article;
};
static const struct default_type default_types[] = {
    {"string", is_string, NULL, "a text"},
    {"number", is_number, NULL, "a number"},
    {"object", is_object, NULL, "a map"},
    {"array[number]", is_array, is_number, "a list of numbers"},
    {"array[string]", is_array, is_string, "a list of texts"},
    {"array[object]", is_array, is_object, "a list of maps"},
    {"array[file]", is_anything, NULL, "a list of files"},
};

static const struct default_type *find_default_type(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(default_types); i++) {
        if (str_eq_c(name, default_types[i].name))
            return &default_types[i];
    }
    return NULL;
}

static bool fits(const struct default_type *type, const struct value *v)
{
    if (!type->is_fit(v))
        return false;
    for (size_t i = 0; type->is_item_fit != NULL && i < value_count(v); i++) {
        if (!type->is_item_fit(value_item(v, i)))
            return false;
    }
    return true;
}

/* A text as Python's float() and json.loads() read it. NULL: it is none, or no memory, which `rc` tells. */
static struct value *parsed_text(const struct default_type *type, struct str text, enum status_code *rc)
{
    struct value *v = NULL;
    double number;
    *rc = STATUS_INVALID_ARGUMENT;
    if (type->is_fit != is_number) {
        *rc = value_parse_json(NULL, text, &v, NULL);
        return v;
    }
    text = str_trim(text);
    if (str_starts(text, STR("+")))
        text = str_sub(text, 1, text.len);
    if (!str_to_double(text, &number))
        return NULL;
    v = value_float(NULL, number);
    *rc = v != NULL ? STATUS_OK : STATUS_RESOURCE_EXHAUSTED;
    return v;
}

/* A value without account; NULL: a problem was reported, or no memory. */
static struct value *default_of(struct node_compile *nc, const struct value *entry, const char *path)
{
    struct str name = value_get_text(entry, "type", STR(""));
    const struct default_type *type = find_default_type(name);
    const struct value *given = value_get_c(entry, "value");
    if (type == NULL) {
        node_compile_problem(nc, path, "use string, number, object or an array of them",
                             "no known type: \"%.*s\"", STR_ARG(str_sub(name, 0, 80)));
        return NULL;
    }
    enum status_code rc = STATUS_OK;
    struct value *v = NULL;
    bool is_text = given != NULL && value_type(given) == VALUE_STRING;
    if (is_text && type->is_fit != is_string && type->is_fit != is_anything) {
        v = parsed_text(type, value_text(given), &rc);
    } else {
        v = given != NULL ? compiler_copy(given) : value_none();
        rc = v != NULL ? STATUS_OK : STATUS_RESOURCE_EXHAUSTED;
    }
    if (rc == STATUS_RESOURCE_EXHAUSTED) {
        nc->c->arena->failed = true;
        return NULL;
    }
    if (v != NULL && fits(type, v))
        return v;
    value_unref(v);
    node_compile_problem(nc, path, "mend the value or its type", "the value is not %s", type->article);
    return NULL;
}
