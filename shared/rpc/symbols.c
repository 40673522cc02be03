/*
 * symbols: see symbols.h. Reads of descriptor.proto what it needs:
 *   FileDescriptorSet    1 file
 *   FileDescriptorProto  1 name, 2 package, 3 dependency, 4 message_type, 5 enum_type, 6 service, 7 extension
 *   DescriptorProto      1 name, 2 field, 3 nested_type, 4 enum_type, 6 extension, 8 oneof_decl
 *   EnumDescriptorProto, FieldDescriptorProto, OneofDescriptorProto, MethodDescriptorProto  1 name
 *   ServiceDescriptorProto  1 name, 2 method
 */
#include "shared/rpc/symbols.h"
#include "shared/limits.h"
#include "shared/rpc/wire.h"
#include <stdlib.h>

/* bytes. Of the index: two arrays and the names. */
enum { ARENA_BYTES_MAX = 4 * 1024 * 1024 };

/* What a field of a descriptor holds. */
enum kind { KIND_NONE, KIND_LEAF, KIND_MESSAGE, KIND_SERVICE };

static const enum kind in_file[] = {[4] = KIND_MESSAGE, [5] = KIND_LEAF, [6] = KIND_SERVICE, [7] = KIND_LEAF};
static const enum kind in_message[] = {
    [2] = KIND_LEAF, [3] = KIND_MESSAGE, [4] = KIND_LEAF, [6] = KIND_LEAF, [8] = KIND_LEAF};
static const enum kind in_service[] = {[2] = KIND_LEAF};

static enum status_code add_file(struct rpc_symbols *symbols, struct str bytes, struct status *err);
static enum status_code add_inside(struct rpc_symbols *symbols, struct str bytes, struct str scope,
                                   enum kind kind, size_t depth, struct status *err);
static enum status_code add_symbol(struct rpc_symbols *symbols, struct str name, struct status *err);
static enum status_code no_memory(struct status *err);
static enum status_code broken(struct status *err);
static struct str first_text(struct str message, uint32_t number);
static int by_name(const void *a, const void *b);

enum status_code rpc_symbols_init(struct rpc_symbols *symbols, struct str set, struct status *err)
{
    *symbols = (struct rpc_symbols){0};
    arena_init(&symbols->arena, ARENA_BYTES_MAX);
    symbols->files = arena_array(&symbols->arena, RPC_SYMBOL_FILES_MAX, sizeof *symbols->files);
    symbols->symbols = arena_array(&symbols->arena, RPC_SYMBOLS_MAX, sizeof *symbols->symbols);
    enum status_code rc = symbols->files == NULL || symbols->symbols == NULL ? no_memory(err) : STATUS_OK;
    struct wire_field field;
    enum wire_read got = WIRE_END;
    while (rc == STATUS_OK && (got = wire_next(&set, &field)) == WIRE_FIELD) {
        if (field.number == 1 && field.type == WIRE_BYTES)
            rc = add_file(symbols, field.bytes, err);
    }
    if (rc == STATUS_OK && got == WIRE_BROKEN)
        rc = broken(err);
    if (rc != STATUS_OK) {
        rpc_symbols_fini(symbols);
        return rc;
    }
    qsort(symbols->symbols, symbols->symbol_count, sizeof symbols->symbols[0], by_name);
    return STATUS_OK;
}

void rpc_symbols_fini(struct rpc_symbols *symbols)
{
    if (symbols == NULL)
        return;
    arena_fini(&symbols->arena);
    *symbols = (struct rpc_symbols){0};
}

size_t rpc_symbols_file(const struct rpc_symbols *symbols, struct str name)
{
    for (size_t i = 0; i < symbols->file_count; i++) {
        if (str_eq(symbols->files[i].name, name))
            return i;
    }
    return SIZE_MAX;
}

size_t rpc_symbols_file_of(const struct rpc_symbols *symbols, struct str symbol)
{
    const struct rpc_symbol key = {.name = symbol};
    const struct rpc_symbol *found =
        bsearch(&key, symbols->symbols, symbols->symbol_count, sizeof symbols->symbols[0], by_name);
    return found == NULL ? SIZE_MAX : found->file;
}

