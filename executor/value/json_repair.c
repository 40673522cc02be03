/*
 * json_repair: see json_repair.h. What is found is written anew as strict JSON, and that is parsed; every step moves on in
 * the text.
 */
#include "executor/value/json_repair.h"
#include "executor/value/parse.h"

/* bytes. Of a key in an object that needs repair; bounds what a bracket costs that begins no object. */
enum { KEY_BYTES_MAX = 1024 };
/* bytes. How far is looked ahead for the key that tells whether a quote ends a text. */
enum { AHEAD_BYTES_MAX = 256 };
/* A byte of text is written in at most so many. */
enum { GROWTH_MAX = 6 };

enum place { PLACE_KEY, PLACE_MEMBER, PLACE_ITEM };

struct repair {
    struct str text;
    size_t at;
    unsigned depth;
    bool is_too_deep;
    struct buf out;
};

static enum status_code find_object(struct value_account *a, struct repair *r, struct value **ret,
                                    struct status *err);
static struct value *object_of(struct value_account *a, struct value *take_v);
static bool is_substantial(const struct value *v);
static size_t behind_lone_think_end(struct str text);
static size_t next_bracket(struct str text, size_t from);
static size_t find_tag(struct str text, struct str tag, size_t from);
static bool put_value(struct repair *r, enum place place);
static bool put_object(struct repair *r);
static bool put_array(struct repair *r);
static bool put_key(struct repair *r);
static bool put_text(struct repair *r, enum place place);
static void put_escape(struct repair *r);
static void put_byte(struct repair *r, char c);
static bool ends_text(const struct repair *r, size_t at, enum place place);
static bool begins_member(const struct repair *r, size_t at);
static bool put_word(struct repair *r);
static bool put_known_word(struct repair *r);
static void skip_blanks(struct repair *r);
static void skip_commas(struct repair *r);
static void skip_to_next(struct repair *r);

enum status_code json_repair_object(struct value_account *a, struct str text, struct value **ret,
                                    struct status *err)
{
    struct value *v = NULL;
    enum status_code rc = value_parse_json(a, text, &v, err);
    if (rc == STATUS_RESOURCE_EXHAUSTED)
        return rc;
    if (rc == STATUS_OK && (value_type(v) == VALUE_OBJECT || value_type(v) == VALUE_ARRAY)) {
        *ret = object_of(a, v);
        return *ret != NULL ? STATUS_OK : status_set(err, STATUS_RESOURCE_EXHAUSTED, "JSON: no memory");
    }
    value_unref(v);
    if (!str_is_utf8(text))
        return status_set(err, STATUS_INVALID_ARGUMENT, "JSON: the text is not UTF-8");
    struct repair r = {.text = text};
    buf_init(&r.out, text.len * GROWTH_MAX + 64);
    rc = find_object(a, &r, ret, err);
    buf_fini(&r.out);
    return rc;
}

/* Tries one bracket after the other. An object or list that says nothing is only taken when there is no better one. */
static enum status_code find_object(struct value_account *a, struct repair *r, struct value **ret,
                                    struct status *err)
{
    struct value *empty = NULL;
    size_t at = next_bracket(r->text, behind_lone_think_end(r->text));
    for (int tries = 0; at != SIZE_MAX && tries < JSON_REPAIR_TRIES_MAX; tries++) {
        struct value *v = NULL;
        r->at = at;
        r->depth = 0;
        r->is_too_deep = false;
        buf_clear(&r->out);
        bool is_json = put_value(r, PLACE_ITEM);
        enum status_code rc = is_json ? value_parse_json(a, buf_str(&r->out), &v, err) : STATUS_OK;
        if (r->out.failed)
            rc = status_set(err, STATUS_RESOURCE_EXHAUSTED, "JSON: no memory");
        if (r->is_too_deep)
            rc = status_set(err, STATUS_INVALID_ARGUMENT, "JSON: more than %d levels deep", LIMIT_DEPTH);
        if (rc != STATUS_OK) {
            value_unref(empty);
            return rc;
        }
        if (v != NULL && is_substantial(v)) {
            value_unref(empty);
            *ret = object_of(a, v);
            return *ret != NULL ? STATUS_OK : status_set(err, STATUS_RESOURCE_EXHAUSTED, "JSON: no memory");
        }
        if (empty == NULL)
            empty = v;
        else
            value_unref(v);
        at = next_bracket(r->text, is_json && r->at > at ? r->at : at + 1);
    }
    if (empty == NULL)
        return status_set(err, STATUS_INVALID_ARGUMENT, "JSON: there is no object in the text");
    *ret = object_of(a, empty);
    return *ret != NULL ? STATUS_OK : status_set(err, STATUS_RESOURCE_EXHAUSTED, "JSON: no memory");
}

