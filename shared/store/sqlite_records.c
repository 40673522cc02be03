/*
 * sqlite_records: the schema of the records' file; rules as in sqlite_schema.c.
 *
 * Ids are the 16 bytes of a UUID, so that keys stay short; "no id" is an empty blob. Keys are ordered by time (version 7), so
 * new rows go to the right edge of every index that begins with the app. Large columns come last.
 * status and end_reason are the numbers of heddle.v1.RunStatus and EndReason; finished_at_ms 0: not ended.
 */
#include "shared/store/sqlite_schema.h"

static const char record_tables[] =
    "create table instances ("
    "  id integer primary key autoincrement," /* never used again */
    "  kind text not null,"
    "  name text not null,"
    "  started_at_ms integer not null,"
    "  died_at_ms integer not null default 0"
    ") strict;"
    "create index instances_alive on instances (id) where died_at_ms = 0;"

    "create table runs ("
    "  workspace_id text not null default 'default',"
    "  id blob not null,"
    "  app_id blob not null,"
    "  version_id blob not null,"
    "  version_number integer not null,"
    "  mode integer not null,"   /* enum store_app_mode */
    "  record integer not null," /* enum store_record */
    "  end_user_id blob not null,"
    "  conversation_id blob not null,"
    "  message_id blob not null,"
    "  status integer not null,"
    "  end_reason integer not null default 0,"
    "  attempt integer not null,"
    "  owner integer not null," /* instances.id */
    "  created_at_ms integer not null,"
    "  finished_at_ms integer not null default 0,"
    "  elapsed_ms integer not null default 0,"
    "  total_tokens integer not null default 0,"
    "  total_steps integer not null default 0,"
    "  exceptions_count integer not null default 0,"
    "  user text not null,"
    "  end_user_type text not null,"
    "  usage blob,"
    "  error text,"
    "  inputs text,"
    "  outputs text"
    ") strict;"
    "create unique index runs_by_id on runs (workspace_id, id);"
    "create index runs_by_app on runs (workspace_id, app_id, created_at_ms, id);"
    "create index runs_by_user on runs (workspace_id, app_id, end_user_id, created_at_ms, id);"
    "create index runs_by_conversation on runs (workspace_id, app_id, conversation_id, created_at_ms, id) "
    "  where conversation_id <> x'';"
    /* Most runs succeed: these stay small, and a run that did costs them nothing. */
    "create index runs_by_status on runs (workspace_id, app_id, status, created_at_ms, id) where status <> 2;"
    "create index runs_by_reason on runs (workspace_id, app_id, end_reason, created_at_ms, id) "
    "  where end_reason > 1;"
    "create index runs_open on runs (owner) where finished_at_ms = 0;"

    /* Field `nodes` of heddle.v1.Run on the wire, as many as came with one commit. */
    "create table run_nodes ("
    "  workspace_id text not null default 'default',"
    "  run_id blob not null,"
    "  part integer not null,"
    "  nodes blob not null"
    ") strict;"
    "create unique index run_nodes_by_run on run_nodes (workspace_id, run_id, part);"

    "create table conversations ("
    "  workspace_id text not null default 'default',"
    "  id blob not null,"
    "  app_id blob not null,"
    "  end_user_id blob not null,"
    "  created_at_ms integer not null,"
    "  updated_at_ms integer not null,"
    "  name text not null," /* "": made from the first message when it is shown */
    "  introduction text not null,"
    "  inputs text"
    ") strict;"
    "create unique index conversations_by_id on conversations (workspace_id, id);"
    "create index conversations_by_use on conversations (workspace_id, app_id, end_user_id, updated_at_ms, "
    "id);"
    "create index conversations_by_age on conversations (workspace_id, app_id, end_user_id, created_at_ms, "
    "id);"

    "create table messages ("
    "  workspace_id text not null default 'default',"
    "  id blob not null,"
    "  conversation_id blob not null,"
    "  parent_id blob not null,"
    "  run_id blob not null,"
    "  status integer not null,"
    "  attempt integer not null,"
    "  owner integer not null,"
    "  created_at_ms integer not null,"
    "  finished_at_ms integer not null default 0,"
    "  error text,"
    "  usage blob,"
    "  query_files text,"
    "  user_files blob,"
    "  answer_files blob,"
    "  inputs text,"
    "  query text not null,"
    "  answer text not null default ''"
    ") strict;"
    "create unique index messages_by_id on messages (workspace_id, id);"
    "create index messages_by_conversation on messages (workspace_id, conversation_id, id);"
    "create index messages_open on messages (owner) where finished_at_ms = 0;"

    "create table conversation_variables ("
    "  workspace_id text not null default 'default',"
    "  conversation_id blob not null,"
    "  name text not null,"
    "  id blob not null,"
    "  value_type text not null,"
    "  description text not null,"
    "  created_at_ms integer not null,"
    "  updated_at_ms integer not null,"
    "  key_id text," /* of the key that sealed the value, when it holds a secret */
    "  sealed blob,"
    "  value text,"
    "  primary key (workspace_id, conversation_id, name),"
    "  check ((value is null) = (sealed is not null) and (sealed is null) = (key_id is null))"
    ") strict, without rowid;"

    /* Apps that are gone, whose records are still to be removed. */
    "create table removals ("
    "  workspace_id text not null default 'default',"
    "  app_id blob not null,"
    "  primary key (workspace_id, app_id)"
    ") strict, without rowid;";

const struct db_migration sqlite_record_migrations[SQLITE_RECORD_MIGRATION_COUNT] = {{1, record_tables}};
