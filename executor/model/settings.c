/* settings: see the header. */
#include "executor/model/settings.h"

#include "shared/base/arena.h"
#include <stdlib.h>

/* buckets; a power of two. */
#define BUCKETS 1024
/* bytes. Texts of STORE_MODELS_MAX models. */
#define SETTINGS_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct entry {
    struct entry *next;
    struct str workspace_id, provider, model; /* provider: its last part */
    struct model_settings settings;
};
struct settings {
    struct arena arena;
    struct entry *buckets[BUCKETS];
};

const struct model_settings model_settings_none;

struct str provider_last_part(struct str provider)
{
    for (size_t i = provider.len; i-- > 0;) {
        if (provider.ptr[i] == '/')
            return str_sub(provider, i + 1, provider.len);
    }
    return provider;
}

/* By the model alone, so that an empty provider finds it, too. */
static size_t bucket_of(struct str workspace_id, struct str model)
{
    return (str_hash(workspace_id) * 31 + str_hash(model)) % BUCKETS;
}

static void add(struct settings *settings, const struct store_model *from)
{
    struct arena *arena = &settings->arena;
    struct entry *entry = arena_alloc(arena, sizeof *entry);
    if (entry == NULL)
        return;
    bool has_price = from->prompt_unit_price.len + from->completion_unit_price.len > 0;
    struct str unit = from->price_unit.len > 0 ? from->price_unit : STR("0.000001");
    struct str currency = from->currency.len > 0 ? from->currency : STR("USD");
    entry->workspace_id = arena_copy(arena, from->workspace_id);
    entry->provider = arena_copy(arena, provider_last_part(from->provider));
    entry->model = arena_copy(arena, from->model);
    entry->settings = (struct model_settings){
        .upstream_model = arena_copy(arena, from->upstream_model),
        .protocol = from->protocol.len > 0 ? protocol_find(from->protocol) : NULL,
        .context_size = from->context_size,
        .affinity = from->affinity,
        .price = {.prompt_unit_price = arena_copy(arena, from->prompt_unit_price),
                  .completion_unit_price = arena_copy(arena, from->completion_unit_price),
                  .price_unit = has_price ? arena_copy(arena, unit) : STR(""),
                  .currency = has_price ? arena_copy(arena, currency) : STR("")}};
    struct entry **bucket = &settings->buckets[bucket_of(entry->workspace_id, entry->model)];
    entry->next = *bucket;
    *bucket = entry;
}

enum status_code settings_new(const struct store_model_page *page, struct settings **ret_settings,
                              struct status *err)
{
    struct settings *settings = calloc(1, sizeof *settings);
    if (settings == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "models: out of memory");
    arena_init(&settings->arena, SETTINGS_BYTES_MAX);
    for (size_t i = 0; i < page->count; i++)
        add(settings, &page->models[i]);
    if (settings->arena.failed) {
        settings_free(settings);
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "models: out of memory");
    }
    *ret_settings = settings;
    return STATUS_OK;
}

void settings_free(struct settings *settings)
{
    if (settings != NULL)
        arena_fini(&settings->arena);
    free(settings);
}

const struct model_settings *settings_find(const struct settings *settings, struct str workspace_id,
                                           struct str provider, struct str model)
{
    struct str name = provider_last_part(provider);
    const struct entry *entry = settings == NULL ? NULL : settings->buckets[bucket_of(workspace_id, model)];
    for (; entry != NULL; entry = entry->next) {
        if (str_eq(entry->workspace_id, workspace_id) && str_eq(entry->model, model) &&
            (name.len == 0 || str_eq(entry->provider, name)))
            return &entry->settings;
    }
    return &model_settings_none;
}
