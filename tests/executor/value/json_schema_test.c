/*
 * JSON Schemas of draft 7: what they are, what follows them, and the words for what does not.
 */
#include "executor/value/json_schema.h"
#include "tests/executor/value/values.h"

enum { WORDS_BYTES_MAX = 4096 };

struct row {
    const char *schema, *value, *fault; /* NULL: it fits */
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct value *schema = parsed(rows[i].schema), *v = parsed(rows[i].value);
        struct buf why;
        buf_init(&why, WORDS_BYTES_MAX);
        if (!json_schema_is_valid(schema, &why))
            fail_msg("%s is no schema: %.*s", rows[i].schema, STR_ARG(buf_str(&why)));
        bool fits = json_schema_fits(schema, v, &why);
        if (fits != (rows[i].fault == NULL) || !str_eq_c(buf_str(&why), fits ? "" : rows[i].fault))
            fail_msg("%s with %s: %.*s", rows[i].schema, rows[i].value, STR_ARG(buf_str(&why)));
        buf_fini(&why);
        value_unref(schema);
        value_unref(v);
    }
}
#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof(rows)[0])

static void types_and_values(void **state)
{
    static const struct row rows[] = {
        {"{}", "5", NULL},
        {"true", "5", NULL},
        {"false", "5", "5 is not allowed by the schema False"},
        {"{\"title\": 5, \"format\": \"email\", \"unknown\": []}", "\"x\"", NULL}, /* notes */
        {"{\"type\": \"object\"}", "{}", NULL},
        {"{\"type\": \"object\"}", "[]", "[] is not of type 'object'"},
        {"{\"type\": \"string\"}", "5", "5 is not of type 'string'"},
        {"{\"type\": \"null\"}", "null", NULL},
        {"{\"type\": \"number\"}", "5", NULL},
        {"{\"type\": \"number\"}", "true", "True is not of type 'number'"},
        {"{\"type\": \"integer\"}", "5.0", NULL},
        {"{\"type\": \"integer\"}", "5.5", "5.5 is not of type 'integer'"},
        {"{\"type\": \"integer\"}", "true", "True is not of type 'integer'"},
        {"{\"type\": \"boolean\"}", "0", "0 is not of type 'boolean'"},
        {"{\"type\": \"array\"}", "{}", "{} is not of type 'array'"},
        {"{\"type\": [\"string\", \"null\"]}", "null", NULL},
        {"{\"type\": [\"string\", \"null\"]}", "5", "5 is not of one of the types ['string', 'null']"},
        {"{\"enum\": [\"a\", 1]}", "1.0", NULL},
        {"{\"enum\": [\"a\", 1]}", "true", "True is not one of ['a', 1]"},
        {"{\"enum\": [[0]]}", "[false]", "[False] is not one of [[0]]"},
        {"{\"const\": {\"a\": 1}}", "{\"a\": 1.0}", NULL},
        {"{\"const\": null}", "0", "None was expected"},
    };
    (void)state;
    CHECK(rows);
}

static void numbers(void **state)
{
    static const struct row rows[] = {
        {"{\"minimum\": 5}", "5", NULL},
        {"{\"minimum\": 5}", "4.9", "4.9 is less than the minimum of 5"},
        {"{\"minimum\": 5}", "\"a\"", NULL}, /* speaks of numbers only */
        {"{\"maximum\": 5}", "6", "6 is greater than the maximum of 5"},
        {"{\"exclusiveMinimum\": 5}", "5", "5 is less than or equal to the minimum of 5"},
        {"{\"exclusiveMaximum\": 5}", "5", "5 is greater than or equal to the maximum of 5"},
        {"{\"exclusiveMaximum\": 5}", "4", NULL},
        {"{\"multipleOf\": 3}", "9", NULL},
        {"{\"multipleOf\": 3}", "10", "10 is not a multiple of 3"},
        {"{\"multipleOf\": 0.5}", "1.5", NULL},
        {"{\"multipleOf\": 0.5}", "1.6", "1.6 is not a multiple of 0.5"},
    };
    (void)state;
    CHECK(rows);
}

