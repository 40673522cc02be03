/* span: see the header. */
#include "shared/otlp/span.h"

#include "shared/rpc/wire.h"

/* Numbers of fields: ScopeSpans, Span, Status, KeyValue, AnyValue, ArrayValue. */
enum {
    SCOPE_SPANS_SPANS = 2,
    SPAN_TRACE_ID = 1,
    SPAN_SPAN_ID = 2,
    SPAN_TRACE_STATE = 3,
    SPAN_PARENT_ID = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_STARTED = 7,
    SPAN_ENDED = 8,
    SPAN_ATTRIBUTES = 9,
    SPAN_STATUS = 15,
    SPAN_FLAGS = 16,
    STATUS_WORDS = 2,
    STATUS_CODE = 3,
    KEY_VALUE_KEY = 1,
    KEY_VALUE_VALUE = 2,
    ANY_VALUE_STRING = 1,
    ANY_VALUE_INT = 3,
    ANY_VALUE_ARRAY = 5,
    ARRAY_VALUES = 1
};
enum { CODE_ERROR = 2 };                                 /* of Status */
enum { FLAG_REMOTE_KNOWN = 0x100, FLAG_REMOTE = 0x200 }; /* of SpanFlags: is the parent of another process? */
/* bytes. What a span usually takes: memory is asked for once. */
enum { SPAN_BYTES_USUAL = 768 };

/* The longest part of a text that is UTF-8 and short enough: a collector refuses a whole request for one byte. */
static struct str fit(struct str text)
{
    size_t at = 0, len;
    while (at < text.len && (len = str_utf8_first(str_sub(text, at, text.len))) > 0 &&
           at + len <= SPAN_TEXT_BYTES_MAX)
        at += len;
    return str_sub(text, 0, at);
}

void span_begin(struct span *s, const struct span_about *about, struct str first, struct str second)
{
    const struct trace_context *c = about->context;
    struct buf *b = &s->field;
    uint32_t flags = c->flags;
    buf_init(b, SPAN_BYTES_MAX);
    (void)buf_reserve(b, SPAN_BYTES_USUAL); /* failure sticks */
    s->mark = wire_put_begin(b, SCOPE_SPANS_SPANS);
    wire_put_bytes(b, SPAN_TRACE_ID, (struct str){(const char *)c->trace_id, TRACE_ID_BYTES});
    wire_put_bytes(b, SPAN_SPAN_ID, (struct str){(const char *)c->span_id, TRACE_SPAN_BYTES});
    wire_put_bytes_if(b, SPAN_TRACE_STATE, about->state);
    if (about->parent != NULL) {
        wire_put_bytes(b, SPAN_PARENT_ID, (struct str){(const char *)about->parent, TRACE_SPAN_BYTES});
        flags |= FLAG_REMOTE_KNOWN | (about->is_parent_remote ? FLAG_REMOTE : 0);
    }
    size_t name = wire_put_begin(b, SPAN_NAME);
    buf_put(b, fit(first));
    if (second.len > 0)
        buf_put_char(b, ' ');
    buf_put(b, fit(second));
    wire_put_end(b, name);
    wire_put_uint(b, SPAN_KIND, about->kind);
    wire_put_fixed64(b, SPAN_STARTED, (uint64_t)about->started_us * 1000);
    wire_put_fixed64(b, SPAN_ENDED,
                     (uint64_t)(about->ended_us > about->started_us ? about->ended_us : about->started_us) *
                         1000);
    wire_put_fixed32(b, SPAN_FLAGS, flags);
}

/* Up to its value, which is written between. */
static size_t begin_attribute(struct span *s, const char *key, size_t *ret_attribute)
{
    *ret_attribute = wire_put_begin(&s->field, SPAN_ATTRIBUTES);
    wire_put_bytes(&s->field, KEY_VALUE_KEY, str_c(key));
    return wire_put_begin(&s->field, KEY_VALUE_VALUE);
}

static void end_attribute(struct span *s, size_t value, size_t attribute)
{
    wire_put_end(&s->field, value);
    wire_put_end(&s->field, attribute);
}

void span_text(struct span *s, const char *key, struct str value)
{
    size_t attribute;
    if (value.len == 0)
        return;
    size_t any = begin_attribute(s, key, &attribute);
    wire_put_bytes(&s->field, ANY_VALUE_STRING, fit(value));
    end_attribute(s, any, attribute);
}

void span_texts(struct span *s, const char *key, struct str value)
{
    size_t attribute;
    if (value.len == 0)
        return;
    size_t any = begin_attribute(s, key, &attribute);
    size_t list = wire_put_begin(&s->field, ANY_VALUE_ARRAY);
    size_t item = wire_put_begin(&s->field, ARRAY_VALUES);
    wire_put_bytes(&s->field, ANY_VALUE_STRING, fit(value));
    wire_put_end(&s->field, item);
    wire_put_end(&s->field, list);
    end_attribute(s, any, attribute);
}

void span_int(struct span *s, const char *key, int64_t value)
{
    size_t attribute;
    size_t any = begin_attribute(s, key, &attribute);
    wire_put_int(&s->field, ANY_VALUE_INT, value);
    end_attribute(s, any, attribute);
}

void span_error(struct span *s, struct str words)
{
    size_t status = wire_put_begin(&s->field, SPAN_STATUS);
    wire_put_bytes_if(&s->field, STATUS_WORDS, fit(words));
    wire_put_uint(&s->field, STATUS_CODE, CODE_ERROR);
    wire_put_end(&s->field, status);
}

void span_put(struct span *s, struct otlp *otlp)
{
    wire_put_end(&s->field, s->mark);
    if (!s->field.failed)
        otlp_put(otlp, buf_str(&s->field));
    buf_fini(&s->field);
}
