// libs: heddle_model
/*
 * Pieces of answers: whatever a provider sends, what is read of it is UTF-8, and a failure leaves nothing behind.
 */
#include "executor/model/tool_calls.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void read_calls(const struct openai_piece *piece)
{
    struct tool_calls calls = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < openai_call_count(piece); i++) {
        struct openai_call call = openai_call_at(piece, i);
        ok = tool_calls_add(&calls, &call);
    }
    const struct model_tool_call *list = tool_calls_list(&calls);
    for (size_t i = 0; i < calls.count; i++)
        assert(str_is_utf8(list[i].id) && str_is_utf8(list[i].name) && str_is_utf8(list[i].arguments));
    tool_calls_fini(&calls);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size == 0 ? 1 : size);
    if (copy == NULL)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    struct openai_piece piece;
    if (openai_read((struct str){copy, size}, &piece)) {
        assert(value_type(piece.root) == VALUE_OBJECT);
        assert(str_is_utf8(piece.text) && str_is_utf8(piece.reasoning) && str_is_utf8(piece.finish_reason));
        assert(str_is_utf8(piece.error) && str_is_utf8(piece.error_code));
        assert(piece.error.ptr != NULL || piece.error_code.len == 0);
        read_calls(&piece);
        value_unref(piece.root);
    } else {
        assert(piece.root == NULL);
    }
    free(copy);
    return 0;
}
