/* turns: see the header. */
#include "executor/model/turns.h"

/* Less than leads can differ by, more than sums of them are wrong by. */
#define TOLERANCE 1e-9
/* steps. Of one member in one turn, of a search: some 100 µs. */
#define SEARCH_STEPS 100000
/* floors that are tried. More hardly ever find what these do not. */
#define SEARCH_TRIES 400

/* Those of the set are one member more, or one less. */
static void take_set(struct turns *turns)
{
    double weights = 0, leads = 0;
    turns->set_count = 0;
    for (size_t i = 0; i < turns->count; i++) {
        struct turns_member *m = &turns->members[i];
        m->could = m->can;
        turns->set_count += m->can;
        weights += m->can ? m->weight : 0;
        leads += m->can ? m->lead : 0;
    }
    double shift = leads / (double)turns->set_count;
    double bound = turns->set_count < 2 ? 1 : 1 - 1 / (2 * (double)turns->set_count - 2);
    for (size_t i = 0; i < turns->count; i++) {
        struct turns_member *m = &turns->members[i];
        if (!m->can)
            continue;
        m->lead -= shift;
        m->floor = -bound;
        m->ceiling = bound;
    }
    turns->per_weight = 1 / weights;
    turns->is_settled = false;
    turns->same_turns = 0;
}

/* The one of the set that has to be first. When none may be taken, the one that gets least too far ahead. */
static size_t choose(const struct turns *turns)
{
    size_t best = SIZE_MAX, nearest = SIZE_MAX;
    double best_left = 0, least_over = 0;
    for (size_t i = 0; i < turns->count; i++) {
        const struct turns_member *m = &turns->members[i];
        if (!m->could)
            continue;
        double over = m->lead + 1 - m->weight * turns->per_weight - m->ceiling;
        /* In turns, times per_weight: until its lead is at its floor. */
        double left = (m->lead - m->floor) * m->per_weight;
        if (over <= TOLERANCE && (best == SIZE_MAX || left < best_left - TOLERANCE * m->per_weight)) {
            best = i;
            best_left = left;
        }
        if (nearest == SIZE_MAX || over < least_over) {
            nearest = i;
            least_over = over;
        }
    }
    return best != SIZE_MAX ? best : nearest;
}

static void give(struct turns *turns, size_t chosen)
{
    for (size_t i = 0; i < turns->count; i++) {
        struct turns_member *m = &turns->members[i];
        if (m->could)
            m->lead -= m->weight * turns->per_weight;
    }
    turns->members[chosen].lead += 1;
}

/* --- the search for floors --- */

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* After so many turns every member has got its weight. is_equal: all weights are the same. */
static uint64_t period_of(const struct turns *turns, bool *ret_is_equal)
{
    uint64_t divisor = 0, sum = 0, first = 0;
    *ret_is_equal = true;
    for (size_t i = 0; i < turns->count; i++) {
        if (!turns->members[i].could)
            continue;
        uint64_t weight = (uint64_t)turns->members[i].weight;
        first = first == 0 ? weight : first;
        *ret_is_equal &= weight == first;
        divisor = common_divisor(weight, divisor);
        sum += weight;
    }
    return sum / divisor;
}

/* 0 <= … < n. The same for the same two numbers, so that floors need not be kept. */
static uint64_t scatter(uint64_t try, uint64_t member, uint64_t n)
{
    uint64_t x = (try << 32) + member + 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return (x ^ (x >> 31)) % n;
}

/* Leads begin at 0. Try 0 are the floors that are proven; the others keep each within 1 if they can be kept at all. */
static void set_floors(struct turns *turns, uint64_t try, uint64_t period)
{
    double bound = turns->set_count < 2 ? 1 : 1 - 1 / (2 * (double)turns->set_count - 2);
    for (size_t i = 0; i < turns->count; i++) {
        struct turns_member *m = &turns->members[i];
        if (!m->could)
            continue;
        m->lead = m->least = m->most = 0;
        m->floor = try == 0 ? -bound : -(double)scatter(try, i, period + 1) / (double)period;
        m->ceiling = try == 0 ? bound : m->floor + 1;
    }
}

/* How far leads are apart at most, over a whole period; anything above `enough` when that is known before its end. */
static double measure(struct turns *turns, uint64_t period, double enough)
{
    double worst = 0;
    for (uint64_t n = 0; n < period && worst < enough; n++) {
        give(turns, choose(turns));
        for (size_t i = 0; i < turns->count; i++) {
            struct turns_member *m = &turns->members[i];
            if (!m->could)
                continue;
            m->least = m->lead < m->least ? m->lead : m->least;
            m->most = m->lead > m->most ? m->lead : m->most;
            worst = m->most - m->least > worst ? m->most - m->least : worst;
        }
    }
    /* What does not come back to 0 is not kept for longer than this. */
    for (size_t i = 0; i < turns->count; i++) {
        const struct turns_member *m = &turns->members[i];
        if (m->could && (m->lead > 0.5 || m->lead < -0.5))
            return 2 + worst;
    }
    return worst;
}

static void settle(struct turns *turns)
{
    bool is_equal;
    uint64_t period = period_of(turns, &is_equal), best = 0;
    uint64_t tries = SEARCH_STEPS / turns->count / period;
    tries = tries < SEARCH_TRIES ? tries : SEARCH_TRIES;
    if (is_equal || turns->set_count <= 2)
        tries = 0; /* these keep ± 1 by themselves */
    double best_spread = 2;
    for (uint64_t try = 0; try < tries && best_spread > 1 + TOLERANCE; try++) {
        set_floors(turns, try, period);
        double spread = measure(turns, period, best_spread);
        if (spread < best_spread - TOLERANCE) {
            best = try;
            best_spread = spread;
        }
    }
    set_floors(turns, best, period);
    turns->is_settled = true;
    turns->period = period;
    turns->at = 0;
}

/* --- */

void turns_init(struct turns *turns, struct turns_member *members, const int32_t *weights, size_t count)
{
    *turns = (struct turns){.members = members, .count = count};
    for (size_t i = 0; i < count; i++)
        members[i] = (struct turns_member){.can = true, .weight = weights[i], .per_weight = 1.0 / weights[i]};
    if (count == 0)
        return;
    take_set(turns);
    settle(turns);
}

void turns_keep(struct turns *turns, size_t member, double lead)
{
    turns->members[member].lead = lead;
    turns->set_count = 0; /* the next turn has a set that is new */
}

size_t turns_take(struct turns *turns)
{
    size_t can = 0, changes = 0;
    for (size_t i = 0; i < turns->count; i++) {
        can += turns->members[i].can;
        changes += turns->members[i].can != turns->members[i].could;
    }
    if (can == 0)
        return SIZE_MAX;
    if (changes > 0 || turns->set_count == 0)
        take_set(turns);
    else if (!turns->is_settled && ++turns->same_turns >= TURNS_SETTLE)
        settle(turns);
    size_t chosen = choose(turns);
    give(turns, chosen);
    if (!turns->is_settled || ++turns->at < turns->period)
        return chosen;
    turns->at = 0;
    for (size_t i = 0; i < turns->count; i++)
        turns->members[i].lead = turns->members[i].could ? 0 : turns->members[i].lead;
    return chosen;
}
