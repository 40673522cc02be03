/*
 * admin: heddle.v1.AdminService, for a listener of its own: apps and their versions, environment, API keys, credentials,
 * models.
 * Every call shows the administrator's token; store calls answer on a store thread.
 * Source   design/api.md; architecture.md sections 3 and 6.
 * Threads  made by the main thread; lives until its servers are freed and the store is closed.
 */
#pragma once
#include "shared/rpc/client.h"
#include "shared/rpc/server.h"
#include "shared/store/store.h"

struct admin;
struct tokens; /* gateway/auth/tokens.h */

/*
 * store      where things are kept
 * executor   channel to executors, for CheckApp and TestCredential; NULL only in tests
 * check_app, test_credential   indexes of those methods of ExecutorService in the channel's
 * app_deleted   told (on a store thread) of every app that was deleted, so that its runs end; NULL: nobody is
 * tokens     the administrator's token; two are allowed, separated by a comma (rotation). NULL or "": every call is refused
 *            (UNAUTHENTICATED, ADMIN_DISABLED), but for those of issuers. Copied.
 * jwt        tokens of issuers: whose scopes have admin may administer as well; NULL: none may
 *
 * INVALID_ARGUMENT     field "admin_token": more than two, or one shorter than ADMIN_TOKEN_BYTES_MIN
 * RESOURCE_EXHAUSTED   no memory
 */
struct admin_options {
    struct store *store;
    struct rpc_channel *executor;
    size_t check_app, test_credential;
    void (*app_deleted)(void *arg, struct str app_id);
    void *app_deleted_arg;
    const char *tokens;
    struct tokens *jwt;
};
/* bytes. A token that can be guessed is none. */
#define ADMIN_TOKEN_BYTES_MIN 16

MUST_CHECK enum status_code admin_new(const struct admin_options *options, struct admin **ret_admin,
                                      struct status *err);
void admin_free(struct admin *admin); /* NULL is allowed */
/* Adds the service to a server before its start. Errors as rpc_server_add(). */
MUST_CHECK enum status_code admin_add(struct admin *admin, struct rpc_server *server, struct status *err);
