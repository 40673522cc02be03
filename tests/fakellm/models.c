/* models: the list of models. */
#include "models.h"

#include <string.h>

static const char first_model[] = "fake-model";

static bool is_named_before(const struct script *script, size_t index)
{
    const char *model = script_rule(script, index)->model;
    for (size_t i = 0; i < index; i++) {
        const char *other = script_rule(script, i)->model;
        if (other != NULL && strcmp(other, model) == 0)
            return true;
    }
    return strcmp(first_model, model) == 0;
}

static void put_model(enum protocol protocol, const char *model, struct text *out)
{
    switch (protocol) {
    case PROTOCOL_OPENAI:
        text_put(out, SPAN("{\"id\":"));
        text_put_json(out, model);
        text_put(out, SPAN(",\"object\":\"model\",\"created\":0,\"owned_by\":\"fakellm\"}"));
        break;
    case PROTOCOL_AZURE:
        text_put(out, SPAN("{\"id\":"));
        text_put_json(out, model);
        text_put(out, SPAN(",\"object\":\"model\",\"status\":\"succeeded\",\"created_at\":0,"
                           "\"capabilities\":{\"completion\":true,\"chat_completion\":true}}"));
        break;
    case PROTOCOL_ANTHROPIC:
        text_put(out, SPAN("{\"type\":\"model\",\"id\":"));
        text_put_json(out, model);
        text_put(out, SPAN(",\"display_name\":"));
        text_put_json(out, model);
        text_put(out, SPAN(",\"created_at\":\"1970-01-01T00:00:00Z\"}"));
        break;
    case PROTOCOL_GEMINI:
        text_put(out, SPAN("{\"name\":\"models/"));
        text_put_escaped(out, span_of(model));
        text_put(out, SPAN("\",\"displayName\":"));
        text_put_json(out, model);
        text_put(out, SPAN(",\"inputTokenLimit\":1048576,\"outputTokenLimit\":65536,"
                           "\"supportedGenerationMethods\":[\"generateContent\"]}"));
        break;
    }
}

void models_put(const struct script *script, enum protocol protocol, struct text *out)
{
    bool is_openai = protocol == PROTOCOL_OPENAI || protocol == PROTOCOL_AZURE;
    const char *last = first_model;
    text_put(out, protocol == PROTOCOL_GEMINI ? SPAN("{\"models\":[")
                  : is_openai                 ? SPAN("{\"object\":\"list\",\"data\":[")
                                              : SPAN("{\"data\":["));
    put_model(protocol, first_model, out);
    for (size_t i = 0; i < script_rule_count(script); i++) {
        if (script_rule(script, i)->model == NULL || is_named_before(script, i))
            continue;
        text_put(out, SPAN(","));
        put_model(protocol, script_rule(script, i)->model, out);
        last = script_rule(script, i)->model;
    }
    text_put(out, SPAN("]"));
    if (protocol == PROTOCOL_ANTHROPIC) {
        text_putf(out, ",\"has_more\":false,\"first_id\":\"%s\",\"last_id\":", first_model);
        text_put_json(out, last);
    }
    text_put(out, SPAN("}"));
}
