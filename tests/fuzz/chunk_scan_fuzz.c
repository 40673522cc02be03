// libs: heddle_model
/*
 * Chunks read by hand: whatever is read so, the parser of JSON reads the same way.
 */
#include "executor/model/chunk_scan.h"
#include "executor/model/openai.h"
#include "executor/model/tool_calls.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size == 0 ? 1 : size);
    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    struct str json = {copy, size};
    struct buf scratch;
    struct protocol_piece scanned = {.prompt_tokens = -1, .completion_tokens = -1}, parsed;
    buf_init(&scratch, PROTOCOL_PIECE_BYTES_MAX);
    if (chunk_scan(json, &scratch, &scanned)) {
        struct openai_reader reader = {.root = NULL};
        struct tool_calls calls = {0};
        /* A whole body is never scanned, and a chunk in its place is read alike. */
        bool is_good = openai_read(&reader, STR(""), json, true, &calls, &parsed);
        assert(is_good);
        assert(str_eq(scanned.text, parsed.text));
        assert(str_eq(scanned.reasoning, parsed.reasoning));
        assert(str_eq(scanned.finish_reason, parsed.finish_reason));
        assert(parsed.error.ptr == NULL && !parsed.has_usage && !parsed.is_last && calls.count == 0);
        tool_calls_fini(&calls);
        openai_reader_fini(&reader);
    }
    buf_fini(&scratch);
    free(copy);
    return 0;
}
