/*
 * page: lists in pages by key, never by position: what comes and goes meanwhile neither repeats nor hides other items.
 * A page token is the sort key of the last item, as base64. Used inside shared/store.
 */
#pragma once
#include "shared/store/call.h"

/* texts. Of a sort key. */
#define PAGE_KEY_MAX 3

struct page {
    int64_t size;                 /* items of this page at most; ask the database for one more */
    struct str key[PAGE_KEY_MAX]; /* of the item before; all "" for the first page */
    bool is_first;
};

/* INVALID_ARGUMENT   page_size or page_token */
MUST_CHECK enum status_code page_init(struct call *call, int32_t page_size, struct str page_token,
                                      size_t key_count, struct page *ret, struct status *err);
/* Token of the page behind the item with this key. */
struct str page_token(struct call *call, const struct str *key, size_t key_count);
