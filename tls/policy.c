/* policy.c - three policies in a table, and the single options that overrule them.
 *
 * modern and intermediate are Mozilla's (Server Side TLS, guidelines 5.8 of
 * 2026: no DHE, X25519MLKEM768 first), in our order. legacy is for clients
 * of 2006 to 2013 (Java 6 and 7, Flash): what they can do, after what others do.
 *
 * OpenSSL passes over names that it does not know, and takes words that mean
 * whole groups of ciphers. An administrator who mistypes a name should hear of
 * it: so each name is looked up, and only names are taken.
 */
#include "tls/policy.h"

#include "tls/errors.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CIPHERS_INTERMEDIATE                                                                       \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

#define CIPHERS_LEGACY                                                                             \
    CIPHERS_INTERMEDIATE                                                                           \
    ":ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:"    \
    "AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES128-SHA:AES256-SHA"

/* AES-128 before AES-256, as with TLS 1.2: ten rounds instead of fourteen for each byte,
 * and SHA-256, which processors compute themselves, for each handshake. */
static const char suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

enum { LEVEL_OF_THE_SYSTEM = -1, NAMES_BYTES = 4096 };

static const struct policy {
    int min;
    int max;
    int security_level;
    const char *ciphers; /* of TLS 1.2 and older */
} policies[] = {
    [TLS_MODERN] = { TLS1_3_VERSION, TLS1_3_VERSION, LEVEL_OF_THE_SYSTEM, CIPHERS_INTERMEDIATE },
    [TLS_INTERMEDIATE] = { TLS1_2_VERSION, TLS1_3_VERSION, LEVEL_OF_THE_SYSTEM,
                           CIPHERS_INTERMEDIATE },
    [TLS_LEGACY] = { TLS1_VERSION, TLS1_3_VERSION, 0, CIPHERS_LEGACY },
};

static const int versions[] = {
    [TLS_1_0] = TLS1_VERSION,
    [TLS_1_1] = TLS1_1_VERSION,
    [TLS_1_2] = TLS1_2_VERSION,
    [TLS_1_3] = TLS1_3_VERSION,
};

static const char all_suites[] = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
                                 "TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256:"
                                 "TLS_AES_128_CCM_8_SHA256";

/* The first that this OpenSSL knows. ML-KEM came with 3.5; the slash makes it
 * worth a second ClientHello to a client that can do it. */
static const char *const curves[] = { "X25519MLKEM768/X25519:P-256:P-384", "X25519:P-256:P-384" };

/* ---- versions ---- */

static int set_versions(SSL_CTX *ssl, const struct tls_options *o, const char **option,
                        struct error *err)
{
    const struct policy *p = &policies[o->policy];
    int min = o->min != TLS_AS_POLICY ? versions[o->min] : p->min;
    int max = o->max != TLS_AS_POLICY ? versions[o->max] : p->max;

    *option = o->max != TLS_AS_POLICY ? "tls_max" : "tls_min";
    if (min > max)
        return error_set(err, "no version is left: the lowest one allowed is above the highest");
    *option = "tls_min";
    if (min < TLS1_2_VERSION && p->security_level != 0)
        return error_set(err, "TLS 1.0 and 1.1 need tls = legacy as well");
    *option = "tls";
    if (p->security_level != LEVEL_OF_THE_SYSTEM)
        SSL_CTX_set_security_level(ssl, p->security_level);
    if (SSL_CTX_set_min_proto_version(ssl, min) != 1 ||
        SSL_CTX_set_max_proto_version(ssl, max) != 1)
        return tls_error_set(err, "the versions cannot be set");
    return 0;
}

/* ---- names ---- */

static int add_name(char *names, const char *name, struct error *err)
{
    size_t used = strlen(names);

    if (used + strlen(name) + 2 > NAMES_BYTES)
        return error_set(err, "has too many names");
    if (used > 0)
        names[used++] = ':';
    memcpy(names + used, name, strlen(name) + 1);
    return 0;
}

static bool is_suite(const SSL_CIPHER *c)
{
    return strcmp(SSL_CIPHER_get_version(c), "TLSv1.3") == 0;
}

/* What a certificate and nothing else is needed for. */
static bool is_usable(const SSL_CIPHER *c)
{
    int exchange = SSL_CIPHER_get_kx_nid(c);
    int authority = SSL_CIPHER_get_auth_nid(c);

    return is_suite(c) || ((exchange == NID_kx_rsa || exchange == NID_kx_ecdhe) &&
                           (authority == NID_auth_rsa || authority == NID_auth_ecdsa) &&
                           SSL_CIPHER_get_cipher_nid(c) != NID_undef);
}

/* By OpenSSL's name or by IANA's. */
static const SSL_CIPHER *find_cipher(STACK_OF(SSL_CIPHER) * all, const char *name)
{
    for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);
        const char *standard = SSL_CIPHER_standard_name(c);

        if (strcmp(SSL_CIPHER_get_name(c), name) == 0 ||
            (standard != NULL && strcmp(standard, name) == 0))
            return c;
    }
    return NULL;
}

static int judge_cipher(const SSL_CIPHER *c, const char *name, bool wants_suite, struct error *err)
{
    if (c == NULL)
        return error_set(err, "OpenSSL knows no cipher \"%s\"", name);
    if (is_suite(c) != wants_suite)
        return error_set(err, "\"%s\" is %s; it belongs into %s", name,
                         wants_suite ? "of TLS 1.2 or older" : "of TLS 1.3",
                         wants_suite ? "ciphers" : "ciphersuites");
    if (!is_usable(c))
        return error_set(err,
                         "\"%s\" cannot be used here: it is DHE, or without encryption, or "
                         "without a certificate",
                         name);
    return 0;
}

