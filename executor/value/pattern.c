/* pattern: see pattern.h. */
#include "executor/value/pattern.h"
#include "shared/base/buf.h"
#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* times. Of one {n}. */
enum { REPEAT_MAX = 1000 };
/* places. Of a compiled expression, about 200 bytes each: a repeat copies what it repeats, and one of a group what was copied there. */
enum { PLACES_MAX = 4000 };
/* groups within each other. */
enum { GROUPS_MAX = 64 };
/* repeats of repeats, as in ((a*)+)?. POSIX libraries take time that doubles with each, and nobody needs many. */
enum { HEIGHT_MAX = 4 };
/* bytes. Of a pattern with its classes written out. */
enum { WRITTEN_BYTES_MAX = 32 * PATTERN_BYTES_MAX };

/* \d within [] is a part of that class, outside a class of its own. */
static bool put_escape(struct buf *ret, char letter, bool is_in_class)
{
    static const struct {
        char letter;
        const char *alone, *in_class; /* NULL: not possible */
    } classes[] = {
        {'d', "[0-9]", "0-9"},
        {'w', "[[:alnum:]_]", "[:alnum:]_"},
        {'s', "[[:space:]]", "[:space:]"},
        {'D', "[^0-9]", NULL},
        {'W', "[^[:alnum:]_]", NULL},
        {'S', "[^[:space:]]", NULL},
        {'n', "\n", "\n"},
        {'t', "\t", "\t"},
        {'r', "\r", "\r"},
    };
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (classes[i].letter != letter)
            continue;
        const char *written = is_in_class ? classes[i].in_class : classes[i].alone;
        if (written != NULL)
            buf_put_c(ret, written);
        return written != NULL;
    }
    bool is_word = (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
                   (letter >= 'A' && letter <= 'Z');
    if (!is_in_class)
        buf_put_char(ret, '\\');
    buf_put_char(ret, letter);
    return !is_word; /* \b, \1 and so on mean other things */
}

/* What a part of the expression takes once it is compiled: its places, and repeats of repeats in it. */
struct size {
    uint64_t places;
    unsigned height;
};
/* The groups that are open, the whole expression first, and what a repeat would copy. */
struct sizes {
    struct size groups[GROUPS_MAX + 1], last;
    size_t depth;
    enum {
        ONCE,
        REPEATED,
        REPEATED_LEAST
    } repeat; /* of last; the ? of the third makes no difference to whether there is a match */
};

static bool add_part(struct sizes *sizes, struct size part)
{
    struct size *group = &sizes->groups[sizes->depth];
    group->places += part.places;
    group->height = part.height > group->height ? part.height : group->height;
    sizes->last = part;
    sizes->repeat = ONCE;
    return group->places <= PLACES_MAX && group->height <= HEIGHT_MAX;
}

static bool open_group(struct sizes *sizes)
{
    if (sizes->depth == GROUPS_MAX)
        return false;
    sizes->groups[++sizes->depth] = (struct size){.places = 1};
    sizes->last = (struct size){0};
    sizes->repeat = ONCE;
    return true;
}

/* A ) without a group is a letter. */
static bool close_group(struct sizes *sizes)
{
    struct size group = {.places = 1};
    if (sizes->depth > 0)
        group = sizes->groups[sizes->depth--];
    return add_part(sizes, group);
}

/* The larger number of {n}, {n,} and {n,m}, and how long it is written; 0: it is none of these. */
static size_t read_repeat(struct str rest, uint64_t *ret)
{
    uint64_t n = 0;
    *ret = 0;
    for (size_t i = 1; i < rest.len && *ret <= REPEAT_MAX; i++) {
        bool is_digit = rest.ptr[i] >= '0' && rest.ptr[i] <= '9';
        if (!is_digit && (i == 1 || (rest.ptr[i] != ',' && rest.ptr[i] != '}')))
            return 0;
        n = is_digit ? n * 10 + (uint64_t)(rest.ptr[i] - '0') : 0;
        *ret = n > *ret ? n : *ret;
        if (rest.ptr[i] == '}')
            return i + 1;
    }
    return 0;
}

/* x+ is written xx*; x{2,} is xxx*. A repeat right behind a repeat is none. */
static bool repeat_last(struct sizes *sizes, uint64_t times)
{
    struct size once = sizes->last;
    if (sizes->repeat != ONCE || !add_part(sizes, (struct size){once.places * times + 1, once.height + 1}))
        return false;
    sizes->last.places += once.places;
    sizes->repeat = REPEATED;
    return true;
}

