#include "tls/decode.h"

#include "tls/errors.h"
#include "tls/legacy.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>
#include <string.h>

/* One block of a PEM file, decoded; all owned. */
struct block {
    char *label; /* "CERTIFICATE" */
    char *header;
    unsigned char *bytes;
    long size;
};

static void block_wipe(struct block *b)
{
    OPENSSL_free(b->label);
    OPENSSL_free(b->header);
    OPENSSL_clear_free(b->bytes, (size_t)b->size);
    *b = (struct block){ 0 };
}

static const char *damage(void)
{
    unsigned long code = ERR_peek_last_error();

    ERR_clear_error();
    switch (ERR_GET_REASON(code)) {
    case PEM_R_BAD_BASE64_DECODE:
        return "a line is cut or has a character that is no base64";
    case PEM_R_BAD_END_LINE:
        return "its END line is missing or belongs to another";
    default:
        return ERR_reason_error_string(code) != NULL ? ERR_reason_error_string(code) : "?";
    }
}

/* 1: a block; 0: there are no more; -1: `number`, counted from 1, is damaged. */
static int next_block(BIO *in, struct block *b, const char *path, int number, struct error *err)
{
    ERR_clear_error();
    if (PEM_read_bio(in, &b->label, &b->header, &b->bytes, &b->size) == 1)
        return 1;
    if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
        ERR_clear_error();
        return 0;
    }
    return error_set(err, "%s is damaged in its block %d, counted by BEGIN lines: %s", path, number,
                     damage());
}

