/*
 * reply_json: see reply_json.h.
 */
#include "executor/nodes/reply_json.h"
#include "executor/value/parse.h"
#include <stdlib.h>

struct piece { /* of a text; to 0: not balanced */
    size_t from, to;
};

static void put_without_thoughts(struct buf *b, struct str text);
static size_t thought_end(struct str text, size_t at);
static size_t find_nocase(struct str text, struct str needle, size_t from);
static size_t find_last(struct str text, struct str needle, size_t from);
static bool find_block(struct str text, struct str *ret);
static size_t balance(struct str text, struct piece *pieces, size_t *open);

/* --- the block of a classifier --- */

enum status_code reply_json_block(struct value_account *a, struct str text, struct value **ret,
                                  struct status *err)
{
    struct buf said;
    struct str block;
    struct value *v = NULL;
    struct status why = {0};
    buf_init(&said, text.len);
    put_without_thoughts(&said, text);
    enum status_code rc = STATUS_OK;
    if (said.failed)
        rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "reply: no memory");
    else if (!find_block(str_trim(buf_str(&said)), &block))
        rc = status_set(err, STATUS_NOT_FOUND, "the model's reply has no JSON in it");
    else if ((rc = value_parse_json(a, block, &v, &why)) != STATUS_OK)
        status_set(err, rc, "the model's reply is no valid JSON: %s", why.message);
    buf_fini(&said);
    if (rc != STATUS_OK)
        return rc;
    if (value_type(v) == VALUE_ARRAY && value_count(v) == 1) {
        struct value *only = value_ref(value_item(v, 0));
        value_unref(v);
        v = only;
    }
    if (value_type(v) != VALUE_OBJECT) {
        value_unref(v);
        return status_set(err, STATUS_INVALID_ARGUMENT, "the JSON in the model's reply is no object");
    }
    *ret = v;
    return STATUS_OK;
}

static void put_without_thoughts(struct buf *b, struct str text)
{
    size_t from = 0;
    for (size_t at; (at = find_nocase(text, STR("<think"), from)) != SIZE_MAX;) {
        size_t end = thought_end(text, at);
        if (end == SIZE_MAX)
            break; /* none behind it ends either */
        buf_put(b, str_sub(text, from, at));
        from = end;
    }
    buf_put(b, str_sub(text, from, text.len));
}

static size_t thought_end(struct str text, size_t at)
{
    size_t open = str_find(text, STR(">"), at);
    size_t close = open == SIZE_MAX ? SIZE_MAX : find_nocase(text, STR("</think>"), open + 1);
    return close == SIZE_MAX ? SIZE_MAX : close + STR("</think>").len;
}

static size_t find_nocase(struct str text, struct str needle, size_t from)
{
    for (size_t at = from; (at = str_find(text, str_sub(needle, 0, 1), at)) != SIZE_MAX; at++) {
        if (str_eq_nocase(str_sub(text, at, at + needle.len), needle))
            return at;
    }
    return SIZE_MAX;
}

static size_t find_last(struct str text, struct str needle, size_t from)
{
    for (size_t at = text.len; at >= from + needle.len; at--) {
        if (str_eq(str_sub(text, at - needle.len, at), needle))
            return at - needle.len;
    }
    return SIZE_MAX;
}

/* The first kind of beginning that occurs counts, and the last end of the first kind that occurs behind it. */
static bool find_block(struct str text, struct str *ret)
{
    static const struct str begins[] = {{"```json", 7}, {"```", 3}, {"``", 2}, {"`", 1}, {"{", 1}, {"[", 1}};
    static const struct str ends[] = {{"```", 3}, {"``", 2}, {"`", 1}, {"}", 1}, {"]", 1}};
    size_t from = SIZE_MAX, to = SIZE_MAX;
    for (size_t i = 0; from == SIZE_MAX && i < ARRAY_LEN(begins); i++) {
        from = str_find(text, begins[i], 0);
        if (from != SIZE_MAX && begins[i].ptr[0] == '`')
            from += begins[i].len;
    }
    for (size_t i = 0; from != SIZE_MAX && to == SIZE_MAX && i < ARRAY_LEN(ends); i++) {
        to = find_last(text, ends[i], from);
        if (to != SIZE_MAX && ends[i].ptr[0] != '`')
            to += ends[i].len;
    }
    if (from == SIZE_MAX || to == SIZE_MAX || from >= to)
        return false;
    *ret = str_trim(str_sub(text, from, to));
    return true;
}

/* --- the pieces of an extractor --- */

bool reply_json_object(struct value_account *a, struct str text, struct value **ret)
{
    size_t count = 0;
    *ret = NULL;
    for (size_t i = 0; i < text.len && count < REPLY_JSON_BRACKETS_MAX; i++)
        count += text.ptr[i] == '{' || text.ptr[i] == '[';
    struct piece *pieces = calloc(count + 1, sizeof *pieces);
    size_t *open = calloc(count + 1, sizeof *open);
    bool ok = pieces != NULL && open != NULL;
    count = ok ? balance(text, pieces, open) : 0;
    for (size_t i = 0; ok && *ret == NULL && i < count; i++) {
        struct value *v = NULL;
        if (pieces[i].to == 0)
            continue;
        ok = value_parse_json(a, str_sub(text, pieces[i].from, pieces[i].to), &v, NULL) !=
             STATUS_RESOURCE_EXHAUSTED;
        if (v != NULL && value_type(v) == VALUE_OBJECT)
            *ret = v;
        else
            value_unref(v);
    }
    free(open);
    free(pieces);
    return ok;
}

/*
 * What begins at a bracket is balanced at the bracket that closes it, unless one of the wrong kind comes first: that is the
 * end of all that are open. Returns how many begin; open has as much room.
 */
static size_t balance(struct str text, struct piece *pieces, size_t *open)
{
    size_t count = 0, depth = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '{' || c == '[') {
            if (count == REPLY_JSON_BRACKETS_MAX)
                break;
            pieces[count].from = i;
            open[depth++] = count++;
        } else if ((c == '}' || c == ']') && depth > 0) {
            struct piece *last = &pieces[open[depth - 1]];
            if ((text.ptr[last->from] == '{') == (c == '}')) {
                last->to = i + 1;
                depth--;
            } else {
                depth = 0;
            }
        }
    }
    return count;
}
