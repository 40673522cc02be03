/*
 * yaml: the text of an export → a tree of values, as PyYAML's safe loader reads it (dify-dsl.md 1.1).
 *
 * Text     UTF-8, up to LIMIT_DSL_BYTES, a byte order mark is fine, one document. No control characters, no NUL.
 * Scalars  by scalar.h; quoted ones and blocks are strings. Keys are scalars and become their text. Of equal keys the last
 *          wins, in the first one's place. `<<` merges; its own keys go before merged ones.
 * Aliases  share what they name. So that a small text cannot stand for a huge tree, everything is counted as often as
 *          it occurs.
 * Bounds   below, and LIMIT_DEPTH levels, aliases followed.
 * Threads  any.
 */
#pragma once
#include "executor/value/value.h"

/* values: scalars, lists, maps; keys are none. An export has one to 11 bytes of text or more; each takes some 100 bytes of memory. */
#define YAML_NODES_MAX 1000000
/* bytes. Of all texts and keys, aliases followed. */
#define YAML_TEXT_BYTES_MAX ((size_t)4 * LIMIT_DSL_BYTES)
/* names. Editors write none, people a few. */
#define YAML_ANCHORS_MAX 10000

/*
 * ret    the caller owns it; made without an account. Null when there is no document
 *
 * INVALID_ARGUMENT     no such YAML; the message says line, column and what stands there
 * RESOURCE_EXHAUSTED   no memory
 */
MUST_CHECK enum status_code yaml_read(struct str text, struct value **ret, struct status *err);
