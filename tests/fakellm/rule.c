/* rule: which requests it is for, and how they are answered. */
#include "rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define FIELD(member) .name = #member, .offset = offsetof(struct rule, member)
#define WORDS(...)                                                                                           \
    .kind = RULE_WORD, .words = (const char *const[])                                                        \
    {                                                                                                        \
        __VA_ARGS__, NULL                                                                                    \
    }
#define SCRIPT_ONLY(k) .kind = (k), .is_script_only = true
#define MATCH(k)       .kind = (k), .is_script_only = true, .is_match = true

const struct rule_field rule_fields[] = {
    {FIELD(model), MATCH(RULE_TEXT), .help = "the request's model"},
    {FIELD(api_key), MATCH(RULE_TEXT), .help = "the request's key"},
    {FIELD(contains), MATCH(RULE_TEXT), .help = "text in one of its messages"},
    {FIELD(protocol), MATCH(RULE_TEXT), .help = "openai, azure_openai, anthropic or gemini"},
    {FIELD(tools), MATCH(RULE_FLAG), .help = "with tools or without"},
    {FIELD(response_format), MATCH(RULE_FLAG), .help = "with a format or without"},
    {FIELD(stream), MATCH(RULE_FLAG), .help = "streamed or not"},
    {FIELD(times), SCRIPT_ONLY(RULE_COUNT), .min = 1, .max = 1e12, .help = "for the first so many"},
    {FIELD(probability), SCRIPT_ONLY(RULE_RATE), .max = 1, .help = "for each with this probability"},

    {FIELD(reply), .kind = RULE_TEXT, .help = "the reply (default: echo of the last user message)"},
    {FIELD(reasoning), .kind = RULE_TEXT, .help = "what it thinks before it replies"},
    {FIELD(tool_calls), SCRIPT_ONLY(RULE_CALLS), .help = "tools it wants called"},
    {FIELD(finish_reason), .kind = RULE_TEXT, .help = "why it ends (default: stop, or tool_calls)"},
    {FIELD(repeat), .kind = RULE_COUNT, .min = 1, .max = 1000000, .help = "say the reply this many times"},
    {FIELD(usage), SCRIPT_ONLY(RULE_SWITCH), .help = "say what it cost"},
    {FIELD(cached_tokens), .kind = RULE_COUNT, .max = 1e9,
     .help = "how many of the prompt came from a cache"},
    {FIELD(headers), SCRIPT_ONLY(RULE_HEADERS), .help = "additional headers"},

    {FIELD(first_token_ms), .kind = RULE_COUNT, .max = 3600000, .help = "wait before the first byte"},
    {FIELD(tokens_per_second), .kind = RULE_RATE, .max = 1000000,
     .help = "pace of the words; 0: all at once"},

    {FIELD(status), .kind = RULE_COUNT, .min = 200, .max = 599,
     .help = "answer with this status: 200, or an error from 400"},
    {FIELD(error_kind), WORDS("by_status", "quota", "invalid_key", "context_length"),
     .help = "which error of that status"},
    {FIELD(error_body), SCRIPT_ONLY(RULE_BODY), .help = "body of the error"},
    {FIELD(error_after), .kind = RULE_COUNT, .min = -1, .max = 1e9,
     .help = "the error comes inside a 200, after so many words; -1: as its status"},
    {FIELD(start_before_error), SCRIPT_ONLY(RULE_SWITCH), .help = "error_after 0: not as the first event"},

    {FIELD(break_after), .kind = RULE_COUNT, .min = -1, .max = 1e9,
     .help = "break off after so many words; -1: never"},
    {FIELD(break_at), WORDS("words", "request", "head"), .help = "break off there instead"},
    {FIELD(break_how), WORDS("close", "reset", "stall"), .help = "what breaking off is"},
    {FIELD(stall_ms), .kind = RULE_COUNT, .max = 3600000, .help = "how long a stall is; 0: for ever"},
    {FIELD(garbage), WORDS("none", "bytes", "body", "event"), .help = "what is no HTTP, or no answer"},
    {FIELD(stream_end), WORDS("done", "no_done", "no_finish", "open"), .help = "how a stream ends"},

    {FIELD(chunk_bytes), .kind = RULE_COUNT, .max = REPLY_BYTES_MAX,
     .help = "cut the answer into pieces of so many bytes; 0: do not"},
    {FIELD(line_end), WORDS("provider", "lf", "crlf", "cr"), .help = "how lines of a stream end"},
    {FIELD(comments), SCRIPT_ONLY(RULE_SWITCH), .help = "comments between the events"},
    {FIELD(data_lines), .kind = RULE_COUNT, .min = 1, .max = 100, .help = "data lines of each event"},
    {FIELD(line_bytes), .kind = RULE_COUNT, .max = RULE_LINE_BYTES_MAX,
     .help = "the first word's data line is as long as this"},
    {FIELD(compress), WORDS("none", "gzip", "deflate"), .help = "compress the body if the client takes it"},

    {FIELD(rest_ms), .kind = RULE_COUNT, .min = -1, .max = 86400000,
     .help = "no call is expected for so long; -1: as Retry-After says"},
    {FIELD(rest_grace_ms), .kind = RULE_COUNT, .max = 60000,
     .help = "calls of the first so many ms do not count as calls in the rest"},
};
const size_t rule_field_count = sizeof rule_fields / sizeof rule_fields[0];

