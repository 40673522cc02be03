/* credentials: keys of model providers. Their secrets go in and never come out. See admin_commands.h. */
#include "gateway/ctl/admin_commands.h"

#include "gateway/ctl/credential_state.h"
#include "gateway/ctl/list.h"
#include "shared/base/clock.h"
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

/* The numbers of --weight and the limits; what was not given stays as it is. False: said why. */
struct numbers {
    int64_t weight, rpm, tpm, max_concurrent;
};
static bool read_numbers(const struct ctl_args *args, struct numbers *ret)
{
    const struct {
        const char *option;
        int64_t min, max, *number;
    } rows[] = {{"weight", 1, 1000000, &ret->weight},
                {"rpm", 0, 1000000, &ret->rpm},
                {"tpm", 0, 1000000000000, &ret->tpm},
                {"max-concurrent", 0, 1000000, &ret->max_concurrent}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *text = args_option(args, rows[i].option);
        if (text != NULL && !read_number(rows[i].option, text, rows[i].min, rows[i].max, rows[i].number))
            return false;
    }
    return true;
}

enum ctl_exit credential_add(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__CreateCredentialRequest request = HEDDLE__V1__CREATE_CREDENTIAL_REQUEST__INIT;
    request.provider = text_of(args_option(args, "provider"));
    request.protocol = text_of(args_option(args, "protocol"));
    request.name = text_of(args_option(args, "name"));
    request.base_url = text_of(args_option(args, "base-url"));
    request.disabled = args_has(args, "disabled");
    if (request.provider[0] == '\0' || request.name[0] == '\0' || request.base_url[0] == '\0') {
        say_error("--provider, --name and --base-url are needed");
        return CTL_USAGE;
    }
    struct numbers numbers = {0};
    if (!read_numbers(args, &numbers))
        return CTL_USAGE;
    request.weight = (int32_t)numbers.weight;
    request.requests_per_minute = (int32_t)numbers.rpm;
    request.tokens_per_minute = numbers.tpm;
    request.max_concurrent = (int32_t)numbers.max_concurrent;
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
    struct buf state;
    buf_init(&state, 64 * 1024);
    state_put(&state, credential, clock_wall_ms());
    table_put(t, str_c(credential->id));
    table_put(t, str_c(credential->name));
    table_put(t, str_c(credential->provider));
    table_put(t, str_c(credential->protocol));
    table_put_int(t, credential->weight);
    table_put_words(t, credential->models, credential->n_models);
    table_put(t, str_c(credential->base_url));
    table_put(t, buf_str(&state));
    buf_fini(&state);
}

enum ctl_exit credential_list(struct ctl *ctl, const struct ctl_args *args)
{
    static const char *const headings[] = {"ID",     "NAME",   "PROVIDER", "PROTOCOL",
                                           "WEIGHT", "MODELS", "BASE URL", "STATE"};
    Heddle__V1__ListCredentialsRequest request = HEDDLE__V1__LIST_CREDENTIALS_REQUEST__INIT;
    request.provider = text_of(args_option(args, "provider"));
    return list_print(ctl, METHOD_LIST_CREDENTIALS, &request.base, &request.page_token, ARRAY_LEN(headings),
                      headings, put_credential_row);
}

static void put_line(struct buf *b, const char *name, struct str text)
{
    if (text.len == 0)
        return;
    buf_printf(b, "%-10s ", name);
    text_put_safe(b, text);
    buf_put_c(b, "\n");
}

static void put_rests(struct buf *b, const Heddle__V1__Credential *credential)
{
    static const char *const headings[] = {"RESTS FOR", "UNTIL (UTC)", "REASON", "SEEN BY"};
    struct table t;
    table_init(&t, ARRAY_LEN(headings), headings);
    for (size_t i = 0; i < credential->n_cooldowns; i++) {
        table_put(&t, str_c(credential->cooldowns[i]->model));
        table_put_time(&t, credential->cooldowns[i]->until_ms);
        table_put(&t, str_c(credential->cooldowns[i]->reason));
        table_put(&t, str_c(credential->cooldowns[i]->seen_by));
    }
    buf_put_c(b, "\n");
    table_print(&t, b);
}

static void put_credential(struct buf *b, const Heddle__V1__Credential *credential)
{
    struct buf text;
    buf_init(&text, 64 * 1024);
    put_line(b, "credential", str_c(credential->id));
    put_line(b, "name", str_c(credential->name));
    put_line(b, "provider", str_c(credential->provider));
    put_line(b, "protocol", str_c(credential->protocol));
    put_line(b, "base url", str_c(credential->base_url));
    for (size_t i = 0; i < credential->n_models; i++)
        buf_printf(&text, "%s%s", i > 0 ? " " : "", credential->models[i]);
    put_line(b, "models", buf_str(&text));
    buf_clear(&text);
    buf_put_i64(&text, credential->weight);
    put_line(b, "weight", buf_str(&text));
    buf_clear(&text);
    state_put_limits(&text, credential);
    put_line(b, "limits", buf_str(&text));
    buf_clear(&text);
    buf_put_c(&text, credential->disabled ? "disabled" : "enabled");
    if (credential->disabled_reason[0] != '\0')
        buf_printf(&text, ": %s", credential->disabled_reason);
    put_line(b, "state", buf_str(&text));
    buf_fini(&text);
    if (credential->n_cooldowns > 0)
        put_rests(b, credential);
}

