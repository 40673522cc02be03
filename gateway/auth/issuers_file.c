/* issuers_file: see the header. A reader notes every mistake and goes on, so that all are told at once. */
#include "gateway/auth/issuers_file.h"

#include "shared/store/store.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* s. What is meant when the file does not say; and how much it may say. */
#define LEEWAY_S       30
#define LEEWAY_S_MAX   300
#define REFRESH_S      300
#define REFETCH_S      30
#define STALE_S        86400
#define PERIOD_S_MAX   (7 * 86400)
#define NAME_BYTES_MAX 1024

struct reader {
    struct arena *arena;
    struct buf *mistakes;
    bool allow_http, has_mistakes, no_memory;
    char where[64]; /* "issuers[3]" */
};

static void PRINTF_LIKE(3, 4) mistake(struct reader *r, const char *field, const char *fmt, ...)
{
    char words[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    r->has_mistakes = true;
    buf_printf(r->mistakes, "%s%s%s: %s\n", r->where, field[0] != '\0' && r->where[0] != '\0' ? "." : "",
               field, words);
}

static const char *keep(struct reader *r, const char *text)
{
    const char *copy = arena_copy_c(r->arena, str_c(text));
    r->no_memory |= copy == NULL;
    return copy;
}

/* The whole file; false: noted. */
static bool read_file(struct reader *r, const char *field, const char *path, size_t max, struct buf *ret)
{
    buf_init(ret, max);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        mistake(r, field, "%s: %s", path, strerror(errno));
        return false;
    }
    char piece[4096];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, file)) > 0)
        buf_put(ret, (struct str){piece, n});
    bool is_read = ferror(file) == 0;
    fclose(file);
    if (!is_read)
        mistake(r, field, "%s: cannot be read", path);
    else if (ret->failed)
        mistake(r, field, "%s: is over %zu bytes", path, max);
    return is_read && !ret->failed;
}

/* Is every field one of `names`? */
static void check_names(struct reader *r, const char *prefix, const cJSON *object, const char *const *names)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, object) {
        size_t i = 0;
        while (names[i] != NULL && strcmp(names[i], item->string) != 0)
            i++;
        if (names[i] == NULL)
            mistake(r, prefix, "has no field \"%.64s\"", item->string);
    }
}

static const cJSON *field_of(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* A text of at least one byte, kept; NULL: there is none (noted when it is needed), or it is wrong (noted). */
static const char *text_of(struct reader *r, const char *field, const cJSON *item, bool is_needed)
{
    if (item == NULL && !is_needed)
        return NULL;
    if (!cJSON_IsString(item) || item->valuestring[0] == '\0' || strlen(item->valuestring) > NAME_BYTES_MAX) {
        mistake(r, field, "must be a text of 1 to %d bytes", NAME_BYTES_MAX);
        return NULL;
    }
    return keep(r, item->valuestring);
}

static int64_t seconds_of(struct reader *r, const char *field, const cJSON *item, int fallback, int min,
                          int max)
{
    if (item == NULL)
        return (int64_t)fallback * 1000;
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= min && item->valuedouble <= max)) {
        mistake(r, field, "must be %d to %d seconds", min, max);
        return 0;
    }
    return (int64_t)(item->valuedouble * 1000);
}

static void read_audiences(struct reader *r, const cJSON *list, struct issuer *issuer)
{
    int count = cJSON_GetArraySize(list);
    if (!cJSON_IsArray(list) || count < 1 || count > ISSUER_AUDIENCES_MAX) {
        mistake(r, "audiences", "must be a list of 1 to %d texts", ISSUER_AUDIENCES_MAX);
        return;
    }
    issuer->audiences = arena_array(r->arena, (size_t)count, sizeof *issuer->audiences);
    if (issuer->audiences == NULL) {
        r->no_memory = true;
        return;
    }
    const cJSON *item;
    cJSON_ArrayForEach (item, list) {
        const char *text = text_of(r, "audiences", item, true);
        if (text != NULL)
            issuer->audiences[issuer->audience_count++] = text;
    }
}

static const char *app_id_of(struct reader *r, const char *field, const cJSON *item)
{
    if (!cJSON_IsString(item) || !uuid_is_canonical(str_c(item->valuestring))) {
        mistake(r, field, "must be the id of an app, a lower-case UUID");
        return NULL;
    }
    return keep(r, item->valuestring);
}

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const struct issuer_row *)a)->value, ((const struct issuer_row *)b)->value);
}

