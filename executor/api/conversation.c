/* conversation: see the header. */
#include "executor/api/conversation.h"

#include "executor/value/form.h"
#include "executor/value/parse.h"
#include "shared/base/crypto.h"
#include <stdlib.h>
#include <string.h>

void conversation_state_fini(struct conversation_state *state)
{
    value_unref(state->history);
    value_unref(state->variables);
    *state = (struct conversation_state){0};
}

/* A file is an object again; NULL: no memory. */
static struct value *read_files(struct str json)
{
    struct value *list = NULL;
    if (json.len > 0 && value_parse_json(NULL, json, &list, NULL) != STATUS_OK)
        return NULL;
    struct value_builder files;
    value_array_begin(&files, NULL);
    for (size_t i = 0; list != NULL && i < value_count(list); i++) {
        struct value_builder file;
        value_object_begin(&file, NULL);
        value_object_put_all(&file, value_item(list, i));
        value_array_put(&files, value_file_end(&file));
    }
    value_unref(list);
    return value_array_end_as(&files, VALUE_ELEM_FILE);
}

/* A text that may be a secret stays one, also inside of lists and objects. NULL: no memory, or v is. */
static struct value *as_secret(struct value *take_v)
{
    struct value_builder b;
    struct value *v = NULL;
    if (take_v == NULL)
        return NULL;
    if (value_type(take_v) == VALUE_STRING) {
        v = value_secret(NULL, value_text(take_v));
    } else if (value_type(take_v) == VALUE_ARRAY) {
        value_array_begin(&b, NULL);
        for (size_t i = 0; i < value_count(take_v); i++)
            value_array_put(&b, as_secret(value_ref(value_item(take_v, i))));
        v = value_array_end_as(&b, value_elem(take_v));
    } else if (value_type(take_v) == VALUE_OBJECT) {
        value_object_begin(&b, NULL);
        for (size_t i = 0; i < value_count(take_v); i++)
            value_object_put(&b, value_key(take_v, i), as_secret(value_ref(value_member(take_v, i))));
        v = value_object_end(&b);
    } else {
        return take_v;
    }
    value_unref(take_v);
    return v;
}

static bool has_secret(const struct value *v)
{
    bool found = value_type(v) == VALUE_SECRET;
    for (size_t i = 0; !found && value_type(v) == VALUE_ARRAY && i < value_count(v); i++)
        found = has_secret(value_item(v, i));
    for (size_t i = 0; !found && value_type(v) == VALUE_OBJECT && i < value_count(v); i++)
        found = has_secret(value_member(v, i));
    return found;
}

static struct value *read_history(const struct store_message_thread *thread)
{
    struct value_builder list;
    value_array_begin(&list, NULL);
    for (size_t i = 0; i < thread->turn_count; i++) {
        const struct store_turn *from = &thread->turns[i];
        struct value_builder turn;
        value_object_begin(&turn, NULL);
        value_object_put(&turn, STR("query"), value_string(NULL, from->query));
        value_object_put(&turn, STR("answer"), value_string(NULL, from->answer));
        value_object_put(&turn, STR("files"), read_files(from->query_files));
        value_array_put(&list, value_object_end(&turn));
    }
    return value_array_end(&list);
}

static struct value *read_variables(const struct store_message_thread *thread)
{
    struct value_builder object;
    value_object_begin(&object, NULL);
    for (size_t i = 0; i < thread->variable_count; i++) {
        const struct store_message_thread_variable *from = &thread->variables[i];
        struct value *v = NULL;
        if (value_parse_json(NULL, from->value, &v, NULL) != STATUS_OK)
            v = NULL;
        value_object_put(&object, from->name, from->has_secret ? as_secret(v) : v);
    }
    return value_object_end(&object);
}

static size_t bytes_of(const struct store_message_thread *thread)
{
    size_t bytes = 0;
    for (size_t i = 0; i < thread->turn_count; i++)
        bytes += thread->turns[i].query.len + thread->turns[i].answer.len + thread->turns[i].query_files.len;
    for (size_t i = 0; i < thread->variable_count; i++)
        bytes += thread->variables[i].value.len;
    return bytes;
}

bool conversation_state_read(const struct store_message_thread *thread, struct conversation_state *ret)
{
    *ret = (struct conversation_state){.history = read_history(thread),
                                       .variables = read_variables(thread),
                                       .message_count = thread->message_count,
                                       .bytes = bytes_of(thread)};
    size_t len =
        thread->parent_message_id.len < UUID_TEXT_LEN ? thread->parent_message_id.len : UUID_TEXT_LEN;
    memcpy(ret->parent_message_id, thread->parent_message_id.ptr, len);
    if (ret->history != NULL && ret->variables != NULL)
        return true;
    conversation_state_fini(ret);
    return false;
}

/* Texts are put one behind the other; their places are filled in when the buffer does not move any more. */
bool conversation_changes_of(const struct run *run, struct conversation_changes *ret)
{
    const struct graph *g = run_graph(run);
    *ret = (struct conversation_changes){.count = 0};
    buf_init(&ret->texts, LIMIT_RUN_BYTES);
    for (uint32_t i = 0; i < g->conversation_count; i++)
        ret->count += run_conversation_change(run, i) != NULL;
    if (ret->count == 0)
        return true;
    ret->variables = calloc(ret->count, sizeof *ret->variables);
    if (ret->variables == NULL)
        return false;
    struct journal_variable *to = ret->variables;
    for (uint32_t i = 0; i < g->conversation_count; i++) {
        const struct variable_definition *d = &g->conversation[i];
        const struct value *v = run_conversation_change(run, i);
        if (v == NULL)
            continue;
        size_t before = ret->texts.len;
        value_put_json(&ret->texts, v, JSON_COMPACT, false);
        *to++ = (struct journal_variable){.name = d->name,
                                          .value_type = d->type_name,
                                          .description = d->description,
                                          .value = {NULL, ret->texts.len - before},
                                          .has_secret = has_secret(v)};
    }
    const char *at = ret->texts.ptr;
    for (size_t i = 0; i < ret->count; i++) {
        ret->variables[i].value.ptr = at;
        at += ret->variables[i].value.len;
    }
    return !ret->texts.failed;
}

void conversation_changes_fini(struct conversation_changes *changes)
{
    if (changes->texts.ptr != NULL)
        secret_wipe(changes->texts.ptr, changes->texts.len);
    buf_fini(&changes->texts);
    free(changes->variables);
}
