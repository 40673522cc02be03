/* list: see the header. */
#include "gateway/ctl/list.h"

#include <assert.h>

struct items {
    ProtobufCMessage *const *messages;
    size_t count;
    char *next_page_token;
};

static struct items reply_items(const ProtobufCMessage *reply)
{
    const ProtobufCFieldDescriptor *items = NULL, *next = protobuf_c_message_descriptor_get_field_by_name(
                                                      reply->descriptor, "next_page_token");
    for (unsigned i = 0; i < reply->descriptor->n_fields && items == NULL; i++) {
        if (reply->descriptor->fields[i].label == PROTOBUF_C_LABEL_REPEATED)
            items = &reply->descriptor->fields[i];
    }
    assert(items != NULL && next != NULL);
    const char *base = (const char *)reply;
    return (struct items){
        .messages = *(ProtobufCMessage *const *const *)(base + items->offset),
        .count = *(const size_t *)(base + items->quantifier_offset),
        .next_page_token = *(char *const *)(base + next->offset),
    };
}

enum ctl_exit list_print(struct ctl *ctl, enum ctl_method method, const ProtobufCMessage *request,
                         char **page_token, size_t columns, const char *const *headings,
                         void (*put_row)(struct table *t, const ProtobufCMessage *item))
{
    struct table t;
    struct buf text;
    buf_init(&text, CTL_OUTPUT_BYTES_MAX);
    table_init(&t, columns, headings);
    ProtobufCMessage *page = NULL;
    do {
        ProtobufCMessage *reply = session_admin(ctl, method, request);
        if (page != NULL)
            protobuf_c_message_free_unpacked(page, NULL);
        page = reply;
        if (page == NULL)
            break;
        struct items items = reply_items(page);
        for (size_t i = 0; i < items.count; i++) {
            if (ctl->is_json)
                message_put_json(&text, items.messages[i], JSON_ONE_LINE);
            else
                put_row(&t, items.messages[i]);
        }
        *page_token = items.next_page_token;
    } while ((*page_token)[0] != '\0');
    if (ctl->is_json)
        buf_fini(&t.cells);
    else
        table_print(&t, &text);
    if (page == NULL) {
        buf_fini(&text);
        return CTL_FAILED;
    }
    protobuf_c_message_free_unpacked(page, NULL);
    return print_buf(&text);
}

void table_put_time(struct table *t, int64_t wall_ms)
{
    struct buf cell;
    buf_init(&cell, 64);
    put_time(&cell, wall_ms);
    table_put(t, buf_str(&cell));
    buf_fini(&cell);
}

void table_put_int(struct table *t, int64_t number)
{
    struct buf cell;
    buf_init(&cell, 64);
    buf_put_i64(&cell, number);
    table_put(t, buf_str(&cell));
    buf_fini(&cell);
}

void table_put_words(struct table *t, char *const *words, size_t count)
{
    struct buf cell;
    buf_init(&cell, 1024 * 1024);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_put_char(&cell, ' ');
        buf_put_c(&cell, words[i]);
    }
    table_put(t, buf_str(&cell));
    buf_fini(&cell);
}
