/*
 * span: one operation of a trace, written as an OTLP Span when it has ended.
 * Threads  belongs to one thread; span_put() may be called on any.
 */
#pragma once
#include "shared/base/buf.h"
#include "shared/otlp/exporter.h"

/* bytes. Of a whole span, and of one text in it; longer texts are cut. */
#define SPAN_BYTES_MAX      ((size_t)16 * 1024)
#define SPAN_TEXT_BYTES_MAX 1024

enum span_kind { SPAN_INTERNAL = 1, SPAN_SERVER = 2, SPAN_CLIENT = 3 };

/*
 * context   trace and span; its flags are in the span
 * parent    TRACE_SPAN_BYTES; NULL: a root
 * state     tracestate; empty: none
 * …_us      Unix time
 */
struct span_about {
    const struct trace_context *context;
    const uint8_t *parent;
    bool is_parent_remote; /* of another process */
    struct str state;
    enum span_kind kind;
    int64_t started_us, ended_us;
};

struct span {
    struct buf field; /* of ScopeSpans */
    size_t mark;
};
/* The name is made of both, with a blank between; second may be empty. */
void span_begin(struct span *s, const struct span_about *about, struct str first, struct str second);
/* Attributes. Nothing is put for an empty text; what is no UTF-8 is cut off. */
void span_text(struct span *s, const char *key, struct str value);
void span_texts(struct span *s, const char *key, struct str value); /* a list of one */
void span_int(struct span *s, const char *key, int64_t value);
/* It has failed. */
void span_error(struct span *s, struct str words);
/* To the exporter. Without memory it is left out. */
void span_put(struct span *s, struct otlp *otlp);
