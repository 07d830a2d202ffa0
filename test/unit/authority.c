#include "test/unit/authority.h"

#include "test/unit/unit.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

enum { HOUR_S = 3600, LIFE_S = 30 * 24 * HOUR_S };

static unsigned char password[] = "secret";

static void add_extension(X509 *x, const X509 *issuer, int nid, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX context;

    X509V3_set_ctx(&context, (X509 *)issuer, x, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static X509 *certify(EVP_PKEY *key, const char *common_name, const char *names,
                     const struct identity *issuer)
{
    static long serial;
    X509 *x = X509_new();
    const X509 *by = issuer != NULL ? issuer->certificate : x;

    assert_non_null(x);
    assert_int_equal(X509_set_version(x, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), serial - HOUR_S));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), LIFE_S));
    assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                                (const unsigned char *)common_name, -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(x, X509_get_subject_name(by)), 1);
    assert_int_equal(X509_set_pubkey(x, key), 1);
    add_extension(x, by, NID_subject_key_identifier, "hash");
    add_extension(x, by, NID_basic_constraints, names != NULL ? "CA:false" : "critical,CA:true");
    if (names != NULL)
        add_extension(x, by, NID_subject_alt_name, names);
    assert_true(X509_sign(x, issuer != NULL ? issuer->key : key, EVP_sha256()) > 0);
    return x;
}

struct identity identity_new(const char *common_name, const char *names, const char *key_type,
                             const struct identity *issuer)
{
    struct identity i = { 0 };

    i.key = strcmp(key_type, "EC") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
                                        : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    assert_non_null(i.key);
    i.certificate = certify(i.key, common_name, names, issuer);
    return i;
}

struct identity identity_renew(const struct identity *old, const char *common_name,
                               const char *names, const struct identity *issuer)
{
    struct identity i = { .key = old->key };

    assert_int_equal(EVP_PKEY_up_ref(i.key), 1);
    i.certificate = certify(i.key, common_name, names, issuer);
    return i;
}

void identity_free(struct identity *i)
{
    X509_free(i->certificate);
    EVP_PKEY_free(i->key);
}

void save_certificates(const char *path, X509 *const *certificates, size_t count)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(PEM_write_X509(file, certificates[i]), 1);
    assert_int_equal(fclose(file), 0);
}

void save_key(const char *path, EVP_PKEY *key, enum key_form form, mode_t mode)
{
    BIO *file = BIO_new_file(path, "w");
    const EVP_CIPHER *cipher = form == KEY_PLAIN ? NULL : EVP_aes_128_cbc();
    const int n = sizeof(password) - 1;

    assert_non_null(file);
    if (form == KEY_ENCRYPTED_TRADITIONAL)
        assert_int_equal(
            PEM_write_bio_PrivateKey_traditional(file, key, cipher, password, n, NULL, NULL), 1);
    else
        assert_int_equal(PEM_write_bio_PrivateKey(file, key, cipher, password, n, NULL, NULL), 1);
    BIO_free(file);
    assert_int_equal(chmod(path, mode), 0);
}