static bool is_text(const struct rule_field *field)
{
    return field->kind == RULE_TEXT || field->kind == RULE_BODY || field->kind == RULE_CALLS ||
           field->kind == RULE_HEADERS;
}

static void *at(struct rule *rule, const struct rule_field *field)
{
    return (char *)rule + field->offset;
}

void rule_init(struct rule *rule)
{
    *rule = (struct rule){.times = -1,
                          .probability = 1,
                          .repeat = 1,
                          .usage = true,
                          .status = 200,
                          .error_after = -1,
                          .break_after = -1,
                          .data_lines = 1,
                          .rest_ms = -1,
                          .retry_after_ms = -1,
                          .retry_after_wall_ms = -1};
}

void rule_fini(struct rule *rule)
{
    for (size_t i = 0; i < rule_field_count; i++)
        if (is_text(&rule_fields[i]))
            free(*(char **)at(rule, &rule_fields[i]));
    rule_init(rule);
}

bool rule_copy(struct rule *to, const struct rule *from)
{
    *to = *from;
    bool is_whole = true;
    for (size_t i = 0; i < rule_field_count; i++) {
        if (!is_text(&rule_fields[i]))
            continue;
        char **text = at(to, &rule_fields[i]);
        if (*text == NULL)
            continue;
        *text = strdup(*text);
        is_whole &= *text != NULL;
    }
    return is_whole;
}

bool rule_say(char message[RULE_MESSAGE_BYTES], const char *what, const char *field)
{
    (void)snprintf(message, RULE_MESSAGE_BYTES, "%.60s: %.180s", field, what); /* cut if it must be */
    return false;
}

/* ---- one field ---- */

static bool set_text(struct rule *rule, const struct rule_field *field, const char *value,
                     char message[RULE_MESSAGE_BYTES])
{
    char *copy = strdup(value);
    if (copy == NULL)
        return rule_say(message, "out of memory", field->name);
    char **text = at(rule, field);
    free(*text);
    *text = copy;
    return true;
}

static bool set_number(struct rule *rule, const struct rule_field *field, double value,
                       char message[RULE_MESSAGE_BYTES])
{
    if (!(value >= field->min && value <= field->max)) {
        char range[96];
        (void)snprintf(range, sizeof range, "must be from %.0f to %.0f", field->min,
                       field->max); /* it fits */
        return rule_say(message, range, field->name);
    }
    if (field->kind == RULE_RATE) {
        *(double *)at(rule, field) = value;
        return true;
    }
    if (value != (double)(int64_t)value)
        return rule_say(message, "must be a whole number", field->name);
    *(int64_t *)at(rule, field) = (int64_t)value;
    return true;
}

static bool set_word(struct rule *rule, const struct rule_field *field, const char *value,
                     char message[RULE_MESSAGE_BYTES])
{
    char choice[RULE_MESSAGE_BYTES] = "must be one of";
    size_t len = strlen(choice);
    for (int i = 0; field->words[i] != NULL; i++) {
        if (strcmp(field->words[i], value) == 0) {
            *(int *)at(rule, field) = i;
            return true;
        }
        len += (size_t)snprintf(choice + len, sizeof choice - len, " %s", field->words[i]); /* few, short */
    }
    return rule_say(message, choice, field->name);
}

bool rule_set_option(struct rule *rule, const struct rule_field *field, const char *value,
                     char message[RULE_MESSAGE_BYTES])
{
    if (field->kind == RULE_TEXT)
        return set_text(rule, field, value, message);
    if (field->kind == RULE_WORD)
        return set_word(rule, field, value, message);
    char *end = NULL;
    errno = 0;
    double number = strtod(value, &end);
    if (*value == '\0' || *end != '\0' || errno != 0)
        return rule_say(message, "must be a number", field->name);
    return set_number(rule, field, number, message);
}

