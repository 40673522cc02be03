#ifndef FAKELLM_KEY_REPORT_H
#define FAKELLM_KEY_REPORT_H

#include "delivered.h"
#include "http.h"
#include "text.h"

/*
 * key_report: what each key was asked for, by model, and how that ended. Counts only: a million requests cost no more
 * than one, but for the digests of their prompts.
 * Threads  one.
 */

enum {
    KEY_ROWS_MAX = 10000, /* pairs of key and model; all others are counted in one row */
    KEY_STATUS_MIN = 400,
    KEY_STATUS_COUNT = 200 /* 400 to 599 */
};

struct key_report;

/* What a request came to, beside what its row counts of it. */
struct key_outcome {
    enum http_end how;
    int status;
    bool is_limited; /* refused by the limiter */
    bool is_served;  /* its whole reply was handed over */
    bool is_error_event, is_garbage, is_stalled, is_reset, is_cut;
    size_t prompt_tokens, completion_tokens;
};

struct key_row;

/* NULL: no memory. */
struct key_report *key_report_new(void);
void key_report_free(struct key_report *report);

/* Counts anew, with the requests that are in flight. */
void key_report_reset(struct key_report *report);

/* A request has come in; every one is ended with key_report_end(). Strings are copied; NULL: not given. */
struct key_row *key_report_begin(struct key_report *report, const char *key, const char *model,
                                 int64_t now_ns);
void key_report_end(struct key_row *row, const struct key_outcome *outcome);

/* The key should not be used for this model until then; what comes in the first grace_ns does not count. */
void key_report_rest(struct key_row *row, int64_t now_ns, int64_t until_ns, int64_t grace_ns);

/*
 * A double send is a request whose prompt had already been answered with content. Call the first when it comes in, the
 * other when the first content is sent; *counted starts false.
 */
void key_report_asked(struct key_report *report, struct key_row *row, uint64_t digest, bool *counted);
void key_report_delivers(struct key_report *report, struct key_row *row, uint64_t digest, bool *counted);

/* A JSON object: totals, and a list of rows in the order in which they were first seen. */
void key_report_put_json(const struct key_report *report, struct text *out);

#endif
