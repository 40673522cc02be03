/*
 * credential: see credential.h. A secret is sealed for its workspace and credential id; globs are stored one a line.
 */
#include "shared/store/credential_rows.h"
#include "shared/store/field.h"
#include "shared/store/page.h"
#include "shared/store/rest.h"
#include "shared/store/rows.h"
#include <string.h>

struct create_call {
    struct call call;
    struct store_credential_create request;
    struct store_credential result;
    store_credential_done done;
};
struct list_call {
    struct call call;
    struct store_credential_list request;
    struct store_credential_page result;
    store_credential_page_done done;
};
struct update_call {
    struct call call;
    struct store_credential_update request;
    struct store_credential result;
    store_credential_done done;
};
struct delete_call {
    struct call call;
    struct store_credential_ref request;
    store_done done;
};
/* A secret as it is stored; both DB_NULL for none. */
struct sealed {
    struct db_value text, key_id;
};

static enum status_code create_run(struct call *call, struct db *db, struct status *err);
static enum status_code create_check(struct store_credential_create *r, struct status *err);
static void create_answer(struct call *call, const struct status *status);
static enum status_code check_room(struct db *db, struct status *err);
static enum status_code list_run(struct call *call, struct db *db, struct status *err);
static void list_answer(struct call *call, const struct status *status);
static enum status_code update_run(struct call *call, struct db *db, struct status *err);
static enum status_code update_check(struct store_credential_update *r, struct status *err);
static void update_answer(struct call *call, const struct status *status);
static enum status_code delete_run(struct call *call, struct db *db, struct status *err);
static void delete_answer(struct call *call, const struct status *status);
static enum status_code seal_secret(struct call *call, struct str workspace_id, struct str credential_id,
                                    struct str secret, struct sealed *ret, struct status *err);
static enum status_code check_quotas(int32_t requests, int64_t tokens, int32_t concurrent,
                                     struct status *err);
static enum status_code check_globs(const struct str *globs, size_t count, struct status *err);
static enum status_code end_rests(struct db *db, struct str workspace_id, struct str credential_id,
                                  struct status *err);
static struct str join_globs(struct call *call, const struct str *globs, size_t count);
static enum status_code name_conflict(enum status_code rc, struct str name, struct status *err);
static enum status_code read_rests(struct call *call, struct db *db, struct store_credential *credential,
                                   struct status *err);

enum status_code store_credential_create(struct store *store, const struct store_credential_create *request,
                                         store_credential_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_WRITE, create_run, create_answer};
    if (request->model_count > STORE_GLOBS_MAX)
        return status_field(err, "models", "more than %d", STORE_GLOBS_MAX);
    struct create_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    struct store_credential_create *r = &c->request;
    struct str *texts[] = {&r->workspace_id, &r->provider, &r->protocol, &r->name, &r->base_url};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        call_keep(&c->call, texts[i]);
    call_keep_secret(&c->call, &r->secret);
    call_keep_list(&c->call, &r->models, r->model_count);
    return call_submit(&c->call, err);
}

enum status_code store_credential_list(struct store *store, const struct store_credential_list *request,
                                       store_credential_page_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_SNAPSHOT, list_run, list_answer};
    struct list_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    call_keep(&c->call, &c->request.workspace_id);
    call_keep(&c->call, &c->request.provider);
    call_keep(&c->call, &c->request.page_token);
    return call_submit(&c->call, err);
}

enum status_code store_credential_update(struct store *store, const struct store_credential_update *request,
                                         store_credential_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_WRITE, update_run, update_answer};
    if (request->has_models && request->model_count > STORE_GLOBS_MAX)
        return status_field(err, "models", "more than %d", STORE_GLOBS_MAX);
    struct update_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    struct store_credential_update *r = &c->request;
    if (!r->has_models)
        r->model_count = 0;
    struct str *texts[] = {&r->workspace_id, &r->credential_id, &r->name, &r->base_url, &r->protocol};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        call_keep(&c->call, texts[i]);
    call_keep_secret(&c->call, &r->secret);
    call_keep_list(&c->call, &r->models, r->model_count);
    return call_submit(&c->call, err);
}

