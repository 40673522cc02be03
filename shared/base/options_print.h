/*
 * options_print: what --help, --print-config and --print-options-md show. Used by options.c only.
 * Threads  at start only.
 */
#pragma once
#include "shared/base/options.h"

/* Usage, summary, commands, options with defaults and environment names; no line is wider than 100 columns. */
void options_put_help(const struct program *program, struct buf *b);
/* A Markdown table: option, default, meaning. */
void options_put_markdown(const struct program *program, struct buf *b);
/* One line name=value per option, secrets as ***. */
void options_put_config(const struct program *program, const void *config, struct buf *b);
/* HEDDLE_NAME and `suffix`: the environment variable of an option. */
void option_put_env_name(const struct option *option, const char *suffix, struct buf *b);
