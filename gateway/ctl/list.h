/*
 * list: prints all pages of an AdminService list, as a table or as one JSON object a line.
 * Threads  the main thread.
 */
#pragma once
#include "gateway/ctl/session.h"
#include "gateway/ctl/table.h"

/*
 * Calls `method` page by page and prints the items of the reply's first repeated field.
 * page_token   of the request; moved on to each reply's next_page_token
 * put_row      puts one row of `columns` cells
 */
enum ctl_exit list_print(struct ctl *ctl, enum ctl_method method, const ProtobufCMessage *request,
                         char **page_token, size_t columns, const char *const *headings,
                         void (*put_row)(struct table *t, const ProtobufCMessage *item));
/* Cells of other kinds. */
void table_put_time(struct table *t, int64_t wall_ms);
void table_put_int(struct table *t, int64_t number);
/* Texts, separated by a space. */
void table_put_words(struct table *t, char *const *words, size_t count);
