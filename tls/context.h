/* context.h - what a conn needs of its context. For tls/ only. */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include "tls/certificate.h"

#include <openssl/ssl.h>
#include <time.h>

enum {
    SERVER_NAME_BYTES = 256, /* RFC 6066 allows more, DNS does not */
    CHOICE_MAX = 4,          /* key types */
};

/* The certificates that stand for a name: one of each key type. */
struct choice {
    const struct tls_certificate *certificates[CHOICE_MAX]; /* the rest is NULL */
    size_t count;
};

struct tls_context {
    SSL_CTX *ssl;
    const struct tls_certificate **certificates; /* the array is owned, they are borrowed */
    size_t certificate_count;
    struct choice by_default;
    struct tls_tickets *tickets; /* borrowed; may be NULL */
    bool rejects_unknown_names;
    bool may_offload; /* the kernel may encrypt what is sent */
    time_t crl_until; /* when the first revocation list is over; 0: there is none */
};

/* What a ClientHello said that OpenSSL does not yet tell when it looks at a
 * ticket. Part of each conn, and its SSL's app data. */
struct hello {
    char *name;          /* the server name in lower case; owned; NULL: there is none */
    const char *refusal; /* why the handshake was ended, where we did it */
};

/* The server name, "" if there is none. */
const char *hello_name(const struct hello *hello);

/* For a server name, "" if there is none: those that have it, else those with a wildcard
 * for it, else the listener's first and those with the same names. */
void context_choose(const struct tls_context *context, const char *sni, struct choice *choice);

#endif
