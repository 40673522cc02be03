/*
 * request_parts: what the bodies and addresses of several protocols are made of.
 * Threads  plain functions.
 */
#pragma once
#include "executor/nodes/node.h"

/* Appends ,"key": and the text as JSON. */
void request_put_text(struct buf *b, const char *key, struct str text);
/* Appends ,"key": and the value as JSON. */
void request_put_value(struct buf *b, const char *key, const struct value *value);
/* Appends the text when it is a JSON object, else "{}". False: it is none. */
bool request_put_object(struct buf *b, struct str json);
/* Appends a path segment of an address; a slash in it stays. */
void request_put_path(struct buf *b, struct str path);

/* A base_url taken apart: without slashes at its end, and what stands behind its question mark (empty: nothing). */
struct request_base {
    struct str address, query;
};
struct request_base request_base_of(struct str base_url);

bool request_is_image(const struct model_file *file);
bool request_has_images(const struct model_message *message);
/*
 * An image that is not behind an address but in it, "data:image/png;base64,…".
 * False: it is behind an address; of that media_type says what its ending is known for ("image/jpeg" when for nothing).
 */
struct request_image {
    struct str media_type, data; /* data: base64 */
};
bool request_image_is_inline(const struct model_file *file, struct request_image *ret);

/*
 * Structured output as OpenAI has it: a parameter response_format ("json_object", "json_schema", or an object), and the schema
 * in a parameter json_schema ({schema, name}, or that as JSON text).
 */
struct request_format {
    enum { REQUEST_FORMAT_TEXT, REQUEST_FORMAT_OBJECT, REQUEST_FORMAT_SCHEMA } kind;
    const struct value *json_schema; /* {schema, name …}; NULL: none that can be read */
    const struct value *schema;      /* what is in it, or json_schema itself when nothing is; NULL: none */
    struct value *owned;
};
struct request_format request_format_of(const struct value *params);
void request_format_fini(struct request_format *f);

/* The parameter `tool_choice` in OpenAI's words. */
struct request_choice {
    enum {
        REQUEST_CHOICE_UNSAID,
        REQUEST_CHOICE_AUTO,
        REQUEST_CHOICE_ANY,
        REQUEST_CHOICE_NONE,
        REQUEST_CHOICE_TOOL
    } kind;
    struct str tool; /* REQUEST_CHOICE_TOOL */
};
struct request_choice request_choice_of(const struct value *params);

/* A parameter by the first of these names that has one (NULL at the end); NULL, or none: not set. */
const struct value *request_param(const struct value *params, const char *const *names);
/* Appends a text or a list of texts as a list; empty texts are left out. */
void request_put_list(struct buf *b, const struct value *value);

/* System messages, one below the other with a blank line in between, as a JSON string; false: there are none, nothing is put. */
bool request_put_system(struct buf *b, const struct model_request *request);
/* Is there nothing but system messages? */
bool request_is_system_only(const struct model_request *request);
bool request_is_system(const struct model_message *message);
/* Is there more to a text than blanks? */
bool request_has_words(struct str text);
