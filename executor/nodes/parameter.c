/*
 * parameter: see parameter.h. Checking and making fit are two things: what is no valid value may still be made one ("5").
 */
#include "executor/nodes/parameter.h"
#include "executor/value/form.h"
#include <stdio.h>

/* parameters of a node; options of a parameter. */
enum { PARAMETERS_MAX = 1000, OPTIONS_MAX = 1000 };
/* bytes. Of a text that is a number. */
enum { NUMBER_BYTES_MAX = 400 };

static const struct parameter types[] = {
    {.type = "string", .kind = PARAMETER_STRING},
    {.type = "number", .kind = PARAMETER_NUMBER},
    {.type = "boolean", .kind = PARAMETER_BOOL},
    {.type = "array[string]", .kind = PARAMETER_ARRAY, .elem = VALUE_ELEM_STRING},
    {.type = "array[number]", .kind = PARAMETER_ARRAY, .elem = VALUE_ELEM_NUMBER},
    {.type = "array[object]", .kind = PARAMETER_ARRAY, .elem = VALUE_ELEM_OBJECT},
    {.type = "array[boolean]", .kind = PARAMETER_ARRAY, .elem = VALUE_ELEM_BOOL},
};

static void compile_name(struct node_compile *nc, const struct value *entry, size_t index,
                         struct parameter *ret);
static void compile_type(struct node_compile *nc, const struct value *entry, size_t index,
                         struct parameter *ret);
static void compile_options(struct node_compile *nc, const struct value *options, size_t index,
                            struct parameter *ret);
static struct value *make_schema(const struct parameters *p, const struct value *list);
static struct value *make_shown(const struct parameters *p, const struct value *list);
static bool fits(const struct parameter *p, const struct value *v);
static bool elem_fits(enum value_elem elem, const struct value *v);
static struct value *made_fit(const struct parameter *p, struct value *v, struct value_account *a);
static struct value *number_or_none(struct value *v, struct value_account *a);
static struct value *number_of_text(struct str text, struct value_account *a);
static void put_plain_number(struct buf *b, struct str text);
static struct value *array_of(const struct parameter *p, const struct value *v, struct value_account *a);
static struct value *default_of(const struct parameter *p, struct value_account *a);

/* --- compile --- */

void parameters_compile(struct node_compile *nc, const struct value *list, struct parameters *ret)
{
    *ret = (struct parameters){.list = NULL};
    if (list == NULL || value_type(list) != VALUE_ARRAY) {
        node_compile_problem(nc, "parameters", "add parameters", "the node has no list of parameters");
        return;
    }
    if (value_count(list) > PARAMETERS_MAX) {
        node_compile_problem(nc, "parameters", "use fewer parameters", "%zu parameters are more than %d",
                             value_count(list), PARAMETERS_MAX);
        return;
    }
    ret->list = arena_array(node_compile_arena(nc), value_count(list), sizeof *ret->list);
    for (size_t i = 0; ret->list != NULL && i < value_count(list); i++) {
        const struct value *entry = value_item(list, i);
        struct parameter *p = &ret->list[ret->count++];
        compile_type(nc, entry, i, p);
        compile_name(nc, entry, i, p);
        compile_options(nc, value_get_c(entry, "options"), i, p);
        p->is_required = value_get_bool(entry, "required", false);
    }
    struct buf text;
    ret->schema = node_compile_keep(nc, make_schema(ret, list));
    ret->shown = node_compile_keep(nc, make_shown(ret, list));
    buf_init(&text, LIMIT_DSL_BYTES);
    if (ret->schema != NULL)
        value_put_json(&text, ret->schema, JSON_SPACED, false);
    ret->schema_text = arena_copy(node_compile_arena(nc), buf_str(&text));
    buf_fini(&text);
}

static void compile_name(struct node_compile *nc, const struct value *entry, size_t index,
                         struct parameter *ret)
{
    char path[48];
    snprintf(path, sizeof path, "parameters[%zu].name", index);
    ret->name = value_get_text(entry, "name", STR(""));
    if (ret->name.len == 0)
        node_compile_problem(nc, path, "name the parameter", "a parameter without name");
    else if (str_eq_c(ret->name, "__reason") || str_eq_c(ret->name, "__is_success"))
        node_compile_problem(nc, path, "choose another name", "%.*s is an output of the node",
                             STR_ARG(ret->name));
}

