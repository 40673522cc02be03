/* requests: see the header. */
#include "gateway/api/requests.h"

enum status_code request_read(struct run_request *r, struct str bytes, struct status *err)
{
    const ProtobufCMessageDescriptor *descriptor = r->service == RUN_CHAT
                                                       ? &heddle__v1__send_message_request__descriptor
                                                       : &heddle__v1__run_workflow_request__descriptor;
    r->message = protobuf_c_message_unpack(descriptor, NULL, bytes.len, (const uint8_t *)bytes.ptr);
    if (r->message == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for the request");
    return STATUS_OK;
}

void request_free(struct run_request *r)
{
    if (r->message != NULL)
        protobuf_c_message_free_unpacked(r->message, NULL);
    r->message = NULL;
}

enum status_code request_take_user(struct run_request *r, const struct principal *principal,
                                   struct status *err)
{
    struct str user;
    if (principal_user(principal, request_user(r), &user, err) != STATUS_OK)
        return err->code;
    r->user = user.ptr;
    return STATUS_OK;
}

struct str request_user(const struct run_request *r)
{
    if (r->user != NULL)
        return str_c(r->user);
    return str_c(r->service == RUN_CHAT ? r->chat->user : r->workflow->user);
}

struct str request_run_id(const struct run_request *r)
{
    return str_c(r->service == RUN_CHAT ? r->chat->run_id : r->workflow->run_id);
}

struct str request_version_id(const struct run_request *r)
{
    return str_c(r->service == RUN_CHAT ? r->chat->version_id : r->workflow->version_id);
}

struct outcome_form request_outcome_form(const struct run_request *r)
{
    bool is_chat = r->service == RUN_CHAT;
    return (struct outcome_form){.payloads =
                                     (enum payload_form)(is_chat ? r->chat->payloads : r->workflow->payloads),
                                 .events = (int)(is_chat ? r->chat->events : r->workflow->events)};
}

bool request_outlives_caller(const struct run_request *r)
{
    return (r->service == RUN_CHAT ? r->chat->on_disconnect : r->workflow->on_disconnect) ==
           HEDDLE__V1__ON_DISCONNECT__ON_DISCONNECT_CONTINUE;
}

static enum status_code check_id(const char *field, struct str id, struct status *err)
{
    if (id.len > 0 && !uuid_is_canonical(id))
        return status_field(err, field, "must be a lower-case UUID, or empty");
    return STATUS_OK;
}

static enum status_code check_choices(const struct run_request *r, struct status *err)
{
    const struct {
        const char *field;
        int value;
        const ProtobufCEnumDescriptor *descriptor;
    } rows[] = {
        {"on_disconnect", (int)(r->service == RUN_CHAT ? r->chat->on_disconnect : r->workflow->on_disconnect),
         &heddle__v1__on_disconnect__descriptor},
        {"events", (int)(r->service == RUN_CHAT ? r->chat->events : r->workflow->events),
         &heddle__v1__events__descriptor},
        {"payloads", (int)(r->service == RUN_CHAT ? r->chat->payloads : r->workflow->payloads),
         &heddle__v1__payloads__descriptor},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (protobuf_c_enum_descriptor_get_value(rows[i].descriptor, rows[i].value) == NULL)
            return status_field(err, rows[i].field, "has no value %d", rows[i].value);
    }
    return STATUS_OK;
}

static enum status_code check_chat(const Heddle__V1__SendMessageRequest *chat, struct status *err)
{
    if (str_trim(str_c(chat->query)).len == 0)
        return status_field(err, "query", "is required");
    if (check_id("conversation_id", str_c(chat->conversation_id), err) != STATUS_OK)
        return err->code;
    return check_id("parent_message_id", str_c(chat->parent_message_id), err);
}

enum status_code request_check_user(struct str user, struct status *err)
{
    if (user.len == 0)
        return status_field(err, "user", "is required");
    if (user.len > REQUEST_USER_BYTES_MAX)
        return status_field(err, "user", "is over %d bytes", REQUEST_USER_BYTES_MAX);
    return STATUS_OK;
}

enum status_code request_check(const struct run_request *r, struct status *err)
{
    if (request_check_user(request_user(r), err) != STATUS_OK)
        return err->code;
    if (check_id("run_id", request_run_id(r), err) != STATUS_OK ||
        check_id("version_id", request_version_id(r), err) != STATUS_OK || check_choices(r, err) != STATUS_OK)
        return err->code;
    bool has_struct = (r->service == RUN_CHAT ? r->chat->inputs : r->workflow->inputs) != NULL;
    bool has_json = (r->service == RUN_CHAT ? r->chat->inputs_json : r->workflow->inputs_json)[0] != '\0';
    if (has_struct && has_json)
        return status_field(err, "inputs_json", "give inputs or inputs_json, not both");
    return r->service == RUN_CHAT ? check_chat(r->chat, err) : STATUS_OK;
}

void request_to_executor(const struct run_request *r, Heddle__Executor__V1__ExecuteRequest *ret)
{
    ret->user = (char *)request_user(r).ptr; /* every text it may be ends in NUL */
    if (r->service == RUN_CHAT) {
        ret->mode = HEDDLE__EXECUTOR__V1__RUN_MODE__RUN_MODE_CHAT;
        ret->query = r->chat->query;
        ret->parent_message_id = r->chat->parent_message_id;
        ret->inputs = r->chat->inputs;
        ret->inputs_json = r->chat->inputs_json;
        ret->n_files = r->chat->n_files;
        ret->files = r->chat->files;
        ret->on_disconnect = r->chat->on_disconnect;
        ret->events = r->chat->events;
        ret->payloads = r->chat->payloads;
        return;
    }
    ret->mode = HEDDLE__EXECUTOR__V1__RUN_MODE__RUN_MODE_WORKFLOW;
    ret->inputs = r->workflow->inputs;
    ret->inputs_json = r->workflow->inputs_json;
    ret->n_files = r->workflow->n_files;
    ret->files = r->workflow->files;
    ret->on_disconnect = r->workflow->on_disconnect;
    ret->events = r->workflow->events;
    ret->payloads = r->workflow->payloads;
}