static void read_rows(struct reader *r, const cJSON *map, struct issuer *issuer)
{
    int count = cJSON_GetArraySize(map);
    if (!cJSON_IsObject(map) || count < 1) {
        mistake(r, "app.map", "must be an object: value of the claim to id of an app");
        return;
    }
    issuer->app_rows = arena_array(r->arena, (size_t)count, sizeof *issuer->app_rows);
    if (issuer->app_rows == NULL) {
        r->no_memory = true;
        return;
    }
    const cJSON *item;
    cJSON_ArrayForEach (item, map) {
        struct issuer_row row = {keep(r, item->string), app_id_of(r, "app.map", item)};
        if (row.value != NULL && row.app_id != NULL)
            issuer->app_rows[issuer->app_row_count++] = row;
    }
    qsort(issuer->app_rows, issuer->app_row_count, sizeof *issuer->app_rows, compare_rows);
}

static void read_app(struct reader *r, const cJSON *app, struct issuer *issuer)
{
    static const char *const names[] = {"id", "claim", "map", NULL};
    const cJSON *id = field_of(app, "id"), *claim = field_of(app, "claim"), *map = field_of(app, "map");
    if (app == NULL)
        return; /* its tokens can only administer */
    check_names(r, "app", app, names);
    if (!cJSON_IsObject(app) || (id != NULL) == (claim != NULL) || (map != NULL && claim == NULL)) {
        mistake(r, "app", "must be {\"id\": …}, {\"claim\": …} or {\"claim\": …, \"map\": {…}}");
        return;
    }
    if (id != NULL)
        issuer->app_id = app_id_of(r, "app.id", id);
    else
        issuer->app_claim = text_of(r, "app.claim", claim, true);
    if (map != NULL)
        read_rows(r, map, issuer);
}

static void read_user(struct reader *r, const cJSON *user, struct issuer *issuer)
{
    static const char *const names[] = {"claim", NULL};
    if (user == NULL) {
        issuer->user_claim = "sub";
    } else if (cJSON_IsObject(user)) {
        check_names(r, "user", user, names);
        issuer->user_claim = text_of(r, "user.claim", field_of(user, "claim"), true);
    } else if (!cJSON_IsString(user) || strcmp(user->valuestring, "request") != 0) {
        mistake(r, "user", "must be {\"claim\": …} or \"request\"");
    }
}

static void read_scopes(struct reader *r, const cJSON *scopes, struct issuer *issuer)
{
    static const char *const names[] = {"claim", NULL};
    const cJSON *item;
    if (scopes == NULL) {
        issuer->scopes = SCOPE_RUN | SCOPE_READ;
    } else if (cJSON_IsObject(scopes)) {
        check_names(r, "scopes", scopes, names);
        issuer->scopes_claim = text_of(r, "scopes.claim", field_of(scopes, "claim"), true);
    } else if (cJSON_IsArray(scopes)) {
        cJSON_ArrayForEach (item, scopes) {
            enum scope scope;
            if (cJSON_IsString(item) && scope_from(str_c(item->valuestring), &scope))
                issuer->scopes |= scope;
            else
                mistake(r, "scopes", "are \"run\", \"read\" and \"admin\"");
        }
    } else {
        mistake(r, "scopes", "must be a list of scopes or {\"claim\": …}");
    }
}

/* --- keys --- */

static void take_keys(struct reader *r, struct jwt_keys *keys, struct issuer *issuer)
{
    if (keys->count == 0) {
        mistake(r, "keys", "there is none for RS256 or ES256");
        return;
    }
    issuer->keys = key_source_new_fixed(keys);
    r->no_memory |= issuer->keys == NULL;
}

static void note_key(struct reader *r, const char *field, const char *path, enum status_code rc,
                     const struct status *err)
{
    if (rc == STATUS_RESOURCE_EXHAUSTED)
        r->no_memory = true;
    else if (rc != STATUS_OK)
        mistake(r, field, "%s: %s", path, err->message);
}

static void read_pem(struct reader *r, const cJSON *item, struct jwt_keys *keys)
{
    static const char *const names[] = {"file", "algorithm", "kid", NULL};
    struct buf pem;
    struct status err;
    enum jwt_algorithm algorithm = JWT_HS256;
    check_names(r, "keys.pem", item, names);
    const char *path = text_of(r, "keys.pem.file", field_of(item, "file"), true);
    const char *kid = text_of(r, "keys.pem.kid", field_of(item, "kid"), false);
    const cJSON *name = field_of(item, "algorithm");
    if (!cJSON_IsString(name) || !jwt_algorithm_from(str_c(name->valuestring), &algorithm) ||
        algorithm == JWT_HS256) {
        mistake(r, "keys.pem.algorithm", "must be RS256 or ES256");
        return;
    }
    if (path == NULL)
        return;
    if (read_file(r, "keys.pem.file", path, JWT_KEY_FILE_BYTES_MAX, &pem))
        note_key(r, "keys.pem.file", path, jwt_keys_add_pem(keys, buf_str(&pem), algorithm, str_c(kid), &err),
                 &err);
    buf_fini(&pem);
}

