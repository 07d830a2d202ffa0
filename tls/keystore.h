/* keystore.h - a PKCS#12 file: one private key of it, and all certificates.
 *
 * As the JDK's keytool, OpenSSL and Windows write it. Each entry has a name,
 * its alias; one that has no name can only be taken where it is alone.
 */
#ifndef TLS_KEYSTORE_H
#define TLS_KEYSTORE_H

#include "tls/file.h"

#include <openssl/x509.h>

struct keystore_options {
    const struct file *file;
    const struct file *password; /* NULL: the empty one */
    const char *alias;           /* in any case; NULL: the only private key */
};

/* The private key; certificates are appended to `out`. NULL with `err`. */
EVP_PKEY *keystore_decode(const struct keystore_options *options, STACK_OF(X509) * out,
                          struct error *err);

#endif
