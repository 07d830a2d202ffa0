/* chain.h - which certificates are sent, and what is missing. For tls/ only.
 *
 *    what the files hold, in any order, twice, with strangers among it
 *      -> leaf: the one of the key
 *      -> chain: its issuer, that one's issuer ... without the root
 */
#ifndef TLS_CHAIN_H
#define TLS_CHAIN_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

enum { CHAIN_NAME_BYTES = 128 };

/* The certificate of `key`; of several the one that holds now and is newest.
 * NULL: there is none. Borrowed from `loaded`. */
X509 *chain_find_leaf(const STACK_OF(X509) * loaded, EVP_PKEY *key);

/* Append the issuers of `leaf` to `chain`, borrowed from `loaded`. Returns -1
 * when memory has run out. */
int chain_build(const STACK_OF(X509) * loaded, X509 *leaf, STACK_OF(X509) * chain);

/* The certificate in leaf and chain whose issuer is neither in `loaded` nor a
 * root that this machine trusts (OpenSSL's default file and directory, or
 * SSL_CERT_FILE and SSL_CERT_DIR). NULL: none is missing. */
X509 *chain_find_gap(const STACK_OF(X509) * loaded, X509 *leaf, const STACK_OF(X509) * chain);

/* Whether `x` is one of leaf, chain, or a root of theirs. */
bool chain_uses(X509 *leaf, const STACK_OF(X509) * chain, X509 *x);

/* "CN=R3", or all of a name that has no common name, cut if too long, without
 * control characters. Returns `out`. */
const char *chain_print_name(const X509_NAME *name, char out[CHAIN_NAME_BYTES]);

#endif