/* "bool" and "select" are old names. */
static void compile_type(struct node_compile *nc, const struct value *entry, size_t index,
                         struct parameter *ret)
{
    char path[48];
    struct str type = value_get_text(entry, "type", STR(""));
    type = str_eq_c(type, "bool") ? STR("boolean") : str_eq_c(type, "select") ? STR("string") : type;
    *ret = types[0];
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_eq_c(type, types[i].type)) {
            *ret = types[i];
            return;
        }
    }
    snprintf(path, sizeof path, "parameters[%zu].type", index);
    node_compile_problem(nc, path, "choose a type that is offered", "unknown type \"%.*s\"", STR_ARG(type));
}

static void compile_options(struct node_compile *nc, const struct value *options, size_t index,
                            struct parameter *ret)
{
    char path[64];
    size_t count = options != NULL && value_type(options) == VALUE_ARRAY ? value_count(options) : 0;
    snprintf(path, sizeof path, "parameters[%zu].options", index);
    if (count > OPTIONS_MAX) {
        node_compile_problem(nc, path, "use fewer options", "%zu options are more than %d", count,
                             OPTIONS_MAX);
        return;
    }
    ret->options = arena_array(node_compile_arena(nc), count, sizeof *ret->options);
    for (size_t i = 0; ret->options != NULL && i < count; i++) {
        const struct value *option = value_item(options, i);
        if (value_type(option) == VALUE_STRING)
            ret->options[ret->option_count++] = value_text(option);
        else
            node_compile_problem(nc, path, "put the option into quotes", "an option is no text but %s",
                                 value_type_name(option));
    }
}

static struct value *options_value(const struct parameter *p)
{
    struct value_builder b;
    value_array_begin(&b, NULL);
    for (size_t i = 0; i < p->option_count; i++)
        value_array_put(&b, value_string(NULL, p->options[i]));
    return value_array_end(&b);
}

static struct value *description_of(const struct value *list, size_t i)
{
    return value_string(NULL, value_get_text(value_item(list, i), "description", STR("")));
}

static struct value *elem_schema(enum value_elem elem)
{
    static const char *const names[] = {[VALUE_ELEM_STRING] = "string",
                                        [VALUE_ELEM_NUMBER] = "number",
                                        [VALUE_ELEM_BOOL] = "boolean",
                                        [VALUE_ELEM_OBJECT] = "object"};
    return value_object_of(NULL, STR("type"), value_string(NULL, str_c(names[elem])));
}

static struct value *make_schema(const struct parameters *p, const struct value *list)
{
    struct value_builder properties, required, property, b;
    value_object_begin(&properties, NULL);
    value_array_begin(&required, NULL);
    for (size_t i = 0; i < p->count; i++) {
        const struct parameter *parameter = &p->list[i];
        bool is_array = parameter->kind == PARAMETER_ARRAY;
        value_object_begin(&property, NULL);
        value_object_put(&property, STR("description"), description_of(list, i));
        value_object_put(&property, STR("type"),
                         value_string(NULL, is_array ? STR("array") : str_c(parameter->type)));
        if (is_array)
            value_object_put(&property, STR("items"), elem_schema(parameter->elem));
        if (parameter->option_count > 0)
            value_object_put(&property, STR("enum"), options_value(parameter));
        value_object_put(&properties, parameter->name, value_object_end(&property));
        if (parameter->is_required)
            value_array_put(&required, value_string(NULL, parameter->name));
    }
    value_object_begin(&b, NULL);
    value_object_put(&b, STR("type"), value_string(NULL, STR("object")));
    value_object_put(&b, STR("properties"), value_object_end(&properties));
    value_object_put(&b, STR("required"), value_array_end(&required));
    return value_object_end(&b);
}

