/* properties.h - one value out of a Java properties file, such as Red5's red5.properties.
 *
 * Lines are key = value, key: value or key value; # and ! begin a comment; a backslash at
 * the end of a line goes on with the next (java.util.Properties.load). Escapes within
 * keys and values are left as they are. Pure function.
 */
#ifndef PROXY_PROPERTIES_H
#define PROXY_PROPERTIES_H

#include <stdbool.h>
#include <stddef.h>

/* The value of `key`, the last one where it stands there twice; false if there is none. Cut
 * where `out` is too small. */
bool properties_find(const char *text, const char *key, char *out, size_t size);

#endif
