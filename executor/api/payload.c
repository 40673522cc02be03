/* payload: see the header. */
#include "executor/api/payload.h"

#include "executor/value/parse.h"
#include <math.h>

static struct value *of_struct(const Google__Protobuf__Struct *from);

static struct value *of_number(double d)
{
    /* 2^53: beyond it a double does not hold every integer, and the caller meant a float or sends JSON. */
    if (d == floor(d) && fabs(d) <= 9007199254740992.0)
        return value_int(NULL, (int64_t)d);
    return value_float(NULL, d);
}

/* Depth is bounded by the wire check (LIMIT_DEPTH). */
static struct value *of_value(const Google__Protobuf__Value *from)
{
    struct value_builder array;
    switch (from == NULL ? GOOGLE__PROTOBUF__VALUE__KIND__NOT_SET : from->kind_case) {
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
        return of_number(from->number_value);
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
        return value_string(NULL, str_c(from->string_value));
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        return value_bool(from->bool_value);
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
        return of_struct(from->struct_value);
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
        value_array_begin(&array, NULL);
        for (size_t i = 0; i < from->list_value->n_values; i++)
            value_array_put(&array, of_value(from->list_value->values[i]));
        return value_array_end(&array);
    default:
        return value_none();
    }
}

static struct value *of_struct(const Google__Protobuf__Struct *from)
{
    struct value_builder object;
    value_object_begin(&object, NULL);
    for (size_t i = 0; from != NULL && i < from->n_fields; i++)
        value_object_put(&object, str_c(from->fields[i]->key), of_value(from->fields[i]->value));
    return value_object_end(&object);
}

enum status_code payload_inputs(const Heddle__Executor__V1__ExecuteRequest *request, struct value **ret,
                                struct status *err)
{
    struct str json = str_c(request->inputs_json);
    if (json.len > 0 && request->inputs != NULL)
        return status_field(err, "inputs_json", "give inputs or inputs_json, not both");
    struct value *inputs = NULL;
    if (json.len > 0 && value_parse_json(NULL, json, &inputs, err) != STATUS_OK) {
        if (err->code != STATUS_INVALID_ARGUMENT)
            return err->code;
        struct status why = *err;
        return status_field(err, "inputs_json", "%s", why.message);
    }
    if (json.len == 0)
        inputs = of_struct(request->inputs);
    if (inputs == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for the inputs");
    if (value_type(inputs) != VALUE_OBJECT) {
        value_unref(inputs);
        return status_field(err, "inputs_json", "must be a JSON object");
    }
    *ret = inputs;
    return STATUS_OK;
}

enum status_code payload_files(const Heddle__Executor__V1__ExecuteRequest *request, struct value **ret,
                               struct status *err)
{
    struct value_builder files;
    value_array_begin(&files, NULL);
    for (size_t i = 0; i < request->n_files; i++) {
        const Heddle__V1__File *file = request->files[i];
        struct value_builder object;
        value_object_begin(&object, NULL);
        value_object_put(&object, STR("type"), value_string(NULL, str_c(file->type)));
        value_object_put(&object, STR("transfer_method"), value_string(NULL, str_c(file->transfer_method)));
        value_object_put(&object, STR("url"), value_string(NULL, str_c(file->url)));
        value_object_put(&object, STR("upload_file_id"), value_string(NULL, str_c(file->upload_file_id)));
        value_array_put(&files, value_object_end(&object));
    }
    *ret = value_array_end(&files);
    return *ret == NULL ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for the files") : STATUS_OK;
}

/* NULL: not of its type, or no memory. */
static struct value *of_variable(const struct store_variable *variable)
{
    struct str type = variable->value_type, text = variable->value;
    struct value *value = NULL;
    struct status err;
    int64_t whole;
    double real;
    if (variable->secret || str_eq_c(type, "secret"))
        return value_secret(NULL, text);
    if (type.len == 0 || str_eq_c(type, "string"))
        return value_string(NULL, text);
    if (str_eq_c(type, "integer") || str_eq_c(type, "number") || str_eq_c(type, "float")) {
        if (!str_eq_c(type, "float") && str_to_i64(text, &whole))
            return value_int(NULL, whole);
        return !str_eq_c(type, "integer") && str_to_double(text, &real) ? value_float(NULL, real) : NULL;
    }
    if (str_eq_c(type, "boolean"))
        return str_eq_nocase(text, STR("true"))    ? value_bool(true)
               : str_eq_nocase(text, STR("false")) ? value_bool(false)
                                                   : NULL;
    return value_parse_json(NULL, text, &value, &err) == STATUS_OK ? value : NULL;
}

enum status_code payload_environment(const struct store_environment *environment, struct value **ret,
                                     struct status *err)
{
    struct value_builder object;
    value_object_begin(&object, NULL);
    for (size_t i = 0; i < environment->count; i++) {
        const struct store_variable *variable = &environment->variables[i];
        struct value *value = of_variable(variable);
        if (value == NULL) {
            value_builder_abort(&object);
            return status_reason(err, STATUS_FAILED_PRECONDITION, "BAD_ENVIRONMENT",
                                 "environment variable %.*s is not of type %.*s", STR_ARG(variable->name),
                                 STR_ARG(variable->value_type));
        }
        value_object_put(&object, variable->name, value);
    }
    *ret = value_object_end(&object);
    return *ret == NULL ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for the environment")
                        : STATUS_OK;
}
