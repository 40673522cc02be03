/*
 * readiness: may this process be given work? What is wrong is noted as words; a state holds for a while before it counts, so
 * that a short stumble (an executor that restarts, a connection that is made anew) does not make all who watch turn away.
 * Threads  readiness_note() by one thread, the rest by any.
 */
#pragma once
#include "shared/base/buf.h"
#include <pthread.h>

/* ms. What is wrong has to last so long before the process counts as not ready, */
#define READINESS_DOWN_MS 2000
/* and be well again so long before it counts as ready. From the start on it is ready as soon as all is well. */
#define READINESS_UP_MS 500
/* bytes. Of the words; more are cut. */
#define READINESS_WORDS_MAX 1024

struct readiness {
    pthread_mutex_t lock; /* for all */
    bool is_ready, was_ready, is_final;
    int64_t differs_since_ms; /* -1: what was noted last is what counts */
    char words[READINESS_WORDS_MAX];
};

/* Not ready: "starting". */
void readiness_init(struct readiness *readiness);
void readiness_fini(struct readiness *readiness);
/* words: what is wrong, a line each; empty: nothing. now_ms monotonic. True: is_ready has changed by it. */
bool readiness_note(struct readiness *readiness, struct str words, int64_t now_ms);
/* At once and for good: the process is on its way out. */
void readiness_end(struct readiness *readiness, const char *words);
bool readiness_is_ready(struct readiness *readiness);
/* Puts what is wrong, a line each; nothing while it is ready. True: it is ready. */
bool readiness_put(struct readiness *readiness, struct buf *to);
