/*
 * inputs: see inputs.h. Every check gives a value or a message that begins with the variable's name.
 */
#include "executor/run/inputs.h"
#include "executor/run/file.h"
#include "executor/value/form.h"
#include <stdio.h>
#include <string.h>

/* files. Of one run or one input without a limit of its own. */
enum { FILES_MAX = 100 };
/* bytes. Of the list of options an error shows. */
enum { OPTIONS_SHOWN_BYTES_MAX = 256 };

typedef enum status_code (*check_fn)(struct value_account *a, const struct input_field *field,
                                     const char *name, struct value *v, struct value **ret,
                                     struct status *err);

static enum status_code check_field(struct value_account *a, const struct input_field *field,
                                    const struct value *raw, struct value **ret, struct status *err);
static check_fn find_check(struct str type);
static enum status_code check_text(struct value_account *a, const struct input_field *field, const char *name,
                                   struct value *v, struct value **ret, struct status *err);
static enum status_code check_select(struct value_account *a, const struct input_field *field,
                                     const char *name, struct value *v, struct value **ret,
                                     struct status *err);
static enum status_code check_number(struct value_account *a, const struct input_field *field,
                                     const char *name, struct value *v, struct value **ret,
                                     struct status *err);
static enum status_code check_checkbox(struct value_account *a, const struct input_field *field,
                                       const char *name, struct value *v, struct value **ret,
                                       struct status *err);
static enum status_code check_object(struct value_account *a, const struct input_field *field,
                                     const char *name, struct value *v, struct value **ret,
                                     struct status *err);
static enum status_code check_file(struct value_account *a, const struct input_field *field, const char *name,
                                   struct value *v, struct value **ret, struct status *err);
static enum status_code check_file_list(struct value_account *a, const struct input_field *field,
                                        const char *name, struct value *v, struct value **ret,
                                        struct status *err);
static enum status_code check_any(struct value_account *a, const struct input_field *field, const char *name,
                                  struct value *v, struct value **ret, struct status *err);
static enum status_code files_from_raw(struct value_account *a, const struct value *list, const char *name,
                                       struct value **ret, struct status *err);
static void put_options(struct buf *b, const struct input_field *field);
static struct value *without_nul(struct value_account *a, struct value *v);

static enum status_code no_memory(struct status *err)
{
    return status_set(err, STATUS_RESOURCE_EXHAUSTED, "inputs: no memory");
}

/* A check that failed without a value of its own failed for want of memory. */
static enum status_code give(struct value *made, struct value **ret, struct status *err)
{
    *ret = made;
    return made != NULL ? STATUS_OK : no_memory(err);
}

enum status_code inputs_check(const struct graph *graph, struct value_account *a, const struct value *raw,
                              struct value **ret, struct status *err)
{
    struct value_builder b;
    value_object_begin(&b, a);
    for (uint32_t i = 0; i < graph->field_count; i++) {
        struct value *v = NULL;
        enum status_code rc = check_field(a, &graph->fields[i], raw, &v, err);
        if (rc != STATUS_OK) {
            value_builder_abort(&b);
            return rc;
        }
        value_object_put(&b, graph->fields[i].variable, v);
    }
    return give(value_object_end(&b), ret, err);
}

enum status_code inputs_check_files(struct value_account *a, const struct value *raw, struct value **ret,
                                    struct status *err)
{
    enum status_code rc = STATUS_OK;
    if (raw != NULL && value_type(raw) != VALUE_NONE && value_type(raw) != VALUE_ARRAY)
        rc = status_set(err, STATUS_INVALID_ARGUMENT, "files: must be a list");
    else
        rc = files_from_raw(a, raw, "files", ret, err);
    if (rc == STATUS_INVALID_ARGUMENT && err != NULL) {
        err->reason = "INVALID_FIELD";
        snprintf(err->field, sizeof err->field, "files");
    }
    return rc;
}

struct value *inputs_text(struct value_account *a, struct str text)
{
    if (text.len == 0 || memchr(text.ptr, '\0', text.len) == NULL)
        return value_string(a, text);
    struct buf clean;
    buf_init(&clean, text.len);
    while (text.len > 0) {
        const char *nul = memchr(text.ptr, '\0', text.len);
        size_t len = nul == NULL ? text.len : (size_t)(nul - text.ptr);
        buf_put(&clean, str_sub(text, 0, len));
        text = str_sub(text, nul == NULL ? len : len + 1, text.len);
    }
    return value_string_take(a, &clean);
}

