/* run_end: see the header. */
#include "shared/base/run_end.h"

#include "shared/base/status.h"
#include <stddef.h>

static const char *word_at(const char *const *words, size_t count, int number)
{
    return number > 0 && (size_t)number < count ? words[number] : "unknown";
}

const char *run_status_word(int status)
{
    static const char *const words[] = {"unknown", "running", "succeeded", "partial_succeeded",
                                        "failed",  "stopped", "paused"};
    return word_at(words, ARRAY_LEN(words), status);
}

const char *end_reason_word(int reason)
{
    static const char *const words[] = {
        "unknown",    "completed",   "node_failed",   "stopped_by_user", "deadline",          "time_limit",
        "step_limit", "caller_gone", "executor_lost", "shutting_down",   "store_unavailable", "memory_limit"};
    return word_at(words, ARRAY_LEN(words), reason);
}
