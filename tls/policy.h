/* policy.h - versions, ciphers and curves of a context. For tls/ only. */
#ifndef TLS_POLICY_H
#define TLS_POLICY_H

#include "tls/tls.h"

#include <openssl/ssl.h>

/* Set what the options say, or the policy they name. 0, or -1 with *option the
 * one at fault. */
int policy_apply(SSL_CTX *ssl, const struct tls_options *options, const char **option,
                 struct error *err);

#endif
