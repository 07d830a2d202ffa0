/* certificate.h - a chain, its key and the names it answers for. For tls/ only. */
#ifndef TLS_CERTIFICATE_H
#define TLS_CERTIFICATE_H

#include "tls/tls.h"

#include <openssl/x509.h>

struct staple;

struct tls_certificate {
    char *name;
    STACK_OF(X509) * loaded; /* what the files held, in their order */
    EVP_PKEY *key;
    X509 *leaf;             /* borrowed from `loaded` */
    STACK_OF(X509) * chain; /* of certificates borrowed from `loaded`: the leaf's issuer first */
    char **dns_names;       /* the leaf's SANs, in lower case */
    size_t dns_name_count;
    struct staple *staple; /* owned; NULL: there is none */
};

/* An empty one; NULL when memory has run out. */
struct tls_certificate *certificate_new(const char *name);

/* Find chain and names of the leaf, which is set. 0 or -1. */
int certificate_build(struct tls_certificate *c, struct error *err);

enum name_match { NAME_MISS, NAME_WILDCARD, NAME_EXACT };

/* How the certificate's names cover `host`, in any case. A wildcard stands for
 * exactly one label (RFC 6125, 6.4.3). */
enum name_match certificate_match(const struct tls_certificate *certificate, const char *host);

/* Whether both keys are of one type, so that a client has no choice between
 * the two certificates but by name. */
bool certificate_is_alike(const struct tls_certificate *a, const struct tls_certificate *b);

#endif
