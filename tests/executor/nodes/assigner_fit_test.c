/*
 * assigner nodes of version 2: every operation on a variable of every type, with every value, from a variable and as a constant
 * (the tables of dify-dsl.md 4.11).
 */
#include "tests/executor/nodes/assigning.h"
#include <stdio.h>
#include <string.h>

static const struct target targets[] = {
    {"string", "x", NULL, NULL},
    {"number", "1", NULL, "integer"},
    {"number", "1.5", NULL, "float"},
    {"boolean", "true", NULL, NULL},
    {"object", "{a: 1}", NULL, NULL},
    {"array[string]", "[x]", NULL, NULL},
    {"array[number]", "[1]", NULL, NULL},
    {"array[boolean]", "[true]", NULL, NULL},
    {"array[object]", "[{a: 1}]", NULL, NULL},
    {"string", "x", "start, o, mixed", "array[any]"},
    {"string", "x", "sys, files", "array[file]"},
    {"string", "x", "start, file", "file"},
};

static const struct {
    char letter;
    const char *variable, *constant; /* a selector, a YAML value; NULL: not in this way */
} sources[] = {
    {'s', "start, o, text", "some text"},
    {'j', NULL, "'{\"k\": 1}'"},
    {'i', "start, o, whole", "2"},
    {'f', "start, o, real", "2.5"},
    {'z', "start, o, zero", "0"},
    {'b', "start, o, flag", "true"},
    {'o', "start, o, map", "{k: 1}"},
    {'F', "start, file", NULL},
    {'S', "start, o, texts", "[a, b]"},
    {'N', "start, o, numbers", "[2, 2.5]"},
    {'B', "start, o, flags", "[true]"},
    {'O', "start, o, maps", "[{k: 1}]"},
    {'A', "start, o, mixed", "[1, a]"},
    {'E', "start, o, none", "[]"},
    {'L', "start, o, nested", "[[1]]"},
    {'Z', "start, o, nils", "[null]"},
    {'X', "sys, files", NULL},
    {'0', NULL, "null"},
};
#define EVERYTHING "sjifzboFSNBOAELZX0"

/* What fits; an operation on a type that is not here is not supported. NULL: not from there. */
static const struct fit {
    const char *operation, *type, *variable, *constant;
} fits[] = {
    {"over-write", "string", "s", "sj"},
    {"over-write", "integer", "ifzb", "ifzb"}, /* a boolean is a number in Python */
    {"over-write", "float", "ifzb", "ifzb"},
    {"over-write", "boolean", "b", "b"},
    {"over-write", "object", "o", "o"},
    {"over-write", "array[string]", "SE", NULL},
    {"over-write", "array[number]", "NBE", NULL},
    {"over-write", "array[boolean]", "BE", NULL},
    {"over-write", "array[object]", "OE", NULL},
    {"over-write", "array[any]", "SNBOAE", NULL},
    {"over-write", "array[file]", "", NULL},
    {"over-write", "file", "", NULL},
    {"set", "string", NULL, "sj"},
    {"set", "integer", NULL, "ifzb"},
    {"set", "float", NULL, "ifzb"},
    {"set", "boolean", NULL, "b"},
    {"set", "object", NULL, "oj"},
    {"clear", "string", EVERYTHING, EVERYTHING},
    {"clear", "integer", EVERYTHING, EVERYTHING},
    {"clear", "float", EVERYTHING, EVERYTHING},
    {"clear", "boolean", EVERYTHING, EVERYTHING},
    {"clear", "object", EVERYTHING, EVERYTHING},
    {"clear", "array[string]", EVERYTHING, EVERYTHING},
    {"clear", "array[number]", EVERYTHING, EVERYTHING},
    {"clear", "array[boolean]", EVERYTHING, EVERYTHING},
    {"clear", "array[object]", EVERYTHING, EVERYTHING},
    {"clear", "array[any]", EVERYTHING, EVERYTHING},
    {"+=", "integer", NULL, "ifzb"},
    {"+=", "float", NULL, "ifzb"},
    {"-=", "integer", NULL, "ifzb"},
    {"-=", "float", NULL, "ifzb"},
    {"*=", "integer", NULL, "ifzb"},
    {"*=", "float", NULL, "ifzb"},
    {"/=", "integer", NULL, "ifb"},
    {"/=", "float", NULL, "ifb"},
    {"append", "array[string]", "s", NULL},
    {"append", "array[number]", "ifzb", NULL},
    {"append", "array[boolean]", "b", NULL},
    {"append", "array[object]", "o", NULL},
    {"append", "array[any]", "sifzbo", NULL},
    {"append", "array[file]", "", NULL},
    {"extend", "array[string]", "SE", NULL},
    {"extend", "array[number]", "NBE", NULL},
    {"extend", "array[boolean]", "BE", NULL},
    {"extend", "array[object]", "OE", NULL},
    {"extend", "array[any]", "SNBOAE", NULL},
    {"extend", "array[file]", "", NULL},
    {"remove-first", "array[string]", EVERYTHING, EVERYTHING},
    {"remove-first", "array[number]", EVERYTHING, EVERYTHING},
    {"remove-first", "array[boolean]", EVERYTHING, EVERYTHING},
    {"remove-first", "array[object]", EVERYTHING, EVERYTHING},
    {"remove-first", "array[any]", EVERYTHING, EVERYTHING},
    {"remove-first", "array[file]", EVERYTHING, EVERYTHING},
    {"remove-last", "array[string]", EVERYTHING, EVERYTHING},
    {"remove-last", "array[number]", EVERYTHING, EVERYTHING},
    {"remove-last", "array[boolean]", EVERYTHING, EVERYTHING},
    {"remove-last", "array[object]", EVERYTHING, EVERYTHING},
    {"remove-last", "array[any]", EVERYTHING, EVERYTHING},
    {"remove-last", "array[file]", EVERYTHING, EVERYTHING},
};

