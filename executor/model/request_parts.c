/* request_parts: see the header. */
#include "executor/model/request_parts.h"

#include "executor/value/form.h"
#include "executor/value/parse.h"

void request_put_text(struct buf *b, const char *key, struct str text)
{
    buf_put_char(b, ',');
    buf_put_json_string(b, str_c(key));
    buf_put_char(b, ':');
    buf_put_json_string(b, text);
}

void request_put_value(struct buf *b, const char *key, const struct value *value)
{
    buf_put_char(b, ',');
    buf_put_json_string(b, str_c(key));
    buf_put_char(b, ':');
    value_put_json(b, value, JSON_COMPACT, false);
}

static bool is_object(const struct value *v)
{
    return v != NULL && value_type(v) == VALUE_OBJECT;
}

bool request_put_object(struct buf *b, struct str json)
{
    struct value *parsed = NULL;
    bool ok = value_parse_json(NULL, json, &parsed, NULL) == STATUS_OK && is_object(parsed);
    if (ok)
        value_put_json(b, parsed, JSON_COMPACT, false);
    else
        buf_put_c(b, "{}");
    value_unref(parsed);
    return ok;
}

void request_put_path(struct buf *b, struct str path)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                        c == '-' || c == '.' || c == '_' || c == '~' || c == '/' || c == '@';
        if (is_plain) {
            buf_put_char(b, (char)c);
        } else {
            buf_put_char(b, '%');
            buf_put_char(b, hex[c >> 4]);
            buf_put_char(b, hex[c & 15]);
        }
    }
}

struct request_base request_base_of(struct str base_url)
{
    size_t mark = str_find(base_url, STR("?"), 0);
    struct request_base ret = {.address = base_url};
    if (mark != SIZE_MAX) {
        ret.address = str_sub(base_url, 0, mark);
        ret.query = str_sub(base_url, mark + 1, base_url.len);
    }
    while (str_ends(ret.address, STR("/")))
        ret.address.len--;
    return ret;
}

/* --- images --- */

bool request_is_image(const struct model_file *file)
{
    return str_eq_c(file->kind, "image");
}

bool request_has_images(const struct model_message *message)
{
    for (size_t i = 0; i < message->file_count; i++) {
        if (request_is_image(&message->files[i]))
            return true;
    }
    return false;
}

static struct str type_of_ending(struct str url)
{
    static const struct {
        const char *ending;
        struct str type;
    } known[] = {{".png", {"image/png", 9}},
                 {".webp", {"image/webp", 10}},
                 {".gif", {"image/gif", 9}},
                 {".heic", {"image/heic", 10}},
                 {".heif", {"image/heif", 10}}};
    size_t end = str_find(url, STR("?"), 0);
    struct str path = str_sub(url, 0, end == SIZE_MAX ? url.len : end);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct str ending = str_c(known[i].ending);
        if (path.len > ending.len && str_eq_nocase(str_sub(path, path.len - ending.len, path.len), ending))
            return known[i].type;
    }
    return STR("image/jpeg");
}

bool request_image_is_inline(const struct model_file *file, struct request_image *ret)
{
    struct str url = file->url, marker = STR(";base64,");
    size_t at = str_starts(url, STR("data:")) ? str_find(url, marker, 0) : SIZE_MAX;
    *ret = (struct request_image){.media_type = type_of_ending(url)};
    if (at == SIZE_MAX)
        return false;
    struct str type = str_sub(url, sizeof "data:" - 1, at);
    size_t more = str_find(type, STR(";"), 0); /* a parameter of the type */
    type = str_sub(type, 0, more == SIZE_MAX ? type.len : more);
    if (type.len > 0)
        ret->media_type = type;
    ret->data = str_sub(url, at + marker.len, url.len);
    return true;
}

/* --- parameters --- */

const struct value *request_param(const struct value *params, const char *const *names)
{
    for (size_t i = 0; params != NULL && names[i] != NULL; i++) {
        const struct value *v = value_get_c(params, names[i]);
        if (v != NULL && value_type(v) != VALUE_NONE)
            return v;
    }
    return NULL;
}

