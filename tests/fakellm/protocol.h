#ifndef FAKELLM_PROTOCOL_H
#define FAKELLM_PROTOCOL_H

/* protocol: the APIs that are spoken, and what a request asks of them. */
enum protocol { PROTOCOL_OPENAI, PROTOCOL_AZURE, PROTOCOL_ANTHROPIC, PROTOCOL_GEMINI };

enum prompt_kind {
    PROMPT_CHAT,       /* OpenAI's chats: "messages" */
    PROMPT_COMPLETION, /* OpenAI's completions: "prompt", a string or a list of strings */
    PROMPT_MESSAGES,   /* Anthropic: "system", "messages" */
    PROMPT_CONTENTS,   /* Gemini: "systemInstruction", "contents" */
    PROMPT_NONE        /* the list of models */
};

/* "openai", "azure_openai", "anthropic", "gemini". */
static inline const char *protocol_name(enum protocol protocol)
{
    static const char *const names[] = {"openai", "azure_openai", "anthropic", "gemini"};
    return names[protocol];
}

#endif
