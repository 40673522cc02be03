/* apps: import, look at and change apps. See admin_commands.h. */
#include "gateway/ctl/admin_commands.h"

#include "gateway/ctl/list.h"
#include "heddle/v1/admin.pb-c.h"
#include <stdlib.h>
#include <string.h>

static void put_problems(struct buf *b, const char *kind, Heddle__V1__Problem **problems, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_printf(b, "%s: ", kind);
        text_put_safe(b, str_c(problems[i]->path));
        buf_put_c(b, "\n    ");
        text_put_safe(b, str_c(problems[i]->text));
        buf_put_c(b, "\n");
        if (problems[i]->hint[0] != '\0') {
            buf_put_c(b, "    mend: ");
            text_put_safe(b, str_c(problems[i]->hint));
            buf_put_c(b, "\n");
        }
    }
}

static void put_import(struct buf *b, const Heddle__V1__ImportAppResponse *reply, bool is_dry_run)
{
    put_problems(b, "problem", reply->problems, reply->n_problems);
    put_problems(b, "warning", reply->warnings, reply->n_warnings);
    if (reply->n_problems > 0)
        buf_printf(b, "not imported: %zu problem%s\n", reply->n_problems, reply->n_problems == 1 ? "" : "s");
    else if (is_dry_run)
        buf_printf(b, "fine (%s); nothing was stored: --dry-run\n", reply->mode);
    else
        buf_printf(b, "app      %s (%s)\nversion  %s%s%s\n", reply->app_id, reply->mode, reply->version_id,
                   reply->created ? "" : ", which was there already", reply->published ? ", published" : "");
}

static bool read_unsupported(const char *text, Heddle__V1__Unsupported *ret)
{
    *ret = HEDDLE__V1__UNSUPPORTED__UNSUPPORTED_REFUSE;
    if (text == NULL || strcmp(text, "refuse") == 0)
        return true;
    *ret = HEDDLE__V1__UNSUPPORTED__UNSUPPORTED_FAIL_WHEN_REACHED;
    if (strcmp(text, "fail-when-reached") == 0)
        return true;
    say_error("--unsupported: \"%s\" is neither refuse nor fail-when-reached", text);
    return false;
}

enum ctl_exit app_import(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__ImportAppRequest request = HEDDLE__V1__IMPORT_APP_REQUEST__INIT;
    request.name = text_of(args_option(args, "name"));
    request.app_id = text_of(args_option(args, "app-id"));
    request.dry_run = args_has(args, "dry-run");
    request.no_publish = args_has(args, "no-publish");
    if (!read_unsupported(args_option(args, "unsupported"), &request.unsupported))
        return CTL_USAGE;
    size_t len = 0;
    char *dsl = read_text(ctl, args->positional[0], &len);
    if (dsl == NULL)
        return CTL_FAILED;
    if (memchr(dsl, '\0', len) != NULL) {
        say_error("%s: is not a text: it holds a NUL byte", args->positional[0]);
        free(dsl);
        return CTL_FAILED;
    }
    request.dsl = dsl;
    ProtobufCMessage *message = session_admin(ctl, METHOD_IMPORT_APP, &request.base);
    free(dsl);
    if (message == NULL)
        return CTL_FAILED;
    const Heddle__V1__ImportAppResponse *reply = (const Heddle__V1__ImportAppResponse *)message;
    struct buf text;
    buf_init(&text, CTL_OUTPUT_BYTES_MAX);
    if (ctl->is_json)
        message_put_json(&text, message, JSON_PRETTY);
    else
        put_import(&text, reply, request.dry_run);
    enum ctl_exit result = print_buf(&text);
    if (reply->n_problems > 0)
        result = CTL_FAILED;
    protobuf_c_message_free_unpacked(message, NULL);
    return result;
}

static void put_app_row(struct table *t, const ProtobufCMessage *item)
{
    const Heddle__V1__App *app = (const Heddle__V1__App *)item;
    table_put(t, str_c(app->app_id));
    table_put(t, str_c(app->name));
    table_put(t, str_c(app->mode));
    table_put(t, app->disabled                  ? STR("disabled")
                 : app->published_version_id[0] ? STR("published")
                                                : STR("no version"));
    table_put_time(t, app->updated_at_ms);
}

