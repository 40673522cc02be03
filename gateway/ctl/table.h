/*
 * table: rows of text in aligned columns, for people.
 * Threads  belongs to one thread.
 */
#pragma once
#include "shared/base/buf.h"

/* columns. */
#define TABLE_COLUMNS_MAX 8

struct table {
    size_t columns;
    struct buf cells; /* texts, each ended by NUL */
    size_t widths[TABLE_COLUMNS_MAX];
    size_t count; /* cells so far */
};

/* headings: `columns` texts, the first row. */
void table_init(struct table *t, size_t columns, const char *const *headings);
/* The next cell, row by row. Control characters are shown as '?': texts of a server must not steer a terminal. */
void table_put(struct table *t, struct str text);
/* Appends the table; the last column is not padded. Frees the cells. */
void table_print(struct table *t, struct buf *ret);

/* Columns that valid UTF-8 takes on a terminal: wide East Asian characters and emoji take two, combining marks none. */
size_t text_width(struct str text);
/* Appends text with control characters (all but line feed and tab) as '?'. */
void text_put_safe(struct buf *b, struct str text);
