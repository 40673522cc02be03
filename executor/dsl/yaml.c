/*
 * yaml: see yaml.h. libyaml cuts the text into events; a stack of open lists and maps puts them together. Nothing here
 * recurses, and libyaml keeps its own stack on the heap, so that depth costs nothing before it is refused.
 */
#include "executor/dsl/yaml.h"
#include "executor/dsl/scalar.h"
#include "executor/dsl/yaml_text.h"
#include "executor/value/form.h"
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION     HASH_FNV /* the usual one falls through between cases, which Clang warns of */
#include <uthash.h>

/* A named value; `value` is NULL as long as it is open. */
struct anchor {
    char *name;
    struct value *value;
    size_t nodes, text_bytes, height; /* what an alias to it counts for */
    UT_hash_handle hh;
};

/* An open list or map. */
struct frame {
    bool is_map, has_key, is_merge_key, has_merges;
    struct buf key;
    struct value_builder items;
    struct value_builder merges; /* what `<<` names, in order */
    struct anchor *anchor;       /* its name, or NULL */
    size_t nodes_before, text_bytes_before;
    size_t height; /* levels below it so far */
};

struct reader {
    struct str text;
    yaml_parser_t parser;
    struct frame *frames; /* LIMIT_DEPTH */
    size_t depth;
    size_t nodes, text_bytes;
    struct anchor *anchors;
    struct value *root;
    struct status *err;
};

static enum status_code read_events(struct reader *r);
static enum status_code handle_event(struct reader *r, yaml_event_t *event);
static enum status_code handle_scalar(struct reader *r, yaml_event_t *event);
static enum status_code handle_alias(struct reader *r, yaml_event_t *event);
static enum status_code open_frame(struct reader *r, yaml_event_t *event);
static enum status_code close_frame(struct reader *r, yaml_event_t *event);
static enum status_code put_value(struct reader *r, struct value *take_v, size_t height, yaml_mark_t at);
static enum status_code put_key(struct reader *r, struct value *take_v, bool is_merge_key, yaml_mark_t at);
static enum status_code count(struct reader *r, size_t nodes, size_t text_bytes, yaml_mark_t at);
static enum status_code add_anchor(struct reader *r, const yaml_char_t *name, struct anchor **ret,
                                   yaml_mark_t at);
static struct value *merged(struct frame *f, struct value *take_own);
static enum status_code refuse(struct reader *r, yaml_mark_t at, const char *what);
static enum status_code syntax_error(struct reader *r);
static enum status_code no_memory(struct reader *r);
static void reader_fini(struct reader *r);

enum status_code yaml_read(struct str text, struct value **ret, struct status *err)
{
    if (text.len > LIMIT_DSL_BYTES)
        return status_set(err, STATUS_INVALID_ARGUMENT, "the text is too large: %zu bytes, at most %d",
                          text.len, LIMIT_DSL_BYTES);
    if (str_starts(text, STR("\xEF\xBB\xBF")))
        text = str_sub(text, 3, text.len);
    enum status_code rc = yaml_text_check(text, err);
    if (rc != STATUS_OK)
        return rc;
    struct reader r = {.text = text, .err = err};
    r.frames = calloc(LIMIT_DEPTH, sizeof *r.frames);
    if (r.frames == NULL)
        return no_memory(&r);
    if (yaml_parser_initialize(&r.parser)) {
        yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.len > 0 ? text.ptr : ""),
                                     text.len);
        rc = read_events(&r);
    } else {
        rc = no_memory(&r);
    }
    if (rc == STATUS_OK) {
        *ret = r.root != NULL ? r.root : value_none();
        r.root = NULL;
    }
    reader_fini(&r);
    return rc;
}

static enum status_code read_events(struct reader *r)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event))
            return syntax_error(r);
        bool is_end = event.type == YAML_STREAM_END_EVENT;
        enum status_code rc = handle_event(r, &event);
        yaml_event_delete(&event);
        if (rc != STATUS_OK || is_end)
            return rc;
    }
}

