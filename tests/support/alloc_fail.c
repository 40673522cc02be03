/*
 * alloc_fail: see alloc_fail.h. The linker sends every malloc() of the objects it links to __wrap_malloc(), and
 * __real_malloc() to the library's.
 */
#include "tests/support/alloc_fail.h"
#include <errno.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t max);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t max);

static _Thread_local bool armed, hit;
static _Thread_local size_t still_succeed;

void alloc_fail_after(size_t n)
{
    armed = true;
    hit = false;
    still_succeed = n;
}

void alloc_fail_reset(void)
{
    armed = false;
}

bool alloc_fail_hit(void)
{
    return hit;
}

static bool must_fail(void)
{
    if (!armed || still_succeed-- > 0)
        return false;
    armed = false;
    hit = true;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
    return must_fail() ? NULL : __real_realloc(ptr, size);
}

char *__wrap_strdup(const char *text)
{
    return must_fail() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t max)
{
    return must_fail() ? NULL : __real_strndup(text, max);
}
