// libs: heddle_value
/*
 * What is read as JSON is written and read again as the same; no form of it breaks anything; all memory is given back.
 */
#include "executor/value/form.h"
#include "executor/value/parse.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* bytes. Of the values; small enough to be reached, now and then. */
enum { ACCOUNT_BYTES = 16 * 1024, FORM_BYTES = 1 << 20 };

static void write_every_form(const struct value *v)
{
    static void (*const forms[])(struct buf * b, const struct value *v) = {
        value_put_text, value_put_markdown, value_put_log, value_put_repr, value_put_jinja,
    };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct buf b;
        buf_init(&b, FORM_BYTES);
        forms[i](&b, v);
        assert(b.failed || b.len == 0 || str_is_utf8(buf_str(&b)));
        buf_fini(&b);
    }
}

static void write_and_read_again(struct value *v, enum json_style style)
{
    struct buf first, second;
    struct value *again = NULL;
    buf_init(&first, FORM_BYTES);
    buf_init(&second, FORM_BYTES);
    value_put_json(&first, v, style, false);
    if (!first.failed) {
        enum status_code rc = value_parse_json(NULL, buf_str(&first), &again, NULL);
        assert(rc == STATUS_OK);
        assert(value_equal(v, again));
        value_put_json(&second, again, style, false);
        assert(str_eq(buf_str(&first), buf_str(&second)));
        value_unref(again);
    }
    buf_fini(&first);
    buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct value_account account = {.max = ACCOUNT_BYTES};
    struct value *v = NULL;
    struct status err = {0};
    enum status_code rc = value_parse_json(&account, (struct str){(const char *)data, size}, &v, &err);
    assert((rc == STATUS_OK) == (v != NULL));
    assert(account.is_full == (rc == STATUS_RESOURCE_EXHAUSTED));
    if (v != NULL) {
        assert(account.used == value_bytes(v));
        write_every_form(v);
        write_and_read_again(v, JSON_COMPACT);
        write_and_read_again(v, JSON_INDENTED);
        value_unref(v);
    }
    assert(account.used == 0);
    return 0;
}
