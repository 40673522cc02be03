// libs: heddle_value
/*
 * Whatever a model writes: an object or a refusal, in bounded work, and all memory is given back. JSON is read as JSON.
 */
#include "executor/value/json_repair.h"
#include "executor/value/parse.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct value_account account = {.max = 64 * 1024};
    struct value *v = NULL, *strict = NULL;
    struct status err = {0};
    enum status_code rc = json_repair_object(&account, text, &v, &err);
    assert((rc == STATUS_OK) == (v != NULL));
    assert(rc == STATUS_OK || rc == STATUS_INVALID_ARGUMENT || rc == STATUS_RESOURCE_EXHAUSTED);
    assert(v == NULL || value_type(v) == VALUE_OBJECT);
    if (v != NULL && value_parse_json(NULL, text, &strict, NULL) == STATUS_OK) {
        assert(value_type(strict) != VALUE_OBJECT || value_equal(strict, v));
        value_unref(strict);
    }
    value_unref(v);
    assert(account.used == 0);
    return 0;
}
