/* legacy.h - OpenSSL with the ciphers of old key files, and for nothing else.
 *
 * RC2 with 40 bits is what the JDK encrypted PKCS#12 files with up to 8u292 and
 * 11.0.11; OpenSSL 3 has it, and DES, in a provider that is off by default. It
 * is loaded into a library context of its own, so that TLS never sees it.
 */
#ifndef TLS_LEGACY_H
#define TLS_LEGACY_H

#include <openssl/provider.h>
#include <stdbool.h>

struct legacy {
    OSSL_LIB_CTX *library; /* NULL: memory has run out */
    OSSL_PROVIDER *common;
    OSSL_PROVIDER *old; /* NULL: not installed */
};

void legacy_init(struct legacy *legacy);
void legacy_deinit(struct legacy *legacy);

/* Whether OpenSSL's error queue says that an algorithm is not there. */
bool legacy_is_missing(void);

#endif
