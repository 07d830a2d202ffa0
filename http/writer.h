/* writer.h - text into a buffer of given size: what does not fit is noticed once, at the end. */
#ifndef HTTP_WRITER_H
#define HTTP_WRITER_H

#include "http/span.h"

#include <limits.h>
#include <stdint.h>

struct writer {
    char *start;
    char *next;
    char *end;
    bool is_full; /* something did not fit: the text is of no use */
};

static inline struct writer writer_on(char *out, size_t size)
{
    return (struct writer){ out, out, size > 0 ? out + size : out, false };
}

/* Room for `n` more bytes, or NULL. */
static inline char *writer_take(struct writer *w, size_t n)
{
    char *room = w->next;

    if ((size_t)(w->end - w->next) < n) {
        w->is_full = true;
        return NULL;
    }
    w->next += n;
    return room;
}

static inline void writer_put(struct writer *w, struct span text)
{
    char *room = text.len > 0 ? writer_take(w, text.len) : NULL;

    if (room != NULL)
        memcpy(room, text.at, text.len);
}

/* "name: value" and CRLF. */
static inline void writer_put_field(struct writer *w, struct span name, struct span value)
{
    char *room = writer_take(w, name.len + value.len + 4);

    if (room == NULL)
        return;
    memcpy(room, name.at, name.len);
    room += name.len;
    memcpy(room, ": ", 2);
    room += 2;
    if (value.len > 0)
        memcpy(room, value.at, value.len);
    memcpy(room + value.len, "\r\n", 2);
}

static inline void writer_put_number(struct writer *w, uint64_t n)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    writer_put(w, (struct span){ digits + at, sizeof(digits) - at });
}

/* The length of the text, or -1 if it did not fit. */
static inline int writer_length(const struct writer *w)
{
    size_t n = (size_t)(w->next - w->start);

    return w->is_full || n > INT_MAX ? -1 : (int)n;
}

#endif
