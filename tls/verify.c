/* verify.c - client certificates: the CAs that vouch for them, the lists that revoke them.
 *
 * Nothing fails open: a file that cannot be read, has nothing in it, or has
 * something that is neither certificate nor list, is an error. With client_crl each CA of a
 * client's chain needs a list that is current, or its clients are refused.
 */
#include "tls/verify.h"

#include "tls/errors.h"
#include "tls/file.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIME_BYTES = 64 };

/* ---- files ---- */

/* All of a file, parsed; what is neither certificate nor CRL is refused. */
static STACK_OF(X509_INFO) * load(const char *path, struct error *err)
{
    struct file file = { .bytes = NULL };
    STACK_OF(X509_INFO) *all = NULL;
    BIO *bio = NULL;

    if (file_read(&file, path, err) < 0)
        return NULL;
    ERR_clear_error();
    bio = BIO_new_mem_buf(file.bytes, (int)file.size);
    if (bio != NULL)
        all = PEM_X509_INFO_read_bio(bio, NULL, file_give_password, NULL);
    if (all == NULL)
        (void)tls_error_set(err, "a certificate or list cannot be read");
    (void)BIO_free(bio);
    file_wipe(&file);
    return all;
}

static void drop(STACK_OF(X509_INFO) * all)
{
    sk_X509_INFO_pop_free(all, X509_INFO_free);
}

static void warn(const struct tls_report *report, const char *option, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void warn(const struct tls_report *report, const char *option, const char *format, ...)
{
    char sentence[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    report->say(report->user, TLS_WARNING, option, sentence);
}

static const char *time_text(const ASN1_TIME *at, char *out)
{
    struct tm tm;

    if (at == NULL || ASN1_TIME_to_tm(at, &tm) != 1 ||
        strftime(out, TIME_BYTES, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        return "an unknown time";
    return out;
}

static char *name_text(const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    char *text = NULL;
    long n;

    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0 &&
        (n = BIO_get_mem_data(bio, &bytes)) >= 0)
        text = strndup(n > 0 ? bytes : "", (size_t)n);
    (void)BIO_free(bio);
    return text;
}

static void digest_der(EVP_MD_CTX *digest, unsigned char *der, int n)
{
    if (n > 0)
        (void)EVP_DigestUpdate(digest, der, (size_t)n);
    OPENSSL_free(der);
}

/* ---- CAs ---- */

static int add_authority(SSL_CTX *ssl, X509 *x, EVP_MD_CTX *digest, struct error *err)
{
    unsigned char *der = NULL;
    int n = i2d_X509(x, &der);

    digest_der(digest, der, n);
    if (X509_check_ca(x) == 0) {
        char *name = name_text(X509_get_subject_name(x));

        (void)error_set(err, "%s is no CA, so it can vouch for nobody", name != NULL ? name : "-");
        free(name);
        return -1;
    }
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), x) != 1 ||
        SSL_CTX_add_client_CA(ssl, x) != 1)
        return tls_error_set(err, "a CA cannot be used");
    return 0;
}

static int add_authorities(SSL_CTX *ssl, const char *path, EVP_MD_CTX *digest,
                           const struct tls_report *report, struct error *err)
{
    STACK_OF(X509_INFO) *all = load(path, err);
    int count = 0;
    int rc = 0;

    if (all == NULL)
        return -1;
    for (int i = 0; rc == 0 && i < sk_X509_INFO_num(all); i++) {
        X509 *x = sk_X509_INFO_value(all, i)->x509;

        if (x == NULL)
            continue;
        count++;
        if (X509_cmp_current_time(X509_get0_notAfter(x)) < 0) {
            char at[TIME_BYTES];
            char *name = name_text(X509_get_subject_name(x));

            warn(report, "client_ca", "%s expired at %s; its clients are refused",
                 name != NULL ? name : "-", time_text(X509_get0_notAfter(x), at));
            free(name);
        }
        rc = add_authority(ssl, x, digest, err);
    }
    drop(all);
    if (rc == 0 && count == 0)
        return error_set(err,
                         "%s has no certificate; a PEM file starts with "
                         "-----BEGIN CERTIFICATE-----",
                         path);
    return rc;
}

/* ---- CRLs ---- */

/* 1: one of the CAs of that name has signed it; a CA may have got a new key, and be
 * there with both. 0: none has. -1: there is no such CA. */
static int is_signed(STACK_OF(X509_OBJECT) * known, X509_CRL *crl)
{
    int rc = -1;

    for (int i = 0; rc != 1 && i < sk_X509_OBJECT_num(known); i++) {
        X509 *x = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(known, i));

        if (x != NULL && X509_NAME_cmp(X509_get_subject_name(x), X509_CRL_get_issuer(crl)) == 0)
            rc = X509_CRL_verify(crl, X509_get0_pubkey(x)) == 1;
    }
    return rc;
}

static int judge_crl(SSL_CTX *ssl, const struct tls_report *report, X509_CRL *crl,
                     struct error *err)
{
    int is_good = is_signed(X509_STORE_get0_objects(SSL_CTX_get_cert_store(ssl)), crl);
    char *name = name_text(X509_CRL_get_issuer(crl));
    const ASN1_TIME *until = X509_CRL_get0_nextUpdate(crl);
    char at[TIME_BYTES];
    int rc = 0;

