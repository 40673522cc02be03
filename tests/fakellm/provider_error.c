/* provider_error: what a provider says with an error. */
#include "provider_error.h"

/* How each provider calls what goes wrong. A status of x99 stands for all others up to it. */
struct row {
    int status;
    enum error_kind kind;
    const char *type, *code; /* NULL: null */
    const char *message;
};

static const struct row openai_rows[] = {
    {401, ERROR_BY_STATUS, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."},
    {402, ERROR_BY_STATUS, "unknown_error", "invalid_request_error", "Insufficient balance."},
    {403, ERROR_BY_STATUS, "permission_error", NULL, "You are not allowed to do this."},
    {404, ERROR_BY_STATUS, "invalid_request_error", "model_not_found", "The model does not exist."},
    {429, ERROR_BY_STATUS, "requests", "rate_limit_exceeded", "Rate limit reached for requests."},
    {503, ERROR_BY_STATUS, "server_error", NULL,
     "The engine is currently overloaded, please try again later."},
    {0, ERROR_QUOTA, "insufficient_quota", "insufficient_quota", "The quota of this key is used up."},
    {0, ERROR_INVALID_KEY, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."},
    {0, ERROR_CONTEXT_LENGTH, "invalid_request_error", "context_length_exceeded",
     "The messages are longer than the model's maximum context length."},
    {499, ERROR_BY_STATUS, "invalid_request_error", NULL, "The request was not accepted."},
    {599, ERROR_BY_STATUS, "server_error", NULL, "The server had an error while processing your request."},
};

static const struct row azure_rows[] = {
    {401, ERROR_BY_STATUS, NULL, "401", "Access denied: the subscription key or the endpoint is wrong."},
    {403, ERROR_BY_STATUS, NULL, "403", "Access denied by a network rule of the resource."},
    {404, ERROR_BY_STATUS, NULL, "DeploymentNotFound", "The deployment of this resource does not exist."},
    {429, ERROR_BY_STATUS, NULL, "429", "The call rate limit of the pricing tier is exceeded."},
    {503, ERROR_BY_STATUS, NULL, "ServiceUnavailable", "The service is temporarily unable to process it."},
    {0, ERROR_QUOTA, NULL, "insufficient_quota", "The quota of this resource is used up."},
    {0, ERROR_INVALID_KEY, NULL, "401", "Access denied: the subscription key or the endpoint is wrong."},
    {0, ERROR_CONTEXT_LENGTH, NULL, "context_length_exceeded",
     "The messages are longer than the model's maximum context length."},
    {499, ERROR_BY_STATUS, NULL, "BadRequest", "The request was not accepted."},
    {599, ERROR_BY_STATUS, NULL, "InternalServerError", "The server had an error."},
};

static const struct row anthropic_rows[] = {
    {401, ERROR_BY_STATUS, "authentication_error", NULL, "invalid x-api-key"},
    {402, ERROR_BY_STATUS, "billing_error", NULL, "There is a problem with billing or payment."},
    {403, ERROR_BY_STATUS, "permission_error", NULL, "The key may not use this resource."},
    {404, ERROR_BY_STATUS, "not_found_error", NULL, "model: it does not exist"},
    {413, ERROR_BY_STATUS, "request_too_large", NULL, "The request is larger than allowed."},
    {429, ERROR_BY_STATUS, "rate_limit_error", NULL, "The rate limit of the organization is exceeded."},
    {504, ERROR_BY_STATUS, "timeout_error", NULL, "The request timed out."},
    {529, ERROR_BY_STATUS, "overloaded_error", NULL, "Overloaded"},
    {0, ERROR_QUOTA, "invalid_request_error", NULL, "The credit balance is too low to use this API."},
    {0, ERROR_INVALID_KEY, "authentication_error", NULL, "invalid x-api-key"},
    {0, ERROR_CONTEXT_LENGTH, "invalid_request_error", NULL, "prompt is too long: it exceeds the maximum"},
    {499, ERROR_BY_STATUS, "invalid_request_error", NULL, "The request was not accepted."},
    {599, ERROR_BY_STATUS, "api_error", NULL, "Internal server error"},
};

/* type: the canonical status; code: the reason of an ErrorInfo. */
static const struct row gemini_rows[] = {
    {401, ERROR_BY_STATUS, "UNAUTHENTICATED", NULL, "The request has no valid credentials."},
    {403, ERROR_BY_STATUS, "PERMISSION_DENIED", NULL, "The key may not use this resource."},
    {404, ERROR_BY_STATUS, "NOT_FOUND", NULL, "The model is not found for this API version."},
    {429, ERROR_BY_STATUS, "RESOURCE_EXHAUSTED", NULL, "The quota of requests per minute is exceeded."},
    {503, ERROR_BY_STATUS, "UNAVAILABLE", NULL, "The model is overloaded. Please try again later."},
    {504, ERROR_BY_STATUS, "DEADLINE_EXCEEDED", NULL, "The deadline expired before the reply was ready."},
    {0, ERROR_QUOTA, "RESOURCE_EXHAUSTED", NULL, "The quota of requests per day is exceeded."},
    {0, ERROR_INVALID_KEY, "INVALID_ARGUMENT", "API_KEY_INVALID", "The API key is not valid."},
    {0, ERROR_CONTEXT_LENGTH, "INVALID_ARGUMENT", NULL,
     "The input token count exceeds the maximum number of tokens allowed."},
    {499, ERROR_BY_STATUS, "INVALID_ARGUMENT", NULL, "The request was not accepted."},
    {599, ERROR_BY_STATUS, "INTERNAL", NULL, "An internal error has occurred."},
};

static const struct row *const rows_of[] = {
    [PROTOCOL_OPENAI] = openai_rows,
    [PROTOCOL_AZURE] = azure_rows,
    [PROTOCOL_ANTHROPIC] = anthropic_rows,
    [PROTOCOL_GEMINI] = gemini_rows,
};

/* Every table has all kinds, and ends with 599. */
static const struct row *find_row(const struct provider_error *error)
{
    const struct row *row = rows_of[error->protocol];
    for (;; row++) {
        bool is_rest = row->status % 100 == 99 && error->status <= row->status;
        if (row->kind == error->kind &&
            (row->kind != ERROR_BY_STATUS || row->status == error->status || is_rest))
            return row;
    }
}

static void put_member(struct text *out, const char *name, const char *value)
{
    text_putf(out, "\"%s\":", name);
    text_put_json(out, value);
}

static void put_message(const struct provider_error *error, const struct row *row, struct text *out)
{
    put_member(out, "message", error->message != NULL ? error->message : row->message);
}

static void put_openai(const struct provider_error *error, const struct row *row, struct text *out)
{
    text_put(out, SPAN("{\"error\":{"));
    put_message(error, row, out);
    text_put(out, SPAN(","));
    put_member(out, "type", row->type);
    text_put(out, SPAN(",\"param\":null,"));
    put_member(out, "code", row->code);
    text_put(out, SPAN("}}"));
}

static void put_azure(const struct provider_error *error, const struct row *row, struct text *out)
{
    text_put(out, SPAN("{\"error\":{"));
    put_member(out, "code", row->code);
    text_put(out, SPAN(",\"message\":\""));
    text_put_escaped(out, span_of(error->message != NULL ? error->message : row->message));
    if (error->status == 429 && error->retry_after_ms >= 0)
        text_putf(out, " Please retry after %lld seconds.",
                  (long long)((error->retry_after_ms + 999) / 1000));
    text_put(out, SPAN("\"}}"));
}

static void put_anthropic(const struct provider_error *error, const struct row *row, struct text *out)
{
    text_put(out, SPAN("{\"type\":\"error\",\"error\":{"));
    put_member(out, "type", row->type);
    text_put(out, SPAN(","));
    put_message(error, row, out);
    text_put(out, SPAN("},"));
    put_member(out, "request_id", error->id);
    text_put(out, SPAN("}"));
}

static void put_gemini(const struct provider_error *error, const struct row *row, struct text *out)
{
    const char *period = row->kind == ERROR_QUOTA ? "Day" : "Minute";
    text_putf(out, "{\"error\":{\"code\":%d,", error->status);
    put_message(error, row, out);
    text_put(out, SPAN(","));
    put_member(out, "status", row->type);
    if (row->code != NULL)
        text_putf(out,
                  ",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"%s\","
                  "\"domain\":\"googleapis.com\",\"metadata\":{\"service\":\"generativelanguage.googleapis."
                  "com\"}}]",
                  row->code);
    else if (error->status == 429) {
        text_putf(out,
                  ",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\",\"violations\":["
                  "{\"quotaId\":\"GenerateRequestsPer%sPerProjectPerModel\"}]}",
                  period);
        if (error->retry_after_ms >= 0)
            text_putf(
                out,
                ",{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"%lld.%03llds\"}",
                (long long)(error->retry_after_ms / 1000), (long long)(error->retry_after_ms % 1000));
        text_put(out, SPAN("]"));
    }
    text_put(out, SPAN("}}"));
}

void provider_error_put(const struct provider_error *error, struct text *out)
{
    const struct row *row = find_row(error);
    switch (error->protocol) {
    case PROTOCOL_OPENAI:
        put_openai(error, row, out);
        break;
    case PROTOCOL_AZURE:
        put_azure(error, row, out);
        break;
    case PROTOCOL_ANTHROPIC:
        put_anthropic(error, row, out);
        break;
    case PROTOCOL_GEMINI:
        put_gemini(error, row, out);
        break;
    }
}
