/* lane: see the header. */
#include "executor/model/lane.h"

#include <math.h>

static bool was_tried(const struct lane_query *query, const struct credential *credential)
{
    for (size_t i = 0; i < query->tried_count; i++) {
        if (str_eq(query->tried[i], credential->id))
            return true;
    }
    return false;
}

/* False: not now; back_ms as lane_take() gives it. */
static bool is_free(const struct lane_member *m, const struct lane_query *query, int64_t *ret_back_ms)
{
    struct rest *rest = m->rest;
    *ret_back_ms = INT64_MIN;
    if (rest->standing->refused_version_ms == m->credential->version_ms || was_tried(query, m->credential))
        return false;
    bool has_room = quota_has_room(&rest->standing->quota, &m->credential->limits, query->tokens,
                                   query->now_ms, ret_back_ms);
    if (rest->until_ms > query->now_ms) {
        *ret_back_ms = *ret_back_ms > rest->until_ms ? *ret_back_ms : rest->until_ms;
        return false;
    }
    if (rest->on_trial) {
        *ret_back_ms = INT64_MAX;
        return false;
    }
    return has_room;
}

/* The higher the better; the same for a conversation as long as the member is there. */
static double affinity_of(const struct lane_member *m, uint64_t conversation)
{
    uint64_t h = conversation ^ (str_hash(m->credential->id) * 0x9e3779b97f4a7c15u);
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    h ^= h >> 33;
    double u = ((double)(h >> 11) + 0.5) / 9007199254740992.0; /* 2^53: in (0, 1) */
    return -m->credential->weight / log(u);
}

/* Who is free, in the lane's order. */
struct takers {
    struct lane_member *list[STORE_CREDENTIALS_MAX];
    size_t count;
    double weight;
};

/* Among those that are due: the one whose next pick is due first. */
static struct lane_member *earliest(const struct takers *t)
{
    double threshold = t->count > 1 ? 1.0 / (2.0 * (double)t->count - 2.0) : 0;
    struct lane_member *best = NULL, *most = t->list[0];
    double best_time = 0;
    for (size_t i = 0; i < t->count; i++) {
        struct lane_member *m = t->list[i];
        double due = m->rest->due;
        if (due > most->rest->due)
            most = m;
        if (due < threshold - 1e-9)
            continue;
        double time = (1.0 - threshold - due) * t->weight / m->credential->weight;
        if (best == NULL || time < best_time - 1e-12) {
            best = m;
            best_time = time;
        }
    }
    return best != NULL ? best : most;
}

static struct lane_member *preferred(const struct takers *t, const struct lane_query *query)
{
    uint64_t conversation = str_hash(query->conversation_id);
    struct lane_member *best = NULL;
    double best_score = 0;
    for (size_t i = 0; i < t->count; i++) {
        double score = affinity_of(t->list[i], conversation);
        if (best == NULL || score > best_score) {
            best = t->list[i];
            best_score = score;
        }
    }
    return best->rest->due > -AFFINITY_LEAD ? best : NULL;
}

const struct lane_member *lane_take(struct lane *lane, const struct lane_query *query, int64_t *ret_back_ms)
{
    struct takers takers = {.count = 0};
    int64_t soonest = INT64_MIN;
    takers.weight = 0;
    for (size_t i = 0; i < lane->count; i++) {
        struct lane_member *m = &lane->members[i];
        int64_t back_ms;
        if (is_free(m, query, &back_ms)) {
            takers.list[takers.count++] = m;
            takers.weight += m->credential->weight;
        } else if (back_ms != INT64_MIN && (soonest == INT64_MIN || back_ms < soonest)) {
            soonest = back_ms;
        }
    }
    *ret_back_ms = soonest;
    if (takers.count == 0)
        return NULL;
    for (size_t i = 0; i < takers.count; i++)
        takers.list[i]->rest->due += takers.list[i]->credential->weight / takers.weight;
    bool is_sticky = lane->settings->affinity && query->conversation_id.len > 0;
    struct lane_member *taken = is_sticky ? preferred(&takers, query) : NULL;
    if (taken == NULL)
        taken = earliest(&takers);
    taken->rest->due -= 1.0;
    return taken;
}
