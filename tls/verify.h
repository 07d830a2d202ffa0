/* verify.h - who may connect: client certificates. For tls/ only. */
#ifndef TLS_VERIFY_H
#define TLS_VERIFY_H

#include "tls/context.h"

#include <openssl/ssl.h>
#include <time.h>

/* Load the CAs and lists that the options name into the context. The bytes that decide who
 * passes, mode included, go into `digest`; warnings to `report`. 0, or -1 with
 * *option the one at fault. */
int verify_apply(struct tls_context *context, const struct tls_options *options, EVP_MD_CTX *digest,
                 const struct tls_report *report, const char **option, struct error *err);

/* A session's client certificate still holds, as far as time goes. */
bool verify_is_current(SSL_SESSION *session, time_t good_until);

/* What a log or a header says of the client's certificate. Each is printable
 * ASCII; NULL where memory ran out or there is no certificate. */
struct verify_peer {
    char *subject; /* RFC 2253 */
    char *issuer;
    char *serial;      /* hexadecimal */
    char *fingerprint; /* SHA-256, hexadecimal */
};

void verify_describe(SSL *ssl, struct verify_peer *peer);
void verify_forget(struct verify_peer *peer);

#endif
