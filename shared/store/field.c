/*
 * field: see field.h.
 */
#include "shared/store/field.h"
#include "shared/base/uuid.h"
#include "shared/store/store.h"

enum status_code field_text(const char *field, struct str s, size_t min, size_t max, struct status *err)
{
    if (s.len == 0 && min > 0)
        return status_field(err, field, "is required");
    if (s.len < min || s.len > max)
        return status_field(err, field, "has %zu bytes; at most %zu", s.len, max);
    if (!str_is_utf8(s) || str_find(s, (struct str){"", 1}, 0) != SIZE_MAX)
        return status_field(err, field, "must be UTF-8 without NUL");
    return STATUS_OK;
}

enum status_code field_id(const char *field, struct str s, struct status *err)
{
    if (!uuid_is_canonical(s))
        return status_field(err, field, "must be a lower-case UUID");
    return STATUS_OK;
}

enum status_code field_count(const char *field, int64_t n, int64_t max, struct status *err)
{
    if (n < 0 || n > max)
        return status_field(err, field, "must be 0 to %lld", (long long)max);
    return STATUS_OK;
}

enum status_code field_workspace(struct str *s, struct status *err)
{
    if (s->len == 0) {
        *s = STR("default");
        return STATUS_OK;
    }
    return field_text("workspace_id", *s, 1, STORE_NAME_BYTES_MAX, err);
}
