/* page_reply: see the header. */
#include "gateway/api/page_reply.h"

#include "shared/rpc/wire.h"
#include <assert.h>

enum { PAGE_ITEMS = 1 };

void page_reply_init(struct page_reply *p)
{
    buf_init(&p->bytes, RECORD_REPLY_BYTES_MAX);
    p->starts[0] = 0;
    p->count = p->first = p->end = 0;
}

size_t page_reply_begin(struct page_reply *p, struct buf **ret_bytes)
{
    assert(p->count < STORE_PAGE_MAX);
    *ret_bytes = &p->bytes;
    return wire_put_begin(&p->bytes, PAGE_ITEMS);
}

void page_reply_end(struct page_reply *p, size_t mark)
{
    wire_put_end(&p->bytes, mark);
    p->starts[++p->count] = p->bytes.len;
}

void page_reply_cut(struct page_reply *p, enum page_cut cut)
{
    p->first = 0;
    p->end = p->count;
    if (p->bytes.failed)
        return;
    while (p->end - p->first > 1 && p->starts[p->end] - p->starts[p->first] > RECORD_REPLY_BYTES) {
        if (cut == PAGE_CUT_FRONT)
            p->first++;
        else
            p->end--;
    }
    buf_cut(&p->bytes, p->starts[p->end]);
    buf_drop(&p->bytes, p->starts[p->first]);
}
