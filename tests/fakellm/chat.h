#ifndef FAKELLM_CHAT_H
#define FAKELLM_CHAT_H

#include "http.h"
#include "prompt.h"
#include "request_log.h"
#include "script.h"

/* chat: answers to requests for completions, along the timeline their rule asks for. */

/* What all answers share. Belongs to the program; outlives every exchange. */
struct chat_service {
    struct script *script; /* for requests from now on */
    struct request_log *log;
    struct text events; /* scratch: what is about to be sent */
};

/* Answers one request; handler functions of the exchange it sets are chat_resume() and chat_ended(). */
void chat_request(struct chat_service *service, enum prompt_kind kind, struct http_conn *conn,
                  const struct http_request *req);

void chat_resume(void *exchange);
void chat_ended(void *exchange, enum http_end how);

#endif