/* Arguments may be written as text or as the JSON itself. */
static bool add_call(cJSON *calls, const cJSON *call, char message[RULE_MESSAGE_BYTES])
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(call, "name");
    const cJSON *arguments = cJSON_GetObjectItemCaseSensitive(call, "arguments");
    if (!cJSON_IsString(name) || arguments == NULL || cJSON_GetArraySize(call) != 2)
        return rule_say(message, "a call is {\"name\": text, \"arguments\": …}", "tool_calls");
    char *printed = cJSON_IsString(arguments) ? NULL : cJSON_PrintUnformatted(arguments);
    cJSON *copy = cJSON_CreateObject();
    bool ok = copy != NULL && cJSON_AddStringToObject(copy, "name", name->valuestring) != NULL &&
              (printed != NULL || cJSON_IsString(arguments)) &&
              cJSON_AddStringToObject(copy, "arguments",
                                      printed != NULL ? printed : arguments->valuestring) != NULL;
    free(printed);
    if (ok && cJSON_AddItemToArray(calls, copy))
        return true;
    cJSON_Delete(copy);
    return rule_say(message, "out of memory", "tool_calls");
}

static bool set_calls(struct rule *rule, const cJSON *value, char message[RULE_MESSAGE_BYTES])
{
    if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) > RULE_CALLS_MAX)
        return rule_say(message, "must be a list of at most 128 calls", "tool_calls");
    cJSON *calls = cJSON_CreateArray();
    bool ok = calls != NULL || rule_say(message, "out of memory", "tool_calls");
    const cJSON *call;
    cJSON_ArrayForEach (call, value)
        ok = ok && add_call(calls, call, message);
    if (ok) {
        free(rule->tool_calls);
        rule->tool_calls = cJSON_GetArraySize(calls) > 0 ? cJSON_PrintUnformatted(calls) : NULL;
        ok = rule->tool_calls != NULL || cJSON_GetArraySize(calls) == 0 ||
             rule_say(message, "out of memory", "tool_calls");
    }
    cJSON_Delete(calls);
    return ok;
}

/* Notes when the rest ends that a header asks for: seconds, milliseconds, or a date. */
static void note_retry_after(struct rule *rule, const char *name, const char *value)
{
    bool is_ms = strcasecmp(name, "retry-after-ms") == 0;
    if (!is_ms && strcasecmp(name, "retry-after") != 0)
        return;
    char *end = NULL;
    double number = strtod(value, &end);
    struct tm date = {0};
    if (*value != '\0' && *end == '\0' && number >= 0 && number < 1e9) {
        rule->retry_after_ms = (int64_t)(is_ms ? number : number * 1000);
    } else if (!is_ms && (end = strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &date)) != NULL &&
               *end == '\0') {
        rule->retry_after_wall_ms = (int64_t)timegm(&date) * 1000;
    }
}

static bool is_header(const char *name, const char *value)
{
    static const char *const own[] = {"content-type", "content-length", "transfer-encoding",
                                      "connection",   "x-request-id",   "content-encoding"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcasecmp(name, own[i]) == 0)
            return false;
    for (const char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f ||
            strchr("()<>@,;:\\\"/[]?={}", *c) != NULL)
            return false;
    return *name != '\0' && strpbrk(value, "\r\n") == NULL;
}

static bool set_headers(struct rule *rule, const cJSON *object, char message[RULE_MESSAGE_BYTES])
{
    if (!cJSON_IsObject(object))
        return rule_say(message, "must be an object", "headers");
    struct text lines;
    text_init(&lines, RULE_HEADERS_BYTES_MAX);
    rule->retry_after_ms = rule->retry_after_wall_ms = -1;
    bool ok = true;
    const cJSON *item;
    cJSON_ArrayForEach (item, object) {
        if (!cJSON_IsString(item) || !is_header(item->string, item->valuestring)) {
            ok = rule_say(message, "names and texts; not those fakellm writes itself", "headers");
            break;
        }
        text_putf(&lines, "%s: %s\r\n", item->string, item->valuestring);
        note_retry_after(rule, item->string, item->valuestring);
    }
    text_put(&lines, (struct span){"", 1}); /* its NUL */
    if (ok && lines.failed)
        ok = rule_say(message, "are longer than 16 KiB", "headers");
    if (ok) {
        free(rule->headers);
        rule->headers = lines.ptr;
    } else {
        text_fini(&lines);
    }
    return ok;
}

