// libs: heddle_value
/*
 * A line with a schema and behind it a value: a verdict in bounded work, with words exactly when it is no.
 */
#include "executor/value/json_schema.h"
#include "executor/value/parse.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size}, line = {0};
    struct value *schema = NULL, *v = NULL;
    struct buf why;
    (void)str_split(&rest, '\n', &line);
    buf_init(&why, 4096);
    if (value_parse_json(NULL, line, &schema, NULL) == STATUS_OK &&
        value_parse_json(NULL, rest, &v, NULL) == STATUS_OK && json_schema_is_valid(schema, &why)) {
        assert(why.len == 0);
        bool fits = json_schema_fits(schema, v, &why);
        assert(fits == (why.len == 0));
        assert(json_schema_fits(schema, v, NULL) == fits);
    }
    buf_fini(&why);
    value_unref(schema);
    value_unref(v);
    return 0;
}