static void texts(void **state)
{
    static const struct row rows[] = {
        {"{\"minLength\": 2}", "\"é\"", "'é' is too short"},
        {"{\"minLength\": 2}", "\"éé\"", NULL},
        {"{\"maxLength\": 2}", "\"abc\"", "'abc' is too long"},
        {"{\"maxLength\": 2}", "[1, 2, 3]", NULL},
        {"{\"pattern\": \"^[a-z]+$\"}", "\"abc\"", NULL},
        {"{\"pattern\": \"^[a-z]+$\"}", "\"a1\"", "'a1' does not match '^[a-z]+$'"},
        {"{\"pattern\": \"^\\\\d$\"}", "5", NULL},
    };
    (void)state;
    CHECK(rows);
}

static void lists(void **state)
{
    static const struct row rows[] = {
        {"{\"items\": {\"type\": \"string\"}}", "[\"a\", 5]", "5 is not of type 'string'"},
        {"{\"items\": {\"type\": \"string\"}}", "[]", NULL},
        {"{\"items\": [{\"type\": \"string\"}, {\"type\": \"number\"}]}", "[\"a\", 5, null]", NULL},
        {"{\"items\": [{\"type\": \"string\"}], \"additionalItems\": {\"type\": \"number\"}}",
         "[\"a\", \"b\"]", "'b' is not of type 'number'"},
        {"{\"items\": [{}], \"additionalItems\": false}", "[1, 2]", "2 is not allowed by the schema False"},
        {"{\"minItems\": 1}", "[]", "[] is too short"},
        {"{\"maxItems\": 1}", "[1, 2]", "[1, 2] is too long"},
        {"{\"uniqueItems\": true}", "[1, true, \"1\"]", NULL},
        {"{\"uniqueItems\": true}", "[{\"a\": 1}, {\"a\": 1.0}]",
         "[{'a': 1}, {'a': 1.0}] has non-unique elements"},
        {"{\"uniqueItems\": false}", "[1, 1]", NULL},
        {"{\"contains\": {\"minimum\": 5}}", "[1, 7]", NULL},
        {"{\"contains\": {\"minimum\": 5}}", "[1]", "[1] does not contain items matching the given schema"},
    };
    (void)state;
    CHECK(rows);
}

static void objects(void **state)
{
    static const struct row rows[] = {
        {"{\"properties\": {\"a\": {\"type\": \"string\"}}}", "{\"b\": 1}", NULL},
        {"{\"properties\": {\"a\": {\"type\": \"string\"}}}", "{\"a\": 1}", "1 is not of type 'string'"},
        {"{\"required\": [\"a\", \"b\"]}", "{\"a\": null}", "'b' is a required property"},
        {"{\"additionalProperties\": false, \"properties\": {\"a\": true}}", "{\"a\": 1, \"b\": 2}",
         "Additional properties are not allowed ('b' was unexpected)"},
        {"{\"additionalProperties\": {\"type\": \"number\"}}", "{\"a\": \"x\"}",
         "'x' is not of type 'number'"},
        {"{\"patternProperties\": {\"^n_\": {\"type\": \"number\"}}, \"additionalProperties\": false}",
         "{\"n_a\": 1}", NULL},
        {"{\"patternProperties\": {\"^n_\": {\"type\": \"number\"}}}", "{\"n_a\": \"x\"}",
         "'x' is not of type 'number'"},
        {"{\"minProperties\": 1}", "{}", "{} does not have enough properties"},
        {"{\"maxProperties\": 1}", "{\"a\": 1, \"b\": 2}", "{'a': 1, 'b': 2} has too many properties"},
        {"{\"propertyNames\": {\"maxLength\": 1}}", "{\"ab\": 1}", "'ab' is too long"},
        {"{\"dependencies\": {\"a\": [\"b\"]}}", "{\"a\": 1}", "'b' is a required property"},
        {"{\"dependencies\": {\"a\": {\"minProperties\": 2}}}", "{\"a\": 1}",
         "{'a': 1} does not have enough properties"},
        {"{\"dependencies\": {\"a\": [\"b\"]}}", "{\"c\": 1}", NULL},
    };
    (void)state;
    CHECK(rows);
}