static void read_jwks(struct reader *r, const char *path, struct jwt_keys *keys)
{
    struct buf json;
    struct status err;
    if (read_file(r, "keys.jwks_file", path, JWT_KEY_FILE_BYTES_MAX, &json))
        note_key(r, "keys.jwks_file", path, jwt_keys_add_jwks(keys, buf_str(&json), &err), &err);
    buf_fini(&json);
}

/* http://127.0.0.1… and the like: nobody is in between. */
static bool is_loopback(struct str url)
{
    static const char *const hosts[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct str host = str_c(hosts[i]);
        char next = url.len > host.len ? url.ptr[host.len] : '/';
        if (str_starts(url, host) && (next == '/' || next == ':') && str_find(url, STR("@"), 0) == SIZE_MAX)
            return true;
    }
    return false;
}

static void check_readable(struct reader *r, const char *field, const char *path)
{
    struct buf b;
    if (path == NULL)
        return;
    (void)read_file(r, field, path, ISSUERS_FILE_BYTES_MAX, &b);
    buf_fini(&b);
}

static void read_url(struct reader *r, const cJSON *keys, struct issuer *issuer)
{
    struct key_url url = {
        .url = text_of(r, "keys.jwks_url", field_of(keys, "jwks_url"), true),
        .ca_file = text_of(r, "keys.ca_file", field_of(keys, "ca_file"), false),
        .token_file = text_of(r, "keys.token_file", field_of(keys, "token_file"), false),
        .refresh_ms = seconds_of(r, "keys.refresh_seconds", field_of(keys, "refresh_seconds"), REFRESH_S, 1,
                                 PERIOD_S_MAX),
        .refetch_ms = seconds_of(r, "keys.refetch_seconds", field_of(keys, "refetch_seconds"), REFETCH_S, 1,
                                 PERIOD_S_MAX),
        .stale_ms =
            seconds_of(r, "keys.stale_seconds", field_of(keys, "stale_seconds"), STALE_S, 1, PERIOD_S_MAX)};
    check_readable(r, "keys.ca_file", url.ca_file);
    check_readable(r, "keys.token_file", url.token_file);
    if (url.url == NULL)
        return;
    struct str text = str_c(url.url);
    bool is_http = str_starts(text, STR("http://"));
    if (!str_starts(text, STR("https://")) && !(is_http && (r->allow_http || is_loopback(text)))) {
        mistake(r, "keys.jwks_url", "must be https; http is for this machine, or with option insecure");
        return;
    }
    issuer->keys = key_source_new_url(&url);
    r->no_memory |= issuer->keys == NULL;
}

static void read_keys(struct reader *r, const cJSON *keys, struct issuer *issuer)
{
    static const char *const by_url[] = {"jwks_url",        "ca_file",       "token_file", "refresh_seconds",
                                         "refetch_seconds", "stale_seconds", NULL};
    static const char *const by_file[] = {"jwks_file", NULL}, *const by_pem[] = {"pem", NULL};
    const cJSON *url = field_of(keys, "jwks_url"), *file = field_of(keys, "jwks_file");
    const cJSON *pem = field_of(keys, "pem"), *item;
    if ((url != NULL) + (file != NULL) + (pem != NULL) != 1 || (pem != NULL && !cJSON_IsArray(pem))) {
        mistake(r, "keys", "must have one of jwks_url, jwks_file and pem (a list)");
        return;
    }
    check_names(r, "keys", keys, url != NULL ? by_url : file != NULL ? by_file : by_pem);
    if (url != NULL) {
        read_url(r, keys, issuer);
        return;
    }
    struct jwt_keys *set = jwt_keys_new();
    if (set == NULL) {
        r->no_memory = true;
        return;
    }
    bool had_mistakes = r->has_mistakes;
    r->has_mistakes = false;
    const char *path = file == NULL ? NULL : text_of(r, "keys.jwks_file", file, true);
    if (path != NULL)
        read_jwks(r, path, set);
    cJSON_ArrayForEach (item, pem) {
        read_pem(r, item, set);
    }
    if (!r->has_mistakes && !r->no_memory)
        take_keys(r, set, issuer);
    r->has_mistakes |= had_mistakes;
    jwt_keys_unref(set);
}

/* --- the file --- */

