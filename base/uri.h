/* uri.h - whether a text names a file or something else.
 *
 * "pkcs11:object=main" is a URI (RFC 3986, 3.1), "main/key.pem" is not, and
 * neither is "c:key.pem": a scheme has two letters or more here.
 */
#ifndef BASE_URI_H
#define BASE_URI_H

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static inline bool uri_is(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    return n >= 2 && isalpha((unsigned char)text[0]) && isalpha((unsigned char)text[1]) &&
           text[n] == ':';
}

#endif
