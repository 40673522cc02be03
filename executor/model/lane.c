/* lane: see the header. */
#include "executor/model/lane.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What free_ms() says of a member's return, instead of a time. */
#define AT_SOME_END INT64_MAX

struct lane *lane_new(struct str workspace_id, struct str provider, struct str model)
{
    struct lane *lane = calloc(1, sizeof *lane + workspace_id.len + provider.len + model.len);
    if (lane == NULL)
        return NULL;
    const struct str texts[] = {workspace_id, provider, model};
    struct str *const copies[] = {&lane->workspace_id, &lane->provider, &lane->model};
    char *at = lane->texts;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i].len > 0)
            memcpy(at, texts[i].ptr, texts[i].len);
        *copies[i] = (struct str){at, texts[i].len};
        at += texts[i].len;
    }
    lane->wake_ms = INT64_MAX;
    return lane;
}

static void release(struct lane_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        members[i].standing->holds--;
        members[i].rest->holds--;
    }
}

void lane_free(struct lane *lane)
{
    if (lane == NULL)
        return;
    release(lane->members, lane->count);
    free(lane->members);
    free(lane->shares);
    snapshot_unref(lane->snapshot);
    free(lane);
}

void lane_loosen(struct lane *lane)
{
    for (size_t i = 0; i < lane->count; i++)
        lane->members[i].credential = NULL;
    snapshot_unref(lane->snapshot);
    lane->snapshot = NULL;
}

/* --- members --- */

static bool fits(const struct lane *lane, const struct credential *credential)
{
    return credential_fits(credential, lane->workspace_id, lane->provider, lane->model);
}

/* False: no memory; nothing is held then. */
static bool find_members(const struct lane *lane, const struct snapshot *snapshot,
                         struct standings *standings, struct lane_member *ret, size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct credential *credential = &snapshot->credentials[i];
        if (!fits(lane, credential))
            continue;
        struct standing *standing = standings_of(standings, credential);
        struct standing_rest *rest =
            standing == NULL ? NULL : standings_rest(standings, standing, lane->model);
        if (rest == NULL) {
            release(ret, count);
            return false;
        }
        standing->holds++;
        rest->holds++;
        ret[count++] = (struct lane_member){.credential = credential,
                                            .standing = standing,
                                            .rest = rest,
                                            .has_limits = credential->limits.requests > 0 ||
                                                          credential->limits.tokens > 0 ||
                                                          credential->max_concurrent > 0};
    }
    *ret_count = count;
    return true;
}

/* The same ones with the same weights, in the same order? */
static bool are_same(const struct lane *lane, const struct lane_member *members, size_t count)
{
    bool is_same = count == lane->count && lane->shares != NULL;
    for (size_t i = 0; is_same && i < count; i++)
        is_same = members[i].standing == lane->members[i].standing &&
                  members[i].credential->weight == (int32_t)lane->shares[i].weight;
    return is_same;
}

/* Turns for other members, or other weights. Those that stay keep their lead. */
static void begin_turns(struct lane *lane, const struct lane_member *members, struct turns_member *shares,
                        const int32_t *weights, size_t count)
{
    turns_init(&lane->turns, shares, weights, count);
    for (size_t i = 0; i < count; i++) {
        size_t old = 0;
        while (old < lane->count && lane->members[old].standing != members[i].standing)
            old++;
        if (old < lane->count)
            turns_keep(&lane->turns, i, lane->shares[old].lead);
    }
    free(lane->shares);
    lane->shares = shares;
}

static void take_members(struct lane *lane, struct lane_member *members, size_t count)
{
    release(lane->members, lane->count);
    free(lane->members);
    lane->members = members;
    lane->count = count;
}