static void read_issuer(struct reader *r, const cJSON *item, struct issuer *issuer)
{
    static const char *const names[] = {"issuer", "audiences", "keys", "leeway_seconds", "workspace", "app",
                                        "user",   "scopes",    NULL};
    check_names(r, "", item, names);
    issuer->name = text_of(r, "issuer", field_of(item, "issuer"), true);
    issuer->workspace = text_of(r, "workspace", field_of(item, "workspace"), false);
    issuer->leeway_ms =
        seconds_of(r, "leeway_seconds", field_of(item, "leeway_seconds"), LEEWAY_S, 0, LEEWAY_S_MAX);
    read_audiences(r, field_of(item, "audiences"), issuer);
    read_app(r, field_of(item, "app"), issuer);
    read_user(r, field_of(item, "user"), issuer);
    read_scopes(r, field_of(item, "scopes"), issuer);
    read_keys(r, field_of(item, "keys"), issuer);
    if (issuer->workspace == NULL)
        issuer->workspace = "";
    if (strlen(issuer->workspace) > STORE_NAME_BYTES_MAX)
        mistake(r, "workspace", "is over %d bytes", STORE_NAME_BYTES_MAX);
}

static bool is_named_before(const struct issuers *issuers, const char *name)
{
    for (size_t i = 0; name != NULL && i < issuers->count; i++) {
        const char *other = issuers->issuers[i].name;
        if (other != NULL && strcmp(name, other) == 0)
            return true;
    }
    return false;
}

static void read_list(struct reader *r, const cJSON *root, struct issuers *issuers)
{
    static const char *const names[] = {"issuers", NULL};
    const cJSON *list = field_of(root, "issuers"), *item;
    int count = cJSON_GetArraySize(list);
    check_names(r, "", root, names);
    if (!cJSON_IsArray(list) || count > ISSUERS_MAX) {
        mistake(r, "issuers", "must be a list of at most %d", ISSUERS_MAX);
        return;
    }
    issuers->issuers = arena_array(r->arena, (size_t)count + 1, sizeof *issuers->issuers);
    if (issuers->issuers == NULL) {
        r->no_memory = true;
        return;
    }
    cJSON_ArrayForEach (item, list) {
        struct issuer *issuer = &issuers->issuers[issuers->count];
        snprintf(r->where, sizeof r->where, "issuers[%zu]", issuers->count);
        read_issuer(r, item, issuer);
        if (is_named_before(issuers, issuer->name))
            mistake(r, "issuer", "is there twice");
        issuers->count++;
    }
}

enum status_code issuers_read(const char *path, bool allow_http, struct buf *mistakes, struct issuers **ret,
                              struct status *err)
{
    struct issuers *issuers = calloc(1, sizeof *issuers);
    if (issuers == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for issuers");
    atomic_init(&issuers->refs, 1);
    arena_init(&issuers->arena, 4 * ISSUERS_FILE_BYTES_MAX);
    struct reader r = {.arena = &issuers->arena, .mistakes = mistakes, .allow_http = allow_http};
    struct buf text;
    buf_init(&text, 0);
    if (path != NULL && read_file(&r, "jwt_issuers", path, ISSUERS_FILE_BYTES_MAX, &text)) {
        cJSON *root = jwt_json(buf_str(&text), ISSUER_ROWS_MAX);
        if (cJSON_IsObject(root))
            read_list(&r, root, issuers);
        else
            mistake(&r, "jwt_issuers", "%s: is no JSON object, or has a name twice or over %d names", path,
                    ISSUER_ROWS_MAX);
        cJSON_Delete(root);
    }
    buf_fini(&text);
    if (r.no_memory || r.has_mistakes) {
        issuers_unref(issuers);
        return r.no_memory ? status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for issuers")
                           : status_set(err, STATUS_INVALID_ARGUMENT, "jwt_issuers: the file has mistakes");
    }
    *ret = issuers;
    return STATUS_OK;
}

struct issuers *issuers_ref(struct issuers *issuers)
{
    atomic_fetch_add_explicit(&issuers->refs, 1, memory_order_relaxed);
    return issuers;
}

void issuers_unref(struct issuers *issuers)
{
    if (issuers == NULL || atomic_fetch_sub_explicit(&issuers->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < issuers->count; i++)
        key_source_unref(issuers->issuers[i].keys);
    arena_fini(&issuers->arena);
    free(issuers);
}

const struct issuer *issuers_find(const struct issuers *issuers, struct str name)
{
    for (size_t i = 0; i < issuers->count; i++) {
        if (str_eq_c(name, issuers->issuers[i].name))
            return &issuers->issuers[i];
    }
    return NULL;
}
