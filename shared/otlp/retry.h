/*
 * retry: what becomes of a batch by how its request went (OTLP 1.x, "OTLP/HTTP Response" and "Failures").
 * Threads  plain data; time is passed in.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* ms. Between two tries of a batch: the first time, doubled with each, at most. Also of what a collector asks for. */
#define OTLP_RETRY_MS     1000
#define OTLP_RETRY_MS_MAX 30000
/* ms. A batch is not tried again when it is so old: newer ones are worth more. */
#define OTLP_BATCH_AGE_MS 60000

struct otlp_retry {
    int64_t first_ms; /* when the batch was first sent */
    unsigned tries;   /* that failed */
};
/* A new batch is sent for the first time. */
void otlp_retry_begin(struct otlp_retry *r, int64_t now_ms);
/*
 * A request has failed. Gives in how many ms the batch is to be sent again, -1: it is dropped.
 * status    of the answer, 0: none came. Only 429, 502, 503 and 504 are for later
 * asked_ms  what Retry-After says; 0: nothing
 */
int64_t otlp_retry_in(struct otlp_retry *r, int status, int64_t asked_ms, int64_t now_ms);
