/* lanes: see the header. */
#include "executor/model/lanes.h"

#include <stdlib.h>
#include <string.h>

/* Eight bytes at a time: every pick has three names to look up. */
static uint64_t mix(uint64_t h, struct str s)
{
    const char *at = s.ptr;
    size_t left = s.len;
    h = (h ^ left) * 0x9e3779b97f4a7c15U;
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        h = (h ^ word) * 0xff51afd7ed558ccdU;
        h ^= h >> 32;
    }
    uint64_t rest = 0;
    if (left > 0)
        memcpy(&rest, at, left);
    h = (h ^ rest) * 0xc4ceb9fe1a85ec53U;
    return h ^ (h >> 29);
}

static uint64_t hash_of(struct str workspace_id, struct str provider, struct str model)
{
    return mix(mix(mix(1, workspace_id), provider), model);
}

static struct lane **lane_bucket(struct lanes *lanes, const struct lane *lane)
{
    uint64_t hash = hash_of(lane->workspace_id, lane->provider, lane->model);
    return &lanes->lanes[hash % ARRAY_LEN(lanes->lanes)];
}

void lanes_let_go(struct lanes *lanes, struct lane *lane)
{
    if (lane->routes > 0 || lane->line.count > 0)
        return;
    struct lane **at = lane_bucket(lanes, lane);
    while (*at != lane)
        at = &(*at)->next;
    *at = lane->next;
    lane_free(lane);
}

static void leave_lane(struct lanes *lanes, struct lane *lane)
{
    if (lane == NULL)
        return;
    lane->routes--;
    lanes_let_go(lanes, lane);
}

void lanes_fini(struct lanes *lanes)
{
    for (size_t i = 0; i < ARRAY_LEN(lanes->routes); i++) {
        while (lanes->routes[i] != NULL) {
            struct lanes_route *route = lanes->routes[i];
            lanes->routes[i] = route->next;
            leave_lane(lanes, route->lane);
            free(route);
        }
    }
}

/* --- making --- */

/* Those that nobody waits for. */
static void forget_idle(struct lanes *lanes)
{
    for (size_t i = 0; i < ARRAY_LEN(lanes->routes); i++) {
        struct lanes_route **at = &lanes->routes[i];
        while (*at != NULL) {
            struct lanes_route *route = *at;
            if (route->lane != NULL && route->lane->line.count > 0) {
                at = &route->next;
                continue;
            }
            *at = route->next;
            leave_lane(lanes, route->lane);
            free(route);
            lanes->route_count--;
        }
    }
}

static struct lane *lane_of(struct lanes *lanes, struct str workspace_id, struct str provider,
                            struct str model)
{
    uint64_t hash = hash_of(workspace_id, provider, model);
    struct lane **bucket = &lanes->lanes[hash % ARRAY_LEN(lanes->lanes)];
    for (struct lane *lane = *bucket; lane != NULL; lane = lane->next) {
        if (str_eq(lane->model, model) && str_eq(lane->provider, provider) &&
            str_eq(lane->workspace_id, workspace_id))
            return lane;
    }
    struct lane *lane = lane_new(workspace_id, provider, model);
    if (lane == NULL)
        return NULL;
    lane->next = *bucket;
    *bucket = lane;
    return lane;
}

static struct lanes_route *route_new(uint64_t hash, struct str workspace_id, struct str provider,
                                     struct str model)
{
    const struct str texts[] = {workspace_id, provider, model};
    struct lanes_route *route = calloc(1, sizeof *route + workspace_id.len + provider.len + model.len);
    if (route == NULL)
        return NULL;
    struct str *const copies[] = {&route->workspace_id, &route->provider, &route->model};
    char *at = route->texts;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i].len > 0)
            memcpy(at, texts[i].ptr, texts[i].len);
        *copies[i] = (struct str){at, texts[i].len};
        at += texts[i].len;
    }
    route->hash = hash;
    return route;
}

/* False: no memory. */
static bool find_way(struct lanes *lanes, struct lanes_route *route, struct snapshot *snapshot)
{
    const struct model_settings *settings =
        settings_find(snapshot->settings, route->workspace_id, route->provider, route->model);
    struct str model = settings->upstream_model.len > 0 ? settings->upstream_model : route->model;
    struct lane *lane = lane_of(lanes, route->workspace_id, route->provider, model);
    if (lane == NULL)
        return false;
    lane->routes++;
    leave_lane(lanes, route->lane);
    route->lane = lane;
    route->settings = settings;
    route->snapshot = snapshot;
    return true;
}

struct lanes_route *lanes_route(struct lanes *lanes, struct standings *standings, struct snapshot *snapshot,
                                struct str workspace_id, struct str provider, struct str model)
{
    provider = provider_last_part(provider);
    uint64_t hash = hash_of(workspace_id, provider, model);
    struct lanes_route *route = lanes->routes[hash % ARRAY_LEN(lanes->routes)];
    while (route != NULL && !(route->hash == hash && str_eq(route->model, model) &&
                              str_eq(route->provider, provider) && str_eq(route->workspace_id, workspace_id)))
        route = route->next;
    if (route == NULL) {
        if (lanes->route_count == LANES_ROUTES_MAX)
            forget_idle(lanes);
        route = lanes->route_count < LANES_ROUTES_MAX ? route_new(hash, workspace_id, provider, model) : NULL;
        if (route == NULL)
            return NULL;
        struct lanes_route **bucket = &lanes->routes[hash % ARRAY_LEN(lanes->routes)];
        route->next = *bucket;
        *bucket = route;
        lanes->route_count++;
    }
    if (route->snapshot != snapshot && !find_way(lanes, route, snapshot))
        return NULL;
    if (route->lane->snapshot != snapshot && !lane_fit(route->lane, snapshot, standings))
        return NULL;
    return route;
}

void lanes_follow(struct lanes *lanes)
{
    for (size_t i = 0; i < ARRAY_LEN(lanes->routes); i++) {
        for (struct lanes_route *route = lanes->routes[i]; route != NULL; route = route->next)
            route->snapshot = NULL; /* another one may come to lie where the old one did */
    }
    for (size_t i = 0; i < ARRAY_LEN(lanes->lanes); i++) {
        for (struct lane *lane = lanes->lanes[i]; lane != NULL; lane = lane->next)
            lane_loosen(lane);
    }
}
