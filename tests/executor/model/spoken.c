/* spoken: see the header. */
#include "tests/executor/model/spoken.h"

#include "executor/model/tool_calls.h"
#include "executor/value/parse.h"
#include <stdlib.h>

struct value *json_of(const char *json)
{
    struct value *v = NULL;
    struct status err;
    if (json != NULL)
        assert_ok(value_parse_json(NULL, str_c(json), &v, &err));
    return v;
}

void assert_body(const struct protocol *protocol, const struct model_request *request, const char *expected)
{
    struct status err;
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_ok(protocol->put_request(&b, request->model, request, &err));
    assert_false(b.failed);
    assert_str(expected, buf_str(&b));
    struct value *v = NULL;
    assert_ok(value_parse_json(NULL, buf_str(&b), &v, &err));
    value_unref(v);
    buf_fini(&b);
}

void assert_url(const struct protocol *protocol, const char *base_url, const struct model_request *request,
                const char *expected)
{
    struct buf b;
    buf_init(&b, 4096);
    protocol->put_url(&b, str_c(base_url), request->model, request);
    assert_str(expected, buf_str(&b));
    buf_fini(&b);
}

void assert_models_url(const struct protocol *protocol, const char *base_url, const char *expected)
{
    struct buf b;
    buf_init(&b, 4096);
    protocol->put_models_url(&b, str_c(base_url));
    assert_str(expected, buf_str(&b));
    buf_fini(&b);
}

static void put_said(struct buf *said, const struct protocol_piece *piece)
{
    if (piece->reasoning.len > 0)
        buf_printf(said, "reasoning %.*s;", STR_ARG(piece->reasoning));
    if (piece->text.len > 0)
        buf_printf(said, "text %.*s;", STR_ARG(piece->text));
    if (piece->finish_reason.len > 0)
        buf_printf(said, "finish %.*s;", STR_ARG(piece->finish_reason));
    if (piece->has_usage)
        buf_printf(said, "usage %lld %lld;", (long long)piece->prompt_tokens,
                   (long long)piece->completion_tokens);
    if (piece->error.ptr != NULL)
        buf_printf(said, "error %.*s %.*s %d %lld %.*s;", STR_ARG(piece->error_code),
                   STR_ARG(piece->error_kind), piece->error_status, (long long)piece->error_asked_ms,
                   STR_ARG(piece->error));
    if (piece->is_last)
        buf_put_c(said, "last;");
}

void assert_heard(const struct protocol *protocol, const char *pieces, bool is_whole, const char *expected)
{
    struct tool_calls calls = {0};
    struct buf said;
    struct str rest = str_c(pieces), data;
    void *reader = calloc(1, protocol->reader_size);
    assert_non_null(reader);
    buf_init(&said, 1 << 20);
    while (str_split(&rest, is_whole ? '\0' : '\n', &data)) {
        struct protocol_piece piece;
        size_t blank = str_find(data, STR(" {"), 0);
        struct str event = STR("");
        if (data.len > 0 && data.ptr[0] >= 'a' && data.ptr[0] <= 'z' && blank != SIZE_MAX) {
            event = str_sub(data, 0, blank);
            data = str_sub(data, blank + 1, data.len);
        }
        if (protocol->read(reader, event, data, is_whole, &calls, &piece))
            put_said(&said, &piece);
        else
            buf_put_c(&said, "unreadable;");
    }
    const struct model_tool_call *list = tool_calls_list(&calls);
    for (size_t i = 0; i < calls.count; i++)
        buf_printf(&said, "call %.*s %.*s %.*s;", STR_ARG(list[i].id), STR_ARG(list[i].name),
                   STR_ARG(list[i].arguments));
    assert_str(expected, buf_str(&said));
    protocol->reader_fini(reader);
    free(reader);
    tool_calls_fini(&calls);
    buf_fini(&said);
}