struct request_format request_format_of(const struct value *params)
{
    struct request_format f = {.kind = REQUEST_FORMAT_TEXT};
    const struct value *format = params == NULL ? NULL : value_get_c(params, "response_format");
    if (format == NULL)
        return f;
    bool is_name = value_type(format) == VALUE_STRING;
    struct str kind = is_name ? value_text(format) : value_get_text(format, "type", STR(""));
    const struct value *schema = value_get_c(is_name ? params : format, "json_schema");
    if (str_eq_c(kind, "json_object"))
        f.kind = REQUEST_FORMAT_OBJECT;
    if (!str_eq_c(kind, "json_schema"))
        return f;
    f.kind = REQUEST_FORMAT_SCHEMA;
    if (schema != NULL && value_type(schema) == VALUE_STRING &&
        value_parse_json(NULL, value_text(schema), &f.owned, NULL) == STATUS_OK)
        schema = f.owned;
    if (!is_object(schema))
        return f;
    f.json_schema = schema;
    f.schema = value_get_c(schema, "schema");
    if (!is_object(f.schema))
        f.schema = schema;
    return f;
}

void request_format_fini(struct request_format *f)
{
    value_unref(f->owned);
    f->owned = NULL;
}

struct request_choice request_choice_of(const struct value *params)
{
    struct request_choice c = {.kind = REQUEST_CHOICE_UNSAID};
    const struct value *choice = params == NULL ? NULL : value_get_c(params, "tool_choice");
    if (is_object(choice)) {
        const struct value *function = value_get_c(choice, "function");
        c.tool = value_get_text(function != NULL ? function : choice, "name", STR(""));
        c.kind = c.tool.len > 0 ? REQUEST_CHOICE_TOOL : REQUEST_CHOICE_UNSAID;
    } else if (choice != NULL && value_type(choice) == VALUE_STRING) {
        struct str word = value_text(choice);
        c.kind = str_eq_c(word, "auto")       ? REQUEST_CHOICE_AUTO
                 : str_eq_c(word, "required") ? REQUEST_CHOICE_ANY
                 : str_eq_c(word, "none")     ? REQUEST_CHOICE_NONE
                                              : REQUEST_CHOICE_UNSAID;
    }
    return c;
}

void request_put_list(struct buf *b, const struct value *value)
{
    const char *between = "";
    bool is_list = value_type(value) == VALUE_ARRAY;
    buf_put_char(b, '[');
    for (size_t i = 0; i < (is_list ? value_count(value) : 1); i++) {
        const struct value *item = is_list ? value_item(value, i) : value;
        if (value_type(item) != VALUE_STRING || value_text(item).len == 0)
            continue;
        buf_put_c(b, between);
        between = ",";
        buf_put_json_string(b, value_text(item));
    }
    buf_put_char(b, ']');
}

/* --- system messages --- */

bool request_is_system(const struct model_message *message)
{
    return str_eq_c(message->role, "system");
}

bool request_has_words(struct str text)
{
    return str_trim(text).len > 0;
}

bool request_is_system_only(const struct model_request *request)
{
    for (size_t i = 0; i < request->message_count; i++) {
        if (!request_is_system(&request->messages[i]))
            return false;
    }
    return true;
}

bool request_put_system(struct buf *b, const struct model_request *request)
{
    struct buf text;
    bool has_some = false;
    buf_init(&text, b->max);
    for (size_t i = 0; i < request->message_count; i++) {
        const struct model_message *message = &request->messages[i];
        if (!request_is_system(message) || !request_has_words(message->text))
            continue;
        if (has_some)
            buf_put_c(&text, "\n\n");
        buf_put(&text, message->text);
        has_some = true;
    }
    if (has_some)
        buf_put_json_string(b, buf_str(&text));
    b->failed |= text.failed;
    buf_fini(&text);
    return has_some;
}
