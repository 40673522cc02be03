/* protocol: see the header. */
#include "executor/model/protocol.h"

static const struct protocol *const protocols[] = {&protocol_openai, &protocol_azure_openai,
                                                   &protocol_anthropic, &protocol_gemini};

const struct protocol *protocol_find(struct str name)
{
    if (name.len == 0)
        return &protocol_openai;
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        if (str_eq_c(name, protocols[i]->name))
            return protocols[i];
    }
    return NULL;
}

const struct protocol *const *protocol_list(size_t *ret_count)
{
    *ret_count = ARRAY_LEN(protocols);
    return protocols;
}

enum status_code protocol_headers(const struct protocol *protocol, struct str secret,
                                  struct http_headers **ret_headers, struct status *err)
{
    struct http_headers *headers = http_headers_new();
    if (headers == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for headers");
    enum status_code rc = http_headers_add(headers, STR("Content-Type"), STR("application/json"), err);
    if (rc == STATUS_OK)
        rc = http_headers_add(headers, STR("Accept"), STR("text/event-stream, application/json"), err);
    if (rc == STATUS_OK)
        rc = protocol->put_headers(headers, secret, err);
    if (rc != STATUS_OK) {
        http_headers_unref(headers);
        return rc;
    }
    *ret_headers = headers;
    return STATUS_OK;
}
