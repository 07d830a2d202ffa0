/* authority.h - certificates made in a moment, for tests. */
#ifndef AUTHORITY_H
#define AUTHORITY_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sys/types.h>

struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

/* With `names`, as in "DNS:a,DNS:*.b", it is a server's, else a CA's. Without
 * an issuer it is signed by itself. `key_type` is "EC" (P-256) or "RSA". */
struct identity identity_new(const char *common_name, const char *names, const char *key_type,
                             const struct identity *issuer);

/* Another certificate for the same key; each begins a second after the one before. */
struct identity identity_renew(const struct identity *old, const char *common_name,
                               const char *names, const struct identity *issuer);
void identity_free(struct identity *i);

/* Write a PEM file of `count` certificates. */
void save_certificates(const char *path, X509 *const *certificates, size_t count);

enum key_form { KEY_PLAIN, KEY_ENCRYPTED, KEY_ENCRYPTED_TRADITIONAL };

void save_key(const char *path, EVP_PKEY *key, enum key_form form, mode_t mode);

#endif
