#ifndef FAKELLM_CONTROL_H
#define FAKELLM_CONTROL_H

#include "chat.h"

/* control: the program's own requests, by which tests look at it and change it. */
struct control {
    struct chat_service *service;
    struct http_server *server;
    struct script *first_script; /* what a reset goes back to */
    struct limits *first_limits; /* likewise */
    struct script_options options;
};

/* Is the path one of these? Then it answers. */
bool control_request(struct control *control, struct http_conn *conn, const struct http_request *req);

#endif
