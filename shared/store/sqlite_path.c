/* sqlite_path: see the header. */
#include "shared/store/sqlite_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *sqlite_path(const char *path, const char *part, bool keeps_extension)
{
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    const char *dot = strrchr(name, '.');
    size_t stem = dot == NULL || dot == name ? strlen(path) : (size_t)(dot - path);
    size_t size = strlen(path) + strlen(part) + 1;
    char *result = malloc(size);
    if (result != NULL)
        snprintf(result, size, "%.*s%s%s", (int)stem, path, part, keeps_extension ? path + stem : "");
    return result;
}