static struct value *make_shown(const struct parameters *p, const struct value *list)
{
    struct value_builder all, one;
    value_array_begin(&all, NULL);
    for (size_t i = 0; i < p->count; i++) {
        const struct parameter *parameter = &p->list[i];
        value_object_begin(&one, NULL);
        value_object_put(&one, STR("name"), value_string(NULL, parameter->name));
        value_object_put(&one, STR("type"), value_string(NULL, str_c(parameter->type)));
        value_object_put(&one, STR("options"),
                         parameter->option_count > 0 ? options_value(parameter) : value_none());
        value_object_put(&one, STR("description"), description_of(list, i));
        value_object_put(&one, STR("required"), value_bool(parameter->is_required));
        value_array_put(&all, value_object_end(&one));
    }
    return value_array_end(&all);
}

/* --- check --- */

bool parameters_check(const struct parameters *p, const struct value *found, struct status *why)
{
    if (value_count(found) != p->count) {
        status_set(why, STATUS_INVALID_ARGUMENT, "Invalid number of parameters");
        return false;
    }
    for (size_t i = 0; i < p->count; i++) {
        const struct parameter *parameter = &p->list[i];
        const struct value *v = value_get(found, parameter->name);
        if (v == NULL && parameter->is_required) {
            status_set(why, STATUS_INVALID_ARGUMENT, "Parameter %.*s is required", STR_ARG(parameter->name));
            return false;
        }
        if (v == NULL || !fits(parameter, v)) {
            status_set(why, STATUS_INVALID_ARGUMENT,
                       "Invalid value for parameter %.*s: %s where %s is expected", STR_ARG(parameter->name),
                       v == NULL ? "nothing" : value_type_name(v), parameter->type);
            return false;
        }
        size_t chosen = 0;
        bool is_choice = parameter->kind == PARAMETER_STRING && parameter->option_count > 0;
        while (is_choice && chosen < parameter->option_count &&
               !str_eq(parameter->options[chosen], value_text(v)))
            chosen++;
        if (is_choice && chosen == parameter->option_count) {
            status_set(why, STATUS_INVALID_ARGUMENT, "Invalid `select` value for parameter %.*s",
                       STR_ARG(parameter->name));
            return false;
        }
    }
    return true;
}

/* A boolean is a number, as in Python. */
static bool fits(const struct parameter *p, const struct value *v)
{
    static const enum value_elem elems[] = {[PARAMETER_STRING] = VALUE_ELEM_STRING,
                                            [PARAMETER_NUMBER] = VALUE_ELEM_NUMBER,
                                            [PARAMETER_BOOL] = VALUE_ELEM_BOOL};
    if (p->kind != PARAMETER_ARRAY)
        return elem_fits(elems[p->kind], v);
    for (size_t i = 0; value_type(v) == VALUE_ARRAY && i < value_count(v); i++) {
        if (!elem_fits(p->elem, value_item(v, i)))
            return false;
    }
    return value_type(v) == VALUE_ARRAY;
}

static bool elem_fits(enum value_elem elem, const struct value *v)
{
    switch (elem) {
    case VALUE_ELEM_STRING:
        return value_type(v) == VALUE_STRING;
    case VALUE_ELEM_NUMBER:
        return value_is_number(v) || value_type(v) == VALUE_BOOL;
    case VALUE_ELEM_BOOL:
        return value_type(v) == VALUE_BOOL;
    case VALUE_ELEM_OBJECT:
        return value_type(v) == VALUE_OBJECT;
    case VALUE_ELEM_FILE:
    case VALUE_ELEM_ANY:
        break;
    }
    return false;
}

/* --- make fit --- */

struct value *parameters_defaults(const struct parameters *p, struct value_account *a)
{
    struct value_builder b;
    value_object_begin(&b, a);
    for (size_t i = 0; i < p->count; i++) {
        if (p->list[i].kind != PARAMETER_ARRAY)
            value_object_put(&b, p->list[i].name, default_of(&p->list[i], a));
    }
    return value_object_end(&b);
}

void parameters_put(const struct parameters *p, const struct value *found, struct value_account *a,
                    struct value_builder *b)
{
    for (size_t i = 0; i < p->count; i++) {
        struct value *v = value_get(found, p->list[i].name);
        value_object_put(b, p->list[i].name,
                         v != NULL ? made_fit(&p->list[i], v, a) : default_of(&p->list[i], a));
    }
}

