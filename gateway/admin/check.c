/* check: see the header. */
#include "gateway/admin/check.h"

#include "shared/base/decimal.h"

enum status_code check_protocol(const char *field, struct str name, struct status *err)
{
    static const char *const names[] = {"openai", "azure_openai", "anthropic", "gemini"};
    if (name.len == 0)
        return STATUS_OK;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq_c(name, names[i]))
            return STATUS_OK;
    }
    return status_field(err, field, "\"%.40s\" is not spoken: openai, azure_openai, anthropic and gemini are",
                        name.ptr);
}

enum status_code check_url(const char *field, struct str url, struct status *err)
{
    size_t host = str_starts(url, STR("http://")) ? 7 : str_starts(url, STR("https://")) ? 8 : 0;
    if (host == 0 || url.len == host || url.ptr[host] == '/')
        return status_field(err, field, "must be an http:// or https:// address");
    for (size_t i = 0; i < url.len; i++) {
        if ((unsigned char)url.ptr[i] <= ' ' || url.ptr[i] == 0x7f)
            return status_field(err, field, "holds white space or a control character");
    }
    return STATUS_OK;
}

enum status_code check_secret(const char *field, struct str secret, struct status *err)
{
    for (size_t i = 0; i < secret.len; i++) {
        if ((unsigned char)secret.ptr[i] < ' ' || secret.ptr[i] == 0x7f)
            return status_field(err, field, "holds a control character (a line end?)");
    }
    return STATUS_OK;
}

enum status_code check_decimal(const char *field, struct str text, struct status *err)
{
    struct decimal number;
    if (text.len == 0 || decimal_parse(text, &number))
        return STATUS_OK;
    return status_field(err, field, "must be a decimal number like 2.50, with at most %d digits",
                        DECIMAL_DIGITS_MAX);
}

enum status_code check_currency(const char *field, struct str text, struct status *err)
{
    bool is_right = text.len == 0 || text.len == 3;
    for (size_t i = 0; i < text.len; i++)
        is_right = is_right && text.ptr[i] >= 'A' && text.ptr[i] <= 'Z';
    return is_right ? STATUS_OK : status_field(err, field, "must be three capital letters, as USD");
}
