#include "tls/keystore.h"

#include "tls/legacy.h"

#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BAG_DEPTH_MAX = 8 }; /* of bags in bags; nobody writes more than one */

/* What the walk through the bags needs and finds. */
struct walk {
    const struct keystore_options *options;
    const char *password; /* NULL or text: PKCS#12 tells "none" from "empty" */
    int password_bytes;
    struct legacy legacy;
    STACK_OF(X509) * certificates;
    char aliases[256]; /* "red5", "other": of the private keys, for a message */
    int keys;
    int matches;
    EVP_PKEY *key; /* the last that matches */
};

static void note_alias(struct walk *w, const char *alias)
{
    size_t used = strlen(w->aliases);
    size_t room = sizeof(w->aliases) - used;
    const char *between = w->keys > 0 ? ", " : "";

    if (alias == NULL)
        (void)snprintf(w->aliases + used, room, "%s(one without a name)", between);
    else if (strlen(alias) + 8 < room)
        (void)snprintf(w->aliases + used, room, "%s\"%s\"", between, alias);
    else if (room > 6 && strstr(w->aliases, "...") == NULL)
        (void)snprintf(w->aliases + used, room, ", ...");
    for (char *p = w->aliases + used; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7F)
            *p = '?';
}

static PKCS8_PRIV_KEY_INFO *open_key_bag(const struct walk *w, const PKCS12_SAFEBAG *bag)
{
    PKCS8_PRIV_KEY_INFO *p8;

    if (PKCS12_SAFEBAG_get_nid(bag) == NID_pkcs8ShroudedKeyBag)
        return PKCS12_decrypt_skey_ex(bag, w->password, w->password_bytes, w->legacy.library, NULL);
    p8 = (PKCS8_PRIV_KEY_INFO *)PKCS12_SAFEBAG_get0_p8inf(bag);
    return p8 != NULL ? ASN1_item_dup(ASN1_ITEM_rptr(PKCS8_PRIV_KEY_INFO), p8) : NULL;
}

static int visit_key(struct walk *w, PKCS12_SAFEBAG *bag)
{
    char *alias = PKCS12_get_friendlyname(bag);
    const char *wanted = w->options->alias;
    bool is_wanted = wanted == NULL || (alias != NULL && strcasecmp(alias, wanted) == 0);
    PKCS8_PRIV_KEY_INFO *p8 = NULL;
    int rc = 0;

    note_alias(w, alias);
    OPENSSL_free(alias);
    w->keys++;
    if (!is_wanted)
        return 0;
    w->matches++;
    p8 = open_key_bag(w, bag);
    EVP_PKEY_free(w->key);
    w->key = p8 != NULL ? EVP_PKCS82PKEY(p8) : NULL; /* for the library context that TLS has */
    rc = w->key != NULL ? 0 : -1;
    PKCS8_PRIV_KEY_INFO_free(p8);
    return rc;
}

static int visit_certificate(struct walk *w, const PKCS12_SAFEBAG *bag)
{
    X509 *x;

    if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate)
        return 0;
    x = PKCS12_SAFEBAG_get1_cert(bag);
    if (x != NULL && sk_X509_push(w->certificates, x) > 0)
        return 0;
    X509_free(x);
    return -1;
}

/* Bags may hold bags; `depth` bounds the recursion. */
static int visit_bags(struct walk *w, const STACK_OF(PKCS12_SAFEBAG) * bags,
                      int depth) // NOLINT(misc-no-recursion)
{
    int rc = depth < BAG_DEPTH_MAX ? 0 : -1;

    for (int i = 0; rc == 0 && i < sk_PKCS12_SAFEBAG_num(bags); i++) {
        PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);

        switch (PKCS12_SAFEBAG_get_nid(bag)) {
        case NID_keyBag:
        case NID_pkcs8ShroudedKeyBag:
            rc = visit_key(w, bag);
            break;
        case NID_certBag:
            rc = visit_certificate(w, bag);
            break;
        case NID_safeContentsBag:
            rc = visit_bags(w, PKCS12_SAFEBAG_get0_safes(bag), depth + 1);
            break;
        default: /* a secret key, a CRL */
            break;
        }
    }
    return rc;
}

static int visit_safe(struct walk *w, PKCS7 *safe)
{
    STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    int rc;

    if (PKCS7_type_is_data(safe))
        bags = PKCS12_unpack_p7data(safe);
    else if (PKCS7_type_is_encrypted(safe))
        bags = PKCS12_unpack_p7encdata(safe, w->password, w->password_bytes);
    if (bags == NULL)
        return -1;
    rc = visit_bags(w, bags, 0);
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    return rc;
}

