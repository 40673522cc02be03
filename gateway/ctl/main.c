/* heddlectl: the command-line client. The table of its commands, and the options of all. */
#include "gateway/ctl/admin_commands.h"
#include "gateway/ctl/records.h"
#include "gateway/ctl/runs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS(o) .options = (o), .option_count = ARRAY_LEN(o)

static const struct ctl_option import_options[] = {
    {"app-id", "ID", "the app to add a version to; a new app gets this id"},
    {"name", "NAME", "name of the app, instead of the export's"},
    {"unsupported", "WHAT", "node types not served: refuse (default) or fail-when-reached"},
    {"dry-run", NULL, "only check"},
    {"no-publish", NULL, "keep running the version that is published now"},
};
static const struct ctl_option app_set_options[] = {
    {"name", "NAME", "new name"},
    {"disabled", "yes|no", "refuse all calls of its keys, or take them again"},
    {"priority", "N", "-100 to 100: the higher goes first where model calls wait (default 0)"},
    {"record", "WHAT", "what is kept of runs: full (default), summary or none"},
    {"retention-days", "N", "days after which records are removed; 0: never (default)"},
};
static const struct ctl_option env_options[] = {
    {"secret", NULL, "the value is a secret, read from HEDDLE_SECRET or standard input"},
    {"type", "TYPE", "string (default), number, boolean, object, array[string] ..."},
};
static const struct ctl_option yes_options[] = {{"yes", NULL, "really"}};
static const struct ctl_option key_create_options[] = {
    {"name", "NAME", "what the key is for"},
    {"quiet", NULL, "print the key only"},
    {"key-stdin", NULL, "bring an existing key, read from HEDDLE_SECRET or standard input"},
};
static const struct ctl_option credential_add_options[] = {
    {"provider", "NAME", "as exports name it: openai, deepseek ...; * serves all"},
    {"name", "NAME", "what lists and records call it"},
    {"base-url", "URL", "of the provider's API, e.g. https://api.openai.com/v1"},
    {"protocol", "NAME", "openai (default), azure_openai, anthropic or gemini"},
    {"models", "GLOB", "models it may be used for; may be given again (default *)"},
    {"weight", "N", "share of calls among credentials of a provider (default 1)"},
    {"rpm", "N", "most requests within any 60 seconds; 0: no limit (default)"},
    {"tpm", "N", "most tokens within any 60 seconds; 0: no limit (default)"},
    {"max-concurrent", "N", "most requests at one time; 0: no limit (default)"},
    {"disabled", NULL, "not used until enabled"},
};
static const struct ctl_option credential_set_options[] = {
    {"name", "NAME", "new name"},
    {"base-url", "URL", "new address"},
    {"protocol", "NAME", "another protocol"},
    {"models", "GLOB", "new list of models; may be given again"},
    {"weight", "N", "new share of calls"},
    {"rpm", "N", "new limit of requests within any 60 seconds; 0: none"},
    {"tpm", "N", "new limit of tokens within any 60 seconds; 0: none"},
    {"max-concurrent", "N", "new limit of requests at one time; 0: none"},
    {"secret", NULL, "new secret, read from HEDDLE_SECRET or standard input"},
    {"end-rests", NULL, "use it again now for models it rests for"},
};
static const struct ctl_option credential_test_options[] = {
    {"model", "NAME", "have this model answer; else only the list of models is asked for"}};
