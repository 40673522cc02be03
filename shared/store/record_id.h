/*
 * record_id: ids of records: 16 bytes in the database, UUIDs as text outside; "no id" is an empty blob and "". Used inside
 * shared/store.
 */
#pragma once
#include "shared/base/uuid.h"
#include "shared/store/call.h"

struct record_id {
    bool is_set;
    struct uuid uuid;
};
struct record_id record_id_of(struct str text);              /* "", or what is no UUID: none */
struct record_id record_id_from(struct str bytes);           /* of a column */
struct str record_id_bytes(const struct record_id *id);      /* borrowed */
struct db_value record_id_value(const struct record_id *id); /* borrowed */
bool record_id_is(const struct record_id *id, struct str bytes);
/* The text of a column, in the call's arena. */
struct str record_id_text(struct call *call, struct str bytes);
