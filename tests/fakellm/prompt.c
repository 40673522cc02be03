/* prompt: the body of a request for a completion. */
#include "prompt.h"

#include <string.h>

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* Walks the texts of a prompt: what the system is told, every message, and of a message in parts every text. */
struct texts {
    const char *content_key; /* of a message */
    const cJSON *system;     /* NULL: none, or already walked */
    const cJSON *message;    /* the next one */
    const cJSON *part;       /* the next part of the message at hand */
    const cJSON *of;         /* the message the latest text belongs to */
    const char *role;        /* of it */
};

static struct texts texts_of(const struct prompt *prompt)
{
    const cJSON *json = prompt->json;
    struct texts texts = {.content_key = "content", .role = ""};
    const cJSON *list = NULL;
    switch (prompt->kind) {
    case PROMPT_CHAT:
        list = member(json, "messages");
        break;
    case PROMPT_COMPLETION:
        list = member(json, "prompt");
        break;
    case PROMPT_MESSAGES:
        texts.system = member(json, "system");
        list = member(json, "messages");
        break;
    case PROMPT_CONTENTS:
        texts.content_key = "parts";
        texts.system = member(json, "systemInstruction");
        texts.system =
            member(texts.system != NULL ? texts.system : member(json, "system_instruction"), "parts");
        list = member(json, "contents");
        break;
    case PROMPT_NONE:
        break;
    }
    texts.message = cJSON_IsArray(list) ? list->child : cJSON_IsString(list) ? list : NULL;
    return texts;
}

/* Gemini calls the assistant "model", and need not name the user. */
static const char *role_of(const struct texts *texts, const cJSON *message)
{
    const char *role = cJSON_GetStringValue(member(message, "role"));
    bool is_gemini = strcmp(texts->content_key, "parts") == 0;
    if (role == NULL)
        return is_gemini ? "user" : "";
    return is_gemini && strcmp(role, "model") == 0 ? "assistant" : role;
}

/* The next text; NULL at the end. */
static const char *texts_next(struct texts *texts)
{
    for (;;) {
        while (texts->part != NULL) {
            const cJSON *text = member(texts->part, "text");
            texts->part = texts->part->next;
            if (cJSON_IsString(text))
                return text->valuestring;
        }
        const cJSON *content;
        if (texts->system != NULL) {
            texts->of = content = texts->system;
            texts->role = "system";
            texts->system = NULL;
        } else {
            const cJSON *message = texts->message;
            if (message == NULL)
                return NULL;
            texts->of = content = message;
            texts->role = role_of(texts, message);
            /* A prompt that is one string has neighbours that are not prompts: the request's other fields. */
            texts->message = message->string == NULL ? message->next : NULL;
            if (cJSON_IsObject(message))
                content = member(message, texts->content_key);
        }
        if (cJSON_IsString(content))
            return content->valuestring;
        texts->part = cJSON_IsArray(content) ? content->child : NULL;
    }
}

static uint64_t fnv1a(uint64_t hash, const char *s)
{
    do { /* with the NUL, so that "a","b" differs from "ab","" */
        hash = (hash ^ (unsigned char)*s) * 0x100000001b3;
    } while (*s++ != '\0');
    return hash;
}

static size_t count_words(const char *s)
{
    size_t words = 0;
    for (;;) {
        s += strspn(s, " \t\r\n");
        if (*s == '\0')
            return words;
        words++;
        s += strcspn(s, " \t\r\n");
    }
}

/* ---- what an API refuses; only what clients that know another API get wrong ---- */

static const char *check_role(const cJSON *list, const char *one, const char *other, bool may_be_missing)
{
    const cJSON *message;
    cJSON_ArrayForEach (message, list) {
        const char *role = cJSON_GetStringValue(member(message, "role"));
        if (role == NULL && may_be_missing)
            continue;
        if (role == NULL || (strcmp(role, one) != 0 && strcmp(role, other) != 0))
            return "the role of a message is not one this API knows";
    }
    return NULL;
}

