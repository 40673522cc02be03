/*
 * limits: every bound that more than one file has to know, with its unit and reason.
 */
#pragma once

/* bytes. gRPC request size on the public listener (api.md). */
#define LIMIT_PUBLIC_MESSAGE_BYTES (1024 * 1024)
/* bytes. gRPC message size on the admin listener, and between gateway and executor: a 10 MiB export and its frame (api.md, dify-dsl.md 1.1). */
#define LIMIT_ADMIN_MESSAGE_BYTES (12 * 1024 * 1024)
/* bytes. An export (dify-dsl.md 1.1). */
#define LIMIT_DSL_BYTES (10 * 1024 * 1024)
/* levels. Nesting of protobuf messages, JSON, YAML and values: beyond it recursion would end a thread. */
#define LIMIT_DEPTH 64
/* fields. Of one protobuf message with all it holds, before unpacking (memory is a multiple of it). */
#define LIMIT_WIRE_FIELDS 200000
/* bytes. Request metadata (headers) of a call. */
#define LIMIT_METADATA_BYTES (16 * 1024)
/* bytes. All values of one run; beyond it that run ends with reason "memory limit". */
#define LIMIT_RUN_BYTES ((size_t)256 * 1024 * 1024)
/* nodes of one export, containers included. */
#define LIMIT_GRAPH_NODES 10000
/* characters of a text output (dify-dsl.md 4.5, 4.6). */
#define LIMIT_TEXT_OUTPUT_CHARS 400000
