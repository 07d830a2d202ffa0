/* route.h - what a first byte tells. Pure functions. */
#ifndef PROXY_ROUTE_H
#define PROXY_ROUTE_H

#include "config/config.h"

/* A session's first decrypted byte. An upper-case letter begins an HTTP method
 * (RTMPT included); 0x03 is RTMP's C0 (RTMP 1.0, 5.2.2), 0x06 and 0x08 are
 * that of its encrypted forms. Else PROTOCOL_NONE. */
enum protocol route_protocol(unsigned char first);

/* A connection's first byte on the wire, where a TLS record of type handshake
 * (RFC 8446, 5.1) is expected. HELLO_OLD_TLS: perhaps a ClientHello in the form of
 * SSL 2 (RFC 5246, E.2), which Java 6 sends. */
enum hello { HELLO_TLS, HELLO_OLD_TLS, HELLO_HTTP, HELLO_RTMP, HELLO_UNKNOWN };

enum hello route_hello(unsigned char first);

#endif
