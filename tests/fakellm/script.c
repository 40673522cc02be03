/* script: how requests are answered. */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct script {
    size_t refs;
    size_t count;
    struct rule *rules; /* count of them, and then the defaults */
    int64_t *uses;      /* of each rule */
    uint64_t seed, random;
};

/* Rule `i`, or the defaults behind the last. On failure it is ended with the others. */
static bool read_rule(struct script *script, size_t i, const cJSON *item,
                      const struct script_options *options, char message[RULE_MESSAGE_BYTES])
{
    struct rule *rule = &script->rules[i];
    if (!rule_copy(rule, options->defaults))
        return rule_say(message, "out of memory", "script");
    char why[RULE_MESSAGE_BYTES];
    bool is_right = item != NULL ? rule_read(rule, item, why) : rule_check(rule, why);
    if (!is_right) {
        char where[32];
        (void)snprintf(where, sizeof where, item != NULL ? "rule %zu" : "options", i); /* it fits */
        return rule_say(message, why, where);
    }
    if (options->is_burst)
        rule->tokens_per_second = 0;
    return true;
}

static bool read_rules(struct script *script, const cJSON *list, const struct script_options *options,
                       char message[RULE_MESSAGE_BYTES])
{
    size_t count = (size_t)cJSON_GetArraySize(list);
    if (list != NULL && !cJSON_IsArray(list))
        return rule_say(message, "must be a list of rules", "script");
    if (count > SCRIPT_RULES_MAX)
        return rule_say(message, "has more than 1,000 rules", "script");
    script->rules = calloc(count + 1, sizeof *script->rules);
    script->uses = calloc(count + 1, sizeof *script->uses);
    if (script->rules == NULL || script->uses == NULL)
        return rule_say(message, "out of memory", "script");
    const cJSON *item = list != NULL ? list->child : NULL;
    for (size_t i = 0; i <= count; i++) {
        script->count = i;
        if (!read_rule(script, i, item, options, message))
            return false;
        item = item != NULL ? item->next : NULL;
    }
    return true;
}

struct script *script_new(struct span json, const struct script_options *options,
                          char message[RULE_MESSAGE_BYTES])
{
    struct script *script = calloc(1, sizeof *script);
    cJSON *list = NULL;
    bool is_right = script != NULL || rule_say(message, "out of memory", "script");
    if (is_right && json.len > 0) {
        list = json_read(json);
        is_right = list != NULL || rule_say(message, "is not JSON", "script");
    }
    is_right = is_right && read_rules(script, list, options, message);
    cJSON_Delete(list);
    if (!is_right) {
        script_unref(script);
        return NULL;
    }
    script->refs = 1;
    script->seed = script->random = options->seed;
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
    free(script->uses);
    free(script);
}

void script_restart(struct script *script)
{
    memset(script->uses, 0, (script->count + 1) * sizeof *script->uses);
    script->random = script->seed;
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

static bool is_match(const struct rule *rule, const struct script_subject *subject)
{
    return is_same(rule->model, subject->model) && is_same(rule->api_key, subject->api_key) &&
           is_same(rule->protocol, subject->protocol) && is_wished(rule->tools, subject->has_tools) &&
           is_wished(rule->response_format, subject->has_response_format) &&
           is_wished(rule->stream, subject->is_stream) &&
           (rule->contains == NULL || subject->contains(subject->arg, rule->contains));
}

/* From 0 to below 1: splitmix64, which any seed starts well. */
static double next_random(struct script *script)
{
    uint64_t z = script->random += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return (double)(z >> 11) / (double)(UINT64_C(1) << 53);
}

const struct rule *script_use(struct script *script, const struct script_subject *subject, int *ret_index)
{
    for (size_t i = 0; i < script->count; i++) {
        const struct rule *rule = &script->rules[i];
        if (!is_match(rule, subject) || (rule->times >= 0 && script->uses[i] >= rule->times) ||
            (rule->probability < 1 && next_random(script) >= rule->probability))
            continue;
        script->uses[i]++;
        *ret_index = (int)i;
        return rule;
    }
    *ret_index = -1;
    return &script->rules[script->count];
}
