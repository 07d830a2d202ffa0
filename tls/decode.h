/* decode.h - certificates and keys out of a file's bytes. For tls/ only.
 *
 *    PEM   any number of blocks, with any text between them
 *    DER   certificates one behind the other, or one key
 *    PKCS#7, in either: its certificates
 *
 * Which it is shows in the bytes, never in the file's name.
 */
#ifndef TLS_DECODE_H
#define TLS_DECODE_H

#include "tls/file.h"

#include <openssl/x509.h>

/* Append every certificate of the file, at least one, to `out`. Its private
 * keys are passed over. */
int decode_certificates(const struct file *file, STACK_OF(X509) * out, struct error *err);

/* Whether a PEM file has a private key that is not encrypted. */
bool decode_finds_key(const struct file *file);

/* The only private key of the file; its certificates are passed over.
 * `password` may be NULL. */
EVP_PKEY *decode_key(const struct file *file, const struct file *password, bool *is_encrypted,
                     struct error *err);

#endif
