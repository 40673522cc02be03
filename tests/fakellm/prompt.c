/* prompt: the body of a request for a completion. */
#include "prompt.h"

#include <string.h>

/* Walks the texts of a prompt: every message, and of a message in parts every part that is text. */
struct texts {
    const cJSON *message; /* the next one */
    const cJSON *part;    /* the next part of the message at hand */
    const cJSON *of;      /* the message the latest text belongs to */
};

static struct texts texts_of(const struct prompt *prompt)
{
    const char *key = prompt->kind == PROMPT_CHAT ? "messages" : "prompt";
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(prompt->json, key);
    return (struct texts){.message = cJSON_IsArray(list) ? list->child : cJSON_IsString(list) ? list : NULL};
}

/* The next text; NULL at the end. */
static const char *texts_next(struct texts *texts)
{
    for (;;) {
        while (texts->part != NULL) {
            const cJSON *text = cJSON_GetObjectItemCaseSensitive(texts->part, "text");
            texts->part = texts->part->next;
            if (cJSON_IsString(text))
                return text->valuestring;
        }
        const cJSON *message = texts->message;
        if (message == NULL)
            return NULL;
        texts->of = message;
        /* A prompt that is one string has neighbours that are not prompts: the other fields of the request. */
        texts->message = message->string == NULL ? message->next : NULL;
        const cJSON *content = message;
        if (cJSON_IsObject(message))
            content = cJSON_GetObjectItemCaseSensitive(message, "content");
        if (cJSON_IsString(content))
            return content->valuestring;
        texts->part = cJSON_IsArray(content) ? content->child : NULL;
    }
}

static const char *role_of(const cJSON *message)
{
    const char *role = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(message, "role"));
    return role != NULL ? role : "";
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

bool prompt_init(struct prompt *prompt, enum prompt_kind kind, struct span body)
{
    *prompt = (struct prompt){.kind = kind, .json = json_read(body), .digest = 0xcbf29ce484222325};
    if (!cJSON_IsObject(prompt->json))
        return false;
    prompt->model = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(prompt->json, "model"));
    prompt->is_stream = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(prompt->json, "stream"));
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(prompt->json, "stream_options");
    prompt->wants_usage = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(options, "include_usage"));
    prompt->has_tools = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(prompt->json, "tools")) > 0;
    prompt->has_response_format =
        cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(prompt->json, "response_format"));
    struct texts texts = texts_of(prompt);
    const char *text;
    while ((text = texts_next(&texts)) != NULL) {
        prompt->words += count_words(text);
        prompt->digest = fnv1a(fnv1a(prompt->digest, role_of(texts.of)), text);
    }
    return true;
}

void prompt_fini(struct prompt *prompt)
{
    cJSON_Delete(prompt->json);
    prompt->json = NULL;
}

bool prompt_contains(const void *prompt, const char *needle)
{
    struct texts texts = texts_of(prompt);
    const char *text;
    while ((text = texts_next(&texts)) != NULL)
        if (strstr(text, needle) != NULL)
            return true;
    return false;
}

static bool is_from_user(const struct prompt *prompt, const cJSON *message)
{
    return prompt->kind == PROMPT_COMPLETION || strcmp(role_of(message), "user") == 0;
}

bool prompt_put_last(const struct prompt *prompt, struct text *out)
{
    struct texts texts = texts_of(prompt);
    const cJSON *last = NULL;
    const char *text;
    while ((text = texts_next(&texts)) != NULL)
        if (is_from_user(prompt, texts.of))
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
