#ifndef FAKELLM_SCRIPT_H
#define FAKELLM_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

/*
 * script: how requests are answered. A list of rules, the first that matches wins; one rule without a match part (the
 * defaults, from the command line) answers the rest.
 * Memory  a script is immutable and counts its references, so that it can be replaced while replies of it go out.
 */

enum {
    SCRIPT_RULES_MAX = 1000,            /* rules of one script; a request is compared with each */
    REPLY_BYTES_MAX = 16 * 1024 * 1024, /* one reply with its repeats */
    RULE_CALLS_MAX = 128,               /* tools that one reply wants called */
    RULE_MESSAGE_BYTES = 256
};

/* What a request must have. */
enum rule_wish { RULE_ANY, RULE_WITH, RULE_WITHOUT };

struct rule {
    /* What a request must have; NULL: anything. */
    char *model;
    char *api_key;
    char *contains; /* somewhere in the text of its messages */
    enum rule_wish tools, response_format;

    /* How it is answered. */
    char *reply;         /* NULL: echo of the last user message, or nothing with tool_calls */
    char *tool_calls;    /* JSON list of {"name", "arguments"}, both texts; NULL: none */
    char *finish_reason; /* NULL: "stop", or "tool_calls" with some */
    int64_t repeat;
    int64_t first_token_ms;
    double tokens_per_second; /* 0: all at once */
    int64_t status;           /* 200: a reply; else an error with error_body */
    char *error_body;         /* NULL: the body OpenAI sends with that status */
    bool error_is_json;
    int64_t break_after; /* words after which the connection is closed; -1: never */
    int64_t chunk_bytes; /* the answer's bytes go out in pieces of this many; 0: not cut */
};

/* The fields of a rule: one table for script files and for the command line. */
enum rule_field_kind {
    RULE_TEXT,
    RULE_COUNT,
    RULE_RATE,
    RULE_FLAG,  /* is it there? */
    RULE_BODY,  /* any JSON value; script only */
    RULE_CALLS, /* list of calls; script only */
};

struct rule_field {
    const char *name;
    enum rule_field_kind kind;
    bool is_match; /* belongs into "match" */
    size_t offset;
    double min, max;
    const char *help;
};

extern const struct rule_field rule_fields[];
extern const size_t rule_field_count;

/* Can it be given on the command line? */
bool rule_field_is_option(const struct rule_field *field);

void rule_init(struct rule *rule);
void rule_fini(struct rule *rule);

/* Sets a field from an option's text. False, with words in message, when the text does not fit. */
bool rule_set_option(struct rule *rule, const struct rule_field *field, const char *value,
                     char message[RULE_MESSAGE_BYTES]);

struct script;

/*
 * Makes a script with one reference.
 *
 * json       a list of rules; empty bytes mean no rules
 * defaults   copied: fields a rule leaves out, and the answer when no rule matches
 * is_burst   true: no rule paces its tokens, whatever it says
 *
 * Returns NULL, with words in message, when the list is not right.
 */
struct script *script_new(struct span json, const struct rule *defaults, bool is_burst,
                          char message[RULE_MESSAGE_BYTES]);
struct script *script_ref(struct script *script);
void script_unref(struct script *script);

size_t script_rule_count(const struct script *script);
const struct rule *script_rule(const struct script *script, size_t index);

/* What a request shows to the rules. */
struct script_subject {
    const char *model;   /* NULL: none */
    const char *api_key; /* NULL: none */
    bool has_tools, has_response_format;
    bool (*contains)(const void *arg, const char *needle);
    const void *arg;
};

/* The first rule that matches, with its index; the defaults with index -1. Lives as long as the script. */
const struct rule *script_match(const struct script *script, const struct script_subject *subject,
                                int *ret_index);

#endif