static const struct ctl_option model_set_options[] = {
    {"upstream", "NAME", "what the provider is asked for instead of MODEL"},
    {"protocol", "NAME", "how it is spoken to, where that is not the credential's protocol"},
    {"context", "N", "tokens of prompt and answer together"},
    {"prompt-price", "PRICE", "of prompt tokens, as 2.50"},
    {"completion-price", "PRICE", "of answered tokens"},
    {"price-unit", "FACTOR", "from these prices to one token's (default 0.000001: per million)"},
    {"currency", "CODE", "of the prices (default USD)"},
    {"affinity", NULL, "calls of a conversation prefer one credential: its prompt cache is hit"},
};
static const struct ctl_option provider_options[] = {{"provider", "NAME", "only those of this provider"}};
static const struct ctl_option chat_options[] = {
    {"user", "NAME", "the end user (default heddlectl)"},
    {"conversation", "ID", "the conversation to go on with; --events names it"},
    {"input", "K=V", "one input, as text; may be given again"},
    {"inputs-json", "J|@FILE", "all inputs as a JSON object, or a file of it"},
    {"version-id", "ID", "a version that is not the published one"},
    {"events", NULL, "one line per event instead of the answer"},
};
static const struct ctl_option run_options[] = {
    {"user", "NAME", "the end user (default heddlectl)"},
    {"input", "K=V", "one input, as text; may be given again"},
    {"inputs-json", "J|@FILE", "all inputs as a JSON object, or a file of it"},
    {"version-id", "ID", "a version that is not the published one"},
    {"stream", NULL, "print the text as it streams instead of the outputs"},
    {"events", NULL, "one line per event instead of the outputs"},
};
static const struct ctl_option stop_options[] = {{"user", "NAME", "the run's end user (default heddlectl)"}};
static const struct ctl_option runs_list_options[] = {
    {"status", "STATUS", "only these: running, succeeded, partial-succeeded, failed, stopped"},
    {"reason", "REASON", "only those that ended for this: node-failed, executor-lost, deadline ..."},
    {"user", "NAME", "only those of this end user"},
    {"conversation", "ID", "only those of this conversation"},
    {"keyword", "TEXT", "only those with this in inputs, outputs or user"},
    {"since", "SPAN", "only those begun within 90s, 15m, 12h, 7d"},
    {"limit", "N", "so many at most (default 50)"},
};
static const struct ctl_option runs_show_options[] = {{"full", NULL, "inputs and outputs uncut"}};
static const struct ctl_option runs_tail_options[] = {
    {"user", "NAME", "only those of this end user"},
    {"limit", "N", "begin with the last N (default 10)"},
};
static const struct ctl_option conversation_options[] = {
    {"user", "NAME", "the end user (default heddlectl)"}};
static const struct ctl_option messages_options[] = {
    {"user", "NAME", "the end user (default heddlectl)"},
    {"limit", "N", "the newest N (default 20)"},
    {"before", "MESSAGE", "those before this one"},
};
static const struct ctl_option rename_options[] = {
    {"user", "NAME", "the end user (default heddlectl)"},
    {"auto", NULL, "name it after its first message"},
};
static const struct ctl_option conversation_delete_options[] = {
    {"user", "NAME", "the end user (default heddlectl)"},
    {"yes", NULL, "really"},
};
static const struct ctl_option health_options[] = {{"wait", "SECONDS", "keep asking that long"}};

