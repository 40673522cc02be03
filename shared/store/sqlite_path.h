/* sqlite_path: names of the files that make up a store of SQLite. Used inside shared/store. */
#pragma once
#include <stdbool.h>

/*
 * The path with `part` put before its last extension ("heddle.db", ".records" → "heddle.records.db"), or in its place
 * (".presence" → "heddle.presence"). The caller frees it; NULL: no memory.
 */
char *sqlite_path(const char *path, const char *part, bool keeps_extension);