enum status_code store_credential_delete(struct store *store, const struct store_credential_ref *request,
                                         store_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_WRITE, delete_run, delete_answer};
    struct delete_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    call_keep(&c->call, &c->request.workspace_id);
    call_keep(&c->call, &c->request.credential_id);
    return call_submit(&c->call, err);
}

static enum status_code create_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {
        "insert into credentials (" CREDENTIAL_COLUMNS ", sealed, key_id) "
        "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, '', $13, $14, $15, $10, $11, $12) "
        "returning " CREDENTIAL_COLUMNS};
    struct create_call *c = CONTAINER_OF(call, struct create_call, call);
    struct store_credential_create *r = &c->request;
    struct str id = call_new_id(call), globs = STR("");
    struct sealed sealed;
    enum status_code rc = create_check(r, err);
    if (rc == STATUS_OK)
        rc = seal_secret(call, r->workspace_id, id, r->secret, &sealed, err);
    if (rc == STATUS_OK) {
        globs = join_globs(call, r->models, r->model_count);
        rc = call_end(call, rc, err);
    }
    if (rc != STATUS_OK)
        return rc;
    struct db_rows rows = db_query(
        db, &sql,
        DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(id), DB_TEXT(r->provider),
                  DB_TEXT(r->protocol.len > 0 ? r->protocol : STR("openai")), DB_TEXT(r->name),
                  DB_TEXT(r->base_url), DB_TEXT(globs), DB_INT(r->weight == 0 ? 1 : r->weight),
                  DB_INT(r->disabled), DB_INT(call->now_ms), sealed.text, sealed.key_id,
                  DB_INT(r->requests_per_minute), DB_INT(r->tokens_per_minute), DB_INT(r->max_concurrent)),
        err);
    while (db_next(&rows))
        c->result = credential_row(call, &rows);
    rc = name_conflict(db_end(&rows), r->name, err);
    return rc == STATUS_OK ? check_room(db, err) : rc;
}

static enum status_code create_check(struct store_credential_create *r, struct status *err)
{
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_text("provider", r->provider, 1, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK)
        rc = field_text("protocol", r->protocol, 0, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK)
        rc = field_text("name", r->name, 1, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK)
        rc = field_text("base_url", r->base_url, 1, STORE_URL_BYTES_MAX, err);
    if (rc == STATUS_OK)
        rc = field_text("secret", r->secret, 0, STORE_SECRET_BYTES_MAX, err);
    if (rc == STATUS_OK)
        rc = check_globs(r->models, r->model_count, err);
    if (rc == STATUS_OK)
        rc = check_quotas(r->requests_per_minute, r->tokens_per_minute, r->max_concurrent, err);
    return rc == STATUS_OK ? field_count("weight", r->weight, STORE_WEIGHT_MAX, err) : rc;
}