static void schemas_together(void **state)
{
    static const struct row rows[] = {
        {"{\"allOf\": [{\"minimum\": 1}, {\"maximum\": 3}]}", "4", "4 is greater than the maximum of 3"},
        {"{\"anyOf\": [{\"minimum\": 5}, {\"type\": \"string\"}]}", "\"a\"", NULL},
        {"{\"anyOf\": [{\"minimum\": 5}, {\"type\": \"string\"}]}", "1",
         "1 is not valid under any of the given schemas"},
        {"{\"oneOf\": [{\"minimum\": 1}, {\"minimum\": 5}]}", "3", NULL},
        {"{\"oneOf\": [{\"minimum\": 1}, {\"minimum\": 5}]}", "0",
         "0 is not valid under any of the given schemas"},
        {"{\"oneOf\": [{\"minimum\": 1}, {\"minimum\": 5}]}", "7",
         "7 is valid under more than one of the given schemas"},
        {"{\"not\": {\"type\": \"null\"}}", "null", "None should not be valid under {'type': 'null'}"},
        {"{\"not\": {\"type\": \"null\"}}", "1", NULL},
        {"{\"if\": {\"minimum\": 5}, \"then\": {\"multipleOf\": 5}, \"else\": {\"const\": 1}}", "10", NULL},
        {"{\"if\": {\"minimum\": 5}, \"then\": {\"multipleOf\": 5}, \"else\": {\"const\": 1}}", "7",
         "7 is not a multiple of 5"},
        {"{\"if\": {\"minimum\": 5}, \"then\": {\"multipleOf\": 5}, \"else\": {\"const\": 1}}", "2",
         "1 was expected"},
        {"{\"if\": {\"minimum\": 5}}", "2", NULL},
    };
    (void)state;
    CHECK(rows);
}

static void references(void **state)
{
    static const struct row rows[] = {
        {"{\"definitions\": {\"n\": {\"type\": \"number\"}}, \"properties\": {\"a\": {\"$ref\": "
         "\"#/definitions/n\"}}}",
         "{\"a\": \"x\"}", "'x' is not of type 'number'"},
        {"{\"properties\": {\"next\": {\"$ref\": \"#\"}}, \"additionalProperties\": false}",
         "{\"next\": {\"next\": {}}}", NULL},
        {"{\"properties\": {\"next\": {\"$ref\": \"#\"}}, \"additionalProperties\": false}",
         "{\"next\": {\"other\": 1}}", "Additional properties are not allowed ('other' was unexpected)"},
        {"{\"definitions\": {\"a/b\": {\"const\": 1}}, \"$ref\": \"#/definitions/a~1b\", \"type\": \"null\"}",
         "1", NULL},
        {"{\"items\": [{\"const\": 1}, {\"$ref\": \"#/items/0\"}]}", "[1, 2]", "1 was expected"},
        {"{\"$ref\": \"#\"}", "1", "the schema takes too long to be checked"}, /* goes round */
    };
    (void)state;
    CHECK(rows);
}