static struct value *made_fit(const struct parameter *p, struct value *v, struct value_account *a)
{
    struct value *made = NULL;
    switch (p->kind) {
    case PARAMETER_STRING:
        return value_type(v) == VALUE_STRING ? value_ref(v) : default_of(p, a);
    case PARAMETER_NUMBER:
        made = number_or_none(v, a);
        return made != value_none() ? made : default_of(p, a);
    case PARAMETER_BOOL:
        return value_type(v) == VALUE_BOOL  ? value_ref(v)
               : value_type(v) == VALUE_INT ? value_bool(value_as_int(v) != 0)
                                            : default_of(p, a);
    case PARAMETER_ARRAY:
        return value_type(v) == VALUE_ARRAY ? array_of(p, v, a) : default_of(p, a);
    }
    return NULL;
}

static struct value *default_of(const struct parameter *p, struct value_account *a)
{
    struct value_builder none;
    switch (p->kind) {
    case PARAMETER_STRING:
        return value_string(a, STR(""));
    case PARAMETER_NUMBER:
        return value_int(a, 0);
    case PARAMETER_BOOL:
        return value_bool(false);
    case PARAMETER_ARRAY:
        value_array_begin(&none, a);
        return value_array_end_as(&none, p->elem);
    }
    return NULL;
}

/* Elements that cannot be made fit are left out. */
static struct value *array_of(const struct parameter *p, const struct value *v, struct value_account *a)
{
    struct value_builder b;
    value_array_begin(&b, a);
    for (size_t i = 0; i < value_count(v); i++) {
        struct value *item = value_item(v, i);
        struct value *made = p->elem == VALUE_ELEM_NUMBER ? number_or_none(item, a)
                             : elem_fits(p->elem, item)   ? value_ref(item)
                                                          : value_none();
        if (made != value_none())
            value_array_put(&b, made);
    }
    return value_array_end_as(&b, p->elem);
}

/* none: it is no number. NULL: no memory. */
static struct value *number_or_none(struct value *v, struct value_account *a)
{
    if (value_is_number(v))
        return value_ref(v);
    if (value_type(v) == VALUE_BOOL)
        return value_int(a, value_as_bool(v));
    return value_type(v) == VALUE_STRING ? number_of_text(str_trim(value_text(v)), a) : value_none();
}

/* As Python reads it: with a point a float, without one an int. */
static struct value *number_of_text(struct str text, struct value_account *a)
{
    struct buf plain;
    int64_t whole;
    double real;
    bool has_point = str_find(text, STR("."), 0) != SIZE_MAX, is_number;
    buf_init(&plain, NUMBER_BYTES_MAX);
    put_plain_number(&plain, text);
    struct str s = buf_str(&plain);
    bool is_int = !has_point && str_to_i64(s, &whole);
    bool has_exponent = str_find(s, STR("e"), 0) != SIZE_MAX || str_find(s, STR("E"), 0) != SIZE_MAX;
    is_number = !plain.failed && (is_int || ((has_point || !has_exponent) && str_to_double(s, &real)));
    buf_fini(&plain);
    if (!is_number)
        return value_none();
    return is_int ? value_int(a, whole) : value_float(a, real);
}

static bool is_digit_at(struct str s, size_t i)
{
    return i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9';
}

/* Without plus sign and underscores between digits; digits on both sides of a point that has one on one side. */
static void put_plain_number(struct buf *b, struct str text)
{
    for (size_t i = 0; i < text.len && !b->failed; i++) {
        char c = text.ptr[i];
        bool after = is_digit_at(text, i + 1), before = i > 0 && is_digit_at(text, i - 1);
        if (c == '+' && i == 0 && (after || (text.len > 1 && text.ptr[1] == '.')))
            continue;
        if (c == '_' && before && after)
            continue;
        if (c == '.' && after && !before)
            buf_put_char(b, '0');
        buf_put_char(b, c);
        if (c == '.' && before && !after)
            buf_put_char(b, '0');
    }
}
