/*
 * environment: an app's own environment variables. They go before those of its export; secret ones are sealed at rest.
 * See store.h for calls, results, errors and threads. Fields: admin.proto, EnvironmentVariable.
 */
#pragma once
#include "shared/store/store.h"

/* variables. Of one app's own environment, and of one change. */
#define STORE_ENVIRONMENT_MAX 1000
/* bytes. Names and values of one app's own environment together: every run holds them. */
#define STORE_ENVIRONMENT_BYTES_MAX ((size_t)4 * 1024 * 1024)

struct store_variable {
    struct str name;
    struct str value_type; /* "" in a change: "string" */
    struct str value;      /* "" for a secret, where the result says so */
    bool secret;           /* sealed at rest; so is one of value_type "secret" */
};

struct store_environment {
    const struct store_variable *variables; /* by name */
    size_t count;
};

typedef void (*store_environment_done)(void *arg, const struct store_environment *environment,
                                       const struct status *status);

/*
 * set      added, or put in place of those with the same name (the last of several counts); names are not empty
 * remove   before `set`; unknown names are ignored
 */
struct store_environment_change {
    struct str workspace_id;
    struct str app_id;
    const struct store_variable *set;
    size_t set_count;
    const struct str *remove;
    size_t remove_count;
};
/*
 * All of it or nothing. Gives the variables as they are now, values of secrets are "".
 * NOT_FOUND             APP_NOT_FOUND
 * FAILED_PRECONDITION   NO_MASTER_KEY: a secret cannot be sealed
 * INVALID_ARGUMENT      the app would have more than STORE_ENVIRONMENT_MAX variables or STORE_ENVIRONMENT_BYTES_MAX
 */
MUST_CHECK enum status_code store_environment_change(struct store *store,
                                                     const struct store_environment_change *request,
                                                     store_environment_done done, void *arg,
                                                     struct status *err);
