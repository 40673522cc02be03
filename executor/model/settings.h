/*
 * settings: what the store says of models: how a model of a provider is asked for, what it costs, how much it reads. Immutable:
 * a change in the store makes a new table.
 * Threads  plain data once it is made; made and freed by one.
 */
#pragma once
#include "executor/model/protocol.h"
#include "executor/nodes/node.h"
#include "shared/store/model.h"

/* Texts live as long as the table. */
struct model_settings {
    struct str upstream_model;       /* as the provider is asked for it; empty: as the export names it */
    const struct protocol *protocol; /* instead of the credential's; NULL: the credential's */
    int64_t context_size;            /* tokens of prompt and answer together; 0: not known */
    struct model_price price;
    bool affinity; /* calls of one conversation prefer one credential */
};

/* What counts for models without settings: all of it empty. */
extern const struct model_settings model_settings_none;

struct settings;
/* Copies what it is made of. RESOURCE_EXHAUSTED: no memory. */
MUST_CHECK enum status_code settings_new(const struct store_model_page *page, struct settings **ret_settings,
                                         struct status *err);
void settings_free(struct settings *settings); /* NULL is fine */
/*
 * provider and model as the export names them; of a provider's path the last part counts ("langgenius/openai/openai" is
 * "openai"). An empty provider finds settings of any that has the model. Never NULL.
 */
const struct model_settings *settings_find(const struct settings *settings, struct str workspace_id,
                                           struct str provider, struct str model);
/* "langgenius/openai/openai" is "openai". */
struct str provider_last_part(struct str provider);
