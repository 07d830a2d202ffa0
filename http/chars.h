/* chars.h - the sets of characters that HTTP's grammar is made of. */
#ifndef HTTP_CHARS_H
#define HTTP_CHARS_H

#include <stdbool.h>

enum {
    CHAR_TOKEN = 1 << 0,  /* tchar: names and methods (RFC 9110, 5.6.2) */
    CHAR_TEXT = 1 << 1,   /* what a field value may hold: HTAB, SP, VCHAR, obs-text (5.5) */
    CHAR_TARGET = 1 << 2, /* of a request target: VCHAR but '#', and what old browsers leave bare */
    CHAR_HOST = 1 << 3,   /* unreserved (RFC 3986, 2.3): all that a host name is made of */
    CHAR_DIGIT = 1 << 4,
    CHAR_HEX = 1 << 5,
};

extern const unsigned char char_sets[256];

static inline bool char_is(char c, unsigned sets)
{
    return (char_sets[(unsigned char)c] & sets) != 0;
}

static inline bool char_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

#endif
