/* script: how requests are answered. */
#include "script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

struct script {
    size_t refs;
    size_t count;
    struct rule *rules; /* count of them, and then the defaults */
};

#define FIELD(member) .name = #member, .offset = offsetof(struct rule, member)

const struct rule_field rule_fields[] = {
    {FIELD(model), .kind = RULE_TEXT, .is_match = true, .help = "the request's model"},
    {FIELD(api_key), .kind = RULE_TEXT, .is_match = true, .help = "the request's bearer token"},
    {FIELD(contains), .kind = RULE_TEXT, .is_match = true, .help = "text in one of its messages"},
    {FIELD(tools), .kind = RULE_FLAG, .is_match = true, .help = "with tools or without"},
    {FIELD(response_format), .kind = RULE_FLAG, .is_match = true, .help = "with a format or without"},
    {FIELD(reply), .kind = RULE_TEXT, .help = "the reply (default: echo of the last user message)"},
    {FIELD(tool_calls), .kind = RULE_CALLS, .help = "tools it wants called"},
    {FIELD(finish_reason), .kind = RULE_TEXT, .help = "why it ends (default: stop, or tool_calls)"},
    {FIELD(repeat), .kind = RULE_COUNT, .min = 1, .max = 1000000, .help = "say the reply this many times"},
    {FIELD(first_token_ms), .kind = RULE_COUNT, .max = 3600000, .help = "wait before the first byte"},
    {FIELD(tokens_per_second), .kind = RULE_RATE, .max = 1000000,
     .help = "pace of the words; 0: all at once"},
    {FIELD(status), .kind = RULE_COUNT, .min = 200, .max = 599,
     .help = "answer with this status: 200, or an error from 400"},
    {FIELD(error_body), .kind = RULE_BODY, .help = "body of the error"},
    {FIELD(break_after), .kind = RULE_COUNT, .min = -1, .max = 1000000000,
     .help = "close the connection after so many words; -1: never"},
    {FIELD(chunk_bytes), .kind = RULE_COUNT, .max = REPLY_BYTES_MAX,
     .help = "cut the answer into pieces of so many bytes; 0: do not"},
};
const size_t rule_field_count = sizeof rule_fields / sizeof rule_fields[0];

bool rule_field_is_option(const struct rule_field *field)
{
    return !field->is_match && field->kind != RULE_BODY && field->kind != RULE_CALLS;
}

static bool is_text(const struct rule_field *field)
{
    return field->kind == RULE_TEXT || field->kind == RULE_BODY || field->kind == RULE_CALLS;
}

static char **text_of(struct rule *rule, const struct rule_field *field)
{
    return (char **)((char *)rule + field->offset);
}

void rule_init(struct rule *rule)
{
    *rule = (struct rule){.repeat = 1, .status = 200, .break_after = -1};
}

void rule_fini(struct rule *rule)
{
    for (size_t i = 0; i < rule_field_count; i++)
        if (is_text(&rule_fields[i]))
            free(*text_of(rule, &rule_fields[i]));
    rule_init(rule);
}

static bool say(char message[RULE_MESSAGE_BYTES], const char *what, const char *field)
{
    (void)snprintf(message, RULE_MESSAGE_BYTES, "%.60s: %.180s", field, what); /* cut if it must be */
    return false;
}

static bool set_text(struct rule *rule, const struct rule_field *field, const char *value,
                     char message[RULE_MESSAGE_BYTES])
{
    char *copy = strdup(value);
    if (copy == NULL)
        return say(message, "out of memory", field->name);
    char **text = text_of(rule, field);
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
        return say(message, range, field->name);
    }
    char *at = (char *)rule + field->offset;
    if (field->kind == RULE_RATE) {
        *(double *)at = value;
        return true;
    }
    if (value != (double)(int64_t)value)
        return say(message, "must be a whole number", field->name);
    *(int64_t *)at = (int64_t)value;
    return true;
}