static void what_is_no_schema(void **state)
{
    static const struct {
        const char *schema, *why;
    } rows[] = {
        {"5", "a schema is an object or a boolean"},
        {"[]", "a schema is an object or a boolean"},
        {"{\"type\": \"text\"}", "'type' is not as a schema has it"},
        {"{\"type\": []}", "'type' is not as a schema has it"},
        {"{\"enum\": 5}", "'enum' is not as a schema has it"},
        {"{\"minimum\": \"5\"}", "'minimum' is not as a schema has it"},
        {"{\"multipleOf\": 0}", "'multipleOf' is not as a schema has it"},
        {"{\"minLength\": -1}", "'minLength' is not as a schema has it"},
        {"{\"pattern\": \"(\"}", "'pattern' is not as a schema has it"},
        {"{\"required\": \"a\"}", "'required' is not as a schema has it"},
        {"{\"properties\": {\"a\": {\"type\": 5}}}", "'type' is not as a schema has it"},
        {"{\"properties\": []}", "'properties' is not as a schema has it"},
        {"{\"patternProperties\": {\"[\": {}}}", "'patternProperties' is not as a schema has it"},
        {"{\"items\": 5}", "'items' is not as a schema has it"},
        {"{\"allOf\": []}", "'allOf' is not as a schema has it"},
        {"{\"dependencies\": {\"a\": 5}}", "'dependencies' is not as a schema has it"},
        {"{\"uniqueItems\": 1}", "'uniqueItems' is not as a schema has it"},
        {"{\"$ref\": \"#/definitions/gone\"}", "'$ref' leads nowhere"},
        {"{\"$ref\": \"https://e.example/schema\"}", "'$ref' leads nowhere"},
        {"{\"$ref\": 5}", "'$ref' leads nowhere"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct value *schema = parsed(rows[i].schema);
        struct buf why;
        buf_init(&why, WORDS_BYTES_MAX);
        assert_false(json_schema_is_valid(schema, &why));
        assert_text(buf_str(&why), rows[i].why);
        buf_fini(&why);
        value_unref(schema);
    }
}

static void a_check_has_an_end(void **state)
{
    enum { COUNT = 3000 };
    struct buf json, why;
    (void)state;
    buf_init(&json, 1 << 20);
    buf_init(&why, WORDS_BYTES_MAX);
    for (int i = 0; i < COUNT; i++)
        buf_printf(&json, i == 0 ? "[%d" : ",%d", i);
    buf_put_c(&json, "]");
    buf_put_char(&json, '\0');
    struct value *schema = parsed("{\"uniqueItems\": true}"), *v = parsed(json.ptr);
    assert_false(json_schema_fits(schema, v, &why));
    assert_text(buf_str(&why), "the schema takes too long to be checked");
    value_unref(schema);
    value_unref(v);
    /* Each level asks twice for the next. */
    buf_clear(&json);
    buf_clear(&why);
    buf_put_c(&json, "{\"definitions\": {\"l40\": {\"not\": {}}");
    for (int i = 0; i < 40; i++)
        buf_printf(
            &json,
            ", \"l%d\": {\"anyOf\": [{\"$ref\": \"#/definitions/l%d\"}, {\"$ref\": \"#/definitions/l%d\"}]}",
            i, i + 1, i + 1);
    buf_put_c(&json, "}, \"$ref\": \"#/definitions/l0\"}");
    buf_put_char(&json, '\0');
    schema = parsed(json.ptr);
    v = parsed("1");
    assert_true(json_schema_is_valid(schema, &why));
    assert_false(json_schema_fits(schema, v, &why));
    value_unref(schema);
    value_unref(v);
    buf_fini(&json);
    buf_fini(&why);
}

static void a_long_value_is_cut_in_words(void **state)
{
    struct buf json, why;
    (void)state;
    buf_init(&json, 1 << 20);
    buf_init(&why, WORDS_BYTES_MAX);
    buf_put_c(&json, "[");
    for (int i = 0; i < 1000; i++)
        buf_put_c(&json, "\"some text\",");
    buf_put_c(&json, "1]");
    buf_put_char(&json, '\0');
    struct value *schema = parsed("{\"type\": \"object\"}"), *v = parsed(json.ptr);
    assert_false(json_schema_fits(schema, v, &why));
    assert_true(why.len < 300 && !why.failed);
    assert_true(str_starts(buf_str(&why), STR("['some text', ")));
    assert_true(str_ends(buf_str(&why), STR("... is not of type 'object'")));
    value_unref(schema);
    value_unref(v);
    buf_fini(&json);
    buf_fini(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_and_values),
        cmocka_unit_test(numbers),
        cmocka_unit_test(texts),
        cmocka_unit_test(lists),
        cmocka_unit_test(objects),
        cmocka_unit_test(schemas_together),
        cmocka_unit_test(references),
        cmocka_unit_test(what_is_no_schema),
        cmocka_unit_test(a_check_has_an_end),
        cmocka_unit_test(a_long_value_is_cut_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
