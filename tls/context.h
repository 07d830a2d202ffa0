/* context.h - what a conn needs of its context. For tls/ only. */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include "tls/certificate.h"

#include <openssl/ssl.h>

struct tls_context {
    SSL_CTX *ssl;
    const struct tls_certificate **certificates; /* the array is owned, they are borrowed */
    size_t certificate_count;
};

/* The certificate for a server name: an exact match, else a wildcard, else the
 * listener's first; `sni` may be NULL. */
const struct tls_certificate *context_choose(const struct tls_context *context, const char *sni);

#endif
