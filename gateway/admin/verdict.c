/* verdict: see the header. */
#include "gateway/admin/verdict.h"

#include "shared/base/crypto.h"
#include "shared/limits.h"
#include "shared/store/version.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The variables of an export, values of secrets left out: an array to be freed, NULL without memory. */
static Heddle__V1__EnvironmentVariable **without_secrets(
    const Heddle__Executor__V1__CheckAppResponse *response)
{
    size_t count = response->n_environment;
    Heddle__V1__EnvironmentVariable **items = calloc(count + 1, sizeof(Heddle__V1__EnvironmentVariable *) +
                                                                    sizeof(Heddle__V1__EnvironmentVariable));
    if (items == NULL)
        return NULL;
    Heddle__V1__EnvironmentVariable *pieces = (Heddle__V1__EnvironmentVariable *)(items + count + 1);
    for (size_t i = 0; i < count; i++) {
        items[i] = &pieces[i];
        pieces[i] = *response->environment[i];
        pieces[i].secret = variable_is_secret(&pieces[i]);
        if (pieces[i].secret)
            pieces[i].value = (char *)protobuf_c_empty_string;
    }
    return items;
}

void verdict_put(struct buf *b, const Heddle__Executor__V1__CheckAppResponse *response)
{
    Heddle__Executor__V1__CheckAppResponse kept = *response;
    kept.n_problems = 0;
    kept.environment = without_secrets(response);
    size_t size = kept.environment == NULL ? 0 : protobuf_c_message_get_packed_size(&kept.base);
    uint8_t *bytes = kept.environment == NULL ? NULL : malloc(size + 1);
    if (bytes == NULL) {
        b->failed = true;
    } else {
        protobuf_c_message_pack(&kept.base, bytes);
        base64_put(b, (struct str){(const char *)bytes, size});
    }
    free(bytes);
    free(kept.environment);
}

Heddle__Executor__V1__CheckAppResponse *verdict_read(struct str text)
{
    struct buf bytes;
    buf_init(&bytes, STORE_VERDICT_BYTES_MAX);
    Heddle__Executor__V1__CheckAppResponse *response = NULL;
    if (base64_get(&bytes, text))
        response =
            heddle__executor__v1__check_app_response__unpack(NULL, bytes.len, (const uint8_t *)bytes.ptr);
    buf_fini(&bytes);
    return response;
}

bool variable_is_secret(const Heddle__V1__EnvironmentVariable *variable)
{
    return variable->secret || strcmp(variable->value_type, "secret") == 0;
}

static bool is_whole_number(struct str value)
{
    int64_t n;
    return str_to_i64(value, &n);
}

static bool is_number(struct str value)
{
    double d;
    return str_to_double(value, &d);
}

static bool is_boolean(struct str value)
{
    return str_eq_nocase(value, STR("true")) || str_eq_nocase(value, STR("false"));
}

static bool is_item_of(const cJSON *item, struct str element)
{
    return str_eq_c(element, "string")   ? cJSON_IsString(item)
           : str_eq_c(element, "number") ? cJSON_IsNumber(item)
           : str_eq_c(element, "object") ? cJSON_IsObject(item)
                                         : cJSON_IsBool(item);
}

/* Runs parse it with this limit, so deeper ones are refused here, with words. */
static bool is_shallow(struct str json)
{
    size_t depth = 0;
    bool is_text = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (is_text && c == '\\')
            i++;
        else if (c == '"')
            is_text = !is_text;
        else if (!is_text && (c == '[' || c == '{') && ++depth > LIMIT_DEPTH)
            return false;
        else if (!is_text && (c == ']' || c == '}') && depth > 0)
            depth--;
    }
    return true;
}

/* JSON of an object, or (element not empty) of an array whose items are all of that type. */
static bool is_json(struct str value, struct str element)
{
    if (!is_shallow(value))
        return false;
    cJSON *json = cJSON_ParseWithLengthOpts(value.ptr, value.len + 1, NULL, 1);
    bool fits = element.len == 0 ? cJSON_IsObject(json) : cJSON_IsArray(json);
    const cJSON *item;
    if (fits && element.len > 0) {
        cJSON_ArrayForEach (item, json)
            fits = fits && is_item_of(item, element);
    }
    cJSON_Delete(json);
    return fits;
}

enum status_code variable_check(struct str type, struct str value, size_t index, struct status *err)
{
    static const char *const arrays[] = {"string", "number", "object", "boolean"};
    bool is_known = true, fits = true;
    if (type.len == 0 || str_eq_c(type, "string") || str_eq_c(type, "secret")) {
        fits = true;
    } else if (str_eq_c(type, "integer")) {
        fits = is_whole_number(value);
    } else if (str_eq_c(type, "number") || str_eq_c(type, "float")) {
        fits = is_number(value);
    } else if (str_eq_c(type, "boolean")) {
        fits = is_boolean(value);
    } else if (str_eq_c(type, "object")) {
        fits = is_json(value, STR(""));
    } else {
        is_known = false;
        for (size_t i = 0; i < ARRAY_LEN(arrays) && !is_known; i++) {
            char name[32];
            snprintf(name, sizeof name, "array[%s]", arrays[i]);
            is_known = str_eq_c(type, name);
            fits = !is_known || is_json(value, str_c(arrays[i]));
        }
    }
    char field[64];
    snprintf(field, sizeof field, "set[%zu].%s", index, is_known ? "value" : "value_type");
    if (!is_known)
        return status_field(err, field,
                            "must be string, secret, number, integer, float, boolean, object or "
                            "array[string|number|object|boolean]");
    if (!fits)
        return status_field(err, field, "is not of type %.*s", STR_ARG(type));
    return STATUS_OK;
}