enum ctl_exit app_list(struct ctl *ctl, const struct ctl_args *args)
{
    (void)args;
    static const char *const headings[] = {"APP", "NAME", "MODE", "STATE", "CHANGED (UTC)"};
    Heddle__V1__ListAppsRequest request = HEDDLE__V1__LIST_APPS_REQUEST__INIT;
    return list_print(ctl, METHOD_LIST_APPS, &request.base, &request.page_token, ARRAY_LEN(headings),
                      headings, put_app_row);
}

static void put_environment(struct buf *b, Heddle__V1__EnvironmentVariable **variables, size_t count)
{
    static const char *const headings[] = {"VARIABLE", "TYPE", "VALUE"};
    struct table t;
    table_init(&t, ARRAY_LEN(headings), headings);
    for (size_t i = 0; i < count; i++) {
        table_put(&t, str_c(variables[i]->name));
        table_put(&t, str_c(variables[i]->value_type));
        table_put(&t, variables[i]->secret ? STR("***") : str_c(variables[i]->value));
    }
    table_print(&t, b);
}

static void put_line(struct buf *b, const char *name, const char *text)
{
    buf_printf(b, "%-10s ", name);
    text_put_safe(b, str_c(text));
    buf_put_c(b, "\n");
}

/* Those that are not as a new app has them. */
static void put_app_settings(struct buf *b, const Heddle__V1__App *app)
{
    if (app->priority != 0)
        buf_printf(b, "%-10s %d\n", "priority", app->priority);
    if (app->record != HEDDLE__V1__RECORD__RECORD_FULL)
        put_line(b, "record", app->record == HEDDLE__V1__RECORD__RECORD_SUMMARY ? "summary" : "none");
    if (app->retention_days != 0)
        buf_printf(b, "%-10s %d days\n", "retention", app->retention_days);
}

static void put_form(struct buf *b, Heddle__V1__InputField **fields, size_t count)
{
    static const char *const headings[] = {"INPUT", "TYPE", "REQUIRED", "DEFAULT", "LABEL"};
    struct table t;
    table_init(&t, ARRAY_LEN(headings), headings);
    for (size_t i = 0; i < count; i++) {
        table_put(&t, str_c(fields[i]->variable));
        table_put(&t, str_c(fields[i]->type));
        table_put(&t, fields[i]->required ? STR("yes") : STR("no"));
        table_put(&t, str_c(fields[i]->default_json));
        table_put(&t, str_c(fields[i]->label));
    }
    table_print(&t, b);
}

enum ctl_exit app_show(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__GetAppRequest request = HEDDLE__V1__GET_APP_REQUEST__INIT;
    request.app_id = text_of(args->positional[0]);
    ProtobufCMessage *message = session_admin(ctl, METHOD_GET_APP, &request.base);
    if (message == NULL)
        return CTL_FAILED;
    const Heddle__V1__GetAppResponse *reply = (const Heddle__V1__GetAppResponse *)message;
    struct buf text;
    buf_init(&text, CTL_OUTPUT_BYTES_MAX);
    if (ctl->is_json || reply->app == NULL) {
        message_put_json(&text, message, JSON_PRETTY);
    } else {
        put_line(&text, "app", reply->app->app_id);
        put_line(&text, "name", reply->app->name);
        put_line(&text, "mode", reply->app->mode);
        put_line(&text, "state", reply->app->disabled ? "disabled" : "enabled");
        put_line(&text, "published", reply->app->published_version_id);
        put_app_settings(&text, reply->app);
        if (reply->n_input_form > 0) {
            buf_put_c(&text, "\n");
            put_form(&text, reply->input_form, reply->n_input_form);
        }
        if (reply->app->n_environment > 0) {
            buf_put_c(&text, "\n");
            put_environment(&text, reply->app->environment, reply->app->n_environment);
        }
        if (reply->n_warnings > 0) {
            buf_put_c(&text, "\n");
            put_problems(&text, "warning", reply->warnings, reply->n_warnings);
        }
    }
    protobuf_c_message_free_unpacked(message, NULL);
    return print_buf(&text);
}

