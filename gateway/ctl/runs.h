/*
 * runs: chat, run and stop, and the gateway's health.
 * Threads  the main thread; while a stream is read, a watcher waits for Ctrl-C and then stops the run.
 */
#pragma once
#include "gateway/ctl/session.h"

enum ctl_exit chat(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit run_workflow(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit stop_task(struct ctl *ctl, const struct ctl_args *args);
enum ctl_exit gateway_health(struct ctl *ctl, const struct ctl_args *args);

/* {"name":"value",…} of NAME=VALUE words; false: said which word is not of that form. Exposed for its test. */
MUST_CHECK bool inputs_json(const struct ctl_args *args, struct buf *ret);