static int visit_all(struct walk *w, PKCS12 *p12)
{
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
    int rc = safes != NULL ? 0 : -1;

    for (int i = 0; rc == 0 && i < sk_PKCS7_num(safes); i++)
        rc = visit_safe(w, sk_PKCS7_value(safes, i));
    sk_PKCS7_pop_free(safes, PKCS7_free);
    return rc;
}

/* The MAC tells a wrong password from a damaged file. "No password" comes in
 * two encodings; openssl pkcs12 tries both as well. */
static bool find_password(struct walk *w, PKCS12 *p12)
{
    const struct file *given = w->options->password;

    w->password = given != NULL ? (const char *)given->bytes : "";
    w->password_bytes = given != NULL ? (int)given->size : 0;
    if (!PKCS12_mac_present(p12) || PKCS12_verify_mac(p12, w->password, w->password_bytes) == 1)
        return true;
    if (given == NULL && PKCS12_verify_mac(p12, NULL, 0) == 1) {
        w->password = NULL;
        return true;
    }
    return false;
}

static int explain(const struct walk *w, bool is_open, struct error *err)
{
    const struct keystore_options *o = w->options;

    if (legacy_is_missing())
        return error_set(
            err,
            "%s is sealed or encrypted in a way that OpenSSL does not have here; %sturn "
            "it into a new one with scripts/import-keystore",
            o->file->path, w->legacy.old == NULL ? "install its legacy provider, or " : "");
    if (!is_open && o->password == NULL)
        return error_set(err,
                         "%s needs a password; name a file that holds it as keystore_password_file",
                         o->file->path);
    if (!is_open)
        return error_set(err, "the password in %s does not open %s", o->password->path,
                         o->file->path);
    if (w->keys > 0 && w->matches > 0)
        return error_set(err, "the private key in %s is damaged, or has a password of its own",
                         o->file->path);
    return error_set(err, "%s is damaged, or its password is another", o->file->path);
}

static int judge(const struct walk *w, struct error *err)
{
    const struct keystore_options *o = w->options;

    if (w->keys == 0)
        return error_set(err, "%s has no private key, only %d certificates", o->file->path,
                         sk_X509_num(w->certificates));
    if (w->matches == 0)
        return error_set(err, "%s has no private key of the alias \"%s\"; it has: %s",
                         o->file->path, o->alias, w->aliases);
    if (w->matches > 1)
        return error_set(err, "%s has %d private keys; choose one by keystore_alias: %s",
                         o->file->path, w->matches, w->aliases);
    if (sk_X509_num(w->certificates) == 0)
        return error_set(err, "%s has no certificate", o->file->path);
    return 0;
}

static int decode(struct walk *w, struct error *err)
{
    const unsigned char *at = w->options->file->bytes;
    PKCS12 *p12 = PKCS12_init_ex(NID_pkcs7_data, w->legacy.library, NULL);
    BIO *in = BIO_new_mem_buf(at, (int)w->options->file->size);
    bool is_open;
    int rc;

    if (p12 == NULL || in == NULL) {
        rc = error_set(err, "memory has run out");
    } else if (d2i_PKCS12_bio(in, &p12) == NULL) {
        rc = error_set(err, "%s is no PKCS#12 file; a PEM or DER file is named by chain and key",
                       w->options->file->path);
    } else {
        ERR_clear_error();
        is_open = find_password(w, p12);
        rc = is_open && visit_all(w, p12) == 0 ? judge(w, err) : explain(w, is_open, err);
    }
    BIO_free(in);
    PKCS12_free(p12);
    return rc;
}

EVP_PKEY *keystore_decode(const struct keystore_options *options, STACK_OF(X509) * out,
                          struct error *err)
{
    const char *java = file_java_format(options->file);
    struct walk w = { .options = options, .certificates = out };
    int rc;

    if (java != NULL) {
        (void)error_set(err, "%s is %s; turn it into a PKCS#12 file with scripts/import-keystore",
                        options->file->path, java);
        return NULL;
    }
    legacy_init(&w.legacy);
    rc = decode(&w, err);
    legacy_deinit(&w.legacy);
    ERR_clear_error();
    if (rc < 0) {
        EVP_PKEY_free(w.key);
        return NULL;
    }
    return w.key;
}
