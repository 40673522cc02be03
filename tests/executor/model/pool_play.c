/* pool_play: see the header. */
#include "tests/executor/model/pool_play.h"

#include <string.h>

static const struct str any_model[] = {{"*", 1}};

static void wake(struct pool_home *home)
{
    CONTAINER_OF(home, struct play, home)->wakes++;
}

void play_begin(struct play *p, bool may_wait, size_t waiting_max)
{
    memset(p, 0, sizeof *p);
    p->pool = pool_new(may_wait, waiting_max);
    assert_non_null(p->pool);
    pool_add_home(p->pool, &p->home, wake);
}

void play_end(struct play *p)
{
    assert_null(p->home.told_first);
    assert_int_equal(p->home.waiting, 0);
    pool_remove_home(p->pool, &p->home);
    pool_free(p->pool);
}

struct store_credential *play_add(struct play *p, const char *name, int32_t weight)
{
    struct store_credential_opened *c = &p->credentials[p->count++];
    *c = (struct store_credential_opened){.credential = {.workspace_id = STR("default"),
                                                         .credential_id = str_c(name),
                                                         .provider = STR("p"),
                                                         .protocol = STR("openai"),
                                                         .name = str_c(name),
                                                         .base_url = STR("http://models.test/v1"),
                                                         .models = any_model,
                                                         .model_count = 1,
                                                         .weight = weight,
                                                         .fresh_since_ms = 1},
                                          .secret = STR("key")};
    return &c->credential;
}

struct store_model *play_add_model(struct play *p, const char *model, const char *upstream_model)
{
    struct store_model *m = &p->models[p->model_count++];
    *m = (struct store_model){.workspace_id = STR("default"),
                              .provider = STR("p"),
                              .model = str_c(model),
                              .upstream_model = str_c(upstream_model)};
    return m;
}

struct snapshot *play_snapshot(const struct play *p)
{
    const struct store_credential_set set = {p->credentials, p->count};
    const struct store_model_page page = {.models = p->models, .count = p->model_count};
    struct settings *settings = NULL;
    struct snapshot *snapshot = NULL;
    struct status err;
    assert_ok(settings_new(&page, &settings, &err));
    assert_ok(snapshot_new(&set, settings, &snapshot, &err));
    return snapshot;
}

void play_update(struct play *p, int64_t now_ms)
{
    pool_update(p->pool, play_snapshot(p), now_ms);
}

enum pool_end play_ask_with(struct play *p, struct pool_ticket *ticket, const struct pool_ask *ask,
                            int64_t now_ms)
{
    pool_ticket_init(ticket, ask, &p->home);
    return pool_ask(p->pool, ticket, now_ms);
}

enum pool_end play_ask(struct play *p, struct pool_ticket *ticket, const char *model, int64_t now_ms)
{
    const struct pool_ask ask = {
        .workspace_id = STR("default"), .provider = STR("p"), .model = str_c(model), .tokens = 10};
    return play_ask_with(p, ticket, &ask, now_ms);
}

struct standing_change play_refuse(struct play *p, struct pool_ticket *ticket, enum refusal refusal,
                                   int64_t now_ms)
{
    const struct attempt_failure failure = {
        .refusal = refusal, .error_type = "InvokeError", .words = STR("no"), .message = STR("no")};
    return pool_give_back(p->pool, ticket, POOL_REFUSED, &failure, -1, now_ms);
}

void play_answer(struct play *p, struct pool_ticket *ticket, int64_t now_ms)
{
    pool_give_back(p->pool, ticket, POOL_ANSWERED, NULL, -1, now_ms);
}

void play_finish(struct play *p, struct pool_ticket *ticket, int64_t now_ms)
{
    play_answer(p, ticket, now_ms);
    pool_leave(p->pool, ticket, now_ms);
}

struct pool_ticket *play_told(struct play *p, const char *name)
{
    struct pool_ticket *ticket = pool_told(p->pool, &p->home);
    if (name == NULL) {
        assert_null(ticket);
        return NULL;
    }
    assert_non_null(ticket);
    assert_int_equal(ticket->end, POOL_GIVEN);
    assert_str(name, ticket->credential->name);
    return ticket;
}
