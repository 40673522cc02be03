/*
 * page_reply: a page of items as field 1 of an answer, kept below RECORD_REPLY_BYTES by giving fewer items; one is always given.
 * Threads  plain functions.
 */
#pragma once
#include "gateway/api/record_call.h"
#include "shared/store/store.h"

struct page_reply {
    struct buf bytes;
    size_t starts[STORE_PAGE_MAX + 1]; /* of each item, and behind the last */
    size_t count;
    size_t first, end; /* items that are given, once it is cut */
};

/* Which items go when there are too many: a page that was read from the front goes on behind its last item. */
enum page_cut { PAGE_CUT_BACK, PAGE_CUT_FRONT };

void page_reply_init(struct page_reply *p);
/* The next item's fields go between the two. */
size_t page_reply_begin(struct page_reply *p, struct buf **ret_bytes);
void page_reply_end(struct page_reply *p, size_t mark);
/* Leaves out what is too much; p->first and p->end say what is left, of p->count. */
void page_reply_cut(struct page_reply *p, enum page_cut cut);
