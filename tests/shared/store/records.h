/*
 * records: a store of records in a fixture (f->store), rows put into it as a journal writes them, and each domain function
 * as a call that waits and copies its result into the fixture's arena.
 */
#pragma once
#include "shared/store/conversation.h"
#include "shared/store/message_thread.h"
#include "shared/store/run.h"
#include "tests/shared/store/fixture.h"

/* f->store holds records, with MASTER_KEY_A. */
int records_setup(void **state);
/* A connection of its own to the records. */
struct db *records_connect(struct fixture *f);
/* A number by a statement of its own connection. */
int64_t records_number(struct fixture *f, const char *statement);
void records_script(struct fixture *f, const char *script);

/* A lower-case UUID for each kind ('a' to 'f') and number; those of one kind sort by number. In f's arena. */
struct str id_of(struct fixture *f, char kind, int number);

/* Rows. Without a workspace: "default". The attempt is 1, the owner `owner`. */
void put_run(struct fixture *f, const struct store_run *run);
void put_run_as(struct fixture *f, const char *workspace_id, int owner, const struct store_run *run);
void put_nodes(struct fixture *f, struct str run_id, int part, struct str nodes);
struct conversation_row {
    struct str id, app_id, end_user_id, name, inputs;
    int64_t created_at_ms, updated_at_ms;
};
void put_conversation(struct fixture *f, const struct conversation_row *row);
void put_message(struct fixture *f, struct str conversation_id, const struct store_message *message);
void put_query_files(struct fixture *f, struct str message_id, const char *json);
struct variable_row {
    struct str id, name, value;
    int64_t created_at_ms;
};
void put_variable(struct fixture *f, struct str conversation_id, const struct variable_row *row);

enum status_code get_run(struct fixture *f, const struct store_run_ref *r, struct store_run *ret);
enum status_code list_runs(struct fixture *f, const struct store_run_list *r, struct store_run_page *ret);
enum status_code close_run(struct fixture *f, const struct store_run_close *r, struct store_run *ret);
enum status_code remove_app_records(struct fixture *f, const struct store_app_ref *r);
enum status_code list_conversations(struct fixture *f, const struct store_conversation_list *r,
                                    struct store_conversation_page *ret);
enum status_code rename_conversation(struct fixture *f, const struct store_conversation_rename *r,
                                     struct store_conversation *ret);
enum status_code delete_conversation(struct fixture *f, const struct store_conversation_ref *r);
enum status_code list_messages(struct fixture *f, const struct store_message_list *r,
                               struct store_message_page *ret);
enum status_code list_variables(struct fixture *f, const struct store_conversation_variable_list *r,
                                struct store_conversation_variable_page *ret);
enum status_code load_thread(struct fixture *f, const struct store_message_thread_load *r,
                             struct store_message_thread *ret);
