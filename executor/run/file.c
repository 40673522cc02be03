/*
 * file: see file.h. Nothing is fetched here: name, extension and media type come from the address.
 */
#include "executor/run/file.h"

/* bytes. Of a file's address. */
enum { FILE_URL_BYTES_MAX = 8192 };

static const struct {
    const char *extension, *mime_type;
} mime_types[] = {
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".png", "image/png"},
    {".webp", "image/webp"},
    {".gif", "image/gif"},
    {".svg", "image/svg+xml"},
    {".mp4", "video/mp4"},
    {".mov", "video/quicktime"},
    {".mpeg", "video/mpeg"},
    {".webm", "video/webm"},
    {".mp3", "audio/mpeg"},
    {".m4a", "audio/mp4"},
    {".wav", "audio/wav"},
    {".amr", "audio/amr"},
    {".mpga", "audio/mpeg"},
    {".txt", "text/plain"},
    {".md", "text/markdown"},
    {".html", "text/html"},
    {".htm", "text/html"},
    {".csv", "text/csv"},
    {".pdf", "application/pdf"},
    {".json", "application/json"},
    {".xml", "text/xml"},
    {".doc", "application/msword"},
    {".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {".xls", "application/vnd.ms-excel"},
    {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {".ppt", "application/vnd.ms-powerpoint"},
    {".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {".epub", "application/epub+zip"},
};

static bool is_file_type(struct str type);
static struct str name_in_url(struct str url);
static struct str extension_of(struct str name);
static struct str mime_type_of(struct str extension);

enum status_code file_from_raw(struct value_account *a, const struct value *raw, const char *name,
                               struct value **ret, struct status *err)
{
    if (raw == NULL || value_type(raw) != VALUE_OBJECT)
        return status_set(err, STATUS_INVALID_ARGUMENT, "%s in input form must be a file", name);
    struct str type = value_get_text(raw, "type", STR(""));
    struct str method = value_get_text(raw, "transfer_method", STR(""));
    struct str url = value_get_text(raw, "url", STR(""));
    if (url.len == 0)
        url = value_get_text(raw, "remote_url", STR(""));
    if (!is_file_type(type))
        return status_set(err, STATUS_INVALID_ARGUMENT,
                          "%s: the type of a file is image, document, audio, video or custom", name);
    if (!str_eq_c(method, "remote_url"))
        return status_set(err, STATUS_INVALID_ARGUMENT,
                          "%s: files are taken with transfer_method remote_url only", name);
    if (!str_starts(url, STR("http://")) && !str_starts(url, STR("https://")))
        return status_set(err, STATUS_INVALID_ARGUMENT, "%s: url is no http or https address", name);
    if (url.len > FILE_URL_BYTES_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "%s: url has more than %d bytes", name,
                          FILE_URL_BYTES_MAX);
    struct str filename = name_in_url(url), extension = extension_of(filename);
    struct value_builder b;
    value_object_begin(&b, a);
    value_object_put(&b, STR("dify_model_identity"), value_string(a, STR("__dify__file__")));
    value_object_put(&b, STR("id"), value_none());
    value_object_put(&b, STR("type"), value_string(a, type));
    value_object_put(&b, STR("transfer_method"), value_string(a, method));
    value_object_put(&b, STR("remote_url"), value_string(a, url));
    value_object_put(&b, STR("reference"), value_none());
    value_object_put(&b, STR("filename"), value_string(a, filename));
    value_object_put(&b, STR("extension"), value_string(a, extension));
    value_object_put(&b, STR("mime_type"), value_string(a, mime_type_of(extension)));
    value_object_put(&b, STR("size"), value_int(a, -1));
    value_object_put(&b, STR("url"), value_string(a, url));
    value_object_put(&b, STR("related_id"), value_none());
    struct value *file = value_file_end(&b);
    if (file == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "%s: no memory", name);
    *ret = file;
    return STATUS_OK;
}

static bool is_file_type(struct str type)
{
    return str_eq_c(type, "image") || str_eq_c(type, "document") || str_eq_c(type, "audio") ||
           str_eq_c(type, "video") || str_eq_c(type, "custom");
}

/* The last part of the path, without query and fragment; may be empty. */
static struct str name_in_url(struct str url)
{
    size_t from = str_find(url, STR("://"), 0) + 3, to = from;
    while (to < url.len && url.ptr[to] != '?' && url.ptr[to] != '#')
        to++;
    size_t slash = str_find(str_sub(url, 0, to), STR("/"), from);
    if (slash == SIZE_MAX)
        return STR("");
    for (from = to; url.ptr[from - 1] != '/';)
        from--;
    return str_sub(url, from, to);
}

/* With its dot. */
static struct str extension_of(struct str name)
{
    for (size_t i = name.len; i > 0; i--) {
        if (name.ptr[i - 1] == '.')
            return str_sub(name, i - 1, name.len);
    }
    return STR("");
}

static struct str mime_type_of(struct str extension)
{
    for (size_t i = 0; i < ARRAY_LEN(mime_types); i++) {
        if (str_eq_nocase(extension, str_c(mime_types[i].extension)))
            return str_c(mime_types[i].mime_type);
    }
    return STR("application/octet-stream");
}
