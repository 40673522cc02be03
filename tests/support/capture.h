/*
 * capture: what a piece of code writes to stdout or stderr, as a text.
 * Threads  the test's main thread only; other threads' output is captured too.
 */
#pragma once

struct capture {
    int fd, saved_fd, file;
};

/* From here on what is written to `fd` (STDOUT_FILENO or STDERR_FILENO) goes into a file. */
void capture_begin(struct capture *c, int fd);
/* Undoes that. Returns what was written, NUL behind it; free it with free(). */
char *capture_end(struct capture *c);
