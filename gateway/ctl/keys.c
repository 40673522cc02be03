/* keys: make, list and delete API keys. See admin_commands.h. */
#include "gateway/ctl/admin_commands.h"

#include "gateway/ctl/list.h"
#include "heddle/v1/admin.pb-c.h"
#include "shared/base/crypto.h"
#include <stdlib.h>
#include <string.h>

enum ctl_exit key_create(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__CreateApiKeyRequest request = HEDDLE__V1__CREATE_API_KEY_REQUEST__INIT;
    request.app_id = text_of(args->positional[0]);
    request.name = text_of(args_option(args, "name"));
    char *brought = NULL;
    if (args_has(args, "key-stdin")) {
        brought = read_secret(ctl, "HEDDLE_SECRET");
        if (brought == NULL)
            return CTL_FAILED;
        request.key = brought;
    }
    ProtobufCMessage *message = session_admin(ctl, METHOD_CREATE_API_KEY, &request.base);
    if (brought != NULL)
        secret_wipe(brought, strlen(brought));
    free(brought);
    if (message == NULL)
        return CTL_FAILED;
    const Heddle__V1__CreateApiKeyResponse *reply = (const Heddle__V1__CreateApiKeyResponse *)message;
    struct buf text;
    buf_init(&text, CTL_OUTPUT_BYTES_MAX);
    if (ctl->is_json)
        message_put_json(&text, message, JSON_PRETTY);
    else if (args_has(args, "quiet"))
        buf_printf(&text, "%s\n", reply->key);
    else
        buf_printf(&text, "id   %s\nkey  %s\nThe key is shown this once; only its hash is kept.\n", reply->id,
                   reply->key);
    protobuf_c_message_free_unpacked(message, NULL);
    return print_buf(&text);
}

static void put_key_row(struct table *t, const ProtobufCMessage *item)
{
    const Heddle__V1__ApiKey *key = (const Heddle__V1__ApiKey *)item;
    table_put(t, str_c(key->id));
    table_put(t, str_c(key->name));
    table_put(t, str_c(key->prefix));
    table_put_time(t, key->created_at_ms);
    table_put(t, str_c(key->app_id));
}

enum ctl_exit key_list(struct ctl *ctl, const struct ctl_args *args)
{
    static const char *const headings[] = {"ID", "NAME", "KEY", "MADE (UTC)", "APP"};
    Heddle__V1__ListApiKeysRequest request = HEDDLE__V1__LIST_API_KEYS_REQUEST__INIT;
    request.app_id = text_of(args->positional_count > 0 ? args->positional[0] : NULL);
    return list_print(ctl, METHOD_LIST_API_KEYS, &request.base, &request.page_token, ARRAY_LEN(headings),
                      headings, put_key_row);
}

enum ctl_exit key_delete(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__DeleteApiKeyRequest request = HEDDLE__V1__DELETE_API_KEY_REQUEST__INIT;
    request.id = text_of(args->positional[0]);
    return session_change(ctl, METHOD_DELETE_API_KEY, &request.base, "deleted; it is refused from now on");
}
