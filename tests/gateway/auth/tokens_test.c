/* Whose tokens are taken: a table of what attackers and clocks do, files that are read again, and what is remembered. */
#include "tests/support/alloc_fail.h"
#include "tests/support/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/auth/tokens.h"
#include "tests/gateway/auth/signer.h"

#define APP      "0193a000-0000-7000-8000-000000000001"
#define APP2     "0193a000-0000-7000-8000-000000000002"
#define SECRET   "a secret of thirty-two bytes or more"
#define NOW_S    1000000
#define AT_MS(s) ((int64_t)(s)*1000)
#define GOOD     "\"iss\": \"https://good\", \"aud\": \"heddle\", \"sub\": \"anna\", "

struct fixture {
    char folder[64], pem_path[96], ec_path[96], file_path[96];
    EVP_PKEY *rsa, *foreign, *ec;
    char *pem;
    struct tokens *tokens;
    struct buf mistakes;
};

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void write_issuers(struct fixture *f, const char *more)
{
    char text[4096];
    snprintf(text, sizeof text,
             "{\"issuers\": ["
             "{\"issuer\": \"https://good\", \"audiences\": [\"other\", \"heddle\"], \"leeway_seconds\": 5,"
             " \"app\": {\"id\": \"" APP "\"},"
             " \"keys\": {\"pem\": [{\"file\": \"%s\", \"algorithm\": \"RS256\", \"kid\": \"r1\"},"
             "                      {\"file\": \"%s\", \"algorithm\": \"ES256\", \"kid\": \"e1\"}]}},"
             "{\"issuer\": \"https://mapped\", \"audiences\": [\"heddle\"], \"workspace\": \"w2\","
             " \"app\": {\"claim\": \"sub\", \"map\": {\"system:serviceaccount:shop:web\": \"" APP2 "\"}},"
             " \"user\": \"request\", \"scopes\": {\"claim\": \"scope\"},"
             " \"keys\": {\"pem\": [{\"file\": \"%s\", \"algorithm\": \"RS256\"}]}},"
             "{\"issuer\": \"https://admin\", \"audiences\": [\"heddle\"], \"scopes\": [\"admin\"],"
             " \"user\": {\"claim\": \"email\"},"
             " \"keys\": {\"pem\": [{\"file\": \"%s\", \"algorithm\": \"ES256\"}]}}%s]}",
             f->pem_path, f->ec_path, f->pem_path, f->ec_path, more);
    write_file(f->file_path, text);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct status err;
    snprintf(f->folder, sizeof f->folder, "/tmp/tokens_test.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->pem_path, sizeof f->pem_path, "%s/rsa.pem", f->folder);
    snprintf(f->ec_path, sizeof f->ec_path, "%s/ec.pem", f->folder);
    snprintf(f->file_path, sizeof f->file_path, "%s/issuers.json", f->folder);
    f->rsa = signer_rsa(2048);
    f->foreign = signer_rsa(2048);
    f->ec = signer_ec();
    f->pem = signer_pem(f->rsa);
    char *ec_pem = signer_pem(f->ec);
    write_file(f->pem_path, f->pem);
    write_file(f->ec_path, ec_pem);
    free(ec_pem);
    write_issuers(f, "");
    buf_init(&f->mistakes, 65536);
    const struct tokens_options options = {.jwt_secret = SECRET, .jwt_issuers = f->file_path};
    assert_ok(tokens_new(&options, &f->mistakes, &f->tokens, &err));
    assert_int_equal(f->mistakes.len, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    tokens_free(f->tokens);
    EVP_PKEY_free(f->rsa);
    EVP_PKEY_free(f->foreign);
    EVP_PKEY_free(f->ec);
    free(f->pem);
    buf_fini(&f->mistakes);
    unlink(f->pem_path);
    unlink(f->ec_path);
    unlink(f->file_path);
    rmdir(f->folder);
    free(f);
    return 0;
}

static enum status_code find_at(struct fixture *f, const char *token, int64_t now_s, struct principal **ret,
                                struct status *err)
{
    *err = (struct status){.code = STATUS_OK};
    return tokens_find(f->tokens, str_c(token), AT_MS(now_s), 0, NULL, ret, err);
}

/* Which key signs. */
enum by { BY_RSA, BY_FOREIGN, BY_EC, BY_SECRET, BY_PEM, BY_NOBODY };

static char *token_by(struct fixture *f, enum by by, const char *header, const char *claims)
{
    switch (by) {
    case BY_RSA:
        return signer_token(f->rsa, NULL, header, claims);
    case BY_FOREIGN:
        return signer_token(f->foreign, NULL, header, claims);
    case BY_EC:
        return signer_token(f->ec, NULL, header, claims);
    case BY_SECRET:
        return signer_token(NULL, SECRET, header, claims);
    case BY_PEM:
        return signer_token(NULL, f->pem, header, claims);
    case BY_NOBODY:
        break;
    }
    return signer_token(NULL, NULL, header, claims);
}

#define RS     "{\"alg\": \"RS256\", \"kid\": \"r1\"}"
#define ES     "{\"alg\": \"ES256\", \"kid\": \"e1\"}"
#define HS     "{\"alg\": \"HS256\", \"typ\": \"JWT\"}"
#define EXP    "\"exp\": 1000100}"
#define ISSUED "{" GOOD EXP
#define PASS   "{\"app_id\": \"" APP "\", \"end_user_id\": \"bert\""

/* reason NULL: it is taken. */
static const struct row {
    const char *name;
    enum by by;
    const char *header, *claims, *reason;
} rows[] = {
    {"RS256", BY_RSA, RS, ISSUED, NULL},
    {"ES256", BY_EC, ES, ISSUED, NULL},
    {"a passport", BY_SECRET, HS, PASS "}", NULL},
    {"a passport with exp", BY_SECRET, HS, PASS ", \"exp\": 1000001}", NULL},
    {"a passport with user_id", BY_SECRET, HS, "{\"app_id\": \"" APP "\", \"user_id\": \"bert\"}", NULL},
    {"a list of audiences", BY_RSA, RS,
     "{\"iss\": \"https://good\", \"aud\": [\"x\", \"heddle\"], \"sub\": \"a\", " EXP, NULL},
    {"expired, within leeway", BY_RSA, RS, "{" GOOD "\"exp\": 999996}", NULL},
    {"not yet valid, within leeway", BY_RSA, RS, "{" GOOD "\"nbf\": 1000005, " EXP, NULL},

    {"alg none", BY_NOBODY, "{\"alg\": \"none\"}", ISSUED, "INVALID_TOKEN"},
    {"alg none with a signature", BY_RSA, "{\"alg\": \"none\", \"kid\": \"r1\"}", ISSUED, "INVALID_TOKEN"},
    {"alg NONE", BY_RSA, "{\"alg\": \"NoNe\", \"kid\": \"r1\"}", ISSUED, "INVALID_TOKEN"},
    {"alg in small letters", BY_RSA, "{\"alg\": \"rs256\", \"kid\": \"r1\"}", ISSUED, "INVALID_TOKEN"},
    {"alg RS512", BY_RSA, "{\"alg\": \"RS512\", \"kid\": \"r1\"}", ISSUED, "INVALID_TOKEN"},
    {"no alg", BY_RSA, "{\"kid\": \"r1\"}", ISSUED, "INVALID_TOKEN"},
    {"alg is no text", BY_RSA, "{\"alg\": 256, \"kid\": \"r1\"}", ISSUED, "INVALID_TOKEN"},
    {"alg twice", BY_RSA, "{\"alg\": \"RS256\", \"alg\": \"RS256\", \"kid\": \"r1\"}", ISSUED,
     "INVALID_TOKEN"},
    {"no signature", BY_NOBODY, RS, ISSUED, "INVALID_TOKEN"},
    {"HS256 with the public key as secret", BY_PEM, "{\"alg\": \"HS256\", \"kid\": \"r1\"}", ISSUED,
     "INVALID_TOKEN"},
    {"HS256 with the public key, without kid", BY_PEM, HS, ISSUED, "UNKNOWN_KEY"},
    {"HS256 with the passports' secret for an issuer", BY_SECRET, "{\"alg\": \"HS256\", \"kid\": \"r1\"}",
     ISSUED, "INVALID_TOKEN"},
    {"RS256 for the key of ES256", BY_RSA, "{\"alg\": \"RS256\", \"kid\": \"e1\"}", ISSUED, "INVALID_TOKEN"},
    {"ES256 for the key of RS256", BY_EC, "{\"alg\": \"ES256\", \"kid\": \"r1\"}", ISSUED, "INVALID_TOKEN"},
    {"a signature of ES256 as RS256", BY_EC, RS, ISSUED, "INVALID_TOKEN"},
    {"a signature of RS256 as ES256", BY_RSA, ES, ISSUED, "INVALID_TOKEN"},
    {"a foreign key", BY_FOREIGN, RS, ISSUED, "INVALID_TOKEN"},
    {"a wrong kid", BY_RSA, "{\"alg\": \"RS256\", \"kid\": \"r2\"}", ISSUED, "UNKNOWN_KEY"},
    {"no kid where keys have names", BY_RSA, "{\"alg\": \"RS256\"}", ISSUED, "UNKNOWN_KEY"},
    {"kid is no text", BY_RSA, "{\"alg\": \"RS256\", \"kid\": [\"r1\"]}", ISSUED, "INVALID_TOKEN"},
    {"a key of its own", BY_FOREIGN,
     "{\"alg\": \"RS256\", \"kid\": \"r1\", \"jwk\": {\"kty\": \"RSA\"}, \"jku\": \"https://evil\"}", ISSUED,
     "INVALID_TOKEN"},
    {"crit", BY_RSA, "{\"alg\": \"RS256\", \"kid\": \"r1\", \"crit\": [\"exp\"]}", ISSUED, "INVALID_TOKEN"},
    {"expired", BY_RSA, RS, "{" GOOD "\"exp\": 999995}", "TOKEN_EXPIRED"},
    {"not yet valid", BY_RSA, RS, "{" GOOD "\"nbf\": 1000006, " EXP, "TOKEN_NOT_YET_VALID"},
    {"no exp", BY_RSA, RS, "{" GOOD "\"iat\": 1}", "INVALID_TOKEN"},
    {"exp is a text", BY_RSA, RS, "{" GOOD "\"exp\": \"1000100\"}", "INVALID_TOKEN"},
    {"exp is endless", BY_RSA, RS, "{" GOOD "\"exp\": 1e999}", "INVALID_TOKEN"},
    {"exp is huge", BY_RSA, RS, "{" GOOD "\"exp\": 1e15}", "INVALID_TOKEN"},
    {"exp is null", BY_RSA, RS, "{" GOOD "\"exp\": null}", "INVALID_TOKEN"},
    {"exp twice", BY_RSA, RS, "{" GOOD "\"exp\": 1, \"exp\": 1000100}", "INVALID_TOKEN"},
    {"a foreign issuer", BY_FOREIGN, RS,
     "{\"iss\": \"https://evil\", \"aud\": \"heddle\", \"sub\": \"a\", " EXP, "UNKNOWN_ISSUER"},
    {"an issuer in other letters", BY_RSA, RS,
     "{\"iss\": \"https://GOOD\", \"aud\": \"heddle\", \"sub\": \"a\", " EXP, "UNKNOWN_ISSUER"},
    {"an issuer with a NUL behind it", BY_RSA, RS,
     "{\"iss\": \"https://good\\u0000\", \"aud\": \"heddle\", \"sub\": \"a\", " EXP, "INVALID_TOKEN"},
    {"no issuer", BY_RSA, RS, "{\"aud\": \"heddle\", \"sub\": \"a\", " EXP, "UNKNOWN_ISSUER"},
    {"a foreign audience", BY_RSA, RS,
     "{\"iss\": \"https://good\", \"aud\": [\"shop\"], \"sub\": \"a\", " EXP, "WRONG_AUDIENCE"},
    {"no audience", BY_RSA, RS, "{\"iss\": \"https://good\", \"sub\": \"a\", " EXP, "WRONG_AUDIENCE"},
    {"no end user", BY_RSA, RS, "{\"iss\": \"https://good\", \"aud\": \"heddle\", " EXP, "INVALID_TOKEN"},
    {"an empty end user", BY_RSA, RS, "{\"iss\": \"https://good\", \"aud\": \"heddle\", \"sub\": \"\", " EXP,
     "INVALID_TOKEN"},
    {"a list of claims", BY_RSA, RS, "[1]", "INVALID_TOKEN"},
    {"claims with more behind them", BY_RSA, RS, ISSUED "x", "INVALID_TOKEN"},
    {"nested claims", BY_RSA, RS, "{" GOOD "\"x\": [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]], " EXP,
     "INVALID_TOKEN"},
    {"a value not in the map", BY_RSA, RS,
     "{\"iss\": \"https://mapped\", \"aud\": \"heddle\", \"sub\": \"system:serviceaccount:shop:job\", " EXP,
     "UNKNOWN_APP"},
    {"a passport signed by RS256", BY_RSA, RS, PASS "}", "UNKNOWN_ISSUER"},
    {"a passport with another secret", BY_PEM, HS, PASS "}", "INVALID_TOKEN"},
    {"a passport that has expired", BY_SECRET, HS, PASS ", \"exp\": 1000000}", "TOKEN_EXPIRED"},
    {"a passport of no app", BY_SECRET, HS, "{\"end_user_id\": \"bert\"}", "UNKNOWN_APP"},
    {"a passport of an app with no id", BY_SECRET, HS, "{\"app_id\": \"x'y\", \"user_id\": \"b\"}",
     "UNKNOWN_APP"},
    {"a passport of nobody", BY_SECRET, HS, "{\"app_id\": \"" APP "\"}", "INVALID_TOKEN"},
};

static void tokens_are_taken_or_refused(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (int again = 0; again < 2; again++) { /* what is remembered changes nothing */
            struct principal *principal = NULL;
            struct status err;
            char *token = token_by(f, rows[i].by, rows[i].header, rows[i].claims);
            enum status_code rc = find_at(f, token, NOW_S, &principal, &err);
            const char *reason = rc == STATUS_OK ? NULL : err.reason;
            bool is_right = rows[i].reason == NULL ? reason == NULL
                                                   : reason != NULL && strcmp(reason, rows[i].reason) == 0;
            if (!is_right)
                print_error("%s: %s %s\n", rows[i].name, reason == NULL ? "taken" : reason, err.message);
            assert_true(is_right);
            assert_true(rc == STATUS_OK || rc == STATUS_UNAUTHENTICATED);
            assert_true((rc == STATUS_OK) == (principal != NULL));
            principal_unref(principal);
            free(token);
        }
    }
}

/* Every text made from a good token by cutting it, or by changing one character, is refused. */
static void a_token_that_was_changed_anywhere_is_refused(void **state)
{
    struct fixture *f = *state;
    struct principal *principal;
    struct status err;
    char *token = token_by(f, BY_EC, ES, ISSUED);
    size_t length = strlen(token);
    for (size_t i = 0; i < length; i++) {
        char was = token[i];
        token[i] = was == 'A' ? 'B' : 'A';
        assert_code(STATUS_UNAUTHENTICATED, find_at(f, token, NOW_S, &principal, &err));
        token[i] = '\0';
        assert_code(STATUS_UNAUTHENTICATED, find_at(f, token, NOW_S, &principal, &err));
        token[i] = was;
    }
    free(token);
    static const char *const texts[] = {"",     ".",    "..",      "...",    "a.b",   "a.b.c",
                                        "....", "a..c", "a.b.c.d", "a.b.c=", "é.b.c", " a.b.c"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_code(STATUS_UNAUTHENTICATED, find_at(f, texts[i], NOW_S, &principal, &err));
    char *huge = malloc(JWT_BYTES_MAX + 2);
    memset(huge, 'a', JWT_BYTES_MAX + 1);
    huge[JWT_BYTES_MAX + 1] = '\0';
    huge[10] = huge[20] = '.';
    assert_code(STATUS_UNAUTHENTICATED, find_at(f, huge, NOW_S, &principal, &err));
    free(huge);
}

static void what_a_token_opens(void **state)
{
    struct fixture *f = *state;
    const struct {
        enum by by;
        const char *header, *claims, *workspace, *app, *user, *type;
        unsigned scopes;
    } opened[] = {
        {BY_RSA, RS, ISSUED, "", APP, "anna", PRINCIPAL_OPENAPI, SCOPE_RUN | SCOPE_READ},
        {BY_SECRET, HS, PASS ", \"user_id\": \"carl\"}", "", APP, "bert", PRINCIPAL_BROWSER,
         SCOPE_RUN | SCOPE_READ},
        {BY_RSA, RS,
         "{\"iss\": \"https://mapped\", \"aud\": \"heddle\", \"sub\": \"system:serviceaccount:shop:web\", "
         "\"scope\": \"openid run admin\", " EXP,
         "w2", APP2, "", PRINCIPAL_SERVICE_API, SCOPE_RUN | SCOPE_ADMIN},
        {BY_RSA, RS,
         "{\"iss\": \"https://mapped\", \"aud\": \"heddle\", \"sub\": \"system:serviceaccount:shop:web\", "
         "\"scope\": [\"read\", 1], " EXP,
         "w2", APP2, "", PRINCIPAL_SERVICE_API, SCOPE_READ},
        {BY_EC, "{\"alg\": \"ES256\"}",
         "{\"iss\": \"https://admin\", \"aud\": \"heddle\", \"email\": \"r@x\", " EXP, "", "", "r@x",
         PRINCIPAL_OPENAPI, SCOPE_ADMIN},
    };
    for (size_t i = 0; i < ARRAY_LEN(opened); i++) {
        struct principal *p;
        struct status err;
        char *token = token_by(f, opened[i].by, opened[i].header, opened[i].claims);
        assert_ok(find_at(f, token, NOW_S, &p, &err));
        assert_str(opened[i].workspace, p->workspace_id);
        assert_str(opened[i].app, p->app_id);
        assert_str(opened[i].user, p->user);
        assert_string_equal(opened[i].type, p->end_user_type);
        assert_int_equal(opened[i].scopes, p->scopes);
        principal_unref(p);
        free(token);
    }
}

static void what_is_remembered_ends_with_its_time(void **state)
{
    struct fixture *f = *state;
    struct principal *first, *second;
    struct status err;
    char *token = token_by(f, BY_RSA, RS, ISSUED);
    assert_ok(find_at(f, token, NOW_S, &first, &err));
    assert_ok(find_at(f, token, NOW_S + 104, &second, &err));
    assert_ptr_equal(first, second); /* not checked again */
    principal_unref(first);
    principal_unref(second);
    assert_code(STATUS_UNAUTHENTICATED, find_at(f, token, NOW_S + 105, &first, &err));
    assert_string_equal(err.reason, "TOKEN_EXPIRED");
    free(token);
}

static void a_reload_takes_what_is_right_and_keeps_the_old_otherwise(void **state)
{
    struct fixture *f = *state;
    struct principal *p;
    struct status err;
    const struct tokens_options options = {.jwt_secret = "another secret of thirty-two bytes or more",
                                           .jwt_issuers = f->file_path};
    char *passport = token_by(f, BY_SECRET, HS, PASS "}"), *issued = token_by(f, BY_RSA, RS, ISSUED);
    char *foreign = token_by(f, BY_FOREIGN, RS, ISSUED);
    write_issuers(f, ", 7");
    assert_code(STATUS_INVALID_ARGUMENT, tokens_reload(f->tokens, &options, &f->mistakes, &err));
    assert_true(f->mistakes.len > 0);
    assert_ok(find_at(f, passport, NOW_S, &p, &err));
    principal_unref(p);
    write_issuers(f, "");
    char *pem = signer_pem(f->foreign);
    write_file(f->pem_path, pem);
    free(pem);
    assert_ok(find_at(f, issued, NOW_S, &p, &err));
    principal_unref(p);
    assert_ok(tokens_reload(f->tokens, &options, &f->mistakes, &err));
    assert_code(STATUS_UNAUTHENTICATED, find_at(f, passport, NOW_S, &p, &err));
    assert_code(STATUS_UNAUTHENTICATED, find_at(f, issued, NOW_S, &p, &err));
    assert_ok(find_at(f, foreign, NOW_S, &p, &err));
    principal_unref(p);
    free(passport);
    free(issued);
    free(foreign);
}

static void more_tokens_than_are_remembered_are_taken_too(void **state)
{
    struct fixture *f = *state;
    struct status err;
    for (int i = 0; i < TOKENS_KNOWN_MAX + 100; i++) {
        struct principal *p;
        char claims[128];
        snprintf(claims, sizeof claims, "{\"app_id\": \"" APP "\", \"user_id\": \"user %d\"}", i);
        char *token = token_by(f, BY_SECRET, HS, claims);
        assert_ok(find_at(f, token, NOW_S, &p, &err));
        principal_unref(p);
        free(token);
    }
}

static void memory_may_end_anywhere(void **state)
{
    struct fixture *f = *state;
    const struct tokens_options options = {.jwt_secret = SECRET, .jwt_issuers = f->file_path};
    char *token = token_by(f, BY_RSA, RS, ISSUED);
    for (size_t n = 0;; n++) {
        struct tokens *tokens = NULL;
        struct principal *p = NULL;
        struct status err;
        buf_clear(&f->mistakes);
        alloc_fail_after(n);
        enum status_code rc = tokens_new(&options, &f->mistakes, &tokens, &err);
        if (rc == STATUS_OK)
            rc = tokens_find(tokens, str_c(token), AT_MS(NOW_S), 0, NULL, &p, &err);
        alloc_fail_reset();
        bool hit = alloc_fail_hit();
        principal_unref(p);
        tokens_free(tokens);
        if (!hit) {
            assert_ok(rc);
            break;
        }
        assert_true(rc == STATUS_OK || rc == STATUS_RESOURCE_EXHAUSTED || rc == STATUS_INVALID_ARGUMENT ||
                    rc == STATUS_UNAUTHENTICATED);
    }
    free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tokens_are_taken_or_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_that_was_changed_anywhere_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_token_opens, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_remembered_ends_with_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reload_takes_what_is_right_and_keeps_the_old_otherwise, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(more_tokens_than_are_remembered_are_taken_too, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_may_end_anywhere, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