/* Of a list its first object. NULL: no memory. */
static struct value *object_of(struct value_account *a, struct value *take_v)
{
    if (value_type(take_v) == VALUE_OBJECT)
        return take_v;
    struct value *found = NULL;
    for (size_t i = 0; found == NULL && i < value_count(take_v); i++) {
        if (value_type(value_item(take_v, i)) == VALUE_OBJECT)
            found = value_ref(value_item(take_v, i));
    }
    value_unref(take_v);
    if (found != NULL)
        return found;
    struct value_builder b;
    value_object_begin(&b, a);
    return value_object_end(&b);
}

static bool is_substantial(const struct value *v)
{
    if (value_type(v) == VALUE_OBJECT)
        return value_count(v) > 0;
    for (size_t i = 0; i < value_count(v); i++) {
        if (value_type(value_item(v, i)) == VALUE_OBJECT && value_count(value_item(v, i)) > 0)
            return true;
    }
    return false;
}

/* --- around the object --- */

/* Some models leave out the opening tag of their reasoning. */
static size_t behind_lone_think_end(struct str text)
{
    const struct str tag = STR("</think>");
    size_t end = find_tag(text, tag, 0);
    if (end == SIZE_MAX || find_tag(text, STR("<think"), 0) < end)
        return 0;
    return next_bracket(text, end + tag.len) == SIZE_MAX ? 0 : end + tag.len;
}

/* The next { or [ outside of <think> blocks. */
static size_t next_bracket(struct str text, size_t from)
{
    for (size_t i = from; i < text.len; i++) {
        if (text.ptr[i] == '{' || text.ptr[i] == '[')
            return i;
        if (text.ptr[i] == '<' && find_tag(str_sub(text, i, i + 6), STR("<think"), 0) == 0) {
            i = find_tag(text, STR("</think>"), i);
            if (i == SIZE_MAX)
                return i;
        }
    }
    return SIZE_MAX;
}

/* In either case. */
static size_t find_tag(struct str text, struct str tag, size_t from)
{
    for (size_t at = from; (at = str_find(text, STR("<"), at)) != SIZE_MAX; at++) {
        if (str_eq_nocase(str_sub(text, at, at + tag.len), tag))
            return at;
    }
    return SIZE_MAX;
}

/* --- the object --- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '+' || c == '.' || c == '$' || (unsigned char)c >= 0x80;
}

/* '\0' at the end, which a code fence is too; a NUL in the text ends it as well. */
static char byte_at(const struct repair *r, size_t at)
{
    return at >= r->text.len || str_eq(str_sub(r->text, at, at + 3), STR("```")) ? '\0' : r->text.ptr[at];
}

static char peek(const struct repair *r)
{
    return byte_at(r, r->at);
}

static size_t behind_blanks(const struct repair *r, size_t at)
{
    while (at < r->text.len && is_blank(r->text.ptr[at]))
        at++;
    return at;
}

/* False: nothing has been written, or what has been is of no use. */
static bool put_value(struct repair *r, enum place place)
{
    if (peek(r) == '{')
        return put_object(r);
    if (peek(r) == '[')
        return put_array(r);
    if (is_quote(peek(r)))
        return put_text(r, place);
    return put_word(r);
}

static bool enter(struct repair *r)
{
    r->at++;
    r->is_too_deep |= ++r->depth > LIMIT_DEPTH;
    return !r->is_too_deep;
}

