/*
 * symbols: an index of a FileDescriptorSet, by file name and by symbol. Private to shared/rpc.
 * Threads  read only once made.
 */
#pragma once
#include "shared/base/arena.h"

/* files, symbols. Of one set: ours has some 20 and 1500. */
#define RPC_SYMBOL_FILES_MAX 256
#define RPC_SYMBOLS_MAX      20000

struct rpc_symbol_file {
    struct str name, bytes;
    struct str *dependencies;
    size_t dependency_count;
};

struct rpc_symbol {
    struct str name; /* "package.Message.Nested", "package.Service.Method" */
    size_t file;
};

struct rpc_symbols {
    struct arena arena;
    struct rpc_symbol_file *files;
    size_t file_count;
    struct rpc_symbol *symbols; /* sorted */
    size_t symbol_count;
};

/*
 * set    serialized FileDescriptorSet, borrowed for the life of the index
 * RESOURCE_EXHAUSTED   no memory, or over the limits above
 * INTERNAL             not a FileDescriptorSet
 */
MUST_CHECK enum status_code rpc_symbols_init(struct rpc_symbols *symbols, struct str set, struct status *err);
void rpc_symbols_fini(struct rpc_symbols *symbols);
/* Index of the file; SIZE_MAX when there is none. */
size_t rpc_symbols_file(const struct rpc_symbols *symbols, struct str name);
size_t rpc_symbols_file_of(const struct rpc_symbols *symbols, struct str symbol);
