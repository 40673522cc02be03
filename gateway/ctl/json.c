/* json: see the header. */
#include "gateway/ctl/json.h"

#include "google/protobuf/struct.pb-c.h"
#include "shared/base/crypto.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct printer {
    struct buf *b;
    enum json_layout layout;
    int depth;
};

static void put_message(struct printer *p, const ProtobufCMessage *message);

static void line(struct printer *p)
{
    if (p->layout == JSON_ONE_LINE)
        return;
    buf_put_char(p->b, '\n');
    for (int i = 0; i < p->depth; i++)
        buf_put_c(p->b, "  ");
}

static void open_bracket(struct printer *p, char c)
{
    buf_put_char(p->b, c);
    p->depth++;
}

static void close_bracket(struct printer *p, char c, bool is_empty)
{
    p->depth--;
    if (!is_empty)
        line(p);
    buf_put_char(p->b, c);
}

static void item(struct printer *p, bool is_first)
{
    if (!is_first)
        buf_put_c(p->b, p->layout == JSON_ONE_LINE ? ", " : ",");
    line(p);
}

/* The fewest digits that are read back as the same number: 0.1, not 0.10000000000000001. */
static void put_shortest(struct buf *b, double d)
{
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d)
            break;
    }
    buf_put_c(b, text);
}

static void put_double(struct buf *b, double d)
{
    if (isnan(d) || isinf(d))
        buf_put_c(b, isnan(d) ? "\"NaN\"" : d > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else if (d == floor(d) && fabs(d) < 1e15)
        buf_printf(b, "%.0f", d);
    else
        put_shortest(b, d);
}

static void put_struct_value(struct printer *p, const Google__Protobuf__Value *value);

static void put_struct(struct printer *p, const Google__Protobuf__Struct *s)
{
    open_bracket(p, '{');
    for (size_t i = 0; i < s->n_fields; i++) {
        item(p, i == 0);
        buf_put_json_string(p->b, str_c(s->fields[i]->key));
        buf_put_c(p->b, ": ");
        put_struct_value(p, s->fields[i]->value);
    }
    close_bracket(p, '}', s->n_fields == 0);
}

static void put_struct_value(struct printer *p, const Google__Protobuf__Value *value)
{
    switch (value == NULL ? GOOGLE__PROTOBUF__VALUE__KIND__NOT_SET : value->kind_case) {
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
        put_double(p->b, value->number_value);
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
        buf_put_json_string(p->b, str_c(value->string_value));
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        buf_put_c(p->b, value->bool_value ? "true" : "false");
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
        put_struct(p, value->struct_value);
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
        open_bracket(p, '[');
        for (size_t i = 0; i < value->list_value->n_values; i++) {
            item(p, i == 0);
            put_struct_value(p, value->list_value->values[i]);
        }
        close_bracket(p, ']', value->list_value->n_values == 0);
        break;
    default:
        buf_put_c(p->b, "null");
    }
}

static void put_bytes(struct buf *b, const ProtobufCBinaryData *bytes)
{
    buf_put_char(b, '"');
    base64_put(b, (struct str){(const char *)bytes->data, bytes->len});
    buf_put_char(b, '"');
}

static void put_enum(struct buf *b, const ProtobufCFieldDescriptor *field, int32_t number)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(field->descriptor, number);
    if (value != NULL)
        buf_put_json_string(b, str_c(value->name));
    else
        buf_put_i64(b, number);
}

/* One value of the field's type, at `at`. */
static void put_scalar(struct printer *p, const ProtobufCFieldDescriptor *field, const void *at)
{
    struct buf *b = p->b;
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        buf_put_i64(b, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        buf_put_u64(b, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        buf_printf(b, "\"%" PRId64 "\"", *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        buf_printf(b, "\"%" PRIu64 "\"", *(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        put_double(b, (double)*(const float *)at);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        put_double(b, *(const double *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        buf_put_c(b, *(const protobuf_c_boolean *)at ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(b, field, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_STRING:
        buf_put_json_string(b, str_c(*(char *const *)at));
        break;
    case PROTOBUF_C_TYPE_BYTES:
        put_bytes(b, at);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        put_message(p, *(ProtobufCMessage *const *)at);
        break;
    }
}

static size_t scalar_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    default:
        return 4;
    }
}

static bool is_default(const ProtobufCFieldDescriptor *field, const void *at)
{
    static const char zero[sizeof(ProtobufCBinaryData)];
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return str_c(*(char *const *)at).len == 0;
    if (field->type == PROTOBUF_C_TYPE_BYTES)
        return ((const ProtobufCBinaryData *)at)->len == 0;
    return memcmp(at, zero, scalar_size(field->type)) == 0;
}

/* Is there something to print? */
static bool is_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *)message;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)(base + field->quantifier_offset) > 0;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        return *(const uint32_t *)(base + field->quantifier_offset) == field->id;
    return !is_default(field, base + field->offset);
}

static void put_name(struct buf *b, const char *name)
{
    buf_put_char(b, '"');
    for (; *name != '\0'; name++) {
        if (*name == '_' && name[1] >= 'a' && name[1] <= 'z')
            buf_put_char(b, (char)(*++name - 'a' + 'A'));
        else
            buf_put_char(b, *name);
    }
    buf_put_c(b, "\": ");
}

static void put_field(struct printer *p, const ProtobufCMessage *message,
                      const ProtobufCFieldDescriptor *field)
{
    const char *at = (const char *)message + field->offset;
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        put_scalar(p, field, at);
        return;
    }
    size_t count = *(const size_t *)((const char *)message + field->quantifier_offset);
    const char *items = *(const char *const *)at;
    open_bracket(p, '[');
    for (size_t i = 0; i < count; i++) {
        item(p, i == 0);
        put_scalar(p, field, items + i * scalar_size(field->type));
    }
    close_bracket(p, ']', false);
}

static void put_message(struct printer *p, const ProtobufCMessage *message)
{
    if (message->descriptor == &google__protobuf__struct__descriptor) {
        put_struct(p, (const Google__Protobuf__Struct *)message);
        return;
    }
    if (message->descriptor == &google__protobuf__value__descriptor) {
        put_struct_value(p, (const Google__Protobuf__Value *)message);
        return;
    }
    bool is_first = true;
    open_bracket(p, '{');
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (!is_present(message, field))
            continue;
        item(p, is_first);
        is_first = false;
        put_name(p->b, field->name);
        put_field(p, message, field);
    }
    close_bracket(p, '}', is_first);
}

void json_put_safe(struct buf *b, struct str json)
{
    for (size_t i = 0; i < json.len; i++) {
        unsigned char c = (unsigned char)json.ptr[i],
                      next = i + 1 < json.len ? (unsigned char)json.ptr[i + 1] : 0;
        if (c == 0x7f) {
            buf_put_c(b, "\\u007f");
        } else if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
            buf_printf(b, "\\u%04x", next);
            i++;
        } else {
            buf_put_char(b, json.ptr[i]);
        }
    }
}

void message_put_json(struct buf *b, const ProtobufCMessage *message, enum json_layout layout)
{
    struct buf text;
    buf_init(&text, b->max);
    struct printer p = {.b = &text, .layout = layout};
    put_message(&p, message);
    json_put_safe(b, buf_str(&text));
    buf_put_char(b, '\n');
    b->failed |= text.failed;
    buf_fini(&text);
}
