/*
 * records_fill: a store's records for records_bench: runs of two apps, conversations with their messages and variables. What
 * belongs to which is known by numbers, so that a question can be asked without looking.
 */
#pragma once
#include "shared/base/uuid.h"
#include "shared/store/db.h"

enum {
    RECORDS_MESSAGES = 10,        /* of a conversation */
    RECORDS_LONG_MESSAGES = 2000, /* of one more conversation, behind all others; they have no runs */
    RECORDS_RUN_MS = 250,         /* between the beginnings of two runs */
    RECORDS_NODES_BYTES = 1500    /* records of three nodes */
};
static const int64_t records_first_ms = 1700000000000; /* of run 0 */

/* What an id is of, and numbers of apps. */
enum records_group { APP_GROUP, USER_GROUP, RUN_GROUP, CHAT_GROUP, MESSAGE_GROUP, VARIABLE_GROUP };
enum { WORKFLOW = 1, CHAT = 2 };

struct records {
    int64_t runs, chats, users;
};
/* About so many runs. */
struct records records_of(int64_t runs);

struct uuid records_id(enum records_group group, int64_t n);
/* The end user of a conversation; number 0 has a fifth of all. */
int64_t records_user_of_chat(const struct records *r, int64_t chat);

/* Puts them into an empty file. */
MUST_CHECK enum status_code records_fill(struct db *db, const struct records *r, struct status *err);