static const struct ctl_command commands[] = {
    {"app import", "FILE", "Checks an export and stores it as a version of an app",
     "FILE may be - for standard input. All problems are listed at once, each with its place and how to mend "
     "it.",
     1, 1, OPTIONS(import_options), app_import},
    {"app list", "", "Lists the apps", NULL, 0, 0, NULL, 0, app_list},
    {"app show", "APP", "Shows an app: inputs, environment, warnings", NULL, 1, 1, NULL, 0, app_show},
    {"app set", "APP", "Changes an app's name and settings", NULL, 1, 1, OPTIONS(app_set_options), app_set},
    {"app env", "APP [set NAME=VALUE ... | set NAME --secret | remove NAME ...]",
     "Shows or changes environment variables",
     "What is set here wins over the value in the export. A secret is never shown again.", 1, 64,
     OPTIONS(env_options), app_env},
    {"app versions", "APP", "Lists the versions of an app", NULL, 1, 1, NULL, 0, app_versions},
    {"app publish", "APP VERSION", "Has calls run this version from now on", NULL, 2, 2, NULL, 0,
     app_publish},
    {"app delete", "APP", "Deletes an app and all it has", NULL, 1, 1, OPTIONS(yes_options), app_delete},
    {"key create", "APP", "Makes an API key for an app", "The key is shown once; only its hash is kept.", 1,
     1, OPTIONS(key_create_options), key_create},
    {"key list", "[APP]", "Lists API keys", NULL, 0, 1, NULL, 0, key_list},
    {"key delete", "KEY-ID", "Deletes an API key; it is refused at once", NULL, 1, 1, NULL, 0, key_delete},
    {"credential add", "", "Stores a provider's key; prints its id",
     "The secret comes from HEDDLE_SECRET or standard input, never from an argument.", 0, 0,
     OPTIONS(credential_add_options), credential_add},
    {"credential list", "", "Lists credentials, without their secrets", NULL, 0, 0, OPTIONS(provider_options),
     credential_list},
    {"credential show", "ID", "Shows a credential: limits, state, rests", NULL, 1, 1, NULL, 0,
     credential_show},
    {"credential test", "ID", "Asks the provider something small with a credential",
     "It may be disabled. Exit code 1: the provider refused it, or did not answer.", 1, 1,
     OPTIONS(credential_test_options), credential_test},
    {"credential set", "ID", "Changes a credential",
     "Takes effect with the next call of a model. A new secret ends what was held against the old one: its "
     "rests, and the reason it was disabled for.",
     1, 1, OPTIONS(credential_set_options), credential_set},
    {"credential enable", "ID", "Uses a credential again", NULL, 1, 1, NULL, 0, credential_enable},
    {"credential disable", "ID", "Uses a credential no more", NULL, 1, 1, NULL, 0, credential_disable},
    {"credential delete", "ID", "Deletes a credential", NULL, 1, 1, NULL, 0, credential_delete},
    {"model set", "PROVIDER MODEL", "Sets how a model is spoken to and what it costs",
     "PROVIDER and MODEL as exports name them. These are all of its settings: what is not given is not set "
     "any more.",
     2, 2, OPTIONS(model_set_options), model_set},
    {"model list", "", "Lists models with settings", NULL, 0, 0, OPTIONS(provider_options), model_list},
    {"model remove", "PROVIDER MODEL", "Removes the settings of a model", NULL, 2, 2, NULL, 0, model_remove},
    {"chat", "TEXT", "Sends a message to a chatflow and prints the answer as it streams",
     "Ctrl-C stops the run; a second one leaves at once. Exit code 1: the run failed, or the call did.", 1, 1,
     OPTIONS(chat_options), chat},
    {"run", "", "Runs a workflow and prints its outputs as JSON",
     "Ctrl-C stops the run; a second one leaves at once. Exit code 1: the run failed, or the call did.", 0, 0,
     OPTIONS(run_options), run_workflow},
    {"stop", "TASK", "Stops a run", NULL, 1, 1, OPTIONS(stop_options), stop_task},
    {"runs list", "", "Lists the runs of an app, the newest first", NULL, 0, 0, OPTIONS(runs_list_options),
     runs_list},
    {"runs show", "RUN", "Shows one run: how and why it ended, its nodes, who refused what", NULL, 1, 1,
     OPTIONS(runs_show_options), runs_show},
    {"runs tail", "", "Shows runs as they begin and end, until Ctrl-C", NULL, 0, 0,
     OPTIONS(runs_tail_options), runs_tail},
    {"conversations list", "", "Lists the conversations of an end user", NULL, 0, 0,
     OPTIONS(conversation_options), conversations_list},
    {"conversations messages", "CONVERSATION", "Shows what was said", NULL, 1, 1, OPTIONS(messages_options),
     conversations_messages},
    {"conversations variables", "CONVERSATION", "Shows what it remembers", NULL, 1, 1,
     OPTIONS(conversation_options), conversations_variables},
    {"conversations rename", "CONVERSATION [NAME]", "Gives it a name", NULL, 1, 2, OPTIONS(rename_options),
     conversations_rename},
    {"conversations delete", "CONVERSATION", "Removes it with its messages and variables", NULL, 1, 1,
     OPTIONS(conversation_delete_options), conversations_delete},
    {"health", "", "Asks the gateway whether it serves", NULL, 0, 0, OPTIONS(health_options), gateway_health},
};

static const struct ctl_option globals[] = {
    {"gateway", "ADDR", "gateway (default 127.0.0.1:7400, or HEDDLE_GATEWAY)"},
    {"admin", "ADDR", "its AdminService (default 127.0.0.1:7401, or HEDDLE_ADMIN)"},
    {"json", NULL, "JSON instead of words; lists and events one object a line"},
    {"token-stdin", NULL, "the token is the first line of standard input"},
    {"timeout", "SECONDS", "give up after that long (default 30; runs: no limit)"},
    {"help", NULL, "this, or the help of a command"},
    {"help-markdown", NULL, "all help as Markdown"},
    {"version", NULL, "the version"},
};

static const char *environment_or(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : otherwise;
}

static bool read_token(struct ctl *ctl)
{
    char line[4096];
    ctl->stdin_is_used = true;
    if (fgets(line, sizeof line, stdin) == NULL) {
        say_error("--token-stdin: there is no line on standard input");
        return false;
    }
    ctl->owned_token = str_dup(str_trim(str_c(line)));
    ctl->token = ctl->owned_token;
    return ctl->owned_token != NULL;
}