static const char *type_of(const struct target *t)
{
    return t->becomes_type != NULL ? t->becomes_type : t->type;
}

/* What the error has to begin with; NULL: none. */
static const char *expected_error(const char *operation, const struct target *t, bool is_variable,
                                  char letter)
{
    const struct fit *fit = NULL;
    for (size_t i = 0; i < ARRAY_LEN(fits); i++) {
        if (strcmp(fits[i].operation, operation) == 0 && strcmp(fits[i].type, type_of(t)) == 0)
            fit = &fits[i];
    }
    if (fit == NULL)
        return strcmp(operation, "clear") == 0 ? "unsupported variable type: " : "Operation ";
    const char *letters = is_variable ? fit->variable : fit->constant;
    return letters == NULL ? "Input type " : strchr(letters, letter) == NULL ? "Invalid input value " : NULL;
}

static void check(const char *operation, const struct target *t, bool is_variable, char letter,
                  const char *source)
{
    struct player p;
    char config[512];
    const char *error = expected_error(operation, t, is_variable, letter);
    snprintf(config, sizeof config, ITEM("operation: '%s', input_type: %s, value: %s%s%s"), operation,
             is_variable ? "variable" : "constant", is_variable ? "[" : "", source, is_variable ? "]" : "");
    assigning_open(&p, t, "", config);
    assigning_play(&p);
    bool is_right = error == NULL ? p.status == RUN_STATUS_SUCCEEDED
                                  : p.status == RUN_STATUS_FAILED && str_starts(str_c(p.error), str_c(error));
    if (!is_right)
        fail_msg("%s on %s with %s: %s %s", operation, type_of(t), source,
                 error == NULL ? "has to work, not" : error, p.error);
    player_close(&p);
}

static void every_operation_takes_what_fits_its_type(void **state)
{
    static const char *const operations[] = {"over-write", "set",          "clear",      "+=",
                                             "-=",         "*=",           "/=",         "append",
                                             "extend",     "remove-first", "remove-last"};
    (void)state;
    for (size_t o = 0; o < ARRAY_LEN(operations); o++) {
        for (size_t t = 0; t < ARRAY_LEN(targets); t++) {
            for (size_t s = 0; s < ARRAY_LEN(sources); s++) {
                if (sources[s].variable != NULL)
                    check(operations[o], &targets[t], true, sources[s].letter, sources[s].variable);
                if (sources[s].constant != NULL)
                    check(operations[o], &targets[t], false, sources[s].letter, sources[s].constant);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_takes_what_fits_its_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
