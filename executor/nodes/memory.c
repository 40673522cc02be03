/*
 * memory: see memory.h. Message 2i is the question of turn i, 2i + 1 its answer.
 */
#include "executor/nodes/memory.h"

/* tokens. What frames a message; an image of low detail. */
enum { TOKENS_OF_MESSAGE = 4, TOKENS_OF_IMAGE = 85 };

/* How the images of earlier turns are looked at. */
#define DETAIL STR("low")

struct span { /* messages of the history that are told: [from, to) */
    const struct value *history;
    size_t from, to;
};

static struct span choose(const struct memory_config *config, struct node_exec *x, int64_t room,
                          bool with_images);
static size_t first_turn(const struct memory_config *config, const struct value *history);
static struct str text_at(const struct value *history, size_t message);
static size_t images_at(const struct value *history, size_t message);
static int64_t tokens_at(const struct value *history, size_t message, bool with_images);
static bool is_image(const struct value *file);

void memory_compile(const struct value *memory, struct memory_config *ret)
{
    *ret = (struct memory_config){.is_on = memory != NULL && value_type(memory) == VALUE_OBJECT,
                                  .turns_max = MEMORY_TURNS_MAX};
    if (!ret->is_on)
        return;
    const struct value *window = value_get_c(memory, "window"), *prefix = value_get_c(memory, "role_prefix");
    int64_t size =
        window != NULL && value_get_bool(window, "enabled", false) ? value_get_int(window, "size", 0) : 0;
    if (size > 0 && size < MEMORY_TURNS_MAX)
        ret->turns_max = (size_t)size;
    ret->has_role_prefix = prefix != NULL && value_type(prefix) == VALUE_OBJECT;
    if (ret->has_role_prefix) {
        ret->user_prefix = value_get_text(prefix, "user", STR(""));
        ret->assistant_prefix = value_get_text(prefix, "assistant", STR(""));
    }
}

int64_t memory_tokens(struct str text)
{
    int64_t ascii = 0, others = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        ascii += c < 0x80;
        others += c >= 0xc0; /* the first byte of a character */
    }
    return (ascii + 3) / 4 + others;
}

int64_t memory_room(const struct model_facts *facts, const struct value *params)
{
    if (facts->context_tokens == 0)
        return MEMORY_TOKENS_UNKNOWN;
    int64_t answer = params == NULL ? 0 : value_get_int(params, "max_tokens", 0);
    if (answer == 0 && params != NULL)
        answer = value_get_int(params, "max_completion_tokens", 0);
    return answer < 0                        ? facts->context_tokens
           : answer >= facts->context_tokens ? 0
                                             : facts->context_tokens - answer;
}

size_t memory_messages_max(const struct memory_config *config, struct node_exec *x)
{
    const struct value *history = config->is_on ? node_exec_history(x) : NULL;
    return history == NULL ? 0 : 2 * (value_count(history) - first_turn(config, history));
}

bool memory_put_messages(const struct memory_config *config, struct node_exec *x, int64_t room,
                         bool with_images, struct messages *m)
{
    struct span span = choose(config, x, room, with_images);
    for (size_t i = span.from; i < span.to; i++) {
        bool is_answer = i % 2 == 1;
        const struct value *turn = value_item(span.history, i / 2);
        struct model_files files = {.list = NULL};
        if (with_images && !is_answer && !model_files_add(x, &files, value_get_c(turn, "files"), DETAIL))
            return false;
        struct value *text = value_get_c(turn, is_answer ? "answer" : "query");
        bool has_text = text != NULL && value_type(text) == VALUE_STRING;
        messages_put(m, is_answer ? STR("assistant") : STR("user"),
                     has_text ? value_ref(text) : value_string(node_exec_account(x), STR("")), &files);
    }
    return true;
}

void memory_put_text(const struct memory_config *config, struct node_exec *x, int64_t room, struct buf *ret)
{
    struct span span = choose(config, x, room, true);
    for (size_t i = span.from; i < span.to; i++) {
        struct str text = text_at(span.history, i);
        size_t images = images_at(span.history, i);
        if (i > span.from)
            buf_put_char(ret, '\n');
        buf_put(ret, i % 2 == 1 ? config->assistant_prefix : config->user_prefix);
        buf_put_c(ret, ": ");
        for (size_t k = 0; k < images; k++)
            buf_put_c(ret, k + 1 < images || text.len > 0 ? "[image]\n" : "[image]");
        buf_put(ret, text);
    }
}

/* Single messages go from the front while there are too many tokens; the last one stays in any case. */
static struct span choose(const struct memory_config *config, struct node_exec *x, int64_t room,
                          bool with_images)
{
    struct span span = {.history = config->is_on ? node_exec_history(x) : NULL};
    if (span.history == NULL)
        return span;
    int64_t tokens = 0;
    span.from = 2 * first_turn(config, span.history);
    span.to = 2 * value_count(span.history);
    for (size_t i = span.from; i < span.to; i++)
        tokens += tokens_at(span.history, i, with_images);
    while (tokens > room && span.from + 1 < span.to)
        tokens -= tokens_at(span.history, span.from++, with_images);
    return span;
}

static size_t first_turn(const struct memory_config *config, const struct value *history)
{
    size_t count = value_count(history);
    return count > config->turns_max ? count - config->turns_max : 0;
}

static struct str text_at(const struct value *history, size_t message)
{
    return value_get_text(value_item(history, message / 2), message % 2 == 1 ? "answer" : "query", STR(""));
}

static size_t images_at(const struct value *history, size_t message)
{
    const struct value *files =
        message % 2 == 1 ? NULL : value_get_c(value_item(history, message / 2), "files");
    size_t images = 0;
    for (size_t i = 0; files != NULL && value_type(files) == VALUE_ARRAY && i < value_count(files); i++)
        images += is_image(value_item(files, i));
    return images;
}

static bool is_image(const struct value *file)
{
    return value_type(file) == VALUE_FILE && str_eq_c(value_get_text(file, "type", STR("")), "image");
}

static int64_t tokens_at(const struct value *history, size_t message, bool with_images)
{
    int64_t images = with_images ? (int64_t)images_at(history, message) : 0;
    return memory_tokens(text_at(history, message)) + TOKENS_OF_MESSAGE + TOKENS_OF_IMAGE * images;
}
