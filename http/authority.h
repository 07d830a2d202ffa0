/* authority.h - HOST[:PORT], as in a Host field or behind the scheme of a URL.
 *
 * Names and IPv6 addresses are compared as they are written, but for the case
 * of their letters; ports by their number. User info stays part of the name: no
 * Host has any.
 */
#ifndef HTTP_AUTHORITY_H
#define HTTP_AUTHORITY_H

#include "http/span.h"

#include <stdint.h>

enum { PORT_HTTP = 80, PORT_HTTPS = 443 };

struct authority {
    struct span name; /* an IPv6 address with its brackets */
    unsigned port;    /* 0: none is written */
};

/* False if `text` is no host[:port], with a port from 1 to 65535 or an empty one. */
bool authority_parse(struct span text, struct authority *a);

/* The same name and port, where one that is not written is `default_port`. */
bool authority_is_same(const struct authority *a, const struct authority *b, unsigned default_port);

/* http://A of a backend that believes itself to be reached by plain HTTP, where
 * https://`host` is meant: either may have left out the default port of its own scheme. */
bool authority_is_ours(const struct authority *a, const struct authority *host);

/* The authority of a URL that starts with `scheme` ("http://", in any case);
 * empty if it does not. */
struct span authority_of_url(struct span url, struct span scheme);

#endif
