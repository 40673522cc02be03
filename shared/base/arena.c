/*
 * arena: see arena.h. A list of blocks, the newest first; pieces are cut off the newest block. Under AddressSanitizer
 * what is not handed out is poisoned, with a gap between pieces, so that overruns are found as with malloc.
 */
#include "shared/base/arena.h"
#include <sanitizer/asan_interface.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define PIECE_GAP alignof(max_align_t)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PIECE_GAP alignof(max_align_t)
#endif
#endif
#ifndef PIECE_GAP
#define PIECE_GAP 0
#endif

/* bytes. Small at first, because thousands of arenas may be open; doubling, so that a large one is few mallocs. */
enum { FIRST_BLOCK_BYTES = 1024, BLOCK_BYTES_MAX = 64 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t used, size; /* bytes of data */
    alignas(max_align_t) char data[];
};

struct arena_deferred {
    struct arena_deferred *next;
    void (*fn)(void *arg);
    void *arg;
};

static void *refuse(struct arena *a);
static struct arena_block *add_block(struct arena *a, size_t need);
static size_t block_room(const struct arena_block *block);

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max};
}

void arena_fini(struct arena *a)
{
    if (a == NULL)
        return;
    for (struct arena_deferred *d = a->deferred; d != NULL; d = d->next)
        d->fn(d->arg);
    for (struct arena_block *block = a->blocks, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    arena_init(a, a->max);
}

void *arena_alloc(struct arena *a, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > PTRDIFF_MAX / 2)
        return refuse(a);
    size_t whole = size == 0 ? align : (size + align - 1) / align * align;
    if (whole > a->max - a->used)
        return refuse(a);
    size_t need = whole + PIECE_GAP;
    struct arena_block *block = a->blocks;
    if (block == NULL || block_room(block) < need) {
        block = add_block(a, need);
        if (block == NULL)
            return refuse(a);
    }
    char *piece = block->data + block->used;
    block->used += need;
    a->used += whole;
    ASAN_UNPOISON_MEMORY_REGION(piece, size);
    return memset(piece, 0, size);
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        return refuse(a);
    return arena_alloc(a, bytes);
}

struct str arena_copy(struct arena *a, struct str s)
{
    char *copy = arena_copy_c(a, s);
    return (struct str){copy, copy == NULL ? 0 : s.len};
}

char *arena_copy_c(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.len + 1);
    if (copy != NULL && s.len > 0)
        memcpy(copy, s.ptr, s.len);
    return copy;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    char *text = NULL;
    int n = vsnprintf(NULL, 0, fmt, args);
    if (n >= 0)
        text = arena_alloc(a, (size_t)n + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
    return text;
}

bool arena_defer(struct arena *a, void (*fn)(void *arg), void *arg)
{
    struct arena_deferred *d = arena_alloc(a, sizeof *d);
    if (d == NULL) {
        fn(arg);
        return false;
    }
    d->next = a->deferred;
    d->fn = fn;
    d->arg = arg;
    a->deferred = d;
    return true;
}

static void *refuse(struct arena *a)
{
    a->failed = true;
    return NULL;
}

static size_t block_room(const struct arena_block *block)
{
    return block->size - block->used;
}

/*
 * A block with room for `need` bytes. It becomes the newest one, except when the piece is too large for a usual block:
 * then it gets one of its own behind the newest, so that small pieces go on using the room left there.
 */
static struct arena_block *add_block(struct arena *a, size_t need)
{
    struct arena_block *newest = a->blocks;
    size_t size = newest == NULL ? FIRST_BLOCK_BYTES : newest->size * 2;
    if (size > BLOCK_BYTES_MAX)
        size = BLOCK_BYTES_MAX;
    bool own = need > size;
    if (own)
        size = need;
    struct arena_block *block = malloc(sizeof *block + size);
    if (block == NULL)
        return NULL;
    block->used = 0;
    block->size = size;
    ASAN_POISON_MEMORY_REGION(block->data, size);
    if (own && newest != NULL) {
        block->next = newest->next;
        newest->next = block;
    } else {
        block->next = newest;
        a->blocks = block;
    }
    return block;
}
