/* certificate.c - from what proxy.ini names to a certificate that can be shown.
 *
 *    files, URIs --read--> certificates and a key
 *      --find_leaf, chain_build--> leaf and chain --review--> warnings, faults
 */
#include "tls/certificate.h"

#include "base/uri.h"
#include "tls/chain.h"
#include "tls/decode.h"
#include "tls/errors.h"
#include "tls/keystore.h"
#include "tls/review.h"
#include "tls/staple.h"
#include "tls/store.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct tls_certificate *certificate_new(const char *name)
{
    struct tls_certificate *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->name = strdup(name);
    c->loaded = sk_X509_new_null();
    c->chain = sk_X509_new_null();
    if (c->name == NULL || c->loaded == NULL || c->chain == NULL) {
        tls_certificate_free(c);
        return NULL;
    }
    return c;
}

void tls_certificate_free(struct tls_certificate *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->dns_name_count; i++)
        free(c->dns_names[i]);
    free(c->dns_names);
    staple_free(c->staple);
    sk_X509_free(c->chain);
    sk_X509_pop_free(c->loaded, X509_free);
    EVP_PKEY_free(c->key);
    free(c->name);
    free(c);
}

/* Each of these tells of its own fault and returns -1 then. */
static int fault(const struct tls_report *report, const char *option, const struct error *err)
{
    report->say(report->user, TLS_FAULT, option, err->text);
    return -1;
}

/* `path` may be NULL: no password, and *out stays zeroed. */
static int read_password(const char *path, const char *option, struct file *out,
                         const struct tls_report *report)
{
    struct error err;

    if (path != NULL && file_read_password(out, path, &err) < 0)
        return fault(report, option, &err);
    return 0;
}

static int read_chain(struct tls_certificate *c, const char *chain, const struct tls_report *report)
{
    const struct store_search search = { .uri = chain, .certificates = c->loaded };
    struct file file = { 0 };
    struct error err;
    int rc;

    if (uri_is(chain))
        rc = store_load(&search, &err);
    else if ((rc = file_read(&file, chain, &err)) == 0)
        rc = decode_certificates(&file, c->loaded, &err);
    if (rc == 0 && file.is_open && decode_finds_key(&file))
        report->say(report->user, TLS_WARNING, "chain",
                    "can be read by everybody, and holds a private key; take that out, or chmod "
                    "o-r it and renew the key");
    file_wipe(&file);
    return rc == 0 ? 0 : fault(report, "chain", &err);
}

static int read_key_file(struct tls_certificate *c, const char *path, const struct file *password,
                         const struct tls_report *report)
{
    static const char useless[] = "does nothing: the key is not encrypted";
    bool is_encrypted = false;
    struct file file = { 0 };
    struct error err;

    if (file_read(&file, path, &err) == 0 && file_check_private(&file, &err) == 0)
        c->key = decode_key(&file, password, &is_encrypted, &err);
    file_wipe(&file);
    if (c->key == NULL)
        return fault(report, "key", &err);
    if (password != NULL && !is_encrypted)
        report->say(report->user, TLS_WARNING, "key_password_file", useless);
    return 0;
}

static int read_key(struct tls_certificate *c, const struct tls_certificate_options *options,
                    const struct tls_report *report)
{
    struct file password = { 0 };
    const struct file *given = options->key_password_file != NULL ? &password : NULL;
    const struct store_search search = { .uri = options->key, .password = given, .key = &c->key };
    struct error err;
    int rc = read_password(options->key_password_file, "key_password_file", &password, report);

    if (rc == 0 && uri_is(options->key))
        rc = store_load(&search, &err) == 0 ? 0 : fault(report, "key", &err);
    else if (rc == 0)
        rc = read_key_file(c, options->key, given, report);
    file_wipe(&password);
    return rc;
}

/* An old keystore is often readable by everybody, since its owner never knew;
 * its password still protects it. */
static int read_keystore(struct tls_certificate *c, const struct tls_certificate_options *options,
                         const struct tls_report *report)
{
    static const char open_to_all[] = "can be read by everybody, so that only its password "
                                      "protects the private key; chmod o-r it";
    struct file password = { 0 };
    struct file file = { 0 };
    const struct keystore_options keystore = {
        .file = &file,
        .password = options->keystore_password_file != NULL ? &password : NULL,
        .alias = options->keystore_alias,
    };
    struct error err;
    int rc =
        read_password(options->keystore_password_file, "keystore_password_file", &password, report);

    if (rc == 0 && file_read(&file, options->keystore, &err) == 0)
        c->key = keystore_decode(&keystore, c->loaded, &err);
    if (rc == 0 && c->key == NULL)
        rc = fault(report, "keystore", &err);
    if (rc == 0 && file.is_open)
        report->say(report->user, TLS_WARNING, "keystore", open_to_all);
    file_wipe(&file);
    file_wipe(&password);
    return rc;
}

/* ": CN=a, CN=b": of all certificates that were read. */
static void print_loaded(const struct tls_certificate *c, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (int i = 0; i < sk_X509_num(c->loaded); i++) {
        const X509_NAME *subject = X509_get_subject_name(sk_X509_value(c->loaded, i));
        char name[CHAIN_NAME_BYTES];
        size_t n = strlen(chain_print_name(subject, name));

        if (used + n + sizeof(", ...") >= size) {
            (void)snprintf(out + used, size - used, ", ...");
            return;
        }
        used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : ": ", name);
    }
}

static int find_leaf(struct tls_certificate *c, struct error *err)
{
    char names[300];

    c->leaf = chain_find_leaf(c->loaded, c->key);
    if (c->leaf != NULL)
        return 0;
    print_loaded(c, names, sizeof(names));
    return error_set(err, "the key belongs to none of the certificates%s", names);
}

