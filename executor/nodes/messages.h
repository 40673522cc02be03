/*
 * messages: what is sent to a model, under construction: texts, and files the provider fetches from their addresses
 * (dify-dsl.md 4.3, steps 6 to 8). They end with the attempt of the node.
 */
#pragma once
#include "executor/nodes/node.h"

struct model_files { /* zeroed: none; the list lies in the scratch arena */
    struct model_file *list;
    size_t count, cap;
};
/*
 * Adds the files of a value (a file, or a list with files in it) that can be sent: images with an address. Texts are borrowed
 * of v. False: no memory.
 * detail  "high", "low" or empty
 */
MUST_CHECK bool model_files_add(struct node_exec *x, struct model_files *files, const struct value *v,
                                struct str detail);

struct messages;
/* At most `max` messages. NULL: no memory. */
struct messages *messages_new(struct node_exec *x, size_t max);
/* files may be NULL. A message with neither text nor files is left out. Failure is told at the end. */
void messages_put(struct messages *m, struct str role, struct value *take_text,
                  const struct model_files *files);
/* Of the assistant, who wants a tool called (call is borrowed until the end of the attempt), and what the tool says. */
void messages_put_call(struct messages *m, struct value *take_text, const struct model_tool_call *call);
void messages_put_result(struct messages *m, struct value *take_text, const struct model_tool_call *call);
/* In front of the text of the last message if that is a user's, else a message of their own. */
void messages_put_vision(struct messages *m, const struct model_files *files);
/* In front of the text of the first message of that role, which becomes the first of all; else a message of its own. */
void messages_put_first(struct messages *m, struct str role, struct str text);
size_t messages_count(const struct messages *m);
/*
 * What is to be sent; borrowed of m.
 * ret_record  array of {role, text, files}, of a call also tool_calls; the caller owns it. False: something found no memory.
 */
MUST_CHECK bool messages_end(struct messages *m, const struct model_message **ret_list, size_t *ret_count,
                             struct value **ret_record);
