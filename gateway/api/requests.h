/*
 * requests: what callers ask for, checked and put into the words of an executor.
 * Threads  plain functions.
 */
#pragma once
#include "gateway/api/gateway.h"
#include "gateway/api/outcome.h"
#include "gateway/auth/principal.h"
#include "heddle/executor/v1/executor.pb-c.h"
#include "heddle/v1/chat.pb-c.h"
#include "heddle/v1/workflow.pb-c.h"

/* bytes. The caller's name for its end user. */
#define REQUEST_USER_BYTES_MAX 255

/* Of either service. */
struct run_request {
    enum run_service service;
    const char *user; /* of request_take_user(); NULL: not yet */
    union {
        Heddle__V1__SendMessageRequest *chat;
        Heddle__V1__RunWorkflowRequest *workflow;
        ProtobufCMessage *message;
    };
};
/* Unpacks. RESOURCE_EXHAUSTED: memory (the kit has checked the bytes). */
MUST_CHECK enum status_code request_read(struct run_request *r, struct str bytes, struct status *err);
void request_free(struct run_request *r);
/*
 * INVALID_ARGUMENT, the field named: user, query, run_id, version_id, conversation_id, parent_message_id, inputs_json,
 * on_disconnect, events, payloads
 */
MUST_CHECK enum status_code request_check(const struct run_request *r, struct status *err);
/* Any rpc's end user. INVALID_ARGUMENT, field user. */
MUST_CHECK enum status_code request_check_user(struct str user, struct status *err);
/*
 * From now on the end user is the one that the caller's token names, if it does (principal_user()); it lives as long as the
 * principal. PERMISSION_DENIED, USER_MISMATCH.
 */
MUST_CHECK enum status_code request_take_user(struct run_request *r, const struct principal *principal,
                                              struct status *err);
struct str request_user(const struct run_request *r);
struct str request_run_id(const struct run_request *r);     /* "" when the caller brings none */
struct str request_version_id(const struct run_request *r); /* "" for the published one */
bool request_outlives_caller(const struct run_request *r);  /* on_disconnect CONTINUE */
/* Of a checked request: which events, and their payloads. */
struct outcome_form request_outcome_form(const struct run_request *r);

/* Fills what the caller said; everything is borrowed from the request. */
void request_to_executor(const struct run_request *r, Heddle__Executor__V1__ExecuteRequest *ret);