    if (is_good < 0)
        rc = error_set(err, "the list of %s is of no CA in client_ca", name != NULL ? name : "-");
    else if (is_good == 0)
        rc = error_set(err, "the list of %s was not signed by it", name != NULL ? name : "-");
    else if (until != NULL && X509_cmp_current_time(until) < 0)
        warn(report, "client_crl", "the list of %s is over since %s; its clients are refused",
             name != NULL ? name : "-", time_text(until, at));
    free(name);
    ERR_clear_error();
    return rc;
}

static int add_crl(struct tls_context *context, X509_CRL *crl, EVP_MD_CTX *digest,
                   const struct tls_report *report, struct error *err)
{
    const ASN1_TIME *until = X509_CRL_get0_nextUpdate(crl);
    unsigned char *der = NULL;
    struct tm tm;
    time_t end;
    int n = i2d_X509_CRL(crl, &der);

    digest_der(digest, der, n);
    if (judge_crl(context->ssl, report, crl, err) < 0)
        return -1;
    if (until != NULL && ASN1_TIME_to_tm(until, &tm) == 1) {
        end = timegm(&tm);
        if (context->crl_until == 0 || end < context->crl_until)
            context->crl_until = end;
    }
    if (X509_STORE_add_crl(SSL_CTX_get_cert_store(context->ssl), crl) != 1)
        return tls_error_set(err, "a list cannot be used");
    return 0;
}

static bool has_crl(STACK_OF(X509_OBJECT) * known, const X509_NAME *issuer)
{
    for (int i = 0; i < sk_X509_OBJECT_num(known); i++) {
        X509_CRL *crl = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(known, i));

        if (crl != NULL && X509_NAME_cmp(X509_CRL_get_issuer(crl), issuer) == 0)
            return true;
    }
    return false;
}

static void warn_of_missing_lists(SSL_CTX *ssl, const struct tls_report *report)
{
    STACK_OF(X509_OBJECT) *known = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ssl));

    for (int i = 0; i < sk_X509_OBJECT_num(known); i++) {
        X509 *x = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(known, i));
        char *name;

        if (x == NULL || has_crl(known, X509_get_subject_name(x)))
            continue;
        name = name_text(X509_get_subject_name(x));
        warn(report, "client_crl", "there is no list of %s, so its clients are refused",
             name != NULL ? name : "-");
        free(name);
    }
}

static int add_crls(struct tls_context *context, const char *path, EVP_MD_CTX *digest,
                    const struct tls_report *report, struct error *err)
{
    STACK_OF(X509_INFO) *all = load(path, err);
    int count = 0;
    int rc = 0;

    if (all == NULL)
        return -1;
    for (int i = 0; rc == 0 && i < sk_X509_INFO_num(all); i++)
        if (sk_X509_INFO_value(all, i)->crl != NULL) {
            rc = add_crl(context, sk_X509_INFO_value(all, i)->crl, digest, report, err);
            count++;
        }
    drop(all);
    if (rc == 0 && count == 0)
        return error_set(err,
                         "%s has no revocation list; a PEM file starts with "
                         "-----BEGIN X509 CRL-----",
                         path);
    if (rc < 0)
        return -1;
    warn_of_missing_lists(context->ssl, report);
    (void)X509_STORE_set_flags(SSL_CTX_get_cert_store(context->ssl),
                               X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return 0;
}

int verify_apply(struct tls_context *context, const struct tls_options *o, EVP_MD_CTX *digest,
                 const struct tls_report *report, const char **option, struct error *err)
{
    int mode = SSL_VERIFY_PEER;

    (void)EVP_DigestUpdate(digest, &o->client_verify, sizeof(o->client_verify));
    if (o->client_verify == TLS_VERIFY_NONE)
        return 0;
    *option = "client_ca";
    if (o->client_ca == NULL)
        return error_set(err, "is missing; client_verify needs it");
    if (add_authorities(context->ssl, o->client_ca, digest, report, err) < 0)
        return -1;
    *option = "client_crl";
    if (o->client_crl != NULL && add_crls(context, o->client_crl, digest, report, err) < 0)
        return -1;
    if (o->client_verify == TLS_VERIFY_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context->ssl, mode, NULL);
    return 0;
}

/* ---- the client ---- */

bool verify_is_current(SSL_SESSION *session, time_t good_until)
{
    X509 *x = SSL_SESSION_get0_peer(session);

    if (x == NULL)
        return true;
    if (good_until != 0 && time(NULL) >= good_until)
        return false;
    return X509_cmp_current_time(X509_get0_notAfter(x)) > 0;
}

static char *hex(const unsigned char *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * n + 1);

    for (size_t i = 0; text != NULL && i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    if (text != NULL)
        text[2 * n] = '\0';
    return text;
}

static char *serial_text(X509 *x)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
    char *digits = number != NULL ? BN_bn2hex(number) : NULL;
    char *text = digits != NULL ? strdup(digits) : NULL;

    OPENSSL_free(digits);
    BN_free(number);
    return text;
}

void verify_describe(SSL *ssl, struct verify_peer *peer)
{
    X509 *x = SSL_get0_peer_certificate(ssl);
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (x == NULL || peer->subject != NULL)
        return;
    peer->subject = name_text(X509_get_subject_name(x));
    peer->issuer = name_text(X509_get_issuer_name(x));
    peer->serial = serial_text(x);
    if (X509_digest(x, EVP_sha256(), sum, &n) == 1)
        peer->fingerprint = hex(sum, n);
    ERR_clear_error();
}

void verify_forget(struct verify_peer *peer)
{
    free(peer->subject);
    free(peer->issuer);
    free(peer->serial);
    free(peer->fingerprint);
}
