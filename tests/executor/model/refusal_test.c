/*
 * Refusals of providers: status and body of HTTP, read by the protocol, and what they say of the credential.
 */
#include "executor/model/refusal.h"
#include "executor/model/tool_calls.h"
#include "tests/support/check.h"
#include <stdlib.h>
#include <string.h>

#define REQUEST           "InvokeBadRequestError"
#define RATE              "InvokeRateLimitError"
#define UNAUTHORIZED      "InvokeAuthorizationError"
#define UNAVAILABLE       "InvokeServerUnavailableError"
#define ERROR(type, code) "{\"error\":{\"message\":\"w\",\"type\":\"" type "\",\"code\":\"" code "\"}}"
#define CLASS(type)       "{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"w\"}}"
#define GOOGLE(code, status, more)                                                                           \
    "{\"error\":{\"code\":" code ",\"message\":\"w\",\"status\":\"" status "\"" more "}}"

/* status 0: the error came inside of a stream. */
static const struct row {
    const struct protocol *protocol;
    int status;
    const char *body;
    enum refusal refusal;
    const char *error_type;
} rows[] = {
    {&protocol_openai, 429, ERROR("requests", "rate_limit_exceeded"), REFUSAL_RATE_LIMIT, RATE},
    {&protocol_openai, 429, ERROR("tokens", "rate_limit_exceeded"), REFUSAL_RATE_LIMIT, RATE},
    {&protocol_openai, 429, "{\"error\":{\"message\":\"You exceeded your current quota\",\"type\":\"\"}}",
     REFUSAL_RATE_LIMIT, RATE},
    {&protocol_openai, 429, ERROR("insufficient_quota", "insufficient_quota"), REFUSAL_NO_QUOTA, RATE},
    {&protocol_openai, 429, "{\"error\":{\"message\":\"w\",\"type\":\"insufficient_quota\",\"code\":null}}",
     REFUSAL_NO_QUOTA, RATE},
    {&protocol_openai, 400, ERROR("invalid_request_error", "billing_hard_limit_reached"), REFUSAL_NO_QUOTA,
     RATE},
    {&protocol_openai, 429, ERROR("billing_not_active", "billing_not_active"), REFUSAL_NO_QUOTA, RATE},
    {&protocol_openai, 402, "{\"error\":{\"message\":\"Insufficient Balance\"}}", REFUSAL_NO_QUOTA, RATE},
    {&protocol_openai, 402, "", REFUSAL_NO_QUOTA, RATE},
    {&protocol_openai, 401, ERROR("invalid_request_error", "invalid_api_key"), REFUSAL_UNAUTHORIZED,
     UNAUTHORIZED},
    {&protocol_openai, 401,
     "{\"error\":{\"message\":\"no key\",\"type\":\"invalid_request_error\",\"code\":null}}",
     REFUSAL_UNAUTHORIZED, UNAUTHORIZED},
    {&protocol_openai, 403, "<html>forbidden</html>", REFUSAL_UNAUTHORIZED, UNAUTHORIZED},
    {&protocol_openai, 400, ERROR("invalid_request_error", "context_length_exceeded"), REFUSAL_REQUEST,
     REQUEST},
    {&protocol_openai, 400, ERROR("invalid_request_error", "content_filter"), REFUSAL_REQUEST, REQUEST},
    {&protocol_openai, 400, "nonsense", REFUSAL_REQUEST, REQUEST},
    {&protocol_openai, 413, "", REFUSAL_REQUEST, REQUEST},
    {&protocol_openai, 422, "{\"detail\":\"field required\"}", REFUSAL_REQUEST, REQUEST},
    {&protocol_openai, 405, "", REFUSAL_REQUEST, REQUEST},
    {&protocol_openai, 404, ERROR("invalid_request_error", "model_not_found"), REFUSAL_UNAVAILABLE, REQUEST},
    {&protocol_openai, 404, "", REFUSAL_UNAVAILABLE, REQUEST},
    {&protocol_openai, 408, "", REFUSAL_UNAVAILABLE, UNAVAILABLE},
    {&protocol_openai, 500, ERROR("server_error", ""), REFUSAL_UNAVAILABLE, UNAVAILABLE},
    {&protocol_openai, 502, "<html>", REFUSAL_UNAVAILABLE, UNAVAILABLE},
    {&protocol_openai, 503, ERROR("invalid_request_error", ""), REFUSAL_UNAVAILABLE, UNAVAILABLE},
    {&protocol_openai, 301, "", REFUSAL_UNAVAILABLE, UNAVAILABLE},
    {&protocol_openai, 0, ERROR("", "rate_limit_exceeded"), REFUSAL_RATE_LIMIT, RATE},
    {&protocol_openai, 0, "{\"error\":{\"message\":\"w\",\"code\":429}}", REFUSAL_RATE_LIMIT, RATE},
    {&protocol_openai, 0, "{\"error\":{\"message\":\"w\",\"code\":402}}", REFUSAL_NO_QUOTA, RATE},
    {&protocol_openai, 0, "{\"error\":{\"message\":\"w\",\"code\":502}}", REFUSAL_UNAVAILABLE, UNAVAILABLE},
    {&protocol_openai, 0, "{\"error\":\"something broke\"}", REFUSAL_UNAVAILABLE, UNAVAILABLE},
    {&protocol_openai, 0, ERROR("invalid_request_error", ""), REFUSAL_REQUEST, REQUEST},
    {&protocol_openai, 0, "{\"error\":\"This model's maximum context length is 8 tokens\"}", REFUSAL_REQUEST,
     REQUEST},
    {&protocol_azure_openai, 429, ERROR("", "429"), REFUSAL_RATE_LIMIT, RATE},
    {&protocol_azure_openai, 401, ERROR("", "401"), REFUSAL_UNAUTHORIZED, UNAUTHORIZED},
    {&protocol_azure_openai, 404, ERROR("", "DeploymentNotFound"), REFUSAL_UNAVAILABLE, REQUEST},
    {&protocol_anthropic, 429, CLASS("rate_limit_error"), REFUSAL_RATE_LIMIT, RATE},
    {&protocol_anthropic, 529, CLASS("overloaded_error"), REFUSAL_UNAVAILABLE, UNAVAILABLE},
    {&protocol_anthropic, 0, CLASS("overloaded_error"), REFUSAL_UNAVAILABLE, UNAVAILABLE},
    {&protocol_anthropic, 0, CLASS("rate_limit_error"), REFUSAL_RATE_LIMIT, RATE},
    {&protocol_anthropic, 401, CLASS("authentication_error"), REFUSAL_UNAUTHORIZED, UNAUTHORIZED},
    {&protocol_anthropic, 403, CLASS("permission_error"), REFUSAL_UNAUTHORIZED, UNAUTHORIZED},
    {&protocol_anthropic, 400, CLASS("invalid_request_error"), REFUSAL_REQUEST, REQUEST},
    {&protocol_anthropic, 400,
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit balance is "
     "too "
     "low to access the API\"}}",
     REFUSAL_NO_QUOTA, RATE},
    {&protocol_anthropic, 402, CLASS("billing_error"), REFUSAL_NO_QUOTA, RATE},
    {&protocol_anthropic, 404, CLASS("not_found_error"), REFUSAL_UNAVAILABLE, REQUEST},
    {&protocol_anthropic, 413, CLASS("request_too_large"), REFUSAL_REQUEST, REQUEST},
    {&protocol_anthropic, 500, CLASS("api_error"), REFUSAL_UNAVAILABLE, UNAVAILABLE},
    {&protocol_gemini, 429, GOOGLE("429", "RESOURCE_EXHAUSTED", ""), REFUSAL_RATE_LIMIT, RATE},
    {&protocol_gemini, 0, GOOGLE("429", "RESOURCE_EXHAUSTED", ""), REFUSAL_RATE_LIMIT, RATE},
    {&protocol_gemini, 400,
     GOOGLE("400", "INVALID_ARGUMENT", ",\"details\":[{\"reason\":\"API_KEY_INVALID\"}]"),
     REFUSAL_UNAUTHORIZED, UNAUTHORIZED},
    {&protocol_gemini, 400, GOOGLE("400", "INVALID_ARGUMENT", ""), REFUSAL_REQUEST, REQUEST},
    {&protocol_gemini, 400, GOOGLE("400", "FAILED_PRECONDITION", ""), REFUSAL_REQUEST, REQUEST},
    {&protocol_gemini, 403, GOOGLE("403", "PERMISSION_DENIED", ""), REFUSAL_UNAUTHORIZED, UNAUTHORIZED},
    {&protocol_gemini, 404, GOOGLE("404", "NOT_FOUND", ""), REFUSAL_UNAVAILABLE, REQUEST},
    {&protocol_gemini, 503, GOOGLE("503", "UNAVAILABLE", ""), REFUSAL_UNAVAILABLE, UNAVAILABLE},
    {&protocol_gemini, 504, GOOGLE("504", "DEADLINE_EXCEEDED", ""), REFUSAL_UNAVAILABLE, UNAVAILABLE},
    {&protocol_gemini, 0, "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}", REFUSAL_REQUEST, REQUEST},
};

