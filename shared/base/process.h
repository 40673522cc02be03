/*
 * process: what a server process does once at its start and at its end: signals, file descriptors.
 * Threads  the main thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/*
 * Blocks SIGTERM, SIGINT and SIGHUP for this thread and all started later, ignores SIGPIPE, raises the limit of open files to
 * what is allowed. Before any thread is started. Returns the number of files that may be open.
 */
int64_t process_prepare(void);
/* Waits for SIGTERM or SIGINT, at most wait_ms (negative: without end). True: one came. */
bool process_wait_signal(int64_t wait_ms);
