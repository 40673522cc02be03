#ifndef FAKELLM_RULE_H
#define FAKELLM_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "text.h"

/* rule: which requests it is for, and how they are answered. Read from a script, or from the command line. */

enum {
    REPLY_BYTES_MAX = 16 * 1024 * 1024, /* one reply with its repeats */
    RULE_CALLS_MAX = 128,               /* tools that one reply wants called */
    RULE_HEADERS_BYTES_MAX = 16 * 1024, /* additional headers of one answer: far above what clients take */
    RULE_LINE_BYTES_MAX = 64 * 1024 * 1024, /* one data line, above what any client should take */
    RULE_MESSAGE_BYTES = 256
};

/* What a request must have. */
enum rule_wish { RULE_ANY, RULE_WITH, RULE_WITHOUT };

/* Words of fields; the first one is what a rule does that does not name the field. */
enum break_at { BREAK_AT_WORDS, BREAK_AT_REQUEST, BREAK_AT_HEAD };
enum break_how { BREAK_CLOSE, BREAK_RESET, BREAK_STALL };
enum garbage { GARBAGE_NONE, GARBAGE_BYTES, GARBAGE_BODY, GARBAGE_EVENT };
enum stream_end { END_DONE, END_NO_DONE, END_NO_FINISH, END_OPEN };
enum line_end { LINES_AS_PROVIDER, LINES_LF, LINES_CRLF, LINES_CR };
enum compression { COMPRESS_NONE, COMPRESS_GZIP, COMPRESS_DEFLATE };
enum error_kind { ERROR_BY_STATUS, ERROR_QUOTA, ERROR_INVALID_KEY, ERROR_CONTEXT_LENGTH };

struct rule {
    /* What a request must have; NULL: anything. */
    char *model;
    char *api_key;
    char *contains; /* somewhere in the text of its messages */
    char *protocol;
    enum rule_wish tools, response_format, stream;

    /* For which of those it is. */
    int64_t times;      /* the first so many; -1: all */
    double probability; /* 1: all */

    /* What is said. */
    char *reply;         /* NULL: echo of the last user message, or nothing with tool_calls */
    char *reasoning;     /* NULL: none */
    char *tool_calls;    /* JSON list of {"name", "arguments"}, both texts; NULL: none */
    char *finish_reason; /* in OpenAI's words; NULL: "stop", or "tool_calls" with some */
    int64_t repeat;
    bool usage;
    int64_t cached_tokens;
    char *headers; /* additional lines of the head, each with its CR LF; NULL: none */

    /* When. */
    int64_t first_token_ms;
    double tokens_per_second; /* 0: all at once */

    /* Errors. */
    int64_t status; /* 200: a reply; else an error with error_body */
    int error_kind;
    char *error_body; /* NULL: the body the provider sends with that status */
    bool error_is_json;
    int64_t error_after; /* the error comes inside a 200, after so many words; -1: as HTTP status */
    bool start_before_error;

    /* How the answer misbehaves. */
    int64_t break_after; /* words after which it breaks off; -1: never */
    int break_at, break_how;
    int64_t stall_ms; /* how long BREAK_STALL says nothing; 0: for ever */
    int garbage;
    int stream_end;

    /* How its bytes look. */
    int64_t chunk_bytes; /* they go out in pieces of this many; 0: not cut */
    int line_end;
    bool comments;
    int64_t data_lines; /* of each event */
    int64_t line_bytes; /* length of the first word's data line at least */
    int compress;

    /* What the client should do after it. */
    int64_t rest_ms; /* no call of this key and model; -1: as Retry-After says */
    int64_t rest_grace_ms;
    int64_t retry_after_ms;      /* of `headers`; -1: none, or a date */
    int64_t retry_after_wall_ms; /* of `headers`, Unix time; -1: none, or a time span */
};

/* The fields of a rule: one table for script files and for the command line. */
enum rule_field_kind {
    RULE_TEXT,
    RULE_COUNT,
    RULE_RATE,
    RULE_WORD,    /* one of its `words` */
    RULE_FLAG,    /* is it there? */
    RULE_SWITCH,  /* true or false */
    RULE_BODY,    /* any JSON value */
    RULE_CALLS,   /* list of calls */
    RULE_HEADERS, /* names and values */
};

struct rule_field {
    const char *name;
    enum rule_field_kind kind;
    bool is_match;       /* belongs into "match" */
    bool is_script_only; /* is no option of the command line */
    size_t offset;
    double min, max;
    const char *const *words; /* NULL at the end */
    const char *help;
};

extern const struct rule_field rule_fields[];
extern const size_t rule_field_count;

void rule_init(struct rule *rule);
void rule_fini(struct rule *rule);

/* to: not initialised yet; can be ended whatever the outcome. False: no memory. */
bool rule_copy(struct rule *to, const struct rule *from);

/* Sets a field from an option's text. False, with words in message, when the text does not fit. */
bool rule_set_option(struct rule *rule, const struct rule_field *field, const char *value,
                     char message[RULE_MESSAGE_BYTES]);

/* Sets the fields a rule of a script names. False, with words in message, when it is not right. */
bool rule_read(struct rule *rule, const cJSON *object, char message[RULE_MESSAGE_BYTES]);

/* What no single field can see. False, with words in message, when fields do not go together. */
bool rule_check(const struct rule *rule, char message[RULE_MESSAGE_BYTES]);

/* Words for a message: "field: what". Returns false. */
bool rule_say(char message[RULE_MESSAGE_BYTES], const char *what, const char *field);

#endif
