/*
 * wire_check: see wire_check.h. Walks the messages with a stack of its own. What it accepts must be what protobuf-c
 * accepts, or less: tests/fuzz/wire_fuzz.c compares the two.
 */
#include "shared/rpc/wire_check.h"
#include "shared/limits.h"
#include "shared/rpc/wire.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

/* fields. Of one message of our contracts; the largest has some 25. */
enum { FIELDS_MAX = 128 };

struct level {
    const ProtobufCMessageDescriptor *descriptor;
    struct str all, rest; /* the message, and what of it is not looked at yet */
    const ProtobufCFieldDescriptor *field;
    uint64_t seen[FIELDS_MAX / 64]; /* message fields that are not repeated, by index */
};

struct walk {
    size_t depth, fields;
    struct level levels[LIMIT_DEPTH];
};

static enum status_code check_field(struct walk *walk, const struct wire_field *field, struct status *err);
static enum status_code check_packed(struct walk *walk, struct str bytes, struct status *err);
static enum status_code check_string(struct walk *walk, struct str text, struct status *err);
static enum status_code enter(struct walk *walk, struct str bytes, struct status *err);
static bool has_long_tag(const char *start, uint32_t number);
static bool count(struct walk *walk, size_t more);
static enum wire_type wire_type_of(const ProtobufCFieldDescriptor *field);
static enum status_code refuse(const struct walk *walk, struct status *err, const char *words);
static void put_path(const struct walk *walk, char *path, size_t size);
static size_t index_of(const struct level *level);

enum status_code wire_check(const ProtobufCMessageDescriptor *descriptor, struct str bytes,
                            struct status *err)
{
    struct walk walk; /* levels are filled when they are entered */
    walk.depth = 1;
    walk.fields = 0;
    walk.levels[0] = (struct level){.descriptor = descriptor, .all = bytes, .rest = bytes};
    while (walk.depth > 0) {
        struct level *level = &walk.levels[walk.depth - 1];
        struct wire_field field;
        const char *start = level->rest.ptr;
        switch (wire_next(&level->rest, &field)) {
        case WIRE_END:
            walk.depth--;
            continue;
        case WIRE_BROKEN:
            level->field = NULL;
            return refuse(&walk, err, "not a protobuf message");
        case WIRE_FIELD:
            break;
        }
        level->field = protobuf_c_message_descriptor_get_field(level->descriptor, field.number);
        if (has_long_tag(start, field.number))
            return refuse(&walk, err, "not a protobuf message");
        if (!count(&walk, 1))
            return refuse(&walk, err, "too many fields");
        enum status_code rc = level->field == NULL ? STATUS_OK : check_field(&walk, &field, err);
        if (rc != STATUS_OK)
            return rc;
    }
    return STATUS_OK;
}

/* One field could be written in several ways; only the shortest is certain to mean the same to every reader. */
static bool has_long_tag(const char *start, uint32_t number)
{
    return (start[wire_varint_size((uint64_t)number << 3) - 1] & 0x80) != 0;
}

static bool count(struct walk *walk, size_t more)
{
    if (more > LIMIT_WIRE_FIELDS - walk->fields)
        return false;
    walk->fields += more;
    return true;
}

static enum status_code check_field(struct walk *walk, const struct wire_field *field, struct status *err)
{
    const ProtobufCFieldDescriptor *known = walk->levels[walk->depth - 1].field;
    if (field->type == WIRE_BYTES && known->label == PROTOBUF_C_LABEL_REPEATED &&
        wire_type_of(known) != WIRE_BYTES)
        return check_packed(walk, field->bytes, err);
    if (field->type != wire_type_of(known))
        return refuse(walk, err, "another type than the contract's");
    if (known->type == PROTOBUF_C_TYPE_STRING)
        return check_string(walk, field->bytes, err);
    if (known->type == PROTOBUF_C_TYPE_MESSAGE)
        return enter(walk, field->bytes, err);
    return STATUS_OK;
}

static enum wire_type wire_type_of(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        return WIRE_VARINT;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_FIXED32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        break;
    }
    return WIRE_BYTES;
}

/* Elements of a repeated number, one behind the other. */
static enum status_code check_packed(struct walk *walk, struct str bytes, struct status *err)
{
    enum wire_type type = wire_type_of(walk->levels[walk->depth - 1].field);
    size_t elements = 0, size = type == WIRE_FIXED64 ? 8 : 4;
    if (type != WIRE_VARINT) {
        if (bytes.len % size != 0)
            return refuse(walk, err, "not a protobuf message");
        elements = bytes.len / size;
    }
    uint64_t value;
    for (; type == WIRE_VARINT && bytes.len > 0; elements++) {
        if (!wire_next_varint(&bytes, &value))
            return refuse(walk, err, "not a protobuf message");
    }
    return count(walk, elements) ? STATUS_OK : refuse(walk, err, "too many fields");
}

static enum status_code check_string(struct walk *walk, struct str text, struct status *err)
{
    if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL)
        return refuse(walk, err, "holds a NUL character");
    if (!str_is_utf8(text))
        return refuse(walk, err, "not UTF-8");
    return STATUS_OK;
}

static enum status_code enter(struct walk *walk, struct str bytes, struct status *err)
{
    struct level *level = &walk->levels[walk->depth - 1];
    if (level->field->label != PROTOBUF_C_LABEL_REPEATED) {
        size_t index = (size_t)(level->field - level->descriptor->fields);
        assert(index < FIELDS_MAX);
        uint64_t bit = (uint64_t)1 << (index % 64);
        if ((level->seen[index / 64] & bit) != 0)
            return refuse(walk, err, "occurs more than once");
        level->seen[index / 64] |= bit;
    }
    if (walk->depth == LIMIT_DEPTH)
        return refuse(walk, err, "nested too deeply");
    walk->levels[walk->depth++] =
        (struct level){.descriptor = level->field->descriptor, .all = bytes, .rest = bytes};
    return STATUS_OK;
}

/* The field at fault is the one each level stands at. */
static enum status_code refuse(const struct walk *walk, struct status *err, const char *words)
{
    char path[sizeof err->field];
    put_path(walk, path, sizeof path);
    if (path[0] == '\0')
        return status_reason(err, STATUS_INVALID_ARGUMENT, "INVALID_FIELD", "request: %s", words);
    return status_field(err, path, "%s", words);
}

/* "inputs.fields[3].value"; cut when it is longer. */
static void put_path(const struct walk *walk, char *path, size_t size)
{
    size_t used = 0;
    path[0] = '\0';
    for (size_t i = 0; i < walk->depth && walk->levels[i].field != NULL && used < size; i++) {
        const struct level *level = &walk->levels[i];
        int n = snprintf(path + used, size - used, "%s%s", i == 0 ? "" : ".", level->field->name);
        used += n > 0 ? (size_t)n : 0;
        if (level->field->label == PROTOBUF_C_LABEL_REPEATED && used < size) {
            n = snprintf(path + used, size - used, "[%zu]", index_of(level));
            used += n > 0 ? (size_t)n : 0;
        }
    }
}

/* How many fields of the same number come before the one the level stands at (its last one read). */
static size_t index_of(const struct level *level)
{
    struct str rest = level->all;
    struct wire_field field;
    size_t same = 0;
    while (rest.ptr < level->rest.ptr && wire_next(&rest, &field) == WIRE_FIELD)
        same += field.number == level->field->id;
    return same > 0 ? same - 1 : 0;
}
