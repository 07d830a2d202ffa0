#include "tls/review.h"

#include "tls/chain.h"
#include "tls/errors.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { RSA_BITS_MIN = 2048, SECURITY_BITS_MIN = 112, SOON_DAYS = 14, TIME_BYTES = 32 };

static const char better_key[] = "get a new one, RSA of 2048 bits or more or ECDSA on P-256 "
                                 "(scripts/make-csr makes it), and a certificate for it";

static __attribute__((format(printf, 4, 5))) void say(const struct tls_report *report,
                                                      enum tls_severity severity, const char *key,
                                                      const char *format, ...)
{
    struct error sentence;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(sentence.text, sizeof(sentence.text), format, args);
    va_end(args);
    report->say(report->user, severity, key, sentence.text);
}

/* The curves that TLS 1.3 has names for (RFC 8446, 4.2.3) and clients have. */
static int review_curve(EVP_PKEY *key, struct error *err)
{
    static const char *const curves[] = { "prime256v1", "secp384r1", "secp521r1" };
    char curve[80] = "explicit parameters";

    (void)EVP_PKEY_get_group_name(key, curve, sizeof(curve), NULL);
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
        if (strcmp(curve, curves[i]) == 0)
            return 0;
    return error_set(err, "the key is on the curve %s, which TLS clients do not have; %s", curve,
                     better_key);
}

int review_key(EVP_PKEY *key, struct error *err)
{
    static const char *const refused[] = { "DSA", "DH", "DHX", "X25519", "X448", "SM2" };
    const char *type = EVP_PKEY_get0_type_name(key);
    int bits = EVP_PKEY_get_bits(key);

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (EVP_PKEY_is_a(key, refused[i]))
            return error_set(err, "the key is of the type %s, which no TLS client takes; %s",
                             type != NULL ? type : refused[i], better_key);
    if (EVP_PKEY_is_a(key, "EC"))
        return review_curve(key, err);
    if ((EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) && bits < RSA_BITS_MIN)
        return error_set(err, "the key has %d bits, too few for today's clients; %s", bits,
                         better_key);
    ERR_clear_error();
    return 0;
}

/* What OpenSSL's security level 2 asks for, in bits: RSA 2048, SHA-224. */
static int review_one(X509 *x, struct error *err)
{
    char name[CHAIN_NAME_BYTES];
    int digest = NID_undef;
    int bits = 0;

    (void)chain_print_name(X509_get_subject_name(x), name);
    if (EVP_PKEY_get_security_bits(X509_get0_pubkey(x)) < SECURITY_BITS_MIN)
        return error_set(err,
                         "the key of %s has %d bits, too few for today's clients; get another "
                         "certificate",
                         name, EVP_PKEY_get_bits(X509_get0_pubkey(x)));
    if ((X509_get_extension_flags(x) & EXFLAG_SS) == 0 &&
        X509_get_signature_info(x, &digest, NULL, &bits, NULL) == 1 && bits < SECURITY_BITS_MIN)
        return error_set(err,
                         "the certificate of %s is signed with %s, which clients refuse; get a new "
                         "one",
                         name, digest != NID_undef ? OBJ_nid2ln(digest) : "a weak digest");
    return 0;
}

int review_strength(const struct tls_certificate *c, struct error *err)
{
    SSL_CTX *scratch;
    int rc;

    if (review_one(c->leaf, err) < 0)
        return -1;
    for (int i = 0; i < sk_X509_num(c->chain); i++)
        if (review_one(sk_X509_value(c->chain, i), err) < 0)
            return -1;
    ERR_clear_error();
    scratch = SSL_CTX_new(TLS_server_method());
    rc = scratch != NULL ? SSL_CTX_use_cert_and_key(scratch, c->leaf, c->key, c->chain, 1) : 0;
    SSL_CTX_free(scratch);
    return rc == 1 ? 0 : tls_error_set(err, "the certificate cannot be used");
}

static const char *print_time(const ASN1_TIME *time, char out[TIME_BYTES])
{
    struct tm tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1 || strftime(out, TIME_BYTES, "%F %H:%M UTC", &tm) == 0)
        (void)snprintf(out, TIME_BYTES, "a time that cannot be read");
    return out;
}

