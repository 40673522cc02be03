/*
 * options_value: see options_value.h.
 */
#include "shared/base/options_value.h"
#include "shared/base/crypto.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void *field_of(const struct option *option, void *config);
static bool is_text(const struct option *option);
static enum status_code store_text(const struct option *option, struct str value, void *config,
                                   struct status *err);
static enum status_code parse_int(const struct option *option, struct str value, int64_t *ret,
                                  struct status *err);
static enum status_code parse_bool(struct str value, bool *ret, struct status *err);
static enum status_code check_choice(const struct option *option, struct str value, struct status *err);
static enum status_code check_file(const char *path, struct status *err);
static void put_without_password(struct buf *b, struct str text);

enum status_code option_store(const struct option *option, struct str value, void *config, struct status *err)
{
    enum status_code rc = STATUS_OK;
    int64_t number = 0;
    bool yes = false;
    switch (option->kind) {
    case OPTION_INT:
        rc = parse_int(option, value, &number, err);
        break;
    case OPTION_BOOL:
        rc = parse_bool(value, &yes, err);
        break;
    case OPTION_CHOICE:
        rc = check_choice(option, value, err);
        break;
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_FILE:
        break;
    }
    if (rc == STATUS_OK && option->check != NULL)
        rc = option->check(value, err);
    if (rc != STATUS_OK)
        return rc;
    if (is_text(option))
        return store_text(option, value, config, err);
    if (option->kind == OPTION_INT)
        *(int64_t *)field_of(option, config) = number;
    else
        *(bool *)field_of(option, config) = yes;
    return STATUS_OK;
}

void option_clear(const struct option *option, void *config)
{
    if (is_text(option))
        *(const char **)field_of(option, config) = NULL;
    else if (option->kind == OPTION_INT)
        *(int64_t *)field_of(option, config) = 0;
    else
        *(bool *)field_of(option, config) = false;
}

void option_release(const struct option *option, void *config)
{
    if (is_text(option)) {
        char *text = *(char **)field_of(option, config);
        if (option->kind == OPTION_SECRET && text != NULL)
            secret_wipe(text, strlen(text));
        free(text);
    }
    option_clear(option, config);
}

void option_put(const struct option *option, const void *config, struct buf *b)
{
    const void *field = (const char *)config + option->offset;
    switch (option->kind) {
    case OPTION_INT:
        buf_put_i64(b, *(const int64_t *)field);
        break;
    case OPTION_BOOL:
        buf_put_c(b, *(const bool *)field ? "yes" : "no");
        break;
    case OPTION_SECRET:
        buf_put_c(b, *(const char *const *)field == NULL ? "" : "***");
        break;
    case OPTION_TEXT:
    case OPTION_CHOICE:
    case OPTION_FILE:
        put_without_password(b, str_c(*(const char *const *)field));
        break;
    }
}

static void *field_of(const struct option *option, void *config)
{
    return (char *)config + option->offset;
}

static bool is_text(const struct option *option)
{
    return option->kind != OPTION_INT && option->kind != OPTION_BOOL;
}

static enum status_code store_text(const struct option *option, struct str value, void *config,
                                   struct status *err)
{
    char *copy = str_dup(value);
    if (copy == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "out of memory");
    if (option->kind == OPTION_FILE && check_file(copy, err) != STATUS_OK) {
        free(copy);
        return STATUS_INVALID_ARGUMENT;
    }
    option_release(option, config);
    *(const char **)field_of(option, config) = copy;
    return STATUS_OK;
}

static enum status_code parse_int(const struct option *option, struct str value, int64_t *ret,
                                  struct status *err)
{
    int64_t number;
    if (!str_to_i64(value, &number) || number < option->min || number > option->max)
        return status_set(err, STATUS_INVALID_ARGUMENT,
                          "'%.*s' is not a whole number from %" PRId64 " to %" PRId64, STR_ARG(value),
                          option->min, option->max);
    *ret = number;
    return STATUS_OK;
}

static enum status_code parse_bool(struct str value, bool *ret, struct status *err)
{
    static const char *const words[] = {"no", "yes", "false", "true", "0", "1"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq_c(value, words[i])) {
            *ret = i % 2 == 1;
            return STATUS_OK;
        }
    }
    return status_set(err, STATUS_INVALID_ARGUMENT, "'%.*s' is neither yes nor no", STR_ARG(value));
}

static enum status_code check_choice(const struct option *option, struct str value, struct status *err)
{
    struct str rest = str_c(option->choices), choice;
    while (str_split(&rest, '|', &choice)) {
        if (str_eq(value, choice))
            return STATUS_OK;
    }
    return status_set(err, STATUS_INVALID_ARGUMENT, "'%.*s' is none of %s", STR_ARG(value), option->choices);
}

static enum status_code check_file(const char *path, struct status *err)
{
    struct stat st;
    if (access(path, R_OK) != 0 || stat(path, &st) != 0)
        return status_set(err, STATUS_INVALID_ARGUMENT, "cannot read '%s': %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return status_set(err, STATUS_INVALID_ARGUMENT, "'%s' is a folder", path);
    return STATUS_OK;
}

/*
 * postgres://user:password@host/…?password=… with *** for the passwords. Rather too much is hidden than too little:
 * up to the last @, because some clients take a password with / and @ in it, and all behind password=.
 */
static void put_without_password(struct buf *b, struct str text)
{
    size_t scheme = str_find(text, STR("://"), 0);
    if (scheme == SIZE_MAX) {
        buf_put(b, text);
        return;
    }
    const char *last_at = memrchr(text.ptr, '@', text.len);
    size_t at = last_at == NULL ? 0 : (size_t)(last_at - text.ptr);
    size_t colon = str_find(text, STR(":"), scheme + 3);
    if (colon < at) {
        buf_put(b, str_sub(text, 0, colon + 1));
        buf_put_c(b, "***");
        text = str_sub(text, at, text.len);
    }
    struct str key = STR("password=");
    size_t found = str_find(text, key, 0);
    buf_put(b, found == SIZE_MAX ? text : str_sub(text, 0, found + key.len));
    if (found != SIZE_MAX)
        buf_put_c(b, "***");
}