/* Where PEM may start: an editor may have put a byte order mark in front. */
static BIO *open_text(const struct file *file)
{
    size_t mark = file->size >= 3 && memcmp(file->bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;

    return BIO_new_mem_buf(file->bytes + mark, (int)(file->size - mark));
}

static bool is_pem(const struct file *file)
{
    return memmem(file->bytes, file->size, "-----BEGIN ", 11) != NULL;
}

/* -1 when memory has run out; takes `x`. */
static int push(STACK_OF(X509) * out, X509 *x)
{
    if (sk_X509_push(out, x) > 0)
        return 0;
    X509_free(x);
    return -1;
}

static int push_pkcs7(STACK_OF(X509) * out, const unsigned char **bytes, long size)
{
    PKCS7 *p7 = d2i_PKCS7(NULL, bytes, size);
    const STACK_OF(X509) *inside = NULL;
    int rc = -1;

    if (p7 != NULL && PKCS7_type_is_signed(p7) && p7->d.sign != NULL) {
        inside = p7->d.sign->cert;
        rc = 0;
    }
    for (int i = 0; rc == 0 && i < sk_X509_num(inside); i++)
        rc = push(out, X509_dup(sk_X509_value(inside, i)));
    PKCS7_free(p7);
    return rc;
}

/* Certificates one behind the other, up to the last byte. */
static int push_der(STACK_OF(X509) * out, const unsigned char *bytes, size_t size)
{
    const unsigned char *end = bytes + size;

    do {
        const unsigned char *at = bytes;
        X509 *x = d2i_X509(NULL, &at, (long)(end - bytes));

        if (x != NULL ? push(out, x) < 0 : push_pkcs7(out, &at, (long)(end - bytes)) < 0)
            return -1;
        bytes = at;
    } while (bytes < end);
    return 0;
}

static int push_trusted(STACK_OF(X509) * out, const struct block *b)
{
    const unsigned char *at = b->bytes;
    X509 *x = d2i_X509_AUX(NULL, &at, b->size);

    return x != NULL ? push(out, x) : -1;
}

static int push_block(STACK_OF(X509) * out, const struct block *b)
{
    static const char *const labels[] = { PEM_STRING_X509, PEM_STRING_X509_OLD, PEM_STRING_PKCS7,
                                          PEM_STRING_PKCS7_SIGNED, PEM_STRING_CMS };

    if (strcmp(b->label, PEM_STRING_X509_TRUSTED) == 0)
        return push_trusted(out, b);
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
        if (strcmp(b->label, labels[i]) == 0)
            return push_der(out, b->bytes, (size_t)b->size);
    return 0;
}

static int push_pem(const struct file *file, STACK_OF(X509) * out, struct error *err)
{
    BIO *in = open_text(file);
    struct block b = { 0 };
    int number = 1;
    int rc;

    if (in == NULL)
        return error_set(err, "memory has run out");
    while ((rc = next_block(in, &b, file->path, number, err)) == 1) {
        if (push_block(out, &b) < 0) {
            rc =
                error_set(err, "%s is damaged in its block %d, counted by BEGIN lines: it is no %s",
                          file->path, number, b.label);
            ERR_clear_error();
            break;
        }
        block_wipe(&b);
        number++;
    }
    block_wipe(&b);
    BIO_free(in);
    return rc;
}

int decode_certificates(const struct file *file, STACK_OF(X509) * out, struct error *err)
{
    const char *java = file_java_format(file);
    int before = sk_X509_num(out);

    if (java != NULL)
        return error_set(err, "%s is %s; turn it into a PKCS#12 file with scripts/import-keystore",
                         file->path, java);
    if (is_pem(file)) {
        if (push_pem(file, out, err) < 0)
            return -1;
    } else {
        int rc = push_der(out, file->bytes, file->size);

        ERR_clear_error();
        if (rc < 0 && sk_X509_num(out) > before)
            return error_set(err, "%s is damaged behind its certificate %d", file->path,
                             sk_X509_num(out) - before);
    }
    if (sk_X509_num(out) == before)
        return error_set(err,
                         "%s has no certificate; a PEM file starts with "
                         "-----BEGIN CERTIFICATE-----",
                         file->path);
    return 0;
}

/* ------------------------------------------------------------------ keys */

/* What is known of the password, and what became of it. */
struct unlocking {
    const struct file *password; /* or NULL */
    bool is_encrypted;
    bool is_wrong;
    bool is_too_old; /* encrypted by what OpenSSL does not have here */
};

bool decode_finds_key(const struct file *file)
{
    static const char begin[] = " PRIVATE KEY-----";
    static const char pkcs8[] = "-----BEGIN PRIVATE KEY-----";

    return memmem(file->bytes, file->size, pkcs8, sizeof(pkcs8) - 1) != NULL ||
           (memmem(file->bytes, file->size, begin, sizeof(begin) - 1) != NULL &&
            memmem(file->bytes, file->size, "ENCRYPTED", 9) == NULL);
}

static EVP_PKEY *unlock_pkcs8(X509_SIG *locked, struct unlocking *u)
{
    PKCS8_PRIV_KEY_INFO *p8;
    EVP_PKEY *key = NULL;
    struct legacy legacy;

    u->is_encrypted = true;
    if (u->password == NULL)
        return NULL;
    legacy_init(&legacy);
    ERR_clear_error();
    p8 = PKCS8_decrypt_ex(locked, (const char *)u->password->bytes, (int)u->password->size,
                          legacy.library, NULL);
    if (p8 != NULL)
        key = EVP_PKCS82PKEY(p8);
    else
        u->is_wrong = !(u->is_too_old = legacy_is_missing());
    PKCS8_PRIV_KEY_INFO_free(p8);
    legacy_deinit(&legacy);
    return key;
}

static EVP_PKEY *key_from_der(const unsigned char *bytes, long size, struct unlocking *u)
{
    const unsigned char *at = bytes;
    X509_SIG *locked = d2i_X509_SIG(NULL, &at, size);
    EVP_PKEY *key;

    if (locked != NULL) {
        key = unlock_pkcs8(locked, u);
        X509_SIG_free(locked);
        return key;
    }
    at = bytes;
    return d2i_AutoPrivateKey(NULL, &at, size);
}

/* The old form, with the cipher in the block's header ("DEK-Info"). */
static EVP_PKEY *key_from_block(struct block *b, struct unlocking *u)
{
    EVP_CIPHER_INFO cipher;

    if (PEM_get_EVP_CIPHER_INFO(b->header, &cipher) != 1) {
        u->is_encrypted = u->is_too_old = true;
        return NULL;
    }
    if (cipher.cipher != NULL) {
        u->is_encrypted = true;
        if (u->password == NULL)
            return NULL;
        if (PEM_do_header(&cipher, b->bytes, &b->size, file_give_password, (void *)u->password) !=
            1) {
            u->is_wrong = !(u->is_too_old = legacy_is_missing());
            return NULL;
        }
    }
    return key_from_der(b->bytes, b->size, u);
}

static bool is_key(const char *label)
{
    static const char ending[] = PEM_STRING_PKCS8INF; /* "PRIVATE KEY" */
    size_t n = strlen(label);

    return n >= sizeof(ending) - 1 && strcmp(label + n - (sizeof(ending) - 1), ending) == 0;
}

static int key_from_pem(const struct file *file, struct unlocking *u, EVP_PKEY **key,
                        struct error *err)
{
    BIO *in = open_text(file);
    struct block b = { 0 };
    int number = 1;
    int keys = 0;
    int rc;

    if (in == NULL)
        return error_set(err, "memory has run out");
    for (; (rc = next_block(in, &b, file->path, number, err)) == 1; number++) {
        if (is_key(b.label) && keys++ == 0)
            *key = key_from_block(&b, u);
        block_wipe(&b);
    }
    BIO_free(in);
    if (rc == 0 && keys > 1)
        rc = error_set(err, "%s has %d private keys; leave the one of the certificate", file->path,
                       keys);
    if (rc == 0 && keys == 0)
        rc = error_set(err,
                       "%s has no private key; a PEM file starts with "
                       "-----BEGIN PRIVATE KEY-----",
                       file->path);
    return rc;
}

static int explain(const struct file *file, const struct unlocking *u, struct error *err)
{
    if (u->is_too_old)
        return error_set(err,
                         "%s is encrypted in a way that OpenSSL does not have here; store it anew "
                         "with: openssl pkey -in OLD -aes256 -out NEW",
                         file->path);
    if (u->is_wrong)
        return error_set(err, "the password in %s does not open %s", u->password->path, file->path);
    if (u->is_encrypted && u->password == NULL)
        return error_set(err,
                         "%s is encrypted; name a file with its password as key_password_file, or "
                         "store it decrypted: openssl pkey -in OLD -out NEW",
                         file->path);
    if (is_pem(file))
        return error_set(err,
                         "the private key in %s is damaged, or of a kind OpenSSL does not know",
                         file->path);
    return error_set(err,
                     "%s has no private key; it is neither PEM, which starts with "
                     "-----BEGIN PRIVATE KEY-----, nor DER",
                     file->path);
}

EVP_PKEY *decode_key(const struct file *file, const struct file *password, bool *is_encrypted,
                     struct error *err)
{
    const char *java = file_java_format(file);
    struct unlocking u = { .password = password };
    EVP_PKEY *key = NULL;
    int rc = 0;

    if (java != NULL) {
        (void)error_set(err, "%s is %s; turn it into a PKCS#12 file with scripts/import-keystore",
                        file->path, java);
        return NULL;
    }
    if (is_pem(file))
        rc = key_from_pem(file, &u, &key, err);
    else
        key = key_from_der(file->bytes, (long)file->size, &u);
    if (rc == 0 && key == NULL)
        rc = explain(file, &u, err);
    ERR_clear_error();
    if (rc < 0) {
        EVP_PKEY_free(key);
        return NULL;
    }
    *is_encrypted = u.is_encrypted;
    return key;
}
