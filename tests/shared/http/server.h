/*
 * server: a tiny HTTP server on the loop of a test. What it answers is up to the test, byte by byte.
 */
#pragma once
#include "shared/base/buf.h"
#include <uv.h>

struct server;
struct connection;

/* request: one whole request, head and body; closed: the peer ended the connection. */
struct server_script {
    void (*request)(struct connection *c, struct str request, void *arg);
    void (*closed)(struct connection *c, void *arg);
};

struct server *server_new(uv_loop_t *loop, const struct server_script *script, void *arg);
void server_close(struct server *s); /* with its connections; freed as the loop runs on */
int server_port(const struct server *s);
unsigned server_connections(const struct server *s); /* ever accepted */

void connection_send(struct connection *c, const char *text);
void connection_send_bytes(struct connection *c, struct str bytes);
void connection_close(struct connection *c); /* what was sent is delivered first */
void connection_reset(struct connection *c);