static bool read_record(const char *text, Heddle__V1__Record *ret)
{
    static const char *const names[] = {[HEDDLE__V1__RECORD__RECORD_FULL] = "full",
                                        [HEDDLE__V1__RECORD__RECORD_SUMMARY] = "summary",
                                        [HEDDLE__V1__RECORD__RECORD_NONE] = "none"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (Heddle__V1__Record)i;
            return true;
        }
    }
    say_error("--record: \"%s\" is neither full nor summary nor none", text);
    return false;
}

/* False: said why. */
static bool read_settings(const struct ctl_args *args, Heddle__V1__UpdateAppRequest *request)
{
    const char *priority = args_option(args, "priority"), *record = args_option(args, "record"),
               *days = args_option(args, "retention-days");
    int64_t number;
    if (priority != NULL) {
        if (!read_number("priority", priority, -100, 100, &number))
            return false;
        request->has_priority_case = HEDDLE__V1__UPDATE_APP_REQUEST__HAS_PRIORITY_PRIORITY;
        request->priority = (int32_t)number;
    }
    if (days != NULL) {
        if (!read_number("retention-days", days, 0, 100000, &number))
            return false;
        request->has_retention_days_case = HEDDLE__V1__UPDATE_APP_REQUEST__HAS_RETENTION_DAYS_RETENTION_DAYS;
        request->retention_days = (int32_t)number;
    }
    if (record != NULL) {
        request->has_record_case = HEDDLE__V1__UPDATE_APP_REQUEST__HAS_RECORD_RECORD;
        return read_record(record, &request->record);
    }
    return true;
}

enum ctl_exit app_set(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__UpdateAppRequest request = HEDDLE__V1__UPDATE_APP_REQUEST__INIT;
    request.app_id = text_of(args->positional[0]);
    const char *name = args_option(args, "name"), *disabled = args_option(args, "disabled");
    if (args->option_count == 0) {
        say_error("nothing to change: heddlectl app set --help lists what can be");
        return CTL_USAGE;
    }
    if (!read_settings(args, &request))
        return CTL_USAGE;
    if (name != NULL) {
        request.has_name_case = HEDDLE__V1__UPDATE_APP_REQUEST__HAS_NAME_NAME;
        request.name = text_of(name);
    }
    if (disabled != NULL) {
        bool is_disabled;
        if (!read_yes_no("disabled", disabled, &is_disabled))
            return CTL_USAGE;
        request.has_disabled_case = HEDDLE__V1__UPDATE_APP_REQUEST__HAS_DISABLED_DISABLED;
        request.disabled = is_disabled;
    }
    return session_change(ctl, METHOD_UPDATE_APP, &request.base, "changed");
}

/* "set NAME=VALUE…" or "set NAME --secret" or "remove NAME…" after the app's id; false: said why. */
static bool read_environment(struct ctl *ctl, const struct ctl_args *args,
                             Heddle__V1__SetAppEnvironmentRequest *request,
                             Heddle__V1__EnvironmentVariable *variables, char **texts)
{
    const char *verb = args->positional[1];
    size_t count = args->positional_count - 2;
    if (count == 0 || (strcmp(verb, "set") != 0 && strcmp(verb, "remove") != 0)) {
        say_error("after the app's id: set NAME=VALUE ..., set NAME --secret, or remove NAME ...");
        return false;
    }
    if (strcmp(verb, "remove") == 0) {
        for (size_t i = 0; i < count; i++)
            request->remove[request->n_remove++] = text_of(args->positional[2 + i]);
        return true;
    }
    bool is_secret = args_has(args, "secret");
    for (size_t i = 0; i < count; i++) {
        Heddle__V1__EnvironmentVariable *variable = &variables[i];
        struct str word = str_c(args->positional[2 + i]);
        size_t equals = str_find(word, STR("="), 0);
        if (is_secret ? (equals != SIZE_MAX || count != 1) : equals == SIZE_MAX) {
            say_error(
                is_secret
                    ? "with --secret give one name; its value comes from HEDDLE_SECRET or standard input"
                    : "\"%s\": write NAME=VALUE",
                word.ptr);
            return false;
        }
        heddle__v1__environment_variable__init(variable);
        texts[2 * i] = str_dup(str_sub(word, 0, equals == SIZE_MAX ? word.len : equals));
        texts[2 * i + 1] =
            is_secret ? read_secret(ctl, "HEDDLE_SECRET") : str_dup(str_sub(word, equals + 1, word.len));
        if (texts[2 * i] == NULL || texts[2 * i + 1] == NULL)
            return false;
        variable->name = texts[2 * i];
        variable->value = texts[2 * i + 1];
        variable->secret = is_secret;
        variable->value_type = text_of(args_option(args, "type"));
        if (variable->value_type[0] == '\0')
            variable->value_type = is_secret ? "secret" : "string";
        request->set[request->n_set++] = variable;
    }
    return true;
}

