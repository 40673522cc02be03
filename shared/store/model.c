/*
 * model: see model.h.
 */
#include "shared/store/model.h"
#include "shared/store/field.h"
#include "shared/store/page.h"

/* bytes. A price, a price unit, a currency. */
#define PRICE_BYTES_MAX 64

#define MODEL_COLUMNS                                                                                        \
    "workspace_id, provider, model, protocol, upstream_model, context_size, prompt_unit_price, "             \
    "completion_unit_price, price_unit, currency, affinity"

struct model_set_call {
    struct call call;
    struct store_model request; /* also the result */
    store_model_done done;
};
struct model_remove_call {
    struct call call;
    struct store_model_ref request;
    store_done done;
};
struct model_list_call {
    struct call call;
    struct store_model_list request; /* of list, not of load */
    struct store_model_page result;
    store_model_page_done done;
};

static enum status_code set_run(struct call *call, struct db *db, struct status *err);
static void set_answer(struct call *call, const struct status *status);
static enum status_code set_check(struct store_model *m, struct status *err);
static enum status_code check_room(struct db *db, struct status *err);
static enum status_code remove_run(struct call *call, struct db *db, struct status *err);
static void remove_answer(struct call *call, const struct status *status);
static enum status_code list_run(struct call *call, struct db *db, struct status *err);
static enum status_code load_run(struct call *call, struct db *db, struct status *err);
static void page_answer(struct call *call, const struct status *status);
static struct store_model read_model(struct call *call, const struct db_rows *rows);

enum status_code store_model_set(struct store *store, const struct store_model *request,
                                 store_model_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_WRITE, set_run, set_answer};
    struct model_set_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    struct store_model *m = &c->request;
    struct str *texts[] = {&m->workspace_id,
                           &m->provider,
                           &m->model,
                           &m->protocol,
                           &m->upstream_model,
                           &m->prompt_unit_price,
                           &m->completion_unit_price,
                           &m->price_unit,
                           &m->currency};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        call_keep(&c->call, texts[i]);
    return call_submit(&c->call, err);
}

enum status_code store_model_remove(struct store *store, const struct store_model_ref *request,
                                    store_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_WRITE, remove_run, remove_answer};
    struct model_remove_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    call_keep(&c->call, &c->request.workspace_id);
    call_keep(&c->call, &c->request.provider);
    call_keep(&c->call, &c->request.model);
    return call_submit(&c->call, err);
}

enum status_code store_model_list(struct store *store, const struct store_model_list *request,
                                  store_model_page_done done, void *arg, struct status *err)
{
    static const struct call_type type = {CALL_READ, list_run, page_answer};
    struct model_list_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->request = *request;
    c->done = done;
    call_keep(&c->call, &c->request.workspace_id);
    call_keep(&c->call, &c->request.provider);
    call_keep(&c->call, &c->request.page_token);
    return call_submit(&c->call, err);
}

enum status_code store_model_load(struct store *store, store_model_page_done done, void *arg,
                                  struct status *err)
{
    static const struct call_type type = {CALL_READ, load_run, page_answer};
    struct model_list_call *c = call_new(sizeof *c, store, &type, arg, err);
    if (c == NULL)
        return STATUS_RESOURCE_EXHAUSTED;
    c->done = done;
    return call_submit(&c->call, err);
}

static enum status_code set_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {
        "insert into models (" MODEL_COLUMNS
        ", updated_at_ms) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $12, $11) "
        "on conflict (workspace_id, provider, model) do update set protocol = excluded.protocol, "
        "upstream_model = excluded.upstream_model, context_size = excluded.context_size, "
        "prompt_unit_price = excluded.prompt_unit_price, completion_unit_price = "
        "excluded.completion_unit_price, "
        "price_unit = excluded.price_unit, currency = excluded.currency, affinity = excluded.affinity, "
        "updated_at_ms = excluded.updated_at_ms"};
    struct store_model *m = &CONTAINER_OF(call, struct model_set_call, call)->request;
    enum status_code rc = set_check(m, err);
    if (rc == STATUS_OK)
        rc = db_run(db, &sql,
                    DB_VALUES(DB_TEXT(m->workspace_id), DB_TEXT(m->provider), DB_TEXT(m->model),
                              DB_TEXT(m->protocol), DB_TEXT(m->upstream_model), DB_INT(m->context_size),
                              DB_TEXT(m->prompt_unit_price), DB_TEXT(m->completion_unit_price),
                              DB_TEXT(m->price_unit), DB_TEXT(m->currency), DB_INT(call->now_ms),
                              DB_INT(m->affinity)),
                    err);
    return rc == STATUS_OK ? check_room(db, err) : rc;
}

static void set_answer(struct call *call, const struct status *status)
{
    struct model_set_call *c = CONTAINER_OF(call, struct model_set_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->request : NULL, status);
}

