/*
 * segments: how many TCP segments with data this process and a server have sent each other, as the kernel counted them: on
 * loopback nearly one for each write. Nothing has to be traced for it.
 * Threads  any
 */
#pragma once
#include <stdint.h>

/* Over all connections that are open to the port of "ADDRESS:PORT"; 0 for a unix socket. */
void segments_count(const char *target, uint64_t *ret_in, uint64_t *ret_out);