static void a_refusal_is_known_by_its_name_its_words_or_its_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct tool_calls calls = {0};
        struct protocol_piece piece;
        void *reader = calloc(1, row->protocol->reader_size);
        assert_non_null(reader);
        if (!row->protocol->read(reader, STR(""), str_c(row->body), true, &calls, &piece) ||
            piece.error.ptr == NULL)
            piece = (struct protocol_piece){.error = str_c(row->body)};
        struct refusal_verdict verdict =
            refusal_of(row->status != 0 ? row->status : piece.error_status, &piece);
        if (verdict.refusal != row->refusal)
            fail_msg("row %zu, %s %d %s: %d", i, row->protocol->name, row->status, row->body,
                     (int)verdict.refusal);
        assert_string_equal(row->error_type, verdict.error_type);
        row->protocol->reader_fini(reader);
        free(reader);
        tool_calls_fini(&calls);
    }
}

static void words_are_cut_and_never_show_the_key(void **state)
{
    static const struct {
        const char *words, *shown;
    } cases[] = {
        {"bad key sk-secret, sk-secret!", "bad key ***, ***!"},
        {"sk-secretsk-secret", "******"},
        {"  a \n", "a"},
        {"", "no words in the answer"},
        {" \n", "no words in the answer"},
        {"\xff", "words that are no text"},
        {"sk-secre", "sk-secre"},
    };
    const struct protocol *const protocols[] = {&protocol_openai, &protocol_azure_openai, &protocol_anthropic,
                                                &protocol_gemini};
    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(protocols); p++) {
        struct http_headers *headers;
        struct status err;
        assert_ok(protocol_headers(protocols[p], STR("sk-secret"), &headers, &err));
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            struct buf b;
            buf_init(&b, REFUSAL_WORDS_BYTES_MAX);
            refusal_put_words(&b, protocols[p], headers, str_c(cases[i].words));
            assert_str(cases[i].shown, buf_str(&b));
            buf_fini(&b);
        }
        http_headers_unref(headers);
    }
}

