/* journal_place: see the header. */
#include "shared/store/journal_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct uuid no_id;

static struct uuid id_of(struct str text)
{
    struct uuid id = no_id;
    (void)uuid_parse(text, &id); /* "": none */
    return id;
}

struct db_value journal_id(const struct uuid *id)
{
    bool is_none = memcmp(id, &no_id, sizeof no_id) == 0;
    return DB_BLOB(((struct str){(const char *)id->bytes, is_none ? 0 : sizeof id->bytes}));
}

static struct journal_begin_copy *copy_begin(const struct journal_begin *begin);

struct journal_place *journal_place_new(const struct journal_begin *begin)
{
    struct journal_place *place = calloc(1, sizeof *place);
    if (place == NULL)
        return NULL;
    snprintf(place->workspace_id, sizeof place->workspace_id, "%.*s", STR_ARG(begin->workspace_id));
    place->run_id = id_of(begin->run_id);
    place->app_id = id_of(begin->app_id);
    place->conversation_id = id_of(begin->conversation_id);
    place->message_id = id_of(begin->message_id);
    place->is_chat = begin->conversation_id.len > 0;
    place->record = begin->record;
    place->attempt = begin->attempt;
    place->created_at_ms = begin->created_at_ms;
    place->owes_begun = begin->must_be_first;
    buf_init(&place->nodes, JOURNAL_BYTES_MAX);
    place->begin = copy_begin(begin);
    if (place->begin != NULL)
        return place;
    journal_place_free(place);
    return NULL;
}

void journal_place_free_end(struct journal_place *place, struct journal_end_copy *end)
{
    if (end != &place->own_end)
        free(end);
}

void journal_place_free(struct journal_place *place)
{
    free(place->begin);
    journal_place_free_end(place, place->end);
    buf_fini(&place->nodes);
    free(place);
}

/* Puts the copy of a text at *at in place of what was borrowed; what databases do not take is replaced by '?'. */
static void keep(struct str *text, char **at, bool is_text)
{
    char *copy = *at;
    if (text->len > 0)
        memcpy(copy, text->ptr, text->len);
    *at += text->len;
    text->ptr = copy;
    if (!is_text || (memchr(copy, '\0', text->len) == NULL && str_is_utf8(*text)))
        return;
    for (size_t i = 0; i < text->len;) {
        size_t n = str_utf8_first((struct str){copy + i, text->len - i});
        if (n == 0 || copy[i] == '\0')
            copy[i++] = '?';
        else
            i += n;
    }
}

static struct journal_begin_copy *copy_begin(const struct journal_begin *begin)
{
    const struct str *texts[] = {&begin->version_id,    &begin->end_user_id,   &begin->user,
                                 &begin->end_user_type, &begin->inputs,        &begin->parent_message_id,
                                 &begin->query,         &begin->query_files,   &begin->introduction,
                                 &begin->user_files,    &begin->message_inputs};
    size_t bytes = sizeof(struct journal_begin_copy);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        bytes += texts[i]->len;
    struct journal_begin_copy *copy = malloc(bytes);
    if (copy == NULL)
        return NULL;
    copy->bytes = bytes;
    copy->begin = *begin;
    struct journal_begin *b = &copy->begin;
    char *at = (char *)(copy + 1);
    struct str *kept[] = {&b->version_id,   &b->end_user_id,       &b->user,  &b->end_user_type,
                          &b->inputs,       &b->parent_message_id, &b->query, &b->query_files,
                          &b->introduction, &b->message_inputs};
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        keep(kept[i], &at, true);
    keep(&b->user_files, &at, false);
    /* Kept in the place, as they are needed. */
    b->workspace_id = b->run_id = b->app_id = b->conversation_id = b->message_id = STR("");
    return copy;
}

static struct journal_end_copy *copy_end(const struct journal_end *end)
{
    size_t bytes = sizeof(struct journal_end_copy) + end->variable_count * sizeof *end->variables;
    bytes += end->outputs.len + end->error.len + end->answer.len + end->usage.len + end->answer_files.len;
    for (size_t i = 0; i < end->variable_count; i++) {
        const struct journal_variable *v = &end->variables[i];
        bytes += v->name.len + v->value_type.len + v->description.len + v->value.len;
    }
    struct journal_end_copy *copy = malloc(bytes);
    if (copy == NULL)
        return NULL;
    copy->bytes = bytes;
    copy->end = *end;
    struct journal_end *e = &copy->end;
    struct journal_variable *variables = (struct journal_variable *)(copy + 1);
    char *at = (char *)(variables + end->variable_count);
    for (size_t i = 0; i < end->variable_count; i++) {
        variables[i] = end->variables[i];
        keep(&variables[i].name, &at, true);
        keep(&variables[i].value_type, &at, true);
        keep(&variables[i].description, &at, true);
        keep(&variables[i].value, &at, true);
    }
    e->variables = variables;
    keep(&e->outputs, &at, true);
    keep(&e->error, &at, true);
    keep(&e->answer, &at, true);
    keep(&e->usage, &at, false);
    keep(&e->answer_files, &at, false);
    return copy;
}

struct journal_end_copy *journal_place_end(struct journal_place *place, const struct journal_end *end)
{
    struct journal_end_copy *copy = copy_end(end);
    bool has_texts = end->outputs.len + end->answer.len + end->usage.len + end->answer_files.len > 0;
    if (copy != NULL || has_texts || end->variable_count > 0)
        return copy;
    copy = &place->own_end;
    *copy = (struct journal_end_copy){.bytes = sizeof *copy, .end = *end};
    copy->end.error = STR("");
    return copy;
}

void journal_begin_shorten(struct journal_begin_copy *copy)
{
    struct journal_begin *b = &copy->begin;
    b->user = b->inputs = b->message_inputs = b->query = b->query_files = b->user_files = b->introduction =
        STR("");
}

void journal_end_give_up(struct journal_end_copy *copy)
{
    struct journal_end *e = &copy->end;
    *e = (struct journal_end){.status = 4,      /* RUN_STATUS_FAILED */
                              .end_reason = 10, /* END_REASON_STORE_UNAVAILABLE */
                              .finished_at_ms = e->finished_at_ms,
                              .elapsed_ms = e->elapsed_ms,
                              .total_tokens = e->total_tokens,
                              .total_steps = e->total_steps,
                              .exceptions_count = e->exceptions_count,
                              .error = STR("the run has ended, but its record could not be written"),
                              .outputs = STR(""),
                              .usage = STR(""),
                              .answer = STR(""),
                              .answer_files = STR("")};
}