static int add_dns_name(struct tls_certificate *c, const ASN1_STRING *san)
{
    size_t n = (size_t)ASN1_STRING_length(san);
    char *name = strndup((const char *)ASN1_STRING_get0_data(san), n);
    char **grown = realloc(c->dns_names, (c->dns_name_count + 1) * sizeof(*grown));

    if (grown != NULL)
        c->dns_names = grown;
    if (name == NULL || grown == NULL || strlen(name) != n) { /* a NUL inside is no name */
        free(name);
        return name == NULL || grown == NULL ? -1 : 0;
    }
    for (char *p = name; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    c->dns_names[c->dns_name_count++] = name;
    return 0;
}

static int read_dns_names(struct tls_certificate *c, struct error *err)
{
    GENERAL_NAMES *sans = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);
    int rc = 0;

    for (int i = 0; rc == 0 && i < sk_GENERAL_NAME_num(sans); i++) {
        const GENERAL_NAME *san = sk_GENERAL_NAME_value(sans, i);

        if (san->type == GEN_DNS)
            rc = add_dns_name(c, san->d.dNSName);
    }
    GENERAL_NAMES_free(sans);
    return rc == 0 ? 0 : error_set(err, "memory has run out");
}

int certificate_build(struct tls_certificate *c, struct error *err)
{
    if (chain_build(c->loaded, c->leaf, c->chain) < 0)
        return error_set(err, "memory has run out");
    return read_dns_names(c, err);
}

struct tls_certificate *tls_certificate_load(const struct tls_certificate_options *options,
                                             const struct tls_report *report)
{
    struct tls_certificate *c = certificate_new(options->name);
    const char *key_option = options->keystore != NULL ? "keystore" : "key";
    const char *chain_option = options->keystore != NULL ? "keystore" : "chain";
    struct error err = { "memory has run out" };
    int rc = -1;

    if (c == NULL)
        (void)fault(report, chain_option, &err);
    else if (options->keystore != NULL)
        rc = read_keystore(c, options, report);
    else /* what is wrong with either is told in one run */
        rc = read_chain(c, options->chain, report) + read_key(c, options, report);
    if (rc == 0 &&
        (review_key(c->key, &err) < 0 || find_leaf(c, &err) < 0 || certificate_build(c, &err) < 0))
        rc = fault(report, key_option, &err);
    if (rc == 0 && review_strength(c, &err) < 0)
        rc = fault(report, chain_option, &err);
    if (rc < 0) {
        tls_certificate_free(c);
        return NULL;
    }
    if (options->ocsp != NULL && staple_load(c, options->ocsp, report) < 0) {
        tls_certificate_free(c);
        return NULL;
    }
    /* the other entries of a keystore out of which one is chosen are none of our business */
    review_chain(c, chain_option, options->keystore_alias == NULL, report);
    return c;
}

bool tls_certificate_shares_key(const struct tls_certificate *a, const struct tls_certificate *b)
{
    return EVP_PKEY_eq(a->key, b->key) == 1;
}

bool certificate_is_alike(const struct tls_certificate *a, const struct tls_certificate *b)
{
    const char *type = EVP_PKEY_get0_type_name(a->key);

    return type != NULL && EVP_PKEY_is_a(b->key, type);
}

/* Which of the certificates before all[i] is shown for `name` instead. */
static const struct tls_certificate *hides(const struct tls_certificate *const *all, size_t i,
                                           const char *name)
{
    for (size_t k = 0; k < i; k++)
        for (size_t m = 0; certificate_is_alike(all[k], all[i]) && m < all[k]->dns_name_count; m++)
            if (strcmp(all[k]->dns_names[m], name) == 0)
                return all[k];
    return NULL;
}

/* Where the first has no host names either, a certificate of another type of key
 * is shown to the clients that cannot verify the first. */
static bool stands_in(const struct tls_certificate *const *all, size_t i)
{
    bool is_alike = false;

    for (size_t k = 0; k < i; k++)
        is_alike |= certificate_is_alike(all[k], all[i]);
    return all[0]->dns_name_count == 0 && all[i]->dns_name_count == 0 && !is_alike;
}

bool tls_certificate_is_hidden(const struct tls_certificate *const *all, size_t i,
                               struct error *reason)
{
    const struct tls_certificate *c = all[i];
    const struct tls_certificate *by = NULL;
    const char *name = NULL;
    size_t hidden = 0;

    if (stands_in(all, i))
        return false;
    for (size_t n = 0; n < c->dns_name_count; n++) {
        const struct tls_certificate *other = hides(all, i, c->dns_names[n]);

        hidden += other != NULL;
        by = by != NULL ? by : other;
        name = name != NULL || other == NULL ? name : c->dns_names[n];
    }
    if (c->dns_name_count == 0)
        (void)error_set(reason,
                        "%s is never shown: it has no host name that a client could ask for, and "
                        "is not the first",
                        c->name);
    else if (hidden == c->dns_name_count)
        (void)error_set(reason, "%s is never shown: those before it have all of its names",
                        c->name);
    else if (hidden > 0)
        (void)error_set(reason, "%s and %s both have the name %s; %s is shown for it", by->name,
                        c->name, name, by->name);
    return c->dns_name_count == 0 || hidden > 0;
}

enum name_match certificate_match(const struct tls_certificate *c, const char *host)
{
    const char *dot = strchr(host, '.');
    enum name_match best = NAME_MISS;

    for (size_t i = 0; i < c->dns_name_count; i++) {
        const char *name = c->dns_names[i];

        if (strcasecmp(name, host) == 0)
            return NAME_EXACT;
        if (name[0] == '*' && name[1] == '.' && dot != NULL && dot != host &&
            strcasecmp(name + 1, dot) == 0)
            best = NAME_WILDCARD;
    }
    return best;
}
