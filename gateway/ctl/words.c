/* words: names of enum values, spans of time and cut texts, as records' commands read and write them. See records.h. */
#include "gateway/ctl/records.h"

#include <string.h>

static char as_word(char c)
{
    return c == '_' ? '-' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

const char *enum_word(const ProtobufCEnumDescriptor *descriptor, int value, const char *prefix,
                      char ret[ENUM_WORD_BYTES])
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(descriptor, value);
    struct str name = str_c(found == NULL ? "?" : found->name);
    if (str_starts(name, str_c(prefix)))
        name = str_sub(name, str_c(prefix).len, name.len);
    size_t len = name.len < ENUM_WORD_BYTES - 1 ? name.len : ENUM_WORD_BYTES - 1;
    for (size_t i = 0; i < len; i++)
        ret[i] = as_word(name.ptr[i]);
    ret[len] = '\0';
    return ret;
}

/* The same word, written in any of its ways? */
static bool is_word(const char *word, const char *asked)
{
    size_t i = 0;
    while (word[i] != '\0' && word[i] == as_word(asked[i]))
        i++;
    return word[i] == '\0' && asked[i] == '\0';
}

bool enum_read(const char *option, const ProtobufCEnumDescriptor *descriptor, const char *prefix,
               const char *word, int *ret)
{
    char name[ENUM_WORD_BYTES];
    struct buf all;
    buf_init(&all, 4096);
    for (unsigned i = 0; i < descriptor->n_values; i++) {
        int value = descriptor->values[i].value;
        if (value == 0)
            continue; /* "not said" */
        if (is_word(enum_word(descriptor, value, prefix, name), word)) {
            *ret = value;
            buf_fini(&all);
            return true;
        }
        buf_printf(&all, "%s%s", all.len == 0 ? "" : ", ", name);
    }
    say_error("--%s: there is no \"%s\"; there are %.*s", option, word, STR_ARG(buf_str(&all)));
    buf_fini(&all);
    return false;
}

bool span_read(const char *option, const char *text, int64_t *ret_ms)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'s', 1000}, {'m', 60 * 1000}, {'h', 3600 * 1000}, {'d', 24 * 3600 * 1000}};
    struct str whole = str_c(text);
    int64_t number;
    for (size_t i = 0; whole.len > 1 && i < ARRAY_LEN(units); i++) {
        if (whole.ptr[whole.len - 1] == units[i].unit &&
            str_to_i64(str_sub(whole, 0, whole.len - 1), &number) && number > 0 && number <= 100000) {
            *ret_ms = number * units[i].ms;
            return true;
        }
    }
    say_error("--%s: \"%s\" is no span of time: write 90s, 15m, 12h or 7d", option, text);
    return false;
}

void put_cut(struct buf *b, struct str text, size_t bytes_max)
{
    size_t len = text.len <= bytes_max ? text.len : str_utf8_cut(text, bytes_max);
    for (size_t i = 0; i < len; i++)
        buf_put_char(b,
                     text.ptr[i] == '\n' || text.ptr[i] == '\t' || text.ptr[i] == '\r' ? ' ' : text.ptr[i]);
    if (len < text.len)
        buf_put_c(b, "...");
}

const char *user_option(const struct ctl_args *args)
{
    const char *user = args_option(args, "user");
    return user == NULL ? "heddlectl" : user;
}
