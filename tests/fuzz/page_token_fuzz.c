// libs: heddle_store
/*
 * Page tokens as callers may make them up: refused, or a key of the asked number of parts that gives the same token again.
 */
#include "shared/store/page.h"
#include <stdlib.h>
#include <string.h>

static enum status_code no_run(struct call *call, struct db *db, struct status *err)
{
    (void)call, (void)db; /* never run */
    return status_set(err, STATUS_INTERNAL, "not to be run");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct call_type type = {CALL_READ, no_run, NULL};
    if (size < 1)
        return 0;
    size_t key_count = 1 + data[0] % PAGE_KEY_MAX;
    struct str token = {(const char *)data + 1, size - 1};
    struct call *call = call_new(sizeof *call, NULL, &type, NULL, NULL);
    if (call == NULL)
        return 0;
    struct page page;
    struct status err;
    if (page_init(call, 0, token, key_count, &page, &err) == STATUS_OK && !page.is_first) {
        struct page again;
        struct str same = page_token(call, page.key, key_count);
        if (page_init(call, 0, same, key_count, &again, &err) != STATUS_OK)
            abort();
        for (size_t i = 0; i < PAGE_KEY_MAX; i++) {
            if (!str_eq(page.key[i], again.key[i]))
                abort();
        }
    }
    call_free(call);
    return 0;
}