bool rule_set_option(struct rule *rule, const struct rule_field *field, const char *value,
                     char message[RULE_MESSAGE_BYTES])
{
    if (field->kind == RULE_TEXT)
        return set_text(rule, field, value, message);
    char *end = NULL;
    errno = 0;
    double number = strtod(value, &end);
    if (*value == '\0' || *end != '\0' || errno != 0)
        return say(message, "must be a number", field->name);
    return set_number(rule, field, number, message);
}

/* Arguments may be written as text or as the JSON itself. */
static bool add_call(cJSON *calls, const cJSON *call, char message[RULE_MESSAGE_BYTES])
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(call, "name");
    const cJSON *arguments = cJSON_GetObjectItemCaseSensitive(call, "arguments");
    if (!cJSON_IsString(name) || arguments == NULL || cJSON_GetArraySize(call) != 2)
        return say(message, "a call is {\"name\": text, \"arguments\": …}", "tool_calls");
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
    return say(message, "out of memory", "tool_calls");
}

static bool set_calls(struct rule *rule, const cJSON *value, char message[RULE_MESSAGE_BYTES])
{
    if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) > RULE_CALLS_MAX)
        return say(message, "must be a list of at most 128 calls", "tool_calls");
    cJSON *calls = cJSON_CreateArray();
    bool ok = calls != NULL || say(message, "out of memory", "tool_calls");
    const cJSON *call;
    cJSON_ArrayForEach (call, value)
        ok = ok && add_call(calls, call, message);
    if (ok) {
        free(rule->tool_calls);
        rule->tool_calls = cJSON_GetArraySize(calls) > 0 ? cJSON_PrintUnformatted(calls) : NULL;
        ok = rule->tool_calls != NULL || cJSON_GetArraySize(calls) == 0 ||
             say(message, "out of memory", "tool_calls");
    }
    cJSON_Delete(calls);
    return ok;
}

static bool set_flag(struct rule *rule, const struct rule_field *field, const cJSON *value,
                     char message[RULE_MESSAGE_BYTES])
{
    if (!cJSON_IsBool(value))
        return say(message, "must be true or false", field->name);
    *(enum rule_wish *)((char *)rule + field->offset) = cJSON_IsTrue(value) ? RULE_WITH : RULE_WITHOUT;
    return true;
}

static bool set_json(struct rule *rule, const struct rule_field *field, const cJSON *value,
                     char message[RULE_MESSAGE_BYTES])
{
    switch (field->kind) {
    case RULE_TEXT:
        if (!cJSON_IsString(value))
            return say(message, "must be a string", field->name);
        return set_text(rule, field, value->valuestring, message);
    case RULE_COUNT:
    case RULE_RATE:
        if (!cJSON_IsNumber(value))
            return say(message, "must be a number", field->name);
        return set_number(rule, field, value->valuedouble, message);
    case RULE_FLAG:
        return set_flag(rule, field, value, message);
    case RULE_CALLS:
        return set_calls(rule, value, message);
    case RULE_BODY:
        break;
    }
    rule->error_is_json = !cJSON_IsString(value);
    if (!rule->error_is_json)
        return set_text(rule, field, value->valuestring, message);
    free(rule->error_body);
    rule->error_body = cJSON_PrintUnformatted(value);
    return rule->error_body != NULL || say(message, "out of memory", field->name);
}

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
            return say(message, is_match ? "no such field in match" : "no such field", item->string);
        if (!set_json(rule, field, item, message))
            return false;
    }
    return true;
}

/* What no single field can see. */
static bool check_rule(const struct rule *rule, char message[RULE_MESSAGE_BYTES])
{
    if (rule->status != 200 && rule->status < 400)
        return say(message, "must be 200, or an error from 400 to 599", "status");
    if (rule->reply != NULL && strlen(rule->reply) > (size_t)(REPLY_BYTES_MAX / rule->repeat))
        return say(message, "with its repeats the reply is longer than 16 MiB", "repeat");
    return true;
}

static bool read_rule(struct rule *rule, const cJSON *object, char message[RULE_MESSAGE_BYTES])
{
    if (!cJSON_IsObject(object))
        return say(message, "must be an object", "rule");
    const cJSON *match = cJSON_GetObjectItemCaseSensitive(object, "match");
    if (match != NULL && !cJSON_IsObject(match))
        return say(message, "must be an object", "match");
    return read_fields(rule, match, true, message) && read_fields(rule, object, false, message) &&
           check_rule(rule, message);
}

