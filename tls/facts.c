/* facts.c - a certificate in words. */
#include "tls/certificate.h"
#include "tls/chain.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The curves that are served (review.c), as TLS calls them. */
static const char *curve_name(const EVP_PKEY *key)
{
    static const struct {
        const char *group;
        const char *name;
    } curves[] = { { "prime256v1", "P-256" }, { "secp384r1", "P-384" }, { "secp521r1", "P-521" } };
    char group[80] = "";

    (void)EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
        if (strcmp(curves[i].group, group) == 0)
            return curves[i].name;
    return "an odd curve";
}

static void describe_key(const EVP_PKEY *key, struct tls_facts *facts)
{
    const char *type = EVP_PKEY_get0_type_name(key);
    bool is_pss = EVP_PKEY_is_a(key, "RSA-PSS") == 1;

    if (is_pss || EVP_PKEY_is_a(key, "RSA")) {
        facts->key = is_pss ? TLS_KEY_RSA_PSS : TLS_KEY_RSA;
        (void)snprintf(facts->key_name, sizeof(facts->key_name), "%s %d",
                       is_pss ? "RSA-PSS" : "RSA", EVP_PKEY_get_bits(key));
    } else if (EVP_PKEY_is_a(key, "EC")) {
        const char *curve = curve_name(key);

        facts->key = strcmp(curve, "P-521") == 0 ? TLS_KEY_P521 : TLS_KEY_EC;
        (void)snprintf(facts->key_name, sizeof(facts->key_name), "ECDSA %s", curve);
    } else {
        facts->key = TLS_KEY_EDWARDS;
        (void)snprintf(facts->key_name, sizeof(facts->key_name), "%s",
                       type == NULL                       ? "a key of no known type"
                       : strcasecmp(type, "ED25519") == 0 ? "Ed25519"
                       : strcasecmp(type, "ED448") == 0   ? "Ed448"
                                                          : type);
    }
}

static void describe_end(const X509 *leaf, struct tls_facts *facts)
{
    const ASN1_TIME *end = X509_get0_notAfter(leaf);
    int seconds = 0;
    struct tm tm;

    if (ASN1_TIME_to_tm(end, &tm) != 1 ||
        strftime(facts->end, sizeof(facts->end), "%F %H:%M UTC", &tm) == 0)
        (void)snprintf(facts->end, sizeof(facts->end), "an unknown time");
    if (ASN1_TIME_diff(&facts->days_left, &seconds, NULL, end) == 1 && facts->days_left == 0 &&
        seconds < 0)
        facts->days_left = -1;
}

/* As one word without odd characters; NULL: a kind of name that no client looks for. */
static const char *print_name(const GENERAL_NAME *name, char *out, size_t size)
{
    const ASN1_STRING *bytes = name->type == GEN_DNS     ? name->d.dNSName
                               : name->type == GEN_IPADD ? name->d.iPAddress
                                                         : NULL;
    const unsigned char *data = bytes != NULL ? ASN1_STRING_get0_data(bytes) : NULL;
    int n = bytes != NULL ? ASN1_STRING_length(bytes) : 0;
    char text[256];

    if (name->type == GEN_DNS && n < (int)sizeof(text)) {
        (void)snprintf(text, sizeof(text), "%.*s", n, (const char *)data);
        return log_escape(text, out, size);
    }
    if (name->type == GEN_IPADD && (n == 4 || n == 16))
        return inet_ntop(n == 4 ? AF_INET : AF_INET6, data, out, (socklen_t)size);
    return NULL;
}

static void describe_names(const X509 *leaf, struct tls_facts *facts)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    size_t used = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        char text[256];
        const char *name = print_name(sk_GENERAL_NAME_value(names, i), text, sizeof(text));

        if (name == NULL)
            continue;
        if (used + strlen(name) + sizeof(", , ...") > sizeof(facts->names)) {
            (void)snprintf(facts->names + used, sizeof(facts->names) - used, ", ...");
            break;
        }
        used += (size_t)snprintf(facts->names + used, sizeof(facts->names) - used, "%s%s",
                                 used > 0 ? ", " : "", name);
    }
    GENERAL_NAMES_free(names);
}

void tls_certificate_describe(const struct tls_certificate *c, struct tls_facts *facts)
{
    int above = sk_X509_num(c->chain);
    const X509 *top = above > 0 ? sk_X509_value(c->chain, above - 1) : c->leaf;

    *facts = (struct tls_facts){ .chain_count = above + 1 };
    (void)chain_print_name(X509_get_subject_name(c->leaf), facts->subject);
    (void)chain_print_name(X509_get_issuer_name(c->leaf), facts->issuer);
    (void)chain_print_name(X509_get_issuer_name(top), facts->root);
    describe_names(c->leaf, facts);
    describe_key(X509_get0_pubkey(c->leaf), facts);
    describe_end(c->leaf, facts);
    ERR_clear_error();
}

const char *tls_certificate_host(const struct tls_certificate *c, size_t i)
{
    return i < c->dns_name_count ? c->dns_names[i] : NULL;
}

bool tls_certificate_covers(const struct tls_certificate *c, const char *host)
{
    return certificate_match(c, host) != NAME_MISS;
}

bool tls_certificate_is_same(const struct tls_certificate *a, const struct tls_certificate *b)
{
    return X509_cmp(a->leaf, b->leaf) == 0;
}

bool tls_certificate_is_chained_alike(const struct tls_certificate *a,
                                      const struct tls_certificate *b)
{
    int n = sk_X509_num(a->chain);

    if (n != sk_X509_num(b->chain))
        return false;
    for (int i = 0; i < n; i++)
        if (X509_cmp(sk_X509_value(a->chain, i), sk_X509_value(b->chain, i)) != 0)
            return false;
    return true;
}