/* OpenSSL's names of `words`, joined; each must be a cipher of the kind. */
static int join_ciphers(const struct tls_words *words, bool wants_suite, char *names,
                        struct error *err)
{
    SSL_CTX *scratch = SSL_CTX_new(TLS_server_method());
    int rc = scratch != NULL ? 0 : -1;

    names[0] = '\0';
    if (scratch != NULL) {
        SSL_CTX_set_security_level(scratch, 0);
        (void)SSL_CTX_set_ciphersuites(scratch, all_suites);
        if (SSL_CTX_set_cipher_list(scratch, "ALL:COMPLEMENTOFALL") != 1)
            rc = -1;
    }
    if (rc < 0)
        (void)tls_error_set(err, "the ciphers cannot be listed");
    for (size_t i = 0; rc == 0 && i < words->count; i++) {
        const SSL_CIPHER *c = find_cipher(SSL_CTX_get_ciphers(scratch), words->items[i]);

        rc = judge_cipher(c, words->items[i], wants_suite, err);
        if (rc == 0)
            rc = add_name(names, SSL_CIPHER_get_name(c), err);
    }
    SSL_CTX_free(scratch);
    ERR_clear_error();
    return rc;
}

/* What the security level forbids, OpenSSL would leave out in silence. */
static int check_offered(SSL_CTX *context, const struct tls_words *words, struct error *err)
{
    SSL *ssl = SSL_new(context);
    STACK_OF(SSL_CIPHER) *offered = ssl != NULL ? SSL_get1_supported_ciphers(ssl) : NULL;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < words->count; i++)
        if (find_cipher(offered, words->items[i]) == NULL)
            rc = error_set(err, "\"%s\" is too weak for this policy and OpenSSL's security level",
                           words->items[i]);
    sk_SSL_CIPHER_free(offered);
    SSL_free(ssl);
    ERR_clear_error();
    return rc;
}

/* ---- ciphers and curves ---- */

static int set_ciphers(SSL_CTX *ssl, const struct tls_options *o, const char **option,
                       struct error *err)
{
    char names[NAMES_BYTES];

    *option = "ciphers";
    if (SSL_CTX_set_cipher_list(ssl, policies[o->policy].ciphers) != 1)
        return tls_error_set(err, "the policy's ciphers cannot be set");
    if (o->ciphers.count == 0)
        return 0;
    if (SSL_CTX_get_min_proto_version(ssl) > TLS1_2_VERSION)
        return error_set(err, "does nothing where TLS 1.3 alone is spoken; see ciphersuites");
    if (join_ciphers(&o->ciphers, false, names, err) < 0)
        return -1;
    if (SSL_CTX_set_cipher_list(ssl, names) != 1)
        return tls_error_set(err, "cannot be set");
    return check_offered(ssl, &o->ciphers, err);
}

static int set_suites(SSL_CTX *ssl, const struct tls_options *o, const char **option,
                      struct error *err)
{
    char names[NAMES_BYTES];

    *option = "ciphersuites";
    if (SSL_CTX_set_ciphersuites(ssl, suites) != 1)
        return tls_error_set(err, "the policy's suites cannot be set");
    if (o->ciphersuites.count == 0)
        return 0;
    if (SSL_CTX_get_max_proto_version(ssl) < TLS1_3_VERSION)
        return error_set(err, "does nothing without TLS 1.3; see ciphers");
    if (join_ciphers(&o->ciphersuites, true, names, err) < 0)
        return -1;
    if (SSL_CTX_set_ciphersuites(ssl, names) != 1)
        return tls_error_set(err, "cannot be set");
    return check_offered(ssl, &o->ciphersuites, err);
}

static bool is_curve(SSL_CTX *ssl, const char *name)
{
    for (const char *p = name; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
            return false; /* later OpenSSLs read more than names */
    return SSL_CTX_set1_groups_list(ssl, name) == 1;
}

static int set_curves(SSL_CTX *ssl, const struct tls_options *o, const char **option,
                      struct error *err)
{
    char names[NAMES_BYTES] = "";
    long rc = 0;

    *option = "curves";
    for (size_t i = 0; i < o->curves.count; i++) {
        if (!is_curve(ssl, o->curves.items[i])) {
            ERR_clear_error();
            return error_set(err, "OpenSSL knows no curve \"%s\"", o->curves.items[i]);
        }
        if (add_name(names, o->curves.items[i], err) < 0)
            return -1;
    }
    if (o->curves.count > 0)
        rc = SSL_CTX_set1_groups_list(ssl, names);
    for (size_t i = 0; o->curves.count == 0 && rc != 1 && i < sizeof(curves) / sizeof(curves[0]);
         i++)
        rc = SSL_CTX_set1_groups_list(ssl, curves[i]);
    if (rc != 1)
        return tls_error_set(err, "cannot be set");
    ERR_clear_error();
    return 0;
}

int policy_apply(SSL_CTX *ssl, const struct tls_options *o, const char **option, struct error *err)
{
    (void)SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    if (set_versions(ssl, o, option, err) < 0 || set_ciphers(ssl, o, option, err) < 0 ||
        set_suites(ssl, o, option, err) < 0)
        return -1;
    return set_curves(ssl, o, option, err);
}