static void review_dates(X509 *x, const char *key, const struct tls_report *report)
{
    const ASN1_TIME *start = X509_get0_notBefore(x);
    const ASN1_TIME *end = X509_get0_notAfter(x);
    char name[CHAIN_NAME_BYTES];
    char time[TIME_BYTES];
    int days = 0;
    int seconds = 0;

    (void)chain_print_name(X509_get_subject_name(x), name);
    if (X509_cmp_current_time(start) > 0)
        say(report, TLS_REFUSED, key,
            "the certificate of %s is not valid before %s; clients refuse it", name,
            print_time(start, time));
    else if (X509_cmp_current_time(end) < 0)
        say(report, TLS_REFUSED, key, "the certificate of %s expired at %s; clients refuse it",
            name, print_time(end, time));
    else if (ASN1_TIME_diff(&days, &seconds, NULL, end) == 1 && days < SOON_DAYS)
        say(report, TLS_WARNING, key, "the certificate of %s expires in %d %s, at %s; renew it",
            name, days, days == 1 ? "day" : "days", print_time(end, time));
}

static void review_gap(const struct tls_certificate *c, const char *key,
                       const struct tls_report *report)
{
    X509 *top = chain_find_gap(c->loaded, c->leaf, c->chain);
    char of[CHAIN_NAME_BYTES];
    char issuer[CHAIN_NAME_BYTES];

    if (top == NULL)
        return;
    (void)chain_print_name(X509_get_subject_name(top), of);
    (void)chain_print_name(X509_get_issuer_name(top), issuer);
    say(report, top == c->leaf ? TLS_REFUSED : TLS_WARNING, key,
        "the issuer of %s is missing: %s; the server would send an incomplete chain%s", of, issuer,
        top == c->leaf ? ""
                       : " (if that is the root of a CA of your own, add it to the file: it is "
                         "not sent)");
}

/* The leaf itself: a root that is only loaded beside it is no fault. */
static void review_issuer(const struct tls_certificate *c, const char *key,
                          const struct tls_report *report)
{
    char name[CHAIN_NAME_BYTES];

    if ((X509_get_extension_flags(c->leaf) & EXFLAG_SS) == 0)
        return;
    say(report, TLS_WARNING, key,
        "the certificate of %s is signed by itself; clients refuse it, unless each of them is "
        "told to trust it",
        chain_print_name(X509_get_subject_name(c->leaf), name));
}

static void review_names(const struct tls_certificate *c, const char *key,
                         const struct tls_report *report)
{
    char name[CHAIN_NAME_BYTES];

    if (X509_get_ext_by_NID(c->leaf, NID_subject_alt_name, -1) >= 0)
        return;
    say(report, TLS_REFUSED, key,
        "the certificate of %s has no subject alternative names; clients ignore its common name "
        "and refuse it",
        chain_print_name(X509_get_subject_name(c->leaf), name));
}

/* Key usage and extended key usage, where it has any (RFC 5280, 4.2.1.12). */
static void review_purpose(const struct tls_certificate *c, const char *key,
                           const struct tls_report *report)
{
    char name[CHAIN_NAME_BYTES];

    if (X509_check_purpose(c->leaf, X509_PURPOSE_SSL_SERVER, 0) != 1)
        say(report, TLS_REFUSED, key,
            "the certificate of %s is not for servers, its key usage says; clients refuse it",
            chain_print_name(X509_get_subject_name(c->leaf), name));
}

static void review_strangers(const struct tls_certificate *c, const char *key,
                             const struct tls_report *report)
{
    char name[CHAIN_NAME_BYTES];

    for (int i = 0; i < sk_X509_num(c->loaded); i++) {
        X509 *x = sk_X509_value(c->loaded, i);

        if (!chain_uses(c->leaf, c->chain, x))
            say(report, TLS_WARNING, key,
                "the certificate of %s is no part of the chain and is not sent",
                chain_print_name(X509_get_subject_name(x), name));
    }
}

void review_chain(const struct tls_certificate *c, const char *key, bool is_all_meant,
                  const struct tls_report *report)
{
    review_dates(c->leaf, key, report);
    for (int i = 0; i < sk_X509_num(c->chain); i++)
        review_dates(sk_X509_value(c->chain, i), key, report);
    review_gap(c, key, report);
    review_issuer(c, key, report);
    review_names(c, key, report);
    review_purpose(c, key, report);
    if (is_all_meant)
        review_strangers(c, key, report);
    ERR_clear_error();
}