static const char *check_messages(const cJSON *json)
{
    const cJSON *messages = member(json, "messages");
    if (!cJSON_IsString(member(json, "model")))
        return "model: Field required";
    if (!cJSON_IsNumber(member(json, "max_tokens")))
        return "max_tokens: Field required";
    if (cJSON_GetArraySize(messages) == 0)
        return "messages: at least one message is required";
    const cJSON *message, *part;
    cJSON_ArrayForEach (message, messages) {
        const cJSON *content = member(message, "content");
        if (cJSON_IsString(content) && content->valuestring[0] == '\0')
            return "messages: text content blocks must be non-empty";
        cJSON_ArrayForEach (part, content) {
            const char *text = cJSON_GetStringValue(member(part, "text"));
            if (text != NULL && *text == '\0')
                return "messages: text content blocks must be non-empty";
        }
    }
    return check_role(messages, "user", "assistant", false);
}

static const char *check_contents(const cJSON *json)
{
    const cJSON *contents = member(json, "contents");
    if (cJSON_GetArraySize(contents) == 0)
        return "contents is not specified";
    return check_role(contents, "user", "model", true);
}

/* ---- what it wants ---- */

static bool wants_format(const struct prompt *prompt)
{
    const cJSON *json = prompt->json;
    if (prompt->kind == PROMPT_MESSAGES)
        return cJSON_IsObject(member(json, "output_format")) ||
               cJSON_IsObject(member(member(json, "output_config"), "format"));
    if (prompt->kind != PROMPT_CONTENTS)
        return cJSON_IsObject(member(json, "response_format"));
    const cJSON *config = member(json, "generationConfig");
    const char *type = cJSON_GetStringValue(member(config, "responseMimeType"));
    return cJSON_IsObject(member(config, "responseSchema")) ||
           cJSON_IsObject(member(config, "responseJsonSchema")) ||
           (type != NULL && strcmp(type, "application/json") == 0);
}

bool prompt_init(struct prompt *prompt, enum prompt_kind kind, struct span body)
{
    *prompt = (struct prompt){.kind = kind, .digest = 0xcbf29ce484222325};
    if (kind == PROMPT_NONE)
        return true;
    prompt->json = json_read(body);
    if (!cJSON_IsObject(prompt->json)) {
        prompt->problem = "We could not parse the JSON body of your request.";
        return false;
    }
    bool is_openai = kind == PROMPT_CHAT || kind == PROMPT_COMPLETION;
    prompt->model = cJSON_GetStringValue(member(prompt->json, "model"));
    prompt->is_stream = kind != PROMPT_CONTENTS && cJSON_IsTrue(member(prompt->json, "stream"));
    prompt->wants_usage =
        !is_openai || cJSON_IsTrue(member(member(prompt->json, "stream_options"), "include_usage"));
    prompt->has_tools = cJSON_GetArraySize(member(prompt->json, "tools")) > 0;
    prompt->has_response_format = wants_format(prompt);
    struct texts texts = texts_of(prompt);
    const char *text;
    while ((text = texts_next(&texts)) != NULL) {
        prompt->words += count_words(text);
        prompt->digest = fnv1a(fnv1a(prompt->digest, texts.role), text);
    }
    if (kind == PROMPT_MESSAGES)
        prompt->problem = check_messages(prompt->json);
    else if (kind == PROMPT_CONTENTS)
        prompt->problem = check_contents(prompt->json);
    return prompt->problem == NULL;
}

void prompt_fini(struct prompt *prompt)
{
    cJSON_Delete(prompt->json);
    prompt->json = NULL;
}

bool prompt_contains(const void *arg, const char *needle)
{
    const struct prompt *prompt = arg;
    struct texts texts = texts_of(prompt);
    const char *text;
    while ((text = texts_next(&texts)) != NULL)
        if (strstr(text, needle) != NULL)
            return true;
    return false;
}

bool prompt_put_last(const struct prompt *prompt, struct text *out)
{
    struct texts texts = texts_of(prompt);
    const cJSON *last = NULL;
    const char *text;
    while ((text = texts_next(&texts)) != NULL)
        if (prompt->kind == PROMPT_COMPLETION || strcmp(texts.role, "user") == 0)
            last = texts.of;
    texts = texts_of(prompt);
    bool is_first = true;
    while ((text = texts_next(&texts)) != NULL) {
        if (texts.of != last)
            continue;
        if (!is_first)
            text_put(out, SPAN("\n")); /* between the parts of one message */
        text_put_cstr(out, text);
        is_first = false;
    }
    return last != NULL;
}