/* to: not initialised yet; can be ended whatever the outcome */
static bool copy_rule(struct rule *to, const struct rule *from)
{
    *to = *from;
    bool is_whole = true;
    for (size_t i = 0; i < rule_field_count; i++) {
        if (!is_text(&rule_fields[i]))
            continue;
        char **text = text_of(to, &rule_fields[i]);
        if (*text == NULL)
            continue;
        *text = strdup(*text);
        is_whole &= *text != NULL;
    }
    return is_whole;
}

static bool read_rules(struct script *script, const cJSON *list, const struct rule *defaults, bool is_burst,
                       char message[RULE_MESSAGE_BYTES])
{
    int count = cJSON_GetArraySize(list);
    if (list != NULL && !cJSON_IsArray(list))
        return say(message, "must be a list of rules", "script");
    if (count > SCRIPT_RULES_MAX)
        return say(message, "has more than 1,000 rules", "script");
    script->rules = calloc((size_t)count + 1, sizeof *script->rules);
    if (script->rules == NULL)
        return say(message, "out of memory", "script");
    const cJSON *item = list != NULL ? list->child : NULL;
    for (int i = 0; i <= count; i++) {
        struct rule *rule = &script->rules[i];
        script->count = (size_t)i; /* this rule is ended with the others, as the last */
        if (!copy_rule(rule, defaults))
            return say(message, "out of memory", "script");
        char why[RULE_MESSAGE_BYTES];
        bool is_right = i < count ? read_rule(rule, item, why) : check_rule(rule, why);
        if (!is_right) {
            char where[32];
            (void)snprintf(where, sizeof where, i < count ? "rule %d" : "options", i); /* it fits */
            return say(message, why, where);
        }
        if (is_burst)
            rule->tokens_per_second = 0;
        item = item != NULL ? item->next : NULL;
    }
    return true;
}

struct script *script_new(struct span json, const struct rule *defaults, bool is_burst,
                          char message[RULE_MESSAGE_BYTES])
{
    struct script *script = calloc(1, sizeof *script);
    cJSON *list = NULL;
    bool is_right = script != NULL || say(message, "out of memory", "script");
    if (is_right && json.len > 0) {
        list = json_read(json);
        is_right = list != NULL || say(message, "is not JSON", "script");
    }
    is_right = is_right && read_rules(script, list, defaults, is_burst, message);
    cJSON_Delete(list);
    if (!is_right) {
        script_unref(script);
        return NULL;
    }
    script->refs = 1;
    return script;
}

struct script *script_ref(struct script *script)
{
    script->refs++;
    return script;
}

void script_unref(struct script *script)
{
    if (script == NULL || (script->refs > 0 && --script->refs > 0))
        return;
    for (size_t i = 0; script->rules != NULL && i <= script->count; i++)
        rule_fini(&script->rules[i]);
    free(script->rules);
    free(script);
}

size_t script_rule_count(const struct script *script)
{
    return script->count;
}

const struct rule *script_rule(const struct script *script, size_t index)
{
    return &script->rules[index];
}

static bool is_same(const char *wanted, const char *is)
{
    return wanted == NULL || (is != NULL && strcmp(wanted, is) == 0);
}

static bool is_wished(enum rule_wish wish, bool is_there)
{
    return wish == RULE_ANY || (wish == RULE_WITH) == is_there;
}

const struct rule *script_match(const struct script *script, const struct script_subject *subject,
                                int *ret_index)
{
    for (size_t i = 0; i < script->count; i++) {
        const struct rule *rule = &script->rules[i];
        if (is_same(rule->model, subject->model) && is_same(rule->api_key, subject->api_key) &&
            is_wished(rule->tools, subject->has_tools) &&
            is_wished(rule->response_format, subject->has_response_format) &&
            (rule->contains == NULL || subject->contains(subject->arg, rule->contains))) {
            *ret_index = (int)i;
            return rule;
        }
    }
    *ret_index = -1;
    return &script->rules[script->count];
}