static enum status_code handle_event(struct reader *r, yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return r->root == NULL ? STATUS_OK : refuse(r, event->start_mark, "a second document starts here");
    case YAML_SCALAR_EVENT:
        return handle_scalar(r, event);
    case YAML_ALIAS_EVENT:
        return handle_alias(r, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return open_frame(r, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_frame(r, event);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return STATUS_OK;
}

static struct frame *top(struct reader *r)
{
    return r->depth > 0 ? &r->frames[r->depth - 1] : NULL;
}

/* Is the next node a key? */
static bool wants_key(struct reader *r)
{
    return r->depth > 0 && top(r)->is_map && !top(r)->has_key;
}

static enum status_code scalar_value(struct reader *r, yaml_event_t *event, struct str text,
                                     struct value **ret)
{
    const char *tag = (const char *)event->data.scalar.tag;
    bool is_given = tag != NULL && strcmp(tag, "!") != 0; /* a lone ! only says: as without quotes */
    if (is_given) {
        struct status why;
        enum status_code rc = scalar_tagged(str_c(tag), text, ret, &why);
        return rc == STATUS_INVALID_ARGUMENT ? refuse(r, event->start_mark, why.message)
               : rc != STATUS_OK             ? no_memory(r)
                                             : rc;
    }
    *ret = event->data.scalar.plain_implicit || tag != NULL ? scalar_plain(text) : value_string(NULL, text);
    return *ret != NULL ? STATUS_OK : no_memory(r);
}

static enum status_code handle_scalar(struct reader *r, yaml_event_t *event)
{
    struct str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    struct value *v;
    if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL)
        return refuse(r, event->start_mark, "a text with a NUL character");
    enum status_code rc = count(r, wants_key(r) ? 0 : 1, text.len, event->start_mark);
    if (rc == STATUS_OK)
        rc = scalar_value(r, event, text, &v);
    if (rc != STATUS_OK)
        return rc;
    if (event->data.scalar.anchor != NULL) {
        struct anchor *anchor;
        rc = add_anchor(r, event->data.scalar.anchor, &anchor, event->start_mark);
        if (rc != STATUS_OK) {
            value_unref(v);
            return rc;
        }
        anchor->value = value_ref(v);
        anchor->nodes = 1;
        anchor->text_bytes = text.len;
    }
    if (wants_key(r)) {
        bool is_merge_key =
            event->data.scalar.tag == NULL && event->data.scalar.plain_implicit && str_eq_c(text, "<<");
        return put_key(r, v, is_merge_key, event->start_mark);
    }
    return put_value(r, v, 0, event->start_mark);
}

static enum status_code handle_alias(struct reader *r, yaml_event_t *event)
{
    struct anchor *anchor;
    const char *name = (const char *)event->data.alias.anchor;
    HASH_FIND_STR(r->anchors, name, anchor);
    if (anchor == NULL)
        return refuse(r, event->start_mark, "an alias of a name that was not given before");
    if (anchor->value == NULL)
        return refuse(r, event->start_mark, "an alias of what it is part of");
    enum status_code rc = count(r, anchor->nodes, anchor->text_bytes, event->start_mark);
    if (rc != STATUS_OK)
        return rc;
    if (wants_key(r))
        return put_key(r, value_ref(anchor->value), false, event->start_mark);
    return put_value(r, value_ref(anchor->value), anchor->height, event->start_mark);
}

static bool is_plain_collection(const yaml_event_t *event)
{
    const char *tag = event->type == YAML_MAPPING_START_EVENT ? (const char *)event->data.mapping_start.tag
                                                              : (const char *)event->data.sequence_start.tag;
    return tag == NULL || strcmp(tag, "!") == 0 ||
           strcmp(tag, event->type == YAML_MAPPING_START_EVENT ? YAML_MAP_TAG : YAML_SEQ_TAG) == 0;
}

static enum status_code open_frame(struct reader *r, yaml_event_t *event)
{
    bool is_map = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *name = is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    if (r->depth == LIMIT_DEPTH)
        return refuse(r, event->start_mark, "nested too deeply");
    if (wants_key(r))
        return refuse(r, event->start_mark, "a key has to be a scalar");
    if (!is_plain_collection(event))
        return refuse(r, event->start_mark, "a tag that is not known");
    struct frame f = {.is_map = is_map, .nodes_before = r->nodes, .text_bytes_before = r->text_bytes};
    enum status_code rc = count(r, 1, 0, event->start_mark);
    if (rc == STATUS_OK && name != NULL)
        rc = add_anchor(r, name, &f.anchor, event->start_mark);
    if (rc != STATUS_OK)
        return rc;
    buf_init(&f.key, LIMIT_DSL_BYTES);
    if (is_map)
        value_object_begin(&f.items, NULL);
    else
        value_array_begin(&f.items, NULL);
    value_array_begin(&f.merges, NULL);
    r->frames[r->depth++] = f;
    return STATUS_OK;
}

static enum status_code close_frame(struct reader *r, yaml_event_t *event)
{
    struct frame *f = top(r);
    struct value *v = f->is_map ? value_object_end(&f->items) : value_array_end(&f->items);
    if (f->has_merges)
        v = merged(f, v);
    if (v == NULL)
        return no_memory(r); /* the frame ends with the reader */
    size_t height = f->height + 1;
    if (f->anchor != NULL) {
        f->anchor->value = value_ref(v);
        f->anchor->nodes = r->nodes - f->nodes_before;
        f->anchor->text_bytes = r->text_bytes - f->text_bytes_before;
        f->anchor->height = height;
    }
    buf_fini(&f->key);
    r->depth--;
    return put_value(r, v, height, event->start_mark);
}

/* Takes v in every case. height: levels of containers in it. */
static enum status_code put_value(struct reader *r, struct value *take_v, size_t height, yaml_mark_t at)
{
    struct frame *f = top(r);
    if (f == NULL) {
        r->root = take_v;
        return STATUS_OK;
    }
    if (r->depth + height > LIMIT_DEPTH) {
        value_unref(take_v);
        return refuse(r, at, "nested too deeply");
    }
    if (height > f->height)
        f->height = height;
    if (!f->is_map) {
        value_array_put(&f->items, take_v);
        return STATUS_OK;
    }
    f->has_key = false;
    if (!f->is_merge_key) {
        value_object_put(&f->items, buf_str(&f->key), take_v);
        return STATUS_OK;
    }
    bool is_fit = value_type(take_v) == VALUE_OBJECT;
    if (value_type(take_v) == VALUE_ARRAY) {
        is_fit = true;
        for (size_t i = 0; i < value_count(take_v); i++)
            is_fit &= value_type(value_item(take_v, i)) == VALUE_OBJECT;
    }
    if (!is_fit) {
        value_unref(take_v);
        return refuse(r, at, "<< takes a map or a list of maps");
    }
    f->has_merges = true;
    value_array_put(&f->merges, take_v);
    return STATUS_OK;
}

/* Takes v in every case. */
static enum status_code put_key(struct reader *r, struct value *take_v, bool is_merge_key, yaml_mark_t at)
{
    struct frame *f = top(r);
    enum value_type type = value_type(take_v);
    if (type == VALUE_OBJECT || type == VALUE_ARRAY) {
        value_unref(take_v);
        return refuse(r, at, "a key has to be a scalar");
    }
    buf_clear(&f->key);
    if (type == VALUE_STRING)
        buf_put(&f->key, value_text(take_v));
    else
        value_put_json(&f->key, take_v, JSON_COMPACT, false);
    value_unref(take_v);
    f->has_key = true;
    f->is_merge_key = is_merge_key;
    return f->key.failed ? no_memory(r) : STATUS_OK;
}

/* Later ones win: of a list the first map, then maps of later <<, then the map's own members. */
static struct value *merged(struct frame *f, struct value *take_own)
{
    struct value *merges = value_array_end(&f->merges);
    struct value *v = NULL;
    if (merges != NULL && take_own != NULL) {
        struct value_builder b;
        value_object_begin(&b, NULL);
        for (size_t i = 0; i < value_count(merges); i++) {
            const struct value *m = value_item(merges, i);
            if (value_type(m) == VALUE_OBJECT) {
                value_object_put_all(&b, m);
                continue;
            }
            for (size_t k = value_count(m); k-- > 0;)
                value_object_put_all(&b, value_item(m, k));
        }
        value_object_put_all(&b, take_own);
        v = value_object_end(&b);
    }
    value_unref(merges);
    value_unref(take_own);
    return v;
}

static enum status_code count(struct reader *r, size_t nodes, size_t text_bytes, yaml_mark_t at)
{
    r->nodes += nodes;
    r->text_bytes += text_bytes;
    if (r->nodes > YAML_NODES_MAX || r->text_bytes > YAML_TEXT_BYTES_MAX)
        return refuse(r, at, "too large, aliases followed");
    return STATUS_OK;
}

/* A name given again names something else from here on. */
static enum status_code add_anchor(struct reader *r, const yaml_char_t *name, struct anchor **ret,
                                   yaml_mark_t at)
{
    struct anchor *anchor;
    HASH_FIND_STR(r->anchors, (const char *)name, anchor);
    if (anchor != NULL) {
        for (size_t i = 0; i < r->depth; i++) {
            if (r->frames[i].anchor == anchor)
                r->frames[i].anchor = NULL;
        }
        value_unref(anchor->value);
        anchor->value = NULL;
        anchor->height = 0;
        *ret = anchor;
        return STATUS_OK;
    }
    if (HASH_COUNT(r->anchors) == YAML_ANCHORS_MAX)
        return refuse(r, at, "too many anchors");
    anchor = calloc(1, sizeof *anchor);
    if (anchor == NULL)
        return no_memory(r);
    anchor->name = str_dup(str_c((const char *)name));
    if (anchor->name != NULL)
        HASH_ADD_KEYPTR(hh, r->anchors, anchor->name, strlen(anchor->name), anchor);
    if (anchor->hh.tbl == NULL) {
        free(anchor->name);
        free(anchor);
        return no_memory(r);
    }
    *ret = anchor;
    return STATUS_OK;
}

/* --- errors --- */

static enum status_code refuse(struct reader *r, yaml_mark_t at, const char *what)
{
    return yaml_text_error(r->text, at.line, at.column, r->err, "%s", what);
}

static enum status_code no_memory(struct reader *r)
{
    return status_set(r->err, STATUS_RESOURCE_EXHAUSTED, "export: no memory");
}

static enum status_code syntax_error(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return no_memory(r);
    const char *problem = p->problem != NULL ? p->problem : "no YAML";
    if (p->context == NULL)
        return yaml_text_error(r->text, p->problem_mark.line, p->problem_mark.column, r->err, "%s", problem);
    return yaml_text_error(r->text, p->problem_mark.line, p->problem_mark.column, r->err,
                           "%s %s (from line %zu)", problem, p->context, p->context_mark.line + 1);
}

static void reader_fini(struct reader *r)
{
    for (size_t i = 0; i < r->depth; i++) {
        value_builder_abort(&r->frames[i].items);
        value_builder_abort(&r->frames[i].merges);
        buf_fini(&r->frames[i].key);
    }
    free(r->frames);
    struct anchor *anchor, *next;
    HASH_ITER (hh, r->anchors, anchor, next) {
        HASH_DEL(r->anchors, anchor);
        value_unref(anchor->value);
        free(anchor->name);
        free(anchor);
    }
    value_unref(r->root);
    yaml_parser_delete(&r->parser);
}