static enum status_code check_field(struct value_account *a, const struct input_field *field,
                                    const struct value *raw, struct value **ret, struct status *err)
{
    char name[96];
    snprintf(name, sizeof name, "%.*s", (int)str_utf8_cut(field->variable, sizeof name - 1),
             field->variable.ptr);
    struct value *v = raw == NULL ? NULL : value_get(raw, field->variable);
    enum status_code rc = STATUS_OK;
    if (v == NULL || value_type(v) == VALUE_NONE)
        v = field->required ? NULL : field->fallback;
    if (v == NULL && field->required)
        rc = status_set(err, STATUS_INVALID_ARGUMENT, "%s is required in input form", name);
    else if (v == NULL || value_type(v) == VALUE_NONE)
        *ret = value_none();
    else
        rc = find_check(field->type)(a, field, name, v, ret, err);
    if (rc == STATUS_INVALID_ARGUMENT && err != NULL) {
        err->reason = "INVALID_FIELD";
        snprintf(err->field, sizeof err->field, "inputs.%.*s",
                 (int)str_utf8_cut(str_c(name), sizeof err->field - sizeof "inputs."), name);
    }
    return rc;
}

static check_fn find_check(struct str type)
{
    static const struct {
        const char *type;
        check_fn check;
    } checks[] = {
        {"text-input", check_text}, {"paragraph", check_text},      {"select", check_select},
        {"number", check_number},   {"checkbox", check_checkbox},   {"json_object", check_object},
        {"file", check_file},       {"file-list", check_file_list},
    };
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        if (str_eq_c(type, checks[i].type))
            return checks[i].check;
    }
    return check_any;
}

static enum status_code check_string(const struct input_field *field, const char *name, const struct value *v,
                                     struct status *err)
{
    if (value_type(v) == VALUE_STRING)
        return STATUS_OK;
    return status_set(err, STATUS_INVALID_ARGUMENT, "(type '%.*s') %s in input form must be a string",
                      STR_ARG(field->type), name);
}

static enum status_code check_text(struct value_account *a, const struct input_field *field, const char *name,
                                   struct value *v, struct value **ret, struct status *err)
{
    enum status_code rc = check_string(field, name, v, err);
    if (rc != STATUS_OK)
        return rc;
    if (field->max_length > 0 && str_utf8_count(value_text(v)) > (uint64_t)field->max_length)
        return status_set(err, STATUS_INVALID_ARGUMENT, "%s in input form must be less than %lld characters",
                          name, (long long)field->max_length);
    return give(without_nul(a, v), ret, err);
}

static enum status_code check_select(struct value_account *a, const struct input_field *field,
                                     const char *name, struct value *v, struct value **ret,
                                     struct status *err)
{
    enum status_code rc = check_string(field, name, v, err);
    if (rc != STATUS_OK)
        return rc;
    for (uint32_t i = 0; i < field->option_count; i++) {
        if (str_eq(value_text(v), field->options[i]))
            return give(without_nul(a, v), ret, err);
    }
    struct buf options;
    buf_init(&options, OPTIONS_SHOWN_BYTES_MAX);
    put_options(&options, field);
    rc = status_set(err, STATUS_INVALID_ARGUMENT, "%s in input form must be one of the following: %.*s", name,
                    STR_ARG(buf_str(&options)));
    buf_fini(&options);
    return rc;
}

/* As Python shows a list of texts. */
static void put_options(struct buf *b, const struct input_field *field)
{
    struct value_builder list;
    value_array_begin(&list, NULL);
    for (uint32_t i = 0; i < field->option_count; i++)
        value_array_put(&list, value_string(NULL, field->options[i]));
    struct value *v = value_array_end(&list);
    if (v != NULL)
        value_put_repr(b, v);
    value_unref(v);
}

static enum status_code check_number(struct value_account *a, const struct input_field *field,
                                     const char *name, struct value *v, struct value **ret,
                                     struct status *err)
{
    (void)field;
    if (value_is_number(v))
        return give(value_ref(v), ret, err);
    struct str text = value_type(v) == VALUE_STRING ? str_trim(value_text(v)) : STR("x");
    if (text.len == 0)
        return give(value_none(), ret, err);
    if (text.len > 1 && text.ptr[0] == '+' && text.ptr[1] != '-')
        text = str_sub(text, 1, text.len);
    int64_t whole;
    double real;
    bool has_point = str_find(text, STR("."), 0) != SIZE_MAX;
    if (!has_point && str_to_i64(text, &whole))
        return give(value_int(a, whole), ret, err);
    bool is_long = str_find(text, STR("e"), 0) == SIZE_MAX && str_find(text, STR("E"), 0) == SIZE_MAX;
    if ((has_point || is_long) && str_to_double(text, &real))
        return give(value_float(a, real), ret, err);
    return status_set(err, STATUS_INVALID_ARGUMENT, "%s in input form must be a valid number", name);
}

