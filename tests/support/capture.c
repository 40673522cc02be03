/*
 * capture: see capture.h.
 */
#include "tests/support/capture.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void capture_begin(struct capture *c, int fd)
{
    fflush(NULL);
    c->fd = fd;
    c->saved_fd = dup(fd);
    c->file = memfd_create("capture", MFD_CLOEXEC);
    assert(c->saved_fd >= 0 && c->file >= 0);
    int rc = dup2(c->file, fd);
    assert(rc == fd);
}

char *capture_end(struct capture *c)
{
    fflush(NULL);
    int rc = dup2(c->saved_fd, c->fd);
    assert(rc == c->fd);
    close(c->saved_fd);

    struct stat st;
    rc = fstat(c->file, &st);
    assert(rc == 0);
    char *text = malloc((size_t)st.st_size + 1);
    assert(text != NULL);
    ssize_t got = pread(c->file, text, (size_t)st.st_size, 0);
    assert(got == st.st_size);
    text[got] = '\0';
    close(c->file);
    return text;
}
