#include "tls/certificate.h"

#include "tls/errors.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

struct tls_certificate *tls_certificate_new(const char *name)
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
    sk_X509_free(c->chain);
    sk_X509_pop_free(c->loaded, X509_free);
    EVP_PKEY_free(c->key);
    free(c->chain_path);
    free(c->name);
    free(c);
}

/* An encrypted key must not stop the start with a question on the terminal. */
static int give_no_password(char *out, int size, int is_writing, void *user)
{
    (void)out;
    (void)size;
    (void)is_writing;
    (void)user;
    return -1;
}

/* A pipe would keep us waiting, a directory would give strange errors. */
static FILE *open_file(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    FILE *file = NULL;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        (void)error_set(err, "%s cannot be read: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        (void)error_set(err, "%s is no regular file", path);
    else if ((file = fdopen(fd, "r")) == NULL)
        (void)error_set(err, "memory has run out");
    if (file == NULL && fd >= 0)
        (void)close(fd);
    return file;
}

int tls_certificate_load_chain(struct tls_certificate *c, const char *path, struct error *err)
{
    FILE *file = open_file(path, err);
    X509 *x;

    if (file == NULL)
        return -1;
    ERR_clear_error();
    while ((x = PEM_read_X509(file, NULL, give_no_password, NULL)) != NULL)
        if (sk_X509_push(c->loaded, x) == 0) {
            X509_free(x);
            break;
        }
    (void)fclose(file);

    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return tls_error_set(err, "a certificate cannot be read");
    ERR_clear_error();
    if (sk_X509_num(c->loaded) == 0)
        return error_set(err,
                         "%s has no certificate; a PEM file starts with "
                         "-----BEGIN CERTIFICATE-----",
                         path);
    c->chain_path = strdup(path);
    return c->chain_path != NULL ? 0 : error_set(err, "memory has run out");
}

static int read_key(struct tls_certificate *c, FILE *file, const char *path, struct error *err)
{
    struct stat st;

    if (fstat(fileno(file), &st) < 0)
        return error_set(err, "%s cannot be read: %s", path, strerror(errno));
    if ((st.st_mode & S_IROTH) != 0)
        return error_set(err,
                         "%s can be read by everybody; chmod o-r it, and renew the key if "
                         "others had access",
                         path);
    ERR_clear_error();
    c->key = PEM_read_PrivateKey(file, NULL, give_no_password, NULL);
    if (c->key != NULL)
        return 0;
    if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_BAD_PASSWORD_READ ||
        ERR_GET_REASON(ERR_peek_error()) == PEM_R_BAD_PASSWORD_READ) {
        ERR_clear_error();
        return error_set(err,
                         "%s is encrypted; store it decrypted, readable by its owner alone: "
                         "openssl pkey -in OLD -out NEW",
                         path);
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_UNSUPPORTED) {
        ERR_clear_error();
        return error_set(err,
                         "%s has no private key; a PEM file starts with "
                         "-----BEGIN PRIVATE KEY-----",
                         path);
    }
    return tls_error_set(err, "the private key cannot be read");
}

static int find_leaf(struct tls_certificate *c, struct error *err)
{
    for (int i = 0; i < sk_X509_num(c->loaded); i++) {
        X509 *x = sk_X509_value(c->loaded, i);

        if (X509_check_private_key(x, c->key) == 1) {
            c->leaf = x;
            break;
        }
    }
    ERR_clear_error();
    if (c->leaf == NULL)
        return error_set(err, "the key belongs to no certificate of %s", c->chain_path);
    return 0;
}

static X509 *find_issuer(const struct tls_certificate *c, X509 *of)
{
    for (int i = 0; i < sk_X509_num(c->loaded); i++) {
        X509 *x = sk_X509_value(c->loaded, i);

        if (x != of && X509_check_issued(x, of) == X509_V_OK)
            return x;
    }
    return NULL;
}

/* Issuer after issuer, up to but without a root: clients have their own. */
static int order_chain(struct tls_certificate *c, struct error *err)
{
    X509 *issuer = c->leaf;

    while (sk_X509_num(c->chain) < sk_X509_num(c->loaded)) {
        issuer = find_issuer(c, issuer);
        if (issuer == NULL || X509_check_issued(issuer, issuer) == X509_V_OK)
            break;
        if (sk_X509_push(c->chain, issuer) == 0)
            return error_set(err, "memory has run out");
    }
    ERR_clear_error();
    return 0;
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

/* What OpenSSL would refuse at a handshake is refused now. */
static int check_strength(const struct tls_certificate *c, struct error *err)
{
    SSL_CTX *scratch = SSL_CTX_new(TLS_server_method());
    int rc = scratch != NULL ? SSL_CTX_use_cert_and_key(scratch, c->leaf, c->key, c->chain, 1) : 0;
    int reason = ERR_GET_REASON(ERR_peek_last_error());

    SSL_CTX_free(scratch);
    if (rc == 1)
        return 0;
    if (reason == SSL_R_EE_KEY_TOO_SMALL) {
        ERR_clear_error();
        return error_set(err,
                         "the key has %d bits, too few for today's clients; get a new key (RSA: "
                         "2048 bits or more) and certificate",
                         EVP_PKEY_get_bits(c->key));
    }
    if (reason == SSL_R_CA_MD_TOO_WEAK) {
        ERR_clear_error();
        return error_set(err, "a certificate is signed with SHA-1 or weaker, which clients refuse; "
                              "get a new one");
    }
    return tls_error_set(err, "the certificate cannot be used");
}

int tls_certificate_load_key(struct tls_certificate *c, const char *path, struct error *err)
{
    FILE *file = open_file(path, err);
    int rc;

    if (file == NULL)
        return -1;
    rc = read_key(c, file, path, err);
    (void)fclose(file);
    if (rc < 0 || sk_X509_num(c->loaded) == 0) /* what else is wrong was told with the chain */
        return rc;
    if (find_leaf(c, err) < 0 || order_chain(c, err) < 0 || read_dns_names(c, err) < 0)
        return -1;
    return check_strength(c, err);
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
