/* pattern: see pattern.h. */
#include "executor/value/pattern.h"
#include "shared/base/buf.h"
#include <regex.h>
#include <stdlib.h>

/* times. What all {n} of a pattern may multiply to: each makes that many copies of what it repeats. */
enum { REPEATS_MAX = 1000 };
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

/* {n} and {n,m}: multiplies the count. */
static bool count_repeat(struct str rest, uint64_t *count)
{
    uint64_t n = 0;
    for (size_t i = 1; i < rest.len && rest.ptr[i] != '}'; i++) {
        if (rest.ptr[i] >= '0' && rest.ptr[i] <= '9')
            n = n * 10 + (uint64_t)(rest.ptr[i] - '0');
        else if (rest.ptr[i] == ',' && i + 1 < rest.len && rest.ptr[i + 1] != '}')
            n = 0;
        if (n > REPEATS_MAX)
            return false;
    }
    *count *= n > 0 ? n : 1;
    return *count <= REPEATS_MAX;
}

/* As POSIX writes it. */
static bool write_out(struct str pattern, struct buf *ret)
{
    uint64_t repeats = 1;
    size_t class_from = SIZE_MAX; /* the first byte of the class we are in; ] there is one of it */
    if (pattern.len > PATTERN_BYTES_MAX)
        return false;
    for (size_t i = 0; i < pattern.len; i++) {
        char ch = pattern.ptr[i];
        bool is_in_class = class_from != SIZE_MAX;
        if (ch == '\0')
            return false;
        if (ch == '\\') {
            if (++i == pattern.len || !put_escape(ret, pattern.ptr[i], is_in_class))
                return false;
            continue;
        }
        if (is_in_class && ch == ']' && i > class_from)
            class_from = SIZE_MAX;
        else if (is_in_class && ch == '^' && i == class_from)
            class_from++;
        else if (!is_in_class && ch == '[')
            class_from = i + 1;
        else if (!is_in_class && ch == '{' && !count_repeat(str_sub(pattern, i, pattern.len), &repeats))
            return false;
        buf_put_char(ret, ch);
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
