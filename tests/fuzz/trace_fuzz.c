// libs: heddle_base
/*
 * What must hold for any traceparent and tracestates (one a line): what is taken comes back the same, a tracestate is never too
 * long, and joined once more it stays as it is.
 */
#include "shared/base/trace.h"
#include <assert.h>
#include <string.h>

enum { VALUES_MAX = 8 };

static void check_parent(struct str text)
{
    struct trace_context c, again;
    char written[TRACE_PARENT_LEN + 1];
    if (!trace_parse(text, &c))
        return;
    trace_format(&c, written);
    assert(trace_parse(str_c(written), &again));
    assert(memcmp(&c, &again, sizeof c) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size}, line, values[VALUES_MAX];
    char joined[TRACE_STATE_BYTES_MAX + 1], again[TRACE_STATE_BYTES_MAX + 1];
    size_t count = 0;
    if (size == 0)
        return 0;
    (void)str_split(&rest, '\n', &line);
    check_parent(line);
    while (count < VALUES_MAX && str_split(&rest, '\n', &line))
        values[count++] = line;
    size_t len = trace_state_join(values, count, joined);
    assert(len <= TRACE_STATE_BYTES_MAX && strlen(joined) == len);
    assert(trace_state_join(&(struct str){joined, len}, 1, again) == len && strcmp(joined, again) == 0);
    return 0;
}