static void create_answer(struct call *call, const struct status *status)
{
    struct create_call *c = CONTAINER_OF(call, struct create_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

/* Executors hold them all in memory. */
static enum status_code check_room(struct db *db, struct status *err)
{
    static const struct sql sql = {"select count(*) from credentials"};
    int64_t count = 0;
    struct db_rows rows = db_query(db, &sql, DB_NO_VALUES, err);
    while (db_next(&rows))
        count = db_int(&rows, 0);
    enum status_code rc = db_end(&rows);
    if (rc == STATUS_OK && count > STORE_CREDENTIALS_MAX)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "credentials: more than %d", STORE_CREDENTIALS_MAX);
    return rc;
}

static enum status_code list_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {"select " CREDENTIAL_COLUMNS " from credentials where workspace_id = $1 "
                                   "and (provider, name) > ($2, $3) and ($4 = '' or provider = $4) "
                                   "order by provider, name limit $5"};
    struct list_call *c = CONTAINER_OF(call, struct list_call, call);
    struct store_credential_list *r = &c->request;
    struct page page;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_text("provider", r->provider, 0, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK)
        rc = page_init(call, r->page_size, r->page_token, 2, &page, err);
    if (rc != STATUS_OK)
        return rc;
    struct store_credential *list = call_array(call, (size_t)page.size, sizeof *list);
    if (list == NULL)
        return call_end(call, STATUS_OK, err);
    size_t count = 0;
    bool has_more = false;
    struct db_rows rows =
        db_query(db, &sql,
                 DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(page.key[0]), DB_TEXT(page.key[1]),
                           DB_TEXT(r->provider), DB_INT(page.size + 1)),
                 err);
    while (db_next(&rows)) {
        has_more = count == (size_t)page.size;
        if (!has_more)
            list[count++] = credential_row(call, &rows);
    }
    rc = db_end(&rows);
    for (size_t i = 0; rc == STATUS_OK && i < count; i++)
        rc = read_rests(call, db, &list[i], err);
    c->result = (struct store_credential_page){.credentials = list, .count = count};
    if (has_more)
        c->result.next_page_token =
            page_token(call, (struct str[]){list[count - 1].provider, list[count - 1].name}, 2);
    return rc;
}

static void list_answer(struct call *call, const struct status *status)
{
    struct list_call *c = CONTAINER_OF(call, struct list_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

static enum status_code update_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {
        "update credentials set name = coalesce($3, name), base_url = coalesce($4, base_url), "
        "models = coalesce($5, models), weight = coalesce($6, weight), disabled = coalesce($7, disabled), "
        "sealed = case when $8 = 1 then $9 else sealed end, key_id = case when $8 = 1 then $10 else key_id "
        "end, "
        "updated_at_ms = $11, protocol = coalesce($12, protocol), "
        "requests_per_minute = coalesce($13, requests_per_minute), "
        "tokens_per_minute = coalesce($14, tokens_per_minute), max_concurrent = coalesce($15, "
        "max_concurrent), "
        "disabled_reason = case when $8 = 1 or $7 is not null then '' else disabled_reason end, "
        "fresh_since_ms = case when $16 = 1 then max($11, fresh_since_ms + 1) else fresh_since_ms end "
        "where workspace_id = $1 and id = $2 returning " CREDENTIAL_COLUMNS};
    struct update_call *c = CONTAINER_OF(call, struct update_call, call);
    struct store_credential_update *r = &c->request;
    struct str globs = STR("");
    struct sealed sealed = {DB_NULL, DB_NULL};
    enum status_code rc = update_check(r, err);
    if (rc == STATUS_OK && r->has_secret)
        rc = seal_secret(call, r->workspace_id, r->credential_id, r->secret, &sealed, err);
    if (rc == STATUS_OK && r->has_models) {
        globs = join_globs(call, r->models, r->model_count);
        rc = call_end(call, rc, err);
    }
    if (rc != STATUS_OK)
        return rc;
    bool found = false, is_fresh = r->has_secret || (r->has_disabled && !r->disabled) || r->ends_rests;
    struct db_rows rows = db_query(
        db, &sql,
        DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->credential_id),
                  r->has_name ? DB_TEXT(r->name) : DB_NULL, r->has_base_url ? DB_TEXT(r->base_url) : DB_NULL,
                  r->has_models ? DB_TEXT(globs) : DB_NULL,
                  r->has_weight ? DB_INT(r->weight == 0 ? 1 : r->weight) : DB_NULL,
                  r->has_disabled ? DB_INT(r->disabled) : DB_NULL, DB_INT(r->has_secret), sealed.text,
                  sealed.key_id, DB_INT(call->now_ms),
                  r->has_protocol ? DB_TEXT(r->protocol.len > 0 ? r->protocol : STR("openai")) : DB_NULL,
                  r->has_requests_per_minute ? DB_INT(r->requests_per_minute) : DB_NULL,
                  r->has_tokens_per_minute ? DB_INT(r->tokens_per_minute) : DB_NULL,
                  r->has_max_concurrent ? DB_INT(r->max_concurrent) : DB_NULL, DB_INT(is_fresh)),
        err);
    while (db_next(&rows)) {
        c->result = credential_row(call, &rows);
        found = true;
    }
    rc = name_conflict(db_end(&rows), r->name, err);
    if (rc == STATUS_OK && !found)
        return credential_not_found(r->credential_id, err);
    if (rc == STATUS_OK && is_fresh)
        rc = end_rests(db, r->workspace_id, r->credential_id, err);
    return rc == STATUS_OK ? read_rests(call, db, &c->result, err) : rc;
}

