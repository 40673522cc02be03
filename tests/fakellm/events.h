#ifndef FAKELLM_EVENTS_H
#define FAKELLM_EVENTS_H

#include "text.h"

/*
 * events: the events of a stream (server-sent events), in plain lines or in any other lines the format allows.
 * An event is begun, its data put into `out`, and ended.
 */
struct events {
    struct text *out;
    const char *line_end; /* "\n", "\r\n" or "\r" */
    int64_t data_lines;   /* each event's data is cut into so many lines, where JSON has commas */
    bool comments;        /* before each event */

    int64_t
        pad_bytes; /* the data line of the next event is as long as this; blanks in front of its JSON make it so */
    const char *name;
    size_t at;
};

/* name  of the event; NULL: none */
void events_begin(struct events *events, const char *name);
void events_end(struct events *events);

/* A whole event. */
void events_put(struct events *events, const char *name, struct span data);

#endif
