/* span.h - some bytes that belong to somebody else. Not terminated by NUL. */
#ifndef HTTP_SPAN_H
#define HTTP_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct span {
    const char *at;
    size_t len;
};

#define SPAN(literal) ((struct span){ "" literal, sizeof(literal) - 1 })

static inline struct span span_of(const char *text)
{
    return (struct span){ text, strlen(text) };
}

static inline bool span_is(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* Letters of ASCII compare without their case, as HTTP's names do. */
static inline bool span_is_nocase(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.at, b.at, a.len) == 0);
}

/* Whether `c` is one of these few bytes. */
static inline bool span_has(struct span bytes, char c)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.at[i] == c)
            return true;
    return false;
}

/* What stands before the first `c`; all of it where there is none. */
static inline struct span span_before(struct span text, char c)
{
    const char *at = text.len > 0 ? memchr(text.at, c, text.len) : NULL;

    return (struct span){ text.at, at != NULL ? (size_t)(at - text.at) : text.len };
}

#endif
