// libs: heddle_dsl
/*
 * Whatever is read as YAML becomes a tree that can be written, made constant and freed; what is refused says where, in UTF-8.
 */
#include "executor/dsl/yaml.h"
#include "executor/value/form.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FORM_BYTES = 1 << 20 };

static size_t depth_of(const struct value *v)
{
    size_t deepest = 0;
    bool is_list = value_type(v) == VALUE_ARRAY;
    if (!is_list && value_type(v) != VALUE_OBJECT)
        return 0;
    for (size_t i = 0; i < value_count(v); i++) {
        size_t depth = depth_of(is_list ? value_item(v, i) : value_member(v, i));
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct value *v = NULL;
    struct status err = {0};
    enum status_code rc = yaml_read((struct str){(const char *)data, size}, &v, &err);
    assert(rc == STATUS_OK || rc == STATUS_INVALID_ARGUMENT);
    assert((rc == STATUS_OK) == (v != NULL));
    if (v == NULL) {
        assert(str_is_utf8(str_c(err.message)));
        assert(strncmp(err.message, "line ", 5) == 0 ||
               strncmp(err.message, "the text is too large", 21) == 0);
        return 0;
    }
    struct buf b;
    buf_init(&b, FORM_BYTES);
    value_put_json(&b, v, JSON_COMPACT, false);
    assert(b.failed || str_is_utf8(buf_str(&b)));
    buf_fini(&b);
    assert(depth_of(v) <= LIMIT_DEPTH);
    value_freeze(v);
    value_thaw_free(v);
    return 0;
}