static enum status_code check_checkbox(struct value_account *a, const struct input_field *field,
                                       const char *name, struct value *v, struct value **ret,
                                       struct status *err)
{
    static const char *const yes[] = {"true", "1", "yes", "on"};
    static const char *const no[] = {"false", "0", "no", "off"};
    (void)a;
    (void)field;
    if (value_type(v) == VALUE_BOOL)
        return give(value_ref(v), ret, err);
    if (value_is_number(v) && (value_as_double(v) == 0 || value_as_double(v) == 1))
        return give(value_bool(value_as_double(v) == 1), ret, err);
    struct str text = value_type(v) == VALUE_STRING ? str_trim(value_text(v)) : STR("");
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (str_eq_nocase(text, str_c(yes[i])) || str_eq_nocase(text, str_c(no[i])))
            return give(value_bool(str_eq_nocase(text, str_c(yes[i]))), ret, err);
    }
    return status_set(err, STATUS_INVALID_ARGUMENT, "%s in input form must be a boolean", name);
}

static enum status_code check_object(struct value_account *a, const struct input_field *field,
                                     const char *name, struct value *v, struct value **ret,
                                     struct status *err)
{
    (void)a;
    if (value_type(v) == VALUE_OBJECT)
        return give(value_ref(v), ret, err);
    if (value_type(v) == VALUE_STRING && value_text(v).len == 0 && !field->required)
        return give(value_none(), ret, err);
    return status_set(err, STATUS_INVALID_ARGUMENT, "%s in input form must be a dict", name);
}

static enum status_code check_file(struct value_account *a, const struct input_field *field, const char *name,
                                   struct value *v, struct value **ret, struct status *err)
{
    if (value_type(v) == VALUE_STRING && value_text(v).len == 0 && !field->required)
        return give(value_none(), ret, err);
    return file_from_raw(a, v, name, ret, err);
}

static enum status_code check_file_list(struct value_account *a, const struct input_field *field,
                                        const char *name, struct value *v, struct value **ret,
                                        struct status *err)
{
    if (value_type(v) == VALUE_STRING && value_text(v).len == 0 && !field->required)
        return give(value_none(), ret, err);
    if (value_type(v) != VALUE_ARRAY)
        return status_set(err, STATUS_INVALID_ARGUMENT, "%s in input form must be a list of files", name);
    if (field->max_length > 0 && value_count(v) > (uint64_t)field->max_length)
        return status_set(err, STATUS_INVALID_ARGUMENT, "%s in input form must be less than %lld files", name,
                          (long long)field->max_length);
    return files_from_raw(a, v, name, ret, err);
}

static enum status_code files_from_raw(struct value_account *a, const struct value *list, const char *name,
                                       struct value **ret, struct status *err)
{
    size_t count = list != NULL && value_type(list) == VALUE_ARRAY ? value_count(list) : 0;
    if (count > FILES_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "%s: more than %d files", name, FILES_MAX);
    struct value_builder b;
    value_array_begin(&b, a);
    for (size_t i = 0; i < count; i++) {
        struct value *file = NULL;
        enum status_code rc = file_from_raw(a, value_item(list, i), name, &file, err);
        if (rc != STATUS_OK) {
            value_builder_abort(&b);
            return rc;
        }
        value_array_put(&b, file);
    }
    return give(value_array_end(&b), ret, err);
}

/* Types that have no rule of their own. */
static enum status_code check_any(struct value_account *a, const struct input_field *field, const char *name,
                                  struct value *v, struct value **ret, struct status *err)
{
    (void)field;
    (void)name;
    return give(without_nul(a, v), ret, err);
}

static struct value *without_nul(struct value_account *a, struct value *v)
{
    bool has_nul = value_type(v) == VALUE_STRING && value_text(v).len > 0 &&
                   memchr(value_text(v).ptr, '\0', value_text(v).len) != NULL;
    return has_nul ? inputs_text(a, value_text(v)) : value_ref(v);
}
