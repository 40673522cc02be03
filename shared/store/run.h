/*
 * run: records of runs. See store.h for calls, results, errors and threads; the store is one of records (STORE_RECORDS). They are
 * written by journals (journal.h) and, when an executor is lost, by store_run_close().
 */
#pragma once
#include "shared/store/app.h"

/* rows. Looked at for one page by token: filters that no index serves stop there, and the next page goes on. */
#define STORE_RUN_SCAN_MAX 2000
/* rows. Looked at for a total, and before a page by number. */
#define STORE_RUN_COUNT_MAX 100000

/*
 * Ids are UUIDs as text, "" for none; status and end_reason are the numbers of heddle.v1.RunStatus and EndReason.
 * usage    heddle.v1.Usage, serialized; "": none
 * nodes    field `nodes` of heddle.v1.Run on the wire, all of them; only from store_run_get()
 * inputs, outputs, error, answer   not in lists (error is). inputs and outputs: JSON, "": not kept
 */
struct store_run {
    struct str run_id, app_id, version_id, end_user_id, conversation_id, message_id;
    struct str user, end_user_type;
    int32_t version_number; /* 0: not known */
    enum store_app_mode mode;
    enum store_record record;
    int32_t status, end_reason;
    uint32_t attempt;
    int64_t created_at_ms, finished_at_ms; /* finished 0: it runs */
    int64_t elapsed_ms, total_tokens;
    int32_t total_steps, exceptions_count;
    struct str usage, error, inputs, outputs, nodes;
    struct str answer,
        answer_files; /* of a chat app's message; files: as ConversationMessage has them on the wire */
};

/*
 * next_page_token   "" for the last page. A page may be short, even empty, and have one: STORE_RUN_SCAN_MAX
 * total             with with_total; with total_is_least there may be more: STORE_RUN_COUNT_MAX
 */
struct store_run_page {
    const struct store_run *runs; /* newest first */
    size_t count;
    struct str next_page_token;
    int64_t total;
    bool total_is_least;
};

typedef void (*store_run_done)(void *arg, const struct store_run *run, const struct status *status);
typedef void (*store_run_page_done)(void *arg, const struct store_run_page *page,
                                    const struct status *status);

struct store_run_ref {
    struct str workspace_id;
    struct str run_id;
    struct str app_id;      /* "": of any */
    struct str end_user_id; /* "": of any */
};
/* NOT_FOUND   RUN_NOT_FOUND: there is none, it is not recorded, or it is another's */
MUST_CHECK enum status_code store_run_get(struct store *records, const struct store_run_ref *request,
                                          store_run_done done, void *arg, struct status *err);

struct store_run_list {
    struct str workspace_id;
    struct str app_id;                           /* not empty */
    struct str end_user_id, conversation_id;     /* "": all */
    int32_t status, end_reason;                  /* 0: all */
    int64_t created_after_ms, created_before_ms; /* at or after; before. 0: no bound */
    struct str keyword;                          /* in inputs, outputs or user; "": all */
    int32_t page_size;                           /* as store_app_list */
    struct str page_token;
    int32_t page; /* from 1; 0: by page_token */
    bool with_total;
};
/* INVALID_ARGUMENT   page_size, page_token, page (also: more than STORE_RUN_COUNT_MAX lie before it) */
MUST_CHECK enum status_code store_run_list(struct store *records, const struct store_run_list *request,
                                           store_run_page_done done, void *arg, struct status *err);

/*
 * A run whose executor was lost, as the gateway knows it: closed, with its message, if this attempt or an earlier one has not
 * ended. When its beginning was not recorded yet, it is recorded now, so that its executor, should it live, can add nothing any
 * more. Gives the run as it stands then (as store_run_get()). With a record of STORE_RECORD_NONE, and when the id is that of
 * another app's run: as it was asked for.
 */
struct store_run_close {
    struct str workspace_id, run_id, app_id, version_id, end_user_id, conversation_id, message_id;
    struct str user, end_user_type;
    enum store_app_mode mode;
    enum store_record record;
    uint32_t attempt;
    int32_t status, end_reason;
    struct str error;
    int64_t created_at_ms, finished_at_ms;
};
MUST_CHECK enum status_code store_run_close(struct store *records, const struct store_run_close *request,
                                            store_run_done done, void *arg, struct status *err);

/* The records of an app that was deleted are removed soon, in small steps (instance.h). */
MUST_CHECK enum status_code store_run_remove_app(struct store *records, const struct store_app_ref *request,
                                                 store_done done, void *arg, struct status *err);
