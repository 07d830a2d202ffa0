/* store.h - keys and certificates that are no files: URIs. For tls/ only.
 *
 * "pkcs11:token=hsm;object=main" names a key in a hardware module. Whoever
 * made the module adds a provider to OpenSSL (openssl.cnf); without one the
 * URI is refused.
 */
#ifndef TLS_STORE_H
#define TLS_STORE_H

#include "tls/file.h"

#include <openssl/x509.h>

/* What a store is asked for; one of the two outputs may be NULL. */
struct store_search {
    const char *uri;
    const struct file *password; /* the PIN; may be NULL */
    STACK_OF(X509) * certificates;
    EVP_PKEY **key;
};

/* Append all certificates, or set the key: the first private one. */
int store_load(const struct store_search *search, struct error *err);

#endif
