/*
 * turns: whose turn it is, among some of given weights of which not all can be had at any time.
 *
 * Each member has a share of every turn: its weight by the weights of all that can be had; and a lead: the turns it got less the
 * sum of its shares. A member may be taken while its lead stays below a ceiling, and has to be before its lead falls under a
 * floor: the one that has to be first is taken (earliest deadline first: it finds an order whenever there is one).
 *
 * In any number of turns in a row with the same members to be had each gets its share
 *   ± 1             of two members, of equal weights, and wherever a search for floors finds an order that does it
 *   less than ± 2   of all others, and less than ± 1 from the first turn on: with n members leads stay within 1 - 1/(2n - 2)
 *                   (Tijdeman, The chairman assignment problem). There are weights, 5 3 2 1 among them, for which no order
 *                   at all keeps ± 1.
 * Once the set of members that can be had changes it takes SETTLE_TURNS turns until that holds again. Who could not be had has
 * nothing to catch up on: its lead waits for it, and what the others are ahead or behind together is shared out among them.
 *
 * Threads  plain data.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* turns. With the same members to be had, until an order is looked for. */
#define TURNS_SETTLE 64

struct turns_member {
    bool can;   /* set by the caller before turns_take() */
    bool could; /* is in the set of the last turn */
    double weight, per_weight;
    double lead;
    double floor, ceiling;
    double least, most; /* lead, during a search */
};
struct turns {
    struct turns_member *members; /* the caller's memory */
    size_t count;
    size_t set_count;    /* members in the set of the last turn */
    double per_weight;   /* 1 / the weights of the set */
    bool is_settled;     /* floors are this set's own, and leads began at 0 */
    uint32_t same_turns; /* with this set */
    uint64_t period, at; /* settled: after so many turns all leads are 0 again */
};

/* Weights are 1 to 1,000,000; `members` has room for count. */
void turns_init(struct turns *turns, struct turns_member *members, const int32_t *weights, size_t count);
/* Goes on with the lead it had in turns before; after turns_init(). */
void turns_keep(struct turns *turns, size_t member, double lead);
/* The member whose turn it is, among those that `can`: it has taken it. SIZE_MAX: none can. */
size_t turns_take(struct turns *turns);
