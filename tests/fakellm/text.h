#ifndef FAKELLM_TEXT_H
#define FAKELLM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * text: growing bytes, and the JSON we write into them.
 * Errors   a put that finds no memory or meets the maximum marks the text as failed; later puts do nothing.
 *          The writer looks at `failed` once, at the end.
 */
struct text {
    char *ptr;
    size_t len, cap, max;
    bool failed;
};

/* Borrowed bytes; they may hold NUL and need not end in one. */
struct span {
    const char *ptr;
    size_t len;
};

#define SPAN(literal) ((struct span){"" literal, sizeof(literal) - 1})

/* max  bytes the text may grow to */
void text_init(struct text *t, size_t max);
void text_fini(struct text *t);

/* Empties the text and takes back a failure; the memory stays for the next use unless it is above `keep` bytes. */
void text_clear(struct text *t, size_t keep);

/* Removes the first n bytes. */
void text_drop(struct text *t, size_t n);

void text_put(struct text *t, struct span s);
void text_put_cstr(struct text *t, const char *s);
void text_putf(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts s as the inside of a JSON string, without quotes. Bytes that are not UTF-8 become U+FFFD. */
void text_put_escaped(struct text *t, struct span s);

/* Puts s as a JSON string with quotes; null for NULL. */
void text_put_json(struct text *t, const char *s);

/* Grows the text by n bytes and returns where they begin, unset; NULL (and failed) when that cannot be. */
char *text_extend(struct text *t, size_t n);

bool span_is(struct span s, const char *word);
struct span span_of(const char *s);

#endif
