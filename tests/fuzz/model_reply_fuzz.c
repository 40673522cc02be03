// libs: heddle_nodes
/*
 * Whatever a model replies to a question-classifier or a parameter-extractor: an object or none, values of the types that were
 * asked for, and all memory is given back. The first byte chooses how much memory there is.
 */
#include "executor/nodes/parameter.h"
#include "executor/nodes/reply_json.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct str options[] = {{"a", 1}, {"b", 1}};
static struct parameter list[] = {
    {.name = {"s", 1}, .kind = PARAMETER_STRING, .type = "string", .is_required = true},
    {.name = {"o", 1}, .kind = PARAMETER_STRING, .type = "string", .options = options, .option_count = 2},
    {.name = {"n", 1}, .kind = PARAMETER_NUMBER, .type = "number"},
    {.name = {"b", 1}, .kind = PARAMETER_BOOL, .type = "boolean", .is_required = true},
    {.name = {"as", 2}, .kind = PARAMETER_ARRAY, .elem = VALUE_ELEM_STRING, .type = "array[string]"},
    {.name = {"an", 2}, .kind = PARAMETER_ARRAY, .elem = VALUE_ELEM_NUMBER, .type = "array[number]"},
    {.name = {"ao", 2}, .kind = PARAMETER_ARRAY, .elem = VALUE_ELEM_OBJECT, .type = "array[object]"},
    {.name = {"ab", 2}, .kind = PARAMETER_ARRAY, .elem = VALUE_ELEM_BOOL, .type = "array[boolean]"},
};
static const struct parameters parameters = {.list = list, .count = ARRAY_LEN(list)};

static void check_values(const struct value *found, struct value_account *a)
{
    struct value_builder b;
    struct status why = {0};
    bool is_good = parameters_check(&parameters, found, &why);
    assert(is_good == (why.code == STATUS_OK));
    value_object_begin(&b, a);
    parameters_put(&parameters, found, a, &b);
    struct value *values = value_object_end(&b);
    assert((values == NULL) == a->is_full);
    if (values != NULL) {
        /* What was made fits, but for choices. */
        struct parameter free_list[ARRAY_LEN(list)];
        memcpy(free_list, list, sizeof list);
        free_list[1].option_count = 0;
        assert(parameters_check(&(struct parameters){.list = free_list, .count = ARRAY_LEN(list)}, values,
                                &why));
        assert(!is_good || parameters_check(&parameters, values, &why));
    }
    value_unref(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str text = {(const char *)data + 1, size - 1};
    struct value_account a = {.max = 64 + (size_t)data[0] * 1024};
    struct value *block = NULL, *object = NULL;
    struct status err = {0};
    enum status_code rc = reply_json_block(&a, text, &block, &err);
    assert((rc == STATUS_OK) == (block != NULL));
    assert(rc == STATUS_OK || rc == STATUS_NOT_FOUND || rc == STATUS_INVALID_ARGUMENT ||
           rc == STATUS_RESOURCE_EXHAUSTED);
    assert(block == NULL || value_type(block) == VALUE_OBJECT);
    value_unref(block);
    a.is_full = false;
    if (reply_json_object(&a, text, &object) && object != NULL) {
        assert(value_type(object) == VALUE_OBJECT);
        check_values(object, &a);
    }
    value_unref(object);
    assert(a.used == 0);
    return 0;
}
