/* review.h - what clients would think of a certificate. For tls/ only. */
#ifndef TLS_REVIEW_H
#define TLS_REVIEW_H

#include "tls/certificate.h"

/* Refuse a key that no server uses: DSA, odd curves, too few bits. */
int review_key(EVP_PKEY *key, struct error *err);

/* Refuse what OpenSSL would refuse at each handshake. */
int review_strength(const struct tls_certificate *c, struct error *err);

/* Warn of what clients may refuse: dates, gaps, names; and of certificates
 * that are of no use, if `is_all_meant` for this one. `key` is the option that
 * named the file. */
void review_chain(const struct tls_certificate *c, const char *key, bool is_all_meant,
                  const struct tls_report *report);

#endif
