/*
 * records: what has run, and what was said: runs and conversations of an app, over its API key.
 * Threads  the main thread.
 */
#pragma once
#include "gateway/ctl/session.h"
#include <protobuf-c/protobuf-c.h>

enum ctl_exit runs_list(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit runs_show(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit runs_tail(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit conversations_list(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit conversations_messages(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit conversations_variables(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit conversations_rename(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit conversations_delete(struct ctl *ctl, const struct ctl_args *args);

/* --- shared by the two files, and exposed for tests --- */

/* bytes. Of an enum's value in words, with its NUL. */
#define ENUM_WORD_BYTES 40
/* "END_REASON_NODE_FAILED" → "node-failed"; "?" for a value that has no name. The prefix ends with '_'. */
const char *enum_word(const ProtobufCEnumDescriptor *descriptor, int value, const char *prefix,
                      char ret[ENUM_WORD_BYTES]);
/* And back; '_' and capitals will do. False: there is none, and it is said which there are. */
MUST_CHECK bool enum_read(const char *option, const ProtobufCEnumDescriptor *descriptor, const char *prefix,
                          const char *word, int *ret);
/* "90s", "15m", "12h", "7d" in ms; false: said why. */
MUST_CHECK bool span_read(const char *option, const char *text, int64_t *ret_ms);
/* The beginning of a text, at most so many bytes, on one line; "..." says that there is more. */
void put_cut(struct buf *b, struct str text, size_t bytes_max);
/* --user, else "heddlectl". */
const char *user_option(const struct ctl_args *args);