static enum status_code set_check(struct store_model *m, struct status *err)
{
    const struct {
        const char *field;
        struct str text;
        size_t min, max;
    } texts[] = {
        {"provider", m->provider, 1, STORE_NAME_BYTES_MAX},
        {"model", m->model, 1, STORE_NAME_BYTES_MAX},
        {"protocol", m->protocol, 0, STORE_NAME_BYTES_MAX},
        {"upstream_model", m->upstream_model, 0, STORE_NAME_BYTES_MAX},
        {"prompt_unit_price", m->prompt_unit_price, 0, PRICE_BYTES_MAX},
        {"completion_unit_price", m->completion_unit_price, 0, PRICE_BYTES_MAX},
        {"price_unit", m->price_unit, 0, PRICE_BYTES_MAX},
        {"currency", m->currency, 0, PRICE_BYTES_MAX},
    };
    enum status_code rc = field_workspace(&m->workspace_id, err);
    for (size_t i = 0; rc == STATUS_OK && i < ARRAY_LEN(texts); i++)
        rc = field_text(texts[i].field, texts[i].text, texts[i].min, texts[i].max, err);
    return rc == STATUS_OK ? field_count("context_size", m->context_size, INT64_MAX, err) : rc;
}

/* Executors hold them all in memory. */
static enum status_code check_room(struct db *db, struct status *err)
{
    static const struct sql sql = {"select count(*) from models"};
    int64_t count = 0;
    struct db_rows rows = db_query(db, &sql, DB_NO_VALUES, err);
    while (db_next(&rows))
        count = db_int(&rows, 0);
    enum status_code rc = db_end(&rows);
    if (rc == STATUS_OK && count > STORE_MODELS_MAX)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "models: more than %d", STORE_MODELS_MAX);
    return rc;
}

static enum status_code remove_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {
        "delete from models where workspace_id = $1 and provider = $2 and model = $3 returning model"};
    struct store_model_ref *r = &CONTAINER_OF(call, struct model_remove_call, call)->request;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_text("provider", r->provider, 1, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK)
        rc = field_text("model", r->model, 1, STORE_NAME_BYTES_MAX, err);
    if (rc != STATUS_OK)
        return rc;
    bool found = false;
    struct db_rows rows =
        db_query(db, &sql, DB_VALUES(DB_TEXT(r->workspace_id), DB_TEXT(r->provider), DB_TEXT(r->model)), err);
    while (db_next(&rows))
        found = true;
    rc = db_end(&rows);
    if (rc == STATUS_OK && !found)
        return status_reason(err, STATUS_NOT_FOUND, "MODEL_NOT_FOUND", "model %.*s of %.*s: not found",
                             STR_ARG(r->model), STR_ARG(r->provider));
    return rc;
}

static void remove_answer(struct call *call, const struct status *status)
{
    CONTAINER_OF(call, struct model_remove_call, call)->done(call->arg, status);
}

static enum status_code list_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {"select " MODEL_COLUMNS " from models where workspace_id = $1 "
                                   "and (provider, model) > ($2, $3) and ($4 = '' or provider = $4) "
                                   "order by provider, model limit $5"};
    struct model_list_call *c = CONTAINER_OF(call, struct model_list_call, call);
    struct store_model_list *r = &c->request;
    struct page page;
    enum status_code rc = field_workspace(&r->workspace_id, err);
    if (rc == STATUS_OK)
        rc = field_text("provider", r->provider, 0, STORE_NAME_BYTES_MAX, err);
    if (rc == STATUS_OK)
        rc = page_init(call, r->page_size, r->page_token, 2, &page, err);
    if (rc != STATUS_OK)
        return rc;
    struct store_model *models = call_array(call, (size_t)page.size, sizeof *models);
    if (models == NULL)
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
            models[count++] = read_model(call, &rows);
    }
    rc = db_end(&rows);
    c->result = (struct store_model_page){.models = models, .count = count};
    if (has_more)
        c->result.next_page_token =
            page_token(call, (struct str[]){models[count - 1].provider, models[count - 1].model}, 2);
    return rc;
}

static enum status_code load_run(struct call *call, struct db *db, struct status *err)
{
    static const struct sql sql = {"select " MODEL_COLUMNS
                                   " from models order by workspace_id, provider, model"};
    struct model_list_call *c = CONTAINER_OF(call, struct model_list_call, call);
    struct store_model *models = NULL;
    size_t count = 0;
    struct db_rows rows = db_query(db, &sql, DB_NO_VALUES, err);
    while (db_next(&rows)) {
        models = call_grow(call, models, count, sizeof *models);
        if (models == NULL)
            break; /* call_end() tells */
        models[count++] = read_model(call, &rows);
    }
    c->result = (struct store_model_page){.models = models, .count = count};
    return db_end(&rows);
}

static void page_answer(struct call *call, const struct status *status)
{
    struct model_list_call *c = CONTAINER_OF(call, struct model_list_call, call);
    c->done(call->arg, status->code == STATUS_OK ? &c->result : NULL, status);
}

static struct store_model read_model(struct call *call, const struct db_rows *rows)
{
    return (struct store_model){
        .workspace_id = call_text(call, rows, 0),
        .provider = call_text(call, rows, 1),
        .model = call_text(call, rows, 2),
        .protocol = call_text(call, rows, 3),
        .upstream_model = call_text(call, rows, 4),
        .context_size = db_int(rows, 5),
        .prompt_unit_price = call_text(call, rows, 6),
        .completion_unit_price = call_text(call, rows, 7),
        .price_unit = call_text(call, rows, 8),
        .currency = call_text(call, rows, 9),
        .affinity = db_int(rows, 10) != 0,
    };
}
