/* keys: make, list and delete API keys. See call.h. */
#include "gateway/admin/call.h"

#include "gateway/auth/api_key.h"
#include "shared/store/key.h"

static void created(void *arg, const struct store_key *key, const struct status *status)
{
    struct rpc_call *call = arg;
    if (status->code != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    const Heddle__V1__CreateApiKeyRequest *request =
        (const Heddle__V1__CreateApiKeyRequest *)((struct admin_call *)rpc_call_state(call))->request;
    Heddle__V1__CreateApiKeyResponse reply = HEDDLE__V1__CREATE_API_KEY_RESPONSE__INIT;
    reply.id = admin_text(call, key->key_id);
    reply.key = request->key;
    admin_reply(call, &reply.base);
}

void admin_create_key(struct rpc_call *call)
{
    Heddle__V1__CreateApiKeyRequest *request =
        admin_begin(call, &heddle__v1__create_api_key_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    bool is_brought = request->key[0] != '\0';
    if (admin_check_id("app_id", request->app_id, &err) != STATUS_OK ||
        (is_brought && api_key_check_brought(str_c(request->key), &err) != STATUS_OK)) {
        admin_fail(call, &err);
        return;
    }
    if (!is_brought) {
        /* The request carries the new key to the answer; it ends with the call. protobuf-c frees it as its own string. */
        char key[API_KEY_LEN + 1];
        api_key_make(key);
        char *copy = str_dup(str_c(key));
        secret_wipe(key, sizeof key);
        if (copy == NULL) {
            status_set(&err, STATUS_RESOURCE_EXHAUSTED, "no memory for a key");
            admin_fail(call, &err);
            return;
        }
        request->key = copy;
    }
    char hint[17];
    struct store_key_create create = {.app_id = str_c(request->app_id), .name = str_c(request->name)};
    api_key_hash(str_c(request->key), create.hash);
    api_key_hint(str_c(request->key), hint);
    create.prefix = str_c(hint);
    if (store_key_create(admin_store(call), &create, created, call, &err) != STATUS_OK)
        admin_fail(call, &err);
}

static void listed(void *arg, const struct store_key_page *page, const struct status *status)
{
    struct rpc_call *call = arg;
    if (status->code != STATUS_OK) {
        admin_fail(call, status);
        return;
    }
    Heddle__V1__ListApiKeysResponse reply = HEDDLE__V1__LIST_API_KEYS_RESPONSE__INIT;
    reply.api_keys = admin_items(call, page->count, sizeof(Heddle__V1__ApiKey));
    for (; reply.api_keys != NULL && reply.n_api_keys < page->count; reply.n_api_keys++) {
        const struct store_key *key = &page->keys[reply.n_api_keys];
        Heddle__V1__ApiKey *item = reply.api_keys[reply.n_api_keys];
        heddle__v1__api_key__init(item);
        item->id = admin_text(call, key->key_id);
        item->app_id = admin_text(call, key->app_id);
        item->name = admin_text(call, key->name);
        item->prefix = admin_text(call, key->prefix);
        item->created_at_ms = key->created_at_ms;
        item->last_used_at_ms = key->last_used_at_ms;
    }
    reply.next_page_token = admin_text(call, page->next_page_token);
    admin_reply(call, &reply.base);
}

void admin_list_keys(struct rpc_call *call)
{
    const Heddle__V1__ListApiKeysRequest *request =
        admin_begin(call, &heddle__v1__list_api_keys_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    const struct store_key_list list = {.app_id = str_c(request->app_id),
                                        .page_size = request->page_size,
                                        .page_token = str_c(request->page_token)};
    if ((request->app_id[0] != '\0' && admin_check_id("app_id", request->app_id, &err) != STATUS_OK) ||
        store_key_list(admin_store(call), &list, listed, call, &err) != STATUS_OK)
        admin_fail(call, &err);
}

static void deleted(void *arg, const struct status *status)
{
    struct rpc_call *call = arg;
    Heddle__V1__DeleteApiKeyResponse reply = HEDDLE__V1__DELETE_API_KEY_RESPONSE__INIT;
    if (status->code != STATUS_OK)
        admin_fail(call, status);
    else
        admin_reply(call, &reply.base);
}

void admin_delete_key(struct rpc_call *call)
{
    const Heddle__V1__DeleteApiKeyRequest *request =
        admin_begin(call, &heddle__v1__delete_api_key_request__descriptor);
    if (request == NULL)
        return;
    struct status err;
    const struct store_key_ref ref = {.key_id = str_c(request->id)};
    if (admin_check_id("id", request->id, &err) != STATUS_OK ||
        store_key_delete(admin_store(call), &ref, deleted, call, &err) != STATUS_OK)
        admin_fail(call, &err);
}