static enum status_code add_file(struct rpc_symbols *symbols, struct str bytes, struct status *err)
{
    if (symbols->file_count == RPC_SYMBOL_FILES_MAX)
        return no_memory(err);
    struct rpc_symbol_file *file = &symbols->files[symbols->file_count++];
    *file = (struct rpc_symbol_file){.name = first_text(bytes, 1), .bytes = bytes};
    struct wire_field field;
    struct str rest = bytes;
    size_t count = 0;
    while (wire_next(&rest, &field) == WIRE_FIELD)
        count += field.number == 3 && field.type == WIRE_BYTES;
    if (count > 0) {
        file->dependencies = arena_array(&symbols->arena, count, sizeof *file->dependencies);
        if (file->dependencies == NULL)
            return no_memory(err);
    }
    rest = bytes;
    while (wire_next(&rest, &field) == WIRE_FIELD) {
        if (field.number == 3 && field.type == WIRE_BYTES)
            file->dependencies[file->dependency_count++] = field.bytes;
    }
    struct str package = first_text(bytes, 2);
    rest = bytes;
    enum wire_read got;
    enum status_code rc = STATUS_OK;
    while (rc == STATUS_OK && (got = wire_next(&rest, &field)) == WIRE_FIELD) {
        if (field.type == WIRE_BYTES && field.number < ARRAY_LEN(in_file) &&
            in_file[field.number] != KIND_NONE)
            rc = add_inside(symbols, field.bytes, package, in_file[field.number], 0, err);
    }
    return rc == STATUS_OK && got == WIRE_BROKEN ? broken(err) : rc;
}

/* Adds one descriptor by its name in `scope`, and what lies in it. Messages nest as deep as our contracts let them. */
static enum status_code add_inside(struct rpc_symbols *symbols, struct str bytes, struct str scope,
                                   enum kind kind, size_t depth, struct status *err)
{
    struct str name = first_text(bytes, 1);
    const char *dot = scope.len > 0 ? "." : "";
    char *text = arena_printf(&symbols->arena, "%.*s%s%.*s", STR_ARG(scope), dot, STR_ARG(name));
    if (text == NULL)
        return no_memory(err);
    if (name.len == 0 || depth == LIMIT_DEPTH)
        return broken(err);
    struct str full = str_c(text);
    enum status_code rc = add_symbol(symbols, full, err);
    if (kind == KIND_LEAF)
        return rc;
    const enum kind *kinds = kind == KIND_MESSAGE ? in_message : in_service;
    size_t kind_count = kind == KIND_MESSAGE ? ARRAY_LEN(in_message) : ARRAY_LEN(in_service);
    struct wire_field field;
    enum wire_read got = WIRE_END;
    while (rc == STATUS_OK && (got = wire_next(&bytes, &field)) == WIRE_FIELD) {
        if (field.type == WIRE_BYTES && field.number < kind_count && kinds[field.number] != KIND_NONE)
            rc = add_inside(symbols, field.bytes, full, kinds[field.number], depth + 1, err);
    }
    return rc == STATUS_OK && got == WIRE_BROKEN ? broken(err) : rc;
}

static enum status_code add_symbol(struct rpc_symbols *symbols, struct str name, struct status *err)
{
    if (symbols->symbol_count == RPC_SYMBOLS_MAX)
        return no_memory(err);
    symbols->symbols[symbols->symbol_count++] = (struct rpc_symbol){name, symbols->file_count - 1};
    return STATUS_OK;
}

static enum status_code no_memory(struct status *err)
{
    return status_set(err, STATUS_RESOURCE_EXHAUSTED, "reflection: no memory for the descriptors");
}

static enum status_code broken(struct status *err)
{
    return status_set(err, STATUS_INTERNAL, "reflection: the descriptors cannot be read");
}

/* Empty when there is none. */
static struct str first_text(struct str message, uint32_t number)
{
    struct wire_field field;
    while (wire_next(&message, &field) == WIRE_FIELD) {
        if (field.number == number && field.type == WIRE_BYTES)
            return field.bytes;
    }
    return (struct str){"", 0};
}

static int by_name(const void *a, const void *b)
{
    const struct rpc_symbol *x = a, *y = b;
    return str_cmp(x->name, y->name);
}
