#ifndef FAKELLM_TIMELINE_H
#define FAKELLM_TIMELINE_H

#include "chat.h"
#include "pack.h"
#include "provider_error.h"
#include "reply.h"

/* timeline: what of an answer is sent when, and where it breaks off. */

enum {
    ANSWER_BYTES_MAX = 112 * 1024 * 1024 /* a whole reply of REPLY_BYTES_MAX with all its bytes escaped */
};

enum chat_kind {
    CHAT_STREAM, /* events as they come due */
    CHAT_WHOLE,  /* one body, when its last word is due */
    CHAT_ERROR   /* one body, when the first word would be due */
};

struct chat {
    struct chat_service *service;
    struct http_conn *conn;
    struct log_entry *entry;
    struct key_row *row;
    struct script *script; /* keeps `rule`, unless that is the service's */
    const struct rule *rule;
    enum chat_kind kind;
    enum protocol protocol;
    struct provider_error error; /* if it is to be said */

    struct limit_verdict verdict;
    struct key_outcome outcome;
    bool is_double_counted, is_delivered, is_finished;

    struct text echo; /* the words, unless the rule has them */
    struct text headers;
    struct reply reply;
    struct events events;
    struct pack *pack; /* NULL: not compressed */
    bool is_head_sent, is_start_sent;

    bool is_break_over;     /* nothing more breaks off */
    int64_t stall_until_ns; /* INT64_MAX: for ever */
    int64_t shift_ns;       /* all later words come later by the stall */

    /* What is prepared and not sent yet. */
    struct text own, packed; /* hold it between the turns when it goes out in pieces, or stalls */
    struct span ready;       /* in one of them or in the service's scratch */
    struct span later;       /* what follows of a body after its stall */
    bool has_later;
    bool is_raw;         /* no HTTP around it */
    int64_t ready_words; /* new words in it */
    int64_t later_words;
    int64_t content_length; /* -1: a stream */
    enum http_after ready_after;
};

/* Moves the exchange on as far as it goes now. It may have ended when this returns. */
void chat_advance(struct chat *chat);

/* The system has taken what was sent. */
void chat_note_taken(struct chat *chat);

/* The key should not be used from now on, if the rule or its headers say so. */
void chat_note_rest(struct chat *chat);

#endif
