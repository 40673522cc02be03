#ifndef FAKELLM_CHAT_H
#define FAKELLM_CHAT_H

#include "http.h"
#include "key_report.h"
#include "limits.h"
#include "request_log.h"
#include "route.h"
#include "script.h"

/* chat: answers to model requests. */

/* What all answers share. Belongs to the program; outlives every exchange. */
struct chat_service {
    struct script *script; /* for requests from now on */
    struct limits *limits; /* likewise */
    struct request_log *log;
    struct key_report *keys;
    struct rule plain;  /* how requests are answered that no rule is asked about */
    struct text events; /* scratch: what is about to be sent */
};

/* Answers one request; handler functions of the exchange it sets are chat_resume() and chat_ended(). */
void chat_request(struct chat_service *service, const struct route *route, struct http_conn *conn,
                  const struct http_request *req);

void chat_resume(void *exchange);
void chat_ended(void *exchange, enum http_end how);

#endif