static bool put_object(struct repair *r)
{
    if (!enter(r))
        return false;
    buf_put_char(&r->out, '{');
    bool is_first = true;
    for (;;) {
        skip_commas(r);
        char c = peek(r);
        if (c == '\0' || c == '}' || c == ']') { /* ] closes a list around it */
            r->at += c == '}';
            break;
        }
        size_t mark = r->out.len;
        if (!is_first)
            buf_put_char(&r->out, ',');
        if (!put_key(r)) {
            buf_cut(&r->out, mark);
            if (r->depth == 1 && is_first)
                return false;
            skip_to_next(r);
            continue;
        }
        buf_put_char(&r->out, ':');
        skip_blanks(r);
        c = peek(r);
        size_t behind_colon = r->out.len;
        if (c == ',' || c == '}' || c == ']' || c == '\0' || !put_value(r, PLACE_MEMBER)) {
            buf_cut(&r->out, behind_colon);
            buf_put_c(&r->out, "null");
        }
        if (r->is_too_deep)
            return false;
        is_first = false;
    }
    buf_put_char(&r->out, '}');
    r->depth--;
    return true;
}

static bool put_array(struct repair *r)
{
    if (!enter(r))
        return false;
    buf_put_char(&r->out, '[');
    bool is_first = true;
    for (;;) {
        skip_commas(r);
        char c = peek(r);
        if (c == '\0' || c == '}' || c == ']') { /* } closes an object around it */
            r->at += c == ']';
            break;
        }
        size_t mark = r->out.len;
        if (!is_first)
            buf_put_char(&r->out, ',');
        if (put_value(r, PLACE_ITEM)) {
            is_first = false;
        } else {
            buf_cut(&r->out, mark);
            skip_to_next(r);
        }
        if (r->is_too_deep)
            return false;
    }
    buf_put_char(&r->out, ']');
    r->depth--;
    return true;
}

/* With its colon. */
static bool put_key(struct repair *r)
{
    size_t from = r->at;
    if (is_quote(peek(r))) {
        if (!put_text(r, PLACE_KEY))
            return false;
    } else {
        while (is_word(peek(r)) && r->at - from < KEY_BYTES_MAX)
            r->at++;
        buf_put_json_string(&r->out, str_sub(r->text, from, r->at));
    }
    if (r->at == from)
        return false;
    r->at = behind_blanks(r, r->at);
    if (peek(r) != ':')
        return false;
    r->at++;
    return true;
}

/* --- texts --- */

/* False: a key without end. */
static bool put_text(struct repair *r, enum place place)
{
    size_t from = r->at;
    char quote = r->text.ptr[r->at++];
    buf_put_char(&r->out, '"');
    while (r->at < r->text.len) {
        char c = r->text.ptr[r->at];
        if (place == PLACE_KEY && r->at - from > KEY_BYTES_MAX)
            return false;
        if (c == '\\') {
            put_escape(r);
            continue;
        }
        r->at++;
        if (c == quote && ends_text(r, r->at, place))
            break;
        put_byte(r, c);
    }
    buf_put_char(&r->out, '"');
    return true;
}

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            return false;
    }
    return s.len == 4;
}

/* An escape JSON does not know is a backslash. */
static void put_escape(struct repair *r)
{
    struct str two = str_sub(r->text, r->at, r->at + 2);
    char c = two.len < 2 ? '\0' : two.ptr[1];
    if (c == 'u' && is_hex(str_sub(r->text, r->at + 2, r->at + 6))) {
        buf_put(&r->out, str_sub(r->text, r->at, r->at + 6));
        r->at += 6;
    } else if (c == '\'') {
        buf_put_char(&r->out, '\'');
        r->at += 2;
    } else if (c != '\0' && str_find(STR("\"\\/bfnrt"), str_sub(two, 1, 2), 0) != SIZE_MAX) {
        buf_put(&r->out, two);
        r->at += 2;
    } else {
        buf_put_c(&r->out, "\\\\");
        r->at++;
    }
}

static void put_byte(struct repair *r, char c)
{
    if (c == '"' || c == '\\')
        buf_put_char(&r->out, '\\');
    if ((unsigned char)c < 0x20)
        buf_printf(&r->out, "\\u%04x", (unsigned)c);
    else
        buf_put_char(&r->out, c);
}

