/*
 * sqlite_schema: see sqlite_schema.h. A released step never changes; a new one only adds what the release before can live
 * with, and takes away what it no longer uses.
 *
 * workspace_id is in every table and every unique key, but for one: a key's hash says which workspace it belongs to, so it
 * must be one of a kind in all of them. Ids are UUIDs as text, times Unix ms, booleans 0 and 1. Large columns come last:
 * SQLite reads a row up to the last column asked for.
 */
#include "shared/store/sqlite_schema.h"

static const char control_tables[] =
    "create table settings ("
    "  workspace_id text not null default 'default',"
    "  name text not null,"
    "  value text not null,"
    "  primary key (workspace_id, name)"
    ") strict, without rowid;"
    "insert into settings (name, value) values ('config_generation', '0');"

    "create table apps ("
    "  workspace_id text not null default 'default',"
    "  id text not null,"
    "  name text not null,"
    "  mode text not null,"
    "  disabled integer not null default 0,"
    "  published_version_id text not null,"
    "  max_active_requests integer not null default 0,"
    "  requests_per_minute integer not null default 0,"
    "  record integer not null default 0,"
    "  retention_days integer not null default 0,"
    "  created_at_ms integer not null,"
    "  updated_at_ms integer not null,"
    "  primary key (workspace_id, id),"
    "  foreign key (workspace_id, id, published_version_id)"
    "    references app_versions (workspace_id, app_id, id) deferrable initially deferred"
    ") strict, without rowid;"
    "create index apps_by_name on apps (workspace_id, name, id);"

    "create table app_versions ("
    "  workspace_id text not null default 'default',"
    "  app_id text not null,"
    "  id text not null,"
    "  number integer not null,"
    "  mode text not null,"
    "  content_hash blob not null,"
    "  fail_when_reached integer not null default 0,"
    "  dsl_version text not null default '',"
    "  created_at_ms integer not null,"
    "  verdict text not null,"
    "  dsl text not null,"
    "  primary key (workspace_id, app_id, id),"
    "  unique (workspace_id, app_id, number),"
    "  unique (workspace_id, app_id, content_hash),"
    "  foreign key (workspace_id, app_id) references apps (workspace_id, id) on delete cascade"
    ") strict;"

    "create table app_environment ("
    "  workspace_id text not null default 'default',"
    "  app_id text not null,"
    "  name text not null,"
    "  value_type text not null,"
    "  value text,"  /* of a variable that is no secret */
    "  sealed blob," /* of one that is, and the id of the key that sealed it */
    "  key_id text,"
    "  updated_at_ms integer not null,"
    "  primary key (workspace_id, app_id, name),"
    "  foreign key (workspace_id, app_id) references apps (workspace_id, id) on delete cascade,"
    "  check ((value is null) = (sealed is not null) and (sealed is null) = (key_id is null))"
    ") strict;"

    "create table api_keys ("
    "  workspace_id text not null default 'default',"
    "  id text not null,"
    "  app_id text not null,"
    "  name text not null,"
    "  prefix text not null,"
    "  key_hash blob not null,"
    "  created_at_ms integer not null,"
    "  last_used_at_ms integer not null default 0,"
    "  primary key (workspace_id, id),"
    "  unique (key_hash),"
    "  foreign key (workspace_id, app_id) references apps (workspace_id, id) on delete cascade"
    ") strict, without rowid;"
    "create index api_keys_by_app on api_keys (workspace_id, app_id, id);"

    "create table credentials ("
    "  workspace_id text not null default 'default',"
    "  id text not null,"
    "  provider text not null,"
    "  protocol text not null,"
    "  name text not null,"
    "  base_url text not null,"
    "  models text not null," /* globs, one a line */
    "  weight integer not null,"
    "  disabled integer not null default 0,"
    "  created_at_ms integer not null,"
    "  updated_at_ms integer not null,"
    "  sealed blob,"
    "  key_id text,"
    "  primary key (workspace_id, id),"
    "  unique (workspace_id, provider, name),"
    "  check ((sealed is null) = (key_id is null))"
    ") strict;"

    "create table models ("
    "  workspace_id text not null default 'default',"
    "  provider text not null,"
    "  model text not null,"
    "  protocol text not null,"
    "  upstream_model text not null,"
    "  context_size integer not null,"
    "  prompt_unit_price text not null,"
    "  completion_unit_price text not null,"
    "  price_unit text not null,"
    "  currency text not null,"
    "  updated_at_ms integer not null,"
    "  primary key (workspace_id, provider, model)"
    ") strict, without rowid;";

/* What a credential may carry and why it rests; who goes first. Defaults are what the release before meant. */
static const char models_grow[] =
    "alter table credentials add column requests_per_minute integer not null default 0;"
    "alter table credentials add column tokens_per_minute integer not null default 0;"
    "alter table credentials add column max_concurrent integer not null default 0;"
    "alter table credentials add column disabled_reason text not null default '';"
    "alter table credentials add column fresh_since_ms integer not null default 0;" /* credential.h */
    "alter table models add column affinity integer not null default 0;"
    "alter table apps add column priority integer not null default 0;"

    "create table rests ("
    "  workspace_id text not null default 'default',"
    "  credential_id text not null,"
    "  model text not null," /* as the provider is asked for it */
    "  until_ms integer not null,"
    "  reason text not null,"
    "  seen_by text not null,"
    "  primary key (workspace_id, credential_id, model),"
    "  foreign key (workspace_id, credential_id) references credentials (workspace_id, id) on delete cascade"
    ") strict, without rowid;";

const struct db_migration sqlite_migrations[SQLITE_MIGRATION_COUNT] = {{1, control_tables}, {2, models_grow}};
