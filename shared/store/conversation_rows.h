/* conversation_rows: what conversation.c reads for other files. Used inside shared/store, on a store thread. */
#pragma once
#include "shared/store/conversation.h"
#include "shared/store/db.h"

/* NOT_FOUND, CONVERSATION_NOT_FOUND, when there is none of this app and end user. */
MUST_CHECK enum status_code conversation_require(struct db *db, const struct store_conversation_ref *ref,
                                                 struct status *err);
