/*
 * admin_kit: AdminService on a unix socket, over a store in a folder of its own, with an executor that answers what the test
 * says; and each rpc as a call that waits.
 */
#pragma once
#include "gateway/admin/admin.h"
#include "heddle/executor/v1/executor.pb-c.h"
#include "heddle/v1/admin.pb-c.h"
#include "shared/rpc/blocking.h"
#include "shared/store/rest.h"
#include "tests/support/check.h"

#define KIT_TOKEN "a-token-of-sixteen-characters"

struct admin_kit {
    char folder[64], address[96], executor_address[96], url[96];
    struct rpc_queues *queues;
    struct store *store;
    struct rpc_server *server, *executor;
    struct rpc_channel *channel, *to_executor;
    struct admin *admin;
    struct status err; /* of the last call */
    /* The executor: what it was asked for last, and what it says of a trial. */
    struct status trial_status;
    Heddle__V1__TestCredentialResponse trial;
    char asked_id[64], asked_model[64];
};

enum kit_method {
    KIT_IMPORT_APP,
    KIT_LIST_APPS,
    KIT_GET_APP,
    KIT_UPDATE_APP,
    KIT_CREATE_CREDENTIAL,
    KIT_LIST_CREDENTIALS,
    KIT_UPDATE_CREDENTIAL,
    KIT_TEST_CREDENTIAL,
    KIT_SET_MODEL,
    KIT_LIST_MODELS,
    KIT_METHOD_COUNT
};

int admin_kit_setup(void **state);
int admin_kit_teardown(void **state);
/* From now on no executor is there. */
void admin_kit_lose_executor(struct admin_kit *kit);
/* NULL: kit->err says why. Free with protobuf_c_message_free_unpacked(). */
void *admin_kit_call(struct admin_kit *kit, enum kit_method method, const ProtobufCMessage *request);
/* The code of a call whose reply does not matter. */
enum status_code admin_kit_code(struct admin_kit *kit, enum kit_method method,
                                const ProtobufCMessage *request);
/* A credential's id, as long as the kit lives until the next one. */
const char *admin_kit_credential(struct admin_kit *kit, const char *name);
/* What executors write. */
void admin_kit_rest(struct admin_kit *kit, const char *credential_id, const char *model, int64_t for_ms);
void admin_kit_disable(struct admin_kit *kit, const char *credential_id, const char *reason);