static bool set_bool(struct rule *rule, const struct rule_field *field, const cJSON *value,
                     char message[RULE_MESSAGE_BYTES])
{
    if (!cJSON_IsBool(value))
        return rule_say(message, "must be true or false", field->name);
    if (field->kind == RULE_SWITCH)
        *(bool *)at(rule, field) = cJSON_IsTrue(value);
    else
        *(enum rule_wish *)at(rule, field) = cJSON_IsTrue(value) ? RULE_WITH : RULE_WITHOUT;
    return true;
}

static bool set_body(struct rule *rule, const struct rule_field *field, const cJSON *value,
                     char message[RULE_MESSAGE_BYTES])
{
    rule->error_is_json = !cJSON_IsString(value);
    if (!rule->error_is_json)
        return set_text(rule, field, value->valuestring, message);
    free(rule->error_body);
    rule->error_body = cJSON_PrintUnformatted(value);
    return rule->error_body != NULL || rule_say(message, "out of memory", field->name);
}

static bool set_json(struct rule *rule, const struct rule_field *field, const cJSON *value,
                     char message[RULE_MESSAGE_BYTES])
{
    switch (field->kind) {
    case RULE_TEXT:
    case RULE_WORD:
        if (!cJSON_IsString(value))
            return rule_say(message, "must be a string", field->name);
        return field->kind == RULE_TEXT ? set_text(rule, field, value->valuestring, message)
                                        : set_word(rule, field, value->valuestring, message);
    case RULE_COUNT:
    case RULE_RATE:
        if (!cJSON_IsNumber(value))
            return rule_say(message, "must be a number", field->name);
        return set_number(rule, field, value->valuedouble, message);
    case RULE_FLAG:
    case RULE_SWITCH:
        return set_bool(rule, field, value, message);
    case RULE_CALLS:
        return set_calls(rule, value, message);
    case RULE_HEADERS:
        return set_headers(rule, value, message);
    case RULE_BODY:
        break;
    }
    return set_body(rule, field, value, message);
}

/* ---- a rule ---- */

static const struct rule_field *find_field(const char *name, bool is_match)
{
    for (size_t i = 0; i < rule_field_count; i++)
        if (rule_fields[i].is_match == is_match && strcmp(rule_fields[i].name, name) == 0)
            return &rule_fields[i];
    return NULL;
}

static bool read_fields(struct rule *rule, const cJSON *object, bool is_match,
                        char message[RULE_MESSAGE_BYTES])
{
    const cJSON *item;
    cJSON_ArrayForEach (item, object) {
        if (!is_match && strcmp(item->string, "match") == 0)
            continue;
        const struct rule_field *field = find_field(item->string, is_match);
        if (field == NULL)
            return rule_say(message, is_match ? "no such field in match" : "no such field", item->string);
        if (!set_json(rule, field, item, message))
            return false;
    }
    return true;
}

bool rule_check(const struct rule *rule, char message[RULE_MESSAGE_BYTES])
{
    bool is_broken = rule->break_after >= 0 || rule->break_at != BREAK_AT_WORDS;
    if (rule->status != 200 && rule->status < 400)
        return rule_say(message, "must be 200, or an error from 400 to 599", "status");
    if (rule->reply != NULL && strlen(rule->reply) > (size_t)(REPLY_BYTES_MAX / rule->repeat))
        return rule_say(message, "with its repeats the reply is longer than 16 MiB", "repeat");
    if (rule->status == 200 && (rule->error_after >= 0 || rule->error_kind != ERROR_BY_STATUS))
        return rule_say(message, "says which error: it must not be 200", "status");
    if (rule->break_how != BREAK_CLOSE && !is_broken)
        return rule_say(message, "needs break_at or break_after", "break_how");
    return true;
}

bool rule_read(struct rule *rule, const cJSON *object, char message[RULE_MESSAGE_BYTES])
{
    if (!cJSON_IsObject(object))
        return rule_say(message, "must be an object", "rule");
    const cJSON *match = cJSON_GetObjectItemCaseSensitive(object, "match");
    if (match != NULL && !cJSON_IsObject(match))
        return rule_say(message, "must be an object", "match");
    return read_fields(rule, match, true, message) && read_fields(rule, object, false, message) &&
           rule_check(rule, message);
}