static enum status_code update_check(struct store_credential_update *r, struct status *err)
{
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_id("id", r->credential_id, err);
    if (rc == STATUS_OK && r->has_name)
        rc = field_text("name", r->name, 1, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK && r->has_base_url)
        rc = field_text("base_url", r->base_url, 1, STORE_URL_BYTES_MAX, err);
    if (rc == STATUS_OK && r->has_secret)
        rc = field_text("secret", r->secret, 0, STORE_SECRET_BYTES_MAX, err);
    if (rc == STATUS_OK && r->has_models)
        rc = check_globs(r->models, r->model_count, err);
    if (rc == STATUS_OK && r->has_weight)
        rc = field_count("weight", r->weight, STORE_WEIGHT_MAX, err);
    if (rc == STATUS_OK && r->has_protocol)
        rc = field_text("protocol", r->protocol, 0, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK)
        rc = check_quotas(r->has_requests_per_minute ? r->requests_per_minute : 0,
                          r->has_tokens_per_minute ? r->tokens_per_minute : 0,
                          r->has_max_concurrent ? r->max_concurrent : 0, err);
    return rc;
}

static void update_answer(struct call *call, const struct status *status)
{
    struct update_call *c = CONTAINER_OF(call, struct update_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

static enum status_code delete_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {
        "delete from credentials where workspace_id = $1 and id = $2 returning id"};
    struct store_credential_ref *r = &CONTAINER_OF(call, struct delete_call, call)->request;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_id("id", r->credential_id, err);
    if (rc != STATUS_OK)
        return rc;
    bool found = false;
    struct db_rows rows =
        db_query(db, &sql, DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->credential_id)), err);
    while (db_next(&rows))
        found = true;
    rc = db_end(&rows);
    return rc == STATUS_OK && !found ? credential_not_found(r->credential_id, err) : rc;
}

static void delete_answer(struct call *call, const struct status *status)
{
    CONTAINER_OF(call, struct delete_call, call)->done(call->arg, status);
}

static enum status_code end_rests(struct db *db, struct str workspace_id, struct str credential_id,
                                  struct status *err)
{
    static const struct sql sql = {"delete from rests where workspace_id = $1 and credential_id = $2"};
    return db_run(db, &sql, DB_VALUES(DB_TEXT(workspace_id), DB_TEXT(credential_id)), err);
}

static enum status_code seal_secret(struct call *call, struct str workspace_id, struct str credential_id,
                                    struct str secret, struct sealed *ret, struct status *err)
{
    *ret = (struct sealed){DB_NULL, DB_NULL};
    if (secret.len == 0)
        return STATUS_OK;
    struct str text, key_id;
    enum status_code rc =
        call_seal(call, credential_bound_to(call, workspace_id, credential_id), secret, &text, &key_id, err);
    if (rc == STATUS_OK)
        *ret = (struct sealed){DB_BLOB(text), DB_TEXT(key_id)};
    return rc;
}

struct str credential_bound_to(struct call *call, struct str workspace_id, struct str credential_id)
{
    return call_join(call, (struct str[]){STR("credentials"), workspace_id, credential_id}, 3);
}