struct globals {
    bool wants_help, wants_markdown, wants_version;
};

/* Takes the options of all commands out of the words. Returns how many words are left, or SIZE_MAX: said why. */
static size_t take_globals(struct ctl *ctl, char **words, size_t count, struct globals *ret)
{
    size_t kept = 0;
    bool token_from_stdin = false;
    for (size_t i = 0; i < count; i++) {
        const char *value = NULL;
        if (strcmp(words[i], "--") == 0) {
            while (i < count)
                words[kept++] = words[i++];
            break;
        }
        struct str word = str_c(words[i]);
        size_t equals = str_find(word, STR("="), 0);
        struct str name = str_sub(word, 0, equals == SIZE_MAX ? word.len : equals);
        bool takes_value =
            str_eq_c(name, "--gateway") || str_eq_c(name, "--admin") || str_eq_c(name, "--timeout");
        if (takes_value && equals != SIZE_MAX)
            value = words[i] + equals + 1;
        else if (takes_value && i + 1 < count)
            value = words[++i];
        if (takes_value && value == NULL) {
            say_error("%s needs a value", words[i]);
            return SIZE_MAX;
        }
        int64_t seconds;
        if (str_eq_c(name, "--gateway"))
            ctl->gateway = value;
        else if (str_eq_c(name, "--admin"))
            ctl->admin = value;
        else if (str_eq_c(name, "--timeout") && !read_number("timeout", value, 1, 1000000, &seconds))
            return SIZE_MAX;
        else if (str_eq_c(name, "--timeout"))
            ctl->timeout_ms = seconds * 1000;
        else if (str_eq_c(word, "--json"))
            ctl->is_json = true;
        else if (str_eq_c(word, "--token-stdin"))
            token_from_stdin = true;
        else if (str_eq_c(word, "--help") || str_eq_c(word, "-h"))
            ret->wants_help = true;
        else if (str_eq_c(word, "--help-markdown"))
            ret->wants_markdown = true;
        else if (str_eq_c(word, "--version"))
            ret->wants_version = true;
        else
            words[kept++] = words[i];
    }
    return token_from_stdin && !ret->wants_help && !read_token(ctl) ? SIZE_MAX : kept;
}

static enum ctl_exit print_help(const struct ctl_command *command, bool is_markdown)
{
    struct buf text;
    buf_init(&text, CTL_OUTPUT_BYTES_MAX);
    if (is_markdown)
        command_put_markdown(&text, commands, ARRAY_LEN(commands), globals, ARRAY_LEN(globals));
    else if (command != NULL)
        command_put_help(&text, command);
    else
        command_put_overview(&text, commands, ARRAY_LEN(commands), globals, ARRAY_LEN(globals));
    return print_buf(&text);
}

int main(int argc, char **argv)
{
    struct ctl ctl = {
        .gateway = environment_or("HEDDLE_GATEWAY", "127.0.0.1:7400"),
        .admin = environment_or("HEDDLE_ADMIN", "127.0.0.1:7401"),
        .token = environment_or("HEDDLE_TOKEN", NULL),
    };
    struct globals asked = {0};
    size_t count = take_globals(&ctl, argv + 1, (size_t)argc - 1, &asked);
    if (count == SIZE_MAX)
        return CTL_USAGE;
    if (asked.wants_version) {
        puts("heddlectl " HEDDLE_VERSION);
        return CTL_OK;
    }
    size_t used = 0;
    const struct ctl_command *command = command_find(commands, ARRAY_LEN(commands), argv + 1, count, &used);
    if (asked.wants_help || asked.wants_markdown)
        return print_help(command, asked.wants_markdown);
    if (command == NULL) {
        if (count > 0)
            say_error("there is no command \"%s%s%s\"", argv[1], count > 1 ? " " : "",
                      count > 1 ? argv[2] : "");
        say_error("heddlectl --help lists the commands");
        session_close(&ctl);
        return CTL_USAGE;
    }
    struct ctl_args args;
    struct status err;
    enum ctl_exit result = CTL_USAGE;
    if (command_parse(command, argv + 1 + used, count - used, &args, &err) != STATUS_OK)
        say_error("%s\nheddlectl: see heddlectl %s --help", err.message, command->path);
    else
        result = command->run(&ctl, &args);
    session_close(&ctl);
    return result;
}
