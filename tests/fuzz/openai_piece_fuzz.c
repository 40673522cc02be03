// libs: heddle_model
/*
 * Pieces of answers: whatever a provider sends, what is read of it is UTF-8, and a failure leaves nothing behind.
 */
#include "executor/model/openai.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

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
        value_unref(piece.root);
    } else {
        assert(piece.root == NULL);
    }
    free(copy);
    return 0;
}