enum ctl_exit app_env(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__SetAppEnvironmentRequest request = HEDDLE__V1__SET_APP_ENVIRONMENT_REQUEST__INIT;
    request.app_id = text_of(args->positional[0]);
    size_t count = args->positional_count;
    Heddle__V1__EnvironmentVariable *variables = calloc(count, sizeof *variables);
    request.set = calloc(count, sizeof *request.set);
    request.remove = calloc(count, sizeof *request.remove);
    char **texts = calloc(count * 2, sizeof *texts);
    enum ctl_exit result = CTL_USAGE;
    if (variables == NULL || request.set == NULL || request.remove == NULL || texts == NULL) {
        say_error("out of memory");
    } else if (count == 1 || read_environment(ctl, args, &request, variables, texts)) {
        ProtobufCMessage *message = session_admin(ctl, METHOD_SET_APP_ENVIRONMENT, &request.base);
        result = CTL_FAILED;
        if (message != NULL) {
            const Heddle__V1__SetAppEnvironmentResponse *reply =
                (const Heddle__V1__SetAppEnvironmentResponse *)message;
            struct buf text;
            buf_init(&text, CTL_OUTPUT_BYTES_MAX);
            if (ctl->is_json)
                message_put_json(&text, message, JSON_PRETTY);
            else
                put_environment(&text, reply->environment, reply->n_environment);
            protobuf_c_message_free_unpacked(message, NULL);
            result = print_buf(&text);
        }
    }
    for (size_t i = 0; texts != NULL && i < count * 2; i++)
        free(texts[i]);
    free(texts);
    free(request.remove);
    free(request.set);
    free(variables);
    return result;
}

static void put_version_row(struct table *t, const ProtobufCMessage *item)
{
    const Heddle__V1__Version *version = (const Heddle__V1__Version *)item;
    table_put_int(t, version->number);
    table_put(t, str_c(version->version_id));
    table_put(t, version->published ? STR("yes") : STR("no"));
    table_put_time(t, version->created_at_ms);
    table_put(t, str_sub(str_c(version->content_hash), 0, 12));
}

enum ctl_exit app_versions(struct ctl *ctl, const struct ctl_args *args)
{
    static const char *const headings[] = {"NUMBER", "VERSION", "PUBLISHED", "MADE (UTC)", "CONTENT"};
    Heddle__V1__ListVersionsRequest request = HEDDLE__V1__LIST_VERSIONS_REQUEST__INIT;
    request.app_id = text_of(args->positional[0]);
    return list_print(ctl, METHOD_LIST_VERSIONS, &request.base, &request.page_token, ARRAY_LEN(headings),
                      headings, put_version_row);
}

enum ctl_exit app_publish(struct ctl *ctl, const struct ctl_args *args)
{
    Heddle__V1__PublishVersionRequest request = HEDDLE__V1__PUBLISH_VERSION_REQUEST__INIT;
    request.app_id = text_of(args->positional[0]);
    request.version_id = text_of(args->positional[1]);
    return session_change(ctl, METHOD_PUBLISH_VERSION, &request.base, "published");
}

enum ctl_exit app_delete(struct ctl *ctl, const struct ctl_args *args)
{
    if (!args_has(args, "yes")) {
        say_error("this deletes the app with its versions, keys and environment; say --yes");
        return CTL_USAGE;
    }
    Heddle__V1__DeleteAppRequest request = HEDDLE__V1__DELETE_APP_REQUEST__INIT;
    request.app_id = text_of(args->positional[0]);
    return session_change(ctl, METHOD_DELETE_APP, &request.base, "deleted");
}
