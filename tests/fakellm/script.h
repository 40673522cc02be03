#ifndef FAKELLM_SCRIPT_H
#define FAKELLM_SCRIPT_H

#include "rule.h"

/*
 * script: how requests are answered. A list of rules, the first that is for a request wins; one rule without a match
 * part (the defaults, from the command line) answers the rest.
 * Memory  it counts its references, so that it can be replaced while replies of it go out. Only what it has counted of
 *         its rules' uses ever changes.
 */

enum { SCRIPT_RULES_MAX = 1000 /* of one script; a request is compared with each */ };

struct script;

struct script_options {
    const struct rule *defaults; /* copied: fields a rule leaves out, and the answer when no rule matches */
    bool is_burst;               /* no rule paces its tokens, whatever it says */
    uint64_t seed;               /* of what happens at random; each script begins anew */
};

/*
 * Makes a script with one reference.
 *
 * json   a list of rules; empty bytes mean no rules
 *
 * Returns NULL, with words in message, when the list is not right.
 */
struct script *script_new(struct span json, const struct script_options *options,
                          char message[RULE_MESSAGE_BYTES]);
struct script *script_ref(struct script *script);
void script_unref(struct script *script);

/* Counts uses from 0 again, and begins its random numbers anew. */
void script_restart(struct script *script);

size_t script_rule_count(const struct script *script);
const struct rule *script_rule(const struct script *script, size_t index);

/* What a request shows to the rules. */
struct script_subject {
    const char *model;   /* NULL: none */
    const char *api_key; /* NULL: none */
    const char *protocol;
    bool has_tools, has_response_format, is_stream;
    bool (*contains)(const void *arg, const char *needle);
    const void *arg;
};

/* The rule that answers a request, with its index; the defaults with index -1. Lives as long as the script. */
const struct rule *script_use(struct script *script, const struct script_subject *subject, int *ret_index);

#endif
