/*
 * pool_play: a pool with credentials that a test lists, tickets that ask it, and a home that counts how often it was woken.
 */
#pragma once
#include "executor/model/pool.h"
#include "tests/support/check.h"

enum { PLAY_CREDENTIALS_MAX = 8, PLAY_MODELS_MAX = 4 };

struct play {
    struct pool *pool;
    struct pool_home home;
    int wakes;
    struct store_credential_opened credentials[PLAY_CREDENTIALS_MAX];
    size_t count;
    struct store_model models[PLAY_MODELS_MAX];
    size_t model_count;
};

/* Nothing is in the pool before play_update(). */
void play_begin(struct play *p, bool may_wait, size_t waiting_max);
void play_end(struct play *p);
/* One more of provider "p" for all models; its id is its name. To be changed as the test likes. */
struct store_credential *play_add(struct play *p, const char *name, int32_t weight);
struct store_model *play_add_model(struct play *p, const char *model, const char *upstream_model);
/* What is listed is what the store has now. */
void play_update(struct play *p, int64_t now_ms);
struct snapshot *play_snapshot(const struct play *p);

/* A ticket of provider "p" and this model that is asked for at once. */
enum pool_end play_ask(struct play *p, struct pool_ticket *ticket, const char *model, int64_t now_ms);
enum pool_end play_ask_with(struct play *p, struct pool_ticket *ticket, const struct pool_ask *ask,
                            int64_t now_ms);
struct standing_change play_refuse(struct play *p, struct pool_ticket *ticket, enum refusal refusal,
                                   int64_t now_ms);
void play_answer(struct play *p, struct pool_ticket *ticket, int64_t now_ms);
/* Answered, and gone. */
void play_finish(struct play *p, struct pool_ticket *ticket, int64_t now_ms);
/* The next that was told; it was given a credential of this name (NULL: none was told). */
struct pool_ticket *play_told(struct play *p, const char *name);
