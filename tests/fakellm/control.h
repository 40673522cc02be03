#ifndef FAKELLM_CONTROL_H
#define FAKELLM_CONTROL_H

#include "chat.h"

/* control: the program's own requests, by which tests look at it and change it. */
struct control {
    struct chat_service *service;
    struct http_server *server;
    struct script *first_script; /* what a reset goes back to */
    struct rule defaults;
    bool is_burst;
};

void control_requests(struct control *control, struct http_conn *conn);
void control_stats(struct control *control, struct http_conn *conn);
void control_reset(struct control *control, struct http_conn *conn);
void control_script(struct control *control, struct http_conn *conn, struct span body);

/* GET /v1/models: the models the script's rules name, after "fake-model". */
void control_models(struct control *control, struct http_conn *conn);

#endif