bool lane_fit(struct lane *lane, struct snapshot *snapshot, struct standings *standings)
{
    size_t count = 0, most = 0;
    for (size_t i = 0; i < snapshot->count; i++)
        most += fits(lane, &snapshot->credentials[i]);
    struct lane_member *members = calloc(most + 1, sizeof *members);
    struct turns_member *shares = calloc(most + 1, sizeof *shares);
    int32_t *weights = calloc(most + 1, sizeof *weights);
    bool has_memory = members != NULL && shares != NULL && weights != NULL &&
                      find_members(lane, snapshot, standings, members, &count);
    if (!has_memory) {
        free(members);
        free(shares);
        free(weights);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        weights[i] = members[i].credential->weight;
    if (are_same(lane, members, count))
        free(shares);
    else
        begin_turns(lane, members, shares, weights, count);
    free(weights);
    take_members(lane, members, count);
    lane->is_changed = true;
    snapshot_ref(snapshot);
    snapshot_unref(lane->snapshot);
    lane->snapshot = snapshot;
    return true;
}

/* --- who is free --- */

/* From when on it can be taken: now_ms or earlier when it can; AT_SOME_END: not by time alone. */
static int64_t free_ms(const struct lane_member *m, int64_t tokens, int64_t now_ms)
{
    const struct rest *rest = &m->rest->rest;
    int64_t at_ms = rest->until_ms;
    if (at_ms <= now_ms && rest->is_on_trial && rest->trials > 0)
        return AT_SOME_END;
    if (!m->has_limits)
        return at_ms;
    const struct credential *credential = m->credential;
    struct standing *standing = m->standing;
    if (credential->limits.requests > 0 || credential->limits.tokens > 0) {
        int64_t room_ms = quota_room_ms(&standing->quota, &credential->limits, tokens, now_ms);
        at_ms = room_ms > at_ms ? room_ms : at_ms;
    }
    bool is_full = credential->max_concurrent > 0 && standing->running >= credential->max_concurrent;
    return at_ms <= now_ms && is_full ? AT_SOME_END : at_ms;
}

/* Of a member that is not free. */
static void note_return(const struct lane_member *m, int64_t at_ms, const struct lane_query *query,
                        struct lane_view *view)
{
    if (at_ms == AT_SOME_END)
        view->is_open = true;
    else if (at_ms < view->next_ms)
        view->next_ms = at_ms;
    if (query->tokens > 0 && m->credential->limits.tokens > 0)
        view->is_large |= free_ms(m, 0, query->now_ms) <= query->now_ms;
}

void lane_look(struct lane *lane, const struct lane_query *query, struct lane_view *ret)
{
    *ret = (struct lane_view){.next_ms = INT64_MAX, .any_ms = INT64_MAX};
    for (size_t i = 0; i < lane->count; i++) {
        const struct lane_member *m = &lane->members[i];
        lane->shares[i].can = false;
        if (m->standing->is_disabled)
            continue;
        bool is_fit = query->mark == 0 || m->standing->mark != query->mark;
        int64_t at_ms = free_ms(m, query->tokens, query->now_ms);
        bool is_free = at_ms <= query->now_ms;
        ret->enabled++;
        ret->fit += is_fit;
        if (!is_free && at_ms < ret->any_ms)
            ret->any_ms = at_ms;
        if (is_fit && is_free) {
            lane->shares[i].can = true;
            ret->free++;
        } else if (is_fit) {
            note_return(m, at_ms, query, ret);
        }
    }
}

/* --- whose turn it is --- */

/* Rendezvous hashing by weight: the smaller the better, and always the same for a conversation and a credential. */
static double distance(uint64_t conversation, const struct lane_member *m)
{
    uint64_t h = conversation ^ (m->standing->hash * 0x9e3779b97f4a7c15U);
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdU;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53U;
    h ^= h >> 33;
    double u = ((double)(h >> 11) + 0.5) / 9007199254740992.0; /* 2^53: above 0, below 1 */
    return -log(u) / m->credential->weight;
}

static size_t nearest(const struct lane *lane, struct str conversation_id)
{
    uint64_t conversation = str_hash(conversation_id);
    size_t best = SIZE_MAX;
    double best_distance = 0;
    for (size_t i = 0; i < lane->count; i++) {
        if (!lane->shares[i].can)
            continue;
        double d = distance(conversation, &lane->members[i]);
        if (best == SIZE_MAX || d < best_distance) {
            best = i;
            best_distance = d;
        }
    }
    return best;
}

const struct lane_member *lane_take(struct lane *lane, struct str conversation_id)
{
    /* Over many conversations each has its share by the hashes, and the others' turns are not moved by it. */
    size_t taken = conversation_id.len > 0 ? nearest(lane, conversation_id) : turns_take(&lane->turns);
    return &lane->members[taken];
}