static const Heddle__V1__Credential *find_in(const Heddle__V1__ListCredentialsResponse *page, const char *id)
{
    for (size_t i = 0; i < page->n_credentials; i++) {
        if (strcmp(page->credentials[i]->id, id) == 0)
            return page->credentials[i];
    }
    return NULL;
}

enum ctl_exit credential_show(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__ListCredentialsRequest request = HEDDLE__V1__LIST_CREDENTIALS_REQUEST__INIT;
    Heddle__V1__ListCredentialsResponse *page = NULL;
    const Heddle__V1__Credential *found = NULL;
    request.page_size = 100;
    do {
        ProtobufCMessage *message = session_admin(ctl, METHOD_LIST_CREDENTIALS, &request.base);
        if (page != NULL)
            protobuf_c_message_free_unpacked(&page->base, NULL);
        page = (Heddle__V1__ListCredentialsResponse *)message;
        if (page == NULL)
            return CTL_FAILED;
        found = find_in(page, args->positional[0]);
        request.page_token = page->next_page_token;
    } while (found == NULL && page->next_page_token[0] != '\0');
    struct buf text;
    buf_init(&text, CTL_OUTPUT_BYTES_MAX);
    if (found == NULL)
        say_error("there is no credential %s", args->positional[0]);
    else if (ctl->is_json)
        message_put_json(&text, &found->base, JSON_PRETTY);
    else
        put_credential(&text, found);
    bool is_found = found != NULL;
    protobuf_c_message_free_unpacked(&page->base, NULL);
    enum ctl_exit result = print_buf(&text);
    return is_found ? result : CTL_FAILED;
}

static void put_trial(struct buf *b, const Heddle__V1__TestCredentialResponse *trial)
{
    buf_put_c(b, trial->ok ? "ok" : "refused");
    if (trial->http_status != 0)
        buf_printf(b, ": HTTP %d", trial->http_status);
    if (trial->message[0] != '\0') {
        buf_put_c(b, ": ");
        text_put_safe(b, str_c(trial->message));
    }
    buf_printf(b, " (%lld ms)\n", (long long)trial->elapsed_ms);
}

enum ctl_exit credential_test(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__TestCredentialRequest request = HEDDLE__V1__TEST_CREDENTIAL_REQUEST__INIT;
    request.id = text_of(args->positional[0]);
    request.model = text_of(args_option(args, "model"));
    ProtobufCMessage *message = session_admin(ctl, METHOD_TEST_CREDENTIAL, &request.base);
    if (message == NULL)
        return CTL_FAILED;
    const Heddle__V1__TestCredentialResponse *trial = (const Heddle__V1__TestCredentialResponse *)message;
    bool is_ok = trial->ok;
    struct buf text;
    buf_init(&text, CTL_OUTPUT_BYTES_MAX);
    if (ctl->is_json)
        message_put_json(&text, message, JSON_PRETTY);
    else
        put_trial(&text, trial);
    protobuf_c_message_free_unpacked(message, NULL);
    enum ctl_exit result = print_buf(&text);
    return is_ok ? result : CTL_FAILED;
}

static enum ctl_exit update(struct ctl *ctl, const Heddle__V1__UpdateCredentialRequest *request)
{
    ProtobufCMessage *message = session_admin(ctl, METHOD_UPDATE_CREDENTIAL, &request->base);
    return message == NULL ? CTL_FAILED : print_credential(ctl, message);
}

/* All but models and secret. False: said why. */
static bool read_changes(const struct ctl_args *args, Heddle__V1__UpdateCredentialRequest *request)
{
    struct numbers numbers = {0};
    if (!read_numbers(args, &numbers))
        return false;
    if (args_has(args, "name")) {
        request->has_name_case = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_NAME_NAME;
        request->name = text_of(args_option(args, "name"));
    }
    if (args_has(args, "base-url")) {
        request->has_base_url_case = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_BASE_URL_BASE_URL;
        request->base_url = text_of(args_option(args, "base-url"));
    }
    if (args_has(args, "protocol")) {
        request->has_protocol_case = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_PROTOCOL_PROTOCOL;
        request->protocol = text_of(args_option(args, "protocol"));
    }
    if (args_has(args, "weight")) {
        request->has_weight_case = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_WEIGHT_WEIGHT;
        request->weight = (int32_t)numbers.weight;
    }
    if (args_has(args, "rpm")) {
        request->has_requests_per_minute_case =
            HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_REQUESTS_PER_MINUTE_REQUESTS_PER_MINUTE;
        request->requests_per_minute = (int32_t)numbers.rpm;
    }
    if (args_has(args, "tpm")) {
        request->has_tokens_per_minute_case =
            HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_TOKENS_PER_MINUTE_TOKENS_PER_MINUTE;
        request->tokens_per_minute = numbers.tpm;
    }
    if (args_has(args, "max-concurrent")) {
        request->has_max_concurrent_case =
            HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__HAS_MAX_CONCURRENT_MAX_CONCURRENT;
        request->max_concurrent = (int32_t)numbers.max_concurrent;
    }
    request->end_cooldowns = args_has(args, "end-rests");
    return true;
}

enum ctl_exit credential_set(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__UpdateCredentialRequest request = HEDDLE__V1__UPDATE_CREDENTIAL_REQUEST__INIT;
    Heddle__V1__ModelGlobs models = HEDDLE__V1__MODEL_GLOBS__INIT;
    request.id = text_of(args->positional[0]);
    if (args->option_count == 0) {
        say_error("nothing to change: heddlectl credential set --help lists what can be");
        return CTL_USAGE;
    }
    if (!read_changes(args, &request))
        return CTL_USAGE;
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
