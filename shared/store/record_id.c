/* record_id: see the header. */
#include "shared/store/record_id.h"

#include <string.h>

struct record_id record_id_of(struct str text)
{
    struct record_id id = {.is_set = false};
    id.is_set = uuid_parse(text, &id.uuid);
    return id;
}

struct record_id record_id_from(struct str bytes)
{
    struct record_id id = {.is_set = bytes.len == sizeof id.uuid.bytes};
    if (id.is_set)
        memcpy(id.uuid.bytes, bytes.ptr, bytes.len);
    return id;
}

struct str record_id_bytes(const struct record_id *id)
{
    return (struct str){(const char *)id->uuid.bytes, id->is_set ? sizeof id->uuid.bytes : 0};
}

struct db_value record_id_value(const struct record_id *id)
{
    return DB_BLOB(record_id_bytes(id));
}

bool record_id_is(const struct record_id *id, struct str bytes)
{
    return str_eq(record_id_bytes(id), bytes);
}

struct str record_id_text(struct call *call, struct str bytes)
{
    struct record_id id = record_id_from(bytes);
    char *text = id.is_set ? call_array(call, UUID_TEXT_LEN + 1, 1) : NULL;
    if (text == NULL)
        return STR("");
    uuid_format(id.uuid, text);
    return (struct str){text, UUID_TEXT_LEN};
}