/* What stands outside a class and behind no backslash. Gives how much of it to write down; 0: it cannot be matched. */
static size_t add_size(struct sizes *sizes, struct str rest)
{
    uint64_t times;
    size_t len;
    switch (rest.ptr[0]) {
    case '(':
        return open_group(sizes);
    case ')':
        return close_group(sizes);
    case '*':
    case '?':
        return repeat_last(sizes, 0);
    case '+':
        return repeat_last(sizes, 1);
    case '{':
        len = read_repeat(rest, &times);
        return len > 0 && repeat_last(sizes, times) ? len : 0;
    default:
        return add_part(sizes, (struct size){.places = 1});
    }
}

/*
 * The class at the start of `rest`, up to its ]; a ] that is first in it is of it. POSIX has no escapes there: a ] has to come first
 * then, a - last, a ^ not first. Gives how long it is; 0: not possible.
 */
static size_t put_class(struct buf *ret, struct str rest)
{
    bool has_bracket = false, has_dash = false, has_caret = false;
    size_t i = 1, first;
    buf_put_char(ret, '[');
    if (i < rest.len && rest.ptr[i] == '^')
        buf_put_char(ret, rest.ptr[i++]);
    for (size_t j = i; j + 1 < rest.len && (rest.ptr[j] != ']' || j == i); j++)
        if (rest.ptr[j] == '\\' && rest.ptr[++j] == ']')
            has_bracket = true;
    if (has_bracket)
        buf_put_char(ret, ']');
    for (first = i; i < rest.len && (rest.ptr[i] != ']' || i == first); i++) {
        bool is_escape = rest.ptr[i] == '\\';
        if (is_escape && ++i == rest.len)
            return 0;
        has_dash = has_dash || (is_escape && rest.ptr[i] == '-');
        has_caret = has_caret || (is_escape && rest.ptr[i] == '^');
        if (is_escape && (rest.ptr[i] == ']' || rest.ptr[i] == '-' || rest.ptr[i] == '^'))
            continue;
        if (is_escape && !put_escape(ret, rest.ptr[i], true))
            return 0;
        if (!is_escape)
            buf_put_char(ret, rest.ptr[i]);
    }
    if (i >= rest.len || (has_caret && i == first + 2 && first == 1)) /* [\^] alone cannot be written */
        return 0;
    if (has_caret)
        buf_put_char(ret, '^');
    if (has_dash)
        buf_put_char(ret, '-');
    buf_put_char(ret, ']');
    return i + 1;
}

/* Puts the part at the start of `rest`. Gives how long it is; 0: it cannot be matched. */
static size_t put_part(struct buf *ret, struct sizes *sizes, struct str rest)
{
    if (rest.ptr[0] == '\\')
        return rest.len > 1 && put_escape(ret, rest.ptr[1], false) &&
                       add_part(sizes, (struct size){.places = 1})
                   ? 2
                   : 0;
    if (rest.ptr[0] == '[')
        return add_part(sizes, (struct size){.places = 1}) ? put_class(ret, rest) : 0;
    if (rest.ptr[0] == '?' && sizes->repeat == REPEATED) {
        sizes->repeat = REPEATED_LEAST;
        return 1;
    }
    size_t len = add_size(sizes, rest);
    buf_put(ret, str_sub(rest, 0, len));
    return len;
}

/* As POSIX writes it. */
static bool write_out(struct str pattern, struct buf *ret)
{
    struct sizes sizes = {.depth = 0};
    if (pattern.len > PATTERN_BYTES_MAX || memchr(pattern.ptr, '\0', pattern.len) != NULL)
        return false;
    for (size_t i = 0, len; i < pattern.len; i += len) {
        len = put_part(ret, &sizes, str_sub(pattern, i, pattern.len));
        if (len == 0)
            return false;
    }
    buf_put_char(ret, '\0');
    return !ret->failed;
}

static bool compile(struct str pattern, regex_t *ret)
{
    struct buf written;
    buf_init(&written, WRITTEN_BYTES_MAX);
    bool ok = write_out(pattern, &written) && regcomp(ret, written.ptr, REG_EXTENDED | REG_NOSUB) == 0;
    buf_fini(&written);
    return ok;
}

bool pattern_is_valid(struct str pattern)
{
    regex_t regex;
    bool ok = compile(pattern, &regex);
    if (ok)
        regfree(&regex);
    return ok;
}

bool pattern_finds(struct str pattern, struct str text)
{
    regex_t regex;
    if (!compile(pattern, &regex))
        return false;
    char *copy = str_dup(text); /* with an end; what stands behind a NUL is not looked at */
    bool found = copy != NULL && regexec(&regex, copy, 0, NULL, 0) == 0;
    free(copy);
    regfree(&regex);
    return found;
}