/* Does the quote before `at` end a text, or stand inside of it? What follows tells. */
static bool ends_text(const struct repair *r, size_t at, enum place place)
{
    size_t next = behind_blanks(r, at);
    char c = byte_at(r, next);
    if (place == PLACE_KEY)
        return c == ':' || c == ',' || c == '}' || c == '\0';
    if (c == '\0' || c == '}' || c == ']')
        return true;
    if (place == PLACE_ITEM)
        return c == ',' || (is_quote(c) && next > at);
    if (c != ',')
        return is_quote(c) && begins_member(r, next);
    next = behind_blanks(r, next + 1);
    c = byte_at(r, next);
    return c == '\0' || c == '}' || c == ']' || c == '/' || is_quote(c) || begins_member(r, next);
}

/* A key and its colon. */
static bool begins_member(const struct repair *r, size_t at)
{
    size_t end = at + AHEAD_BYTES_MAX;
    char quote = byte_at(r, at);
    bool is_quoted = is_quote(quote);
    size_t i = is_quoted ? at + 1 : at;
    while (i < end && byte_at(r, i) != '\0' && (is_quoted ? byte_at(r, i) != quote : is_word(byte_at(r, i))))
        i++;
    return i > at && byte_at(r, behind_blanks(r, is_quoted ? i + 1 : i)) == ':';
}

/* --- words --- */

/* What has no quotes: a number, a word of JSON or Python, else a text to the end of the line or of the value. */
static bool put_word(struct repair *r)
{
    if (put_known_word(r))
        return true;
    size_t from = r->at;
    while (peek(r) != '\0' && peek(r) != ',' && peek(r) != '}' && peek(r) != ']' && peek(r) != '\n')
        r->at++;
    struct str word = str_trim(str_sub(r->text, from, r->at));
    if (word.len > 0)
        buf_put_json_string(&r->out, word);
    return word.len > 0;
}

static bool put_known_word(struct repair *r)
{
    static const struct {
        const char *word, *json;
    } words[] = {{"true", "true"}, {"false", "false"},    {"null", "null"},
                 {"none", "null"}, {"undefined", "null"}, {"nan", "null"}};
    size_t end = r->at;
    while (end - r->at < AHEAD_BYTES_MAX && is_word(byte_at(r, end)))
        end++;
    struct str word = str_sub(r->text, r->at, end), json = {NULL, 0};
    size_t behind = end;
    while (behind < r->text.len && is_blank(r->text.ptr[behind]) && r->text.ptr[behind] != '\n')
        behind++;
    char next = byte_at(r, behind);
    if (next != '\0' && next != '\n' && next != ',' && next != '}' && next != ']' && next != '/' &&
        !is_quote(next))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq_nocase(word, str_c(words[i].word)))
            json = str_c(words[i].json);
    }
    struct value *number = NULL;
    if (json.ptr == NULL && value_parse_json(NULL, word, &number, NULL) == STATUS_OK)
        json = word;
    value_unref(number);
    if (json.ptr == NULL)
        return false;
    buf_put(&r->out, json);
    r->at = end;
    return true;
}

/* --- between --- */

/* White space and comments. */
static void skip_blanks(struct repair *r)
{
    for (;;) {
        r->at = behind_blanks(r, r->at);
        struct str two = str_sub(r->text, r->at, r->at + 2);
        bool is_line = str_eq_c(two, "//");
        if (!is_line && !str_eq_c(two, "/*"))
            return;
        size_t end = str_find(r->text, is_line ? STR("\n") : STR("*/"), r->at + 2);
        r->at = end == SIZE_MAX ? r->text.len : end + (is_line ? 1 : 2);
    }
}

/* To what follows in an object or a list. */
static void skip_commas(struct repair *r)
{
    for (skip_blanks(r); peek(r) == ','; skip_blanks(r))
        r->at++;
}

/* Over what cannot be made out. */
static void skip_to_next(struct repair *r)
{
    while (peek(r) != '\0' && peek(r) != ',' && peek(r) != '}' && peek(r) != ']')
        r->at++;
}
