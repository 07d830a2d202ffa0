/* addr.h - socket addresses: parse, resolve, print, compare.
 *
 * The text of an address is HOST:PORT, where an IPv6 address stands in
 * brackets (RFC 3986, 3.2.2).
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include "base/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* IPv4's or IPv6's; no other family has a place here. */
struct addr {
    union {
        struct sockaddr_in6 v6; /* first, being the longest: an initialiser clears them all */
        struct sockaddr_in v4;
        struct sockaddr any; /* its sa_family tells which; this is what system calls take */
    };
    socklen_t len;
};

/* A network: all addresses that share the first `bits` bits with `base`. */
struct addr_prefix {
    struct addr base;
    unsigned bits;
};

/* Room for any printed address: "[", 45 characters, a scope, "]:65535". */
enum { ADDR_TEXT_BYTES = 80 };

/* An address to listen on. "*:PORT" gives two: IPv4's and IPv6's wildcard, in
 * this order. Port 0 is allowed. Returns how many were written to `out`, 1 or
 * 2, or -1. Names are not looked up. */
int addr_parse_listen(const char *text, struct addr out[2], struct error *err);

/* An address to connect to; a name is looked up (and blocks while it is).
 * Returns how many were written to `out`, 1 to `max`, or -1. Port 0 is refused. */
int addr_resolve(const char *text, struct addr *out, size_t max, struct error *err);

/* One that the system gave, of whatever family; false if it is neither IPv4's nor IPv6's. */
bool addr_take(const struct sockaddr *from, struct addr *out);

/* "127.0.0.1:1935", "[::1]:1935". Always terminated. Returns `out`. */
const char *addr_print(const struct addr *a, char out[ADDR_TEXT_BYTES]);

/* The host alone, without port and brackets. Returns `out`. */
const char *addr_print_host(const struct addr *a, char out[ADDR_TEXT_BYTES]);

/* "192.0.2.7", "10.0.0.0/8", "2001:db8::/32". Bits behind the prefix must be zero. */
int addr_parse_prefix(const char *text, struct addr_prefix *out, struct error *err);

bool addr_prefix_contains(const struct addr_prefix *prefix, const struct addr *a);

bool addr_is_equal(const struct addr *a, const struct addr *b);
bool addr_is_wildcard(const struct addr *a);
bool addr_is_loopback(const struct addr *a);
uint16_t addr_port(const struct addr *a);
void addr_set_port(struct addr *a, uint16_t port);

#endif
