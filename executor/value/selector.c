/*
 * selector: see selector.h.
 */
#include "executor/value/selector.h"
#include "executor/value/form.h"

static struct str part_from_value(struct arena *a, const struct value *part);

enum status_code selector_from_value(struct arena *a, const struct value *list, struct selector *ret,
                                     struct status *err)
{
    if (list == NULL || value_type(list) == VALUE_NONE ||
        (value_type(list) == VALUE_ARRAY && value_count(list) == 0)) {
        *ret = (struct selector){.slot = SELECTOR_UNRESOLVED};
        return STATUS_OK;
    }
    if (value_type(list) != VALUE_ARRAY)
        return status_set(err, STATUS_INVALID_ARGUMENT,
                          "a selector is a list of names, not a value of type %s", value_type_name(list));
    size_t count = value_count(list);
    if (count > SELECTOR_PARTS_MAX)
        return status_set(err, STATUS_INVALID_ARGUMENT, "a selector has at most %d names, not %zu",
                          SELECTOR_PARTS_MAX, count);
    struct selector s = {arena_array(a, count, sizeof *s.parts), count, SELECTOR_UNRESOLVED};
    for (size_t i = 0; i < count && s.parts != NULL; i++) {
        const struct value *part = value_item(list, i);
        if (value_type(part) != VALUE_STRING && value_type(part) != VALUE_INT)
            return status_set(err, STATUS_INVALID_ARGUMENT,
                              "name %zu of a selector is no text but of type %s", i + 1,
                              value_type_name(part));
        s.parts[i] = part_from_value(a, part);
        if (s.parts[i].ptr == NULL)
            s.parts = NULL;
    }
    if (s.parts == NULL)
        return status_set(err, STATUS_RESOURCE_EXHAUSTED, "selector: no memory");
    *ret = s;
    return STATUS_OK;
}

/* ptr NULL: no memory. */
static struct str part_from_value(struct arena *a, const struct value *part)
{
    if (value_type(part) == VALUE_STRING)
        return arena_copy(a, value_text(part));
    const char *digits = arena_printf(a, "%lld", (long long)value_as_int(part));
    return digits != NULL ? str_c(digits) : (struct str){NULL, 0};
}

bool selector_from_dotted(struct arena *a, struct str dotted, struct selector *ret)
{
    size_t count = 1;
    for (size_t i = 0; i < dotted.len && count <= SELECTOR_PARTS_MAX; i++)
        count += dotted.ptr[i] == '.';
    if (count < 2 || count > SELECTOR_PARTS_MAX)
        return false;
    struct str *parts = arena_array(a, count, sizeof *parts);
    if (parts == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        (void)str_split(&dotted, '.', &parts[i]); /* counted above */
    *ret = (struct selector){parts, count, SELECTOR_UNRESOLVED};
    return true;
}

bool selector_same_variable(const struct selector *a, const struct selector *b)
{
    return str_eq(a->parts[0], b->parts[0]) && str_eq(a->parts[1], b->parts[1]);
}

void selector_put_dotted(struct buf *b, const struct selector *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (i > 0)
            buf_put_char(b, '.');
        buf_put(b, s->parts[i]);
    }
}

void selector_put_repr(struct buf *b, const struct selector *s)
{
    buf_put_char(b, '[');
    for (size_t i = 0; i < s->count; i++) {
        if (i > 0)
            buf_put(b, STR(", "));
        value_put_repr_text(b, s->parts[i]);
    }
    buf_put_char(b, ']');
}
