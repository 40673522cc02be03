/* credentials: keys of model providers. Their secrets go in and never come out. See admin_commands.h. */
#include "gateway/ctl/admin_commands.h"

#include "gateway/ctl/list.h"
#include "heddle/v1/admin.pb-c.h"
#include "shared/base/crypto.h"
#include <stdlib.h>
#include <string.h>

/* The values of --models; *ret_count of them, borrowed. */
static void read_models(const struct ctl_args *args, char **globs, size_t *ret_count)
{
    size_t index = 0;
    *ret_count = 0;
    for (const char *glob = args_next(args, "models", &index); glob != NULL;
         glob = args_next(args, "models", &index))
        globs[(*ret_count)++] = text_of(glob);
}

static void wipe_free(char *secret)
{
    if (secret != NULL)
        secret_wipe(secret, strlen(secret));
    free(secret);
}

/* Prints the id, or the whole as JSON. */
static enum ctl_exit print_credential(struct ctl *ctl, ProtobufCMessage *take_message)
{
    const Heddle__V1__Credential *credential = (const Heddle__V1__Credential *)take_message;
    struct buf text;
    buf_init(&text, CTL_OUTPUT_BYTES_MAX);
    if (ctl->is_json)
        message_put_json(&text, take_message, JSON_PRETTY);
    else
        buf_printf(&text, "%s\n", credential->id);
    protobuf_c_message_free_unpacked(take_message, NULL);
    return print_buf(&text);
}

enum ctl_exit credential_add(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__CreateCredentialRequest request = HEDDLE__V1__CREATE_CREDENTIAL_REQUEST__INIT;
    request.provider = text_of(args_option(args, "provider"));
    request.protocol = text_of(args_option(args, "protocol"));
    request.name = text_of(args_option(args, "name"));
    request.base_url = text_of(args_option(args, "base-url"));
    if (request.provider[0] == '\0' || request.name[0] == '\0' || request.base_url[0] == '\0') {
        say_error("--provider, --name and --base-url are needed");
        return CTL_USAGE;
    }
    int64_t weight = 0;
    const char *weight_text = args_option(args, "weight");
    if (weight_text != NULL && !read_number("weight", weight_text, 1, 1000000, &weight))
        return CTL_USAGE;
    request.weight = (int32_t)weight;
    char *globs[CTL_WORDS_MAX];
    read_models(args, globs, &request.n_models);
    request.models = globs;
    char *secret = read_secret(ctl, "HEDDLE_SECRET");
    if (secret == NULL)
        return CTL_FAILED;
    request.secret = secret;
    ProtobufCMessage *message = session_admin(ctl, METHOD_CREATE_CREDENTIAL, &request.base);
    wipe_free(secret);
    return message == NULL ? CTL_FAILED : print_credential(ctl, message);
}

static void put_credential_row(struct table *t, const ProtobufCMessage *item)
{
    const Heddle__V1__Credential *credential = (const Heddle__V1__Credential *)item;
    table_put(t, str_c(credential->id));
    table_put(t, str_c(credential->name));
    table_put(t, str_c(credential->provider));
    table_put(t, credential->disabled ? STR("disabled") : STR("enabled"));
    table_put_int(t, credential->weight);
    table_put_words(t, credential->models, credential->n_models);
    table_put(t, str_c(credential->base_url));
}

enum ctl_exit credential_list(struct ctl *ctl, const struct ctl_args *args)
{
    static const char *const headings[] = {"ID", "NAME", "PROVIDER", "STATE", "WEIGHT", "MODELS", "BASE URL"};
    Heddle__V1__ListCredentialsRequest request = HEDDLE__V1__LIST_CREDENTIALS_REQUEST__INIT;
    request.provider = text_of(args_option(args, "provider"));
    return list_print(ctl, METHOD_LIST_CREDENTIALS, &request.base, &request.page_token, ARRAY_LEN(headings),
                      headings, put_credential_row);
}

static enum ctl_exit update(struct ctl *ctl, const Heddle__V1__UpdateCredentialRequest *request)
{
    ProtobufCMessage *message = session_admin(ctl, METHOD_UPDATE_CREDENTIAL, &request->base);
    return message == NULL ? CTL_FAILED : print_credential(ctl, message);
}

enum ctl_exit credential_set(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__UpdateCredentialRequest request = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__INIT;
    Heddle__V1__ModelGlobs models = HEDDLE__V1__MODEL_GLOBS__INIT;
    request.id = text_of(args->positional[0]);
    if (args->option_count == 0) {
        say_error("nothing to change: give --name, --base-url, --models, --weight or --secret");
        return CTL_USAGE;
    }
    if (args_has(args, "name")) {
        request.has_name_case = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_NAME_NAME;
        request.name = text_of(args_option(args, "name"));
    }
    if (args_has(args, "base-url")) {
        request.has_base_url_case = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_BASE_URL_BASE_URL;
        request.base_url = text_of(args_option(args, "base-url"));
    }
    if (args_has(args, "weight")) {
        int64_t weight;
        if (!read_number("weight", args_option(args, "weight"), 1, 1000000, &weight))
            return CTL_USAGE;
        request.has_weight_case = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_WEIGHT_WEIGHT;
        request.weight = (int32_t)weight;
    }
    char *globs[CTL_WORDS_MAX];
    if (args_has(args, "models")) {
        read_models(args, globs, &models.n_globs);
        models.globs = globs;
        request.models = &models;
    }
    char *secret = NULL;
    if (args_has(args, "secret")) {
        secret = read_secret(ctl, "HEDDLE_SECRET");
        if (secret == NULL)
            return CTL_FAILED;
        request.has_secret_case = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_SECRET_SECRET;
        request.secret = secret;
    }
    enum ctl_exit result = update(ctl, &request);
    wipe_free(secret);
    return result;
}

static enum ctl_exit set_disabled(struct ctl *ctl, const struct ctl_args *args, bool is_disabled)
{
    Heddle__V1__UpdateCredentialRequest request = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__INIT;
    request.id = text_of(args->positional[0]);
    request.has_disabled_case = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_DISABLED_DISABLED;
    request.disabled = is_disabled;
    return update(ctl, &request);
}

enum ctl_exit credential_enable(struct ctl *ctl, const struct ctl_args *args)
{
    return set_disabled(ctl, args, false);
}

enum ctl_exit credential_disable(struct ctl *ctl, const struct ctl_args *args)
{
    return set_disabled(ctl, args, true);
}

enum ctl_exit credential_delete(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__DeleteCredentialRequest request = HEDDLE__V1__DELETE_CREDENTIAL_REQUEST__INIT;
    request.id = text_of(args->positional[0]);
    return session_change(ctl, METHOD_DELETE_CREDENTIAL, &request.base, "deleted");
}
