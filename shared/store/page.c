/*
 * page: see page.h.
 */
#include "shared/store/page.h"

/* bytes. A token of the longest key, decoded. */
#define TOKEN_BYTES_MAX ((size_t)PAGE_KEY_MAX * (STORE_NAME_BYTES_MAX + 1))

static bool decode(struct call *call, struct str token, struct str *ret);

enum status_code page_init(struct call *call, int32_t page_size, struct str page_token, size_t key_count,
                           struct page *ret, struct status *err)
{
    if (page_size < 0 || page_size > STORE_PAGE_MAX)
        return status_field(err, "page_size", "must be 1 to %d, or 0 for %d", STORE_PAGE_MAX,
                            STORE_PAGE_DEFAULT);
    *ret = (struct page){.size = page_size == 0 ? STORE_PAGE_DEFAULT : page_size,
                         .key = {STR(""), STR(""), STR("")},
                         .is_first = page_token.len == 0};
    if (ret->is_first)
        return STATUS_OK;
    struct str rest;
    size_t count = 0;
    bool is_good = decode(call, page_token, &rest) && str_is_utf8(rest);
    for (struct str part; is_good && str_split(&rest, '\0', &part); count++) {
        if (count < key_count)
            ret->key[count] = part;
    }
    if (!call->is_short && (!is_good || count != key_count))
        return status_field(err, "page_token", "is not one of this list");
    return call_end(call, STATUS_OK, err);
}

struct str page_token(struct call *call, const struct str *key, size_t key_count)
{
    struct str joined = call_join(call, key, key_count);
    struct buf text;
    buf_init(&text, TOKEN_BYTES_MAX * 2);
    base64_put(&text, joined);
    struct str token = buf_str(&text);
    call_keep(call, &token);
    if (text.failed)
        call->is_short = true;
    buf_fini(&text);
    return token;
}

static bool decode(struct call *call, struct str token, struct str *ret)
{
    struct buf raw;
    buf_init(&raw, TOKEN_BYTES_MAX + 2); /* base64 comes in groups of three */
    if (!buf_reserve(&raw, raw.max)) {
        call->is_short = true;
        return false;
    }
    bool is_base64 = base64_get(&raw, token);
    if (is_base64) {
        *ret = buf_str(&raw);
        call_keep(call, ret);
    }
    buf_fini(&raw);
    return is_base64 && !call->is_short;
}