static enum status_code check_quotas(int32_t requests, int64_t tokens, int32_t concurrent, struct status *err)
{
    enum status_code rc = field_count("requests_per_minute", requests, STORE_REQUESTS_MAX, err);
    if (rc == STATUS_OK)
        rc = field_count("tokens_per_minute", tokens, INT64_MAX / 2, err);
    return rc == STATUS_OK ? field_count("max_concurrent", concurrent, INT32_MAX, err) : rc;
}

static enum status_code check_globs(const struct str *globs, size_t count, struct status *err)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        enum status_code rc = field_text("models", globs[i], 1, STORE_NAME_BYTES_MAX, err);
        if (rc != STATUS_OK)
            return rc;
        if (str_find(globs[i], STR("\n"), 0) != SIZE_MAX)
            return status_field(err, "models", "must not hold line ends");
        bytes += globs[i].len + 1;
    }
    if (bytes > STORE_GLOBS_BYTES_MAX)
        return status_field(err, "models", "has %zu bytes; at most %d", bytes, STORE_GLOBS_BYTES_MAX);
    return STATUS_OK;
}

static struct str join_globs(struct call *call, const struct str *globs, size_t count)
{
    if (count == 0)
        return STR("*");
    size_t len = count - 1;
    for (size_t i = 0; i < count; i++)
        len += globs[i].len;
    char *text = call_array(call, len, 1);
    if (text == NULL)
        return STR("");
    char *to = text;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *to++ = '\n';
        memcpy(to, globs[i].ptr, globs[i].len);
        to += globs[i].len;
    }
    return (struct str){text, len};
}

enum status_code credential_not_found(struct str credential_id, struct status *err)
{
    return status_reason(err, STATUS_NOT_FOUND, "CREDENTIAL_NOT_FOUND", "credential %.*s: not found",
                         STR_ARG(credential_id));
}

static enum status_code name_conflict(enum status_code rc, struct str name, struct status *err)
{
    if (rc != STATUS_ALREADY_EXISTS)
        return rc;
    return status_reason(err, rc, "CREDENTIAL_EXISTS", "credential: its provider has one named %.*s",
                         STR_ARG(name));
}

struct store_credential credential_row(struct call *call, const struct db_rows *rows)
{
    struct store_credential credential = {
        .workspace_id = call_text(call, rows, 0),
        .credential_id = call_text(call, rows, 1),
        .provider = call_text(call, rows, 2),
        .protocol = call_text(call, rows, 3),
        .name = call_text(call, rows, 4),
        .base_url = call_text(call, rows, 5),
        .weight = (int32_t)db_int(rows, 7),
        .disabled = db_int(rows, 8) != 0,
        .created_at_ms = db_int(rows, 9),
        .updated_at_ms = db_int(rows, 10),
        .disabled_reason = call_text(call, rows, 11),
        .requests_per_minute = (int32_t)db_int(rows, 12),
        .tokens_per_minute = db_int(rows, 13),
        .max_concurrent = (int32_t)db_int(rows, 14),
        .fresh_since_ms = db_int(rows, 15),
    };
    struct str rest = call_text(call, rows, 6), glob;
    struct str *globs = NULL;
    while (str_split(&rest, '\n', &glob)) {
        globs = call_grow(call, globs, credential.model_count, sizeof *globs);
        if (globs == NULL)
            return credential; /* call_end() tells */
        globs[credential.model_count++] = glob;
    }
    credential.models = globs;
    return credential;
}

static enum status_code read_rests(struct call *call, struct db *db, struct store_credential *credential,
                                   struct status *err)
{
    struct store_rest_set set = {NULL, 0};
    enum status_code rc = rests_read(call, db, credential->workspace_id, credential->credential_id,
                                     STORE_CREDENTIAL_RESTS_MAX, &set, err);
    credential->rests = set.rests;
    credential->rest_count = set.count;
    return rc;
}