static void a_key_of_one_letter_hides_every_one_of_them(void **state)
{
    struct http_headers *headers;
    struct status err;
    char words[REFUSAL_WORDS_MAX + 100];
    struct buf b;
    (void)state;
    memset(words, 'k', sizeof words);
    assert_ok(protocol_headers(&protocol_openai, STR("k"), &headers, &err));
    buf_init(&b, REFUSAL_WORDS_BYTES_MAX);
    refusal_put_words(&b, &protocol_openai, headers, (struct str){words, sizeof words});
    assert_false(b.failed);
    assert_int_equal(3 * REFUSAL_WORDS_MAX, b.len);
    assert_true(str_find(buf_str(&b), STR("k"), 0) == SIZE_MAX);
    buf_fini(&b);
    http_headers_unref(headers);
}

static void protocols_are_found_by_their_names(void **state)
{
    size_t count;
    const struct protocol *const *list = protocol_list(&count);
    (void)state;
    assert_int_equal(4, count);
    for (size_t i = 0; i < count; i++)
        assert_ptr_equal(list[i], protocol_find(str_c(list[i]->name)));
    assert_ptr_equal(&protocol_openai, protocol_find(STR("")));
    assert_null(protocol_find(STR("openai2")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_is_known_by_its_name_its_words_or_its_status),
        cmocka_unit_test(words_are_cut_and_never_show_the_key),
        cmocka_unit_test(a_key_of_one_letter_hides_every_one_of_them),
        cmocka_unit_test(protocols_are_found_by_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
