#include "test/unit/unit.h"

#include "test/unit/authority.h"
#include "test/unit/tls_pair.h"

#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <sys/socket.h>
#include <sys/stat.h>

/*    root -> intermediate -> main, wild, cam        stranger, signed by itself    */
static struct identity root, intermediate, leaf, wild, cam, stranger;
static struct identity renewed;  /* main's key in a newer certificate */
static struct identity impostor; /* called as the intermediate, with another key */
static struct identity crossed;  /* the root's name and key, signed by an older root */
static struct identity older;
static struct identity hen, egg; /* each has signed the other */
static struct identity circled;  /* main's key in a certificate of the hen */
static SSL_CTX *client;

static char said[4096]; /* of the certificate loaded last */

static struct tls_certificate *load(const char *name, const char *chain, const char *key)
{
    const struct tls_certificate_options options = { .name = name, .chain = chain, .key = key };

    return load_certificate(&options, said, sizeof(said));
}

#define NO_CERTIFICATE(file)                                                                       \
    "chain: " file " has no certificate; a PEM file starts with -----BEGIN CERTIFICATE-----\n"
#define NO_KEY(file)                                                                               \
    "key: " file " has no private key; a PEM file starts with -----BEGIN PRIVATE KEY-----\n"
#define LOCKED(file)                                                                               \
    "key: " file " is encrypted; name a file with its password as key_password_file, or store it " \
    "decrypted: openssl pkey -in OLD -out NEW\n"

static void faults(void **state)
{
    static const struct {
        const char *name, *chain, *key, *complaint; /* "": none */
    } rows[] = {
        { "all is well", "main.pem", "main.key", "" },
        { "the group may read the key", "main.pem", "group.key", "" },
        { "both in one file", "both.pem", "both.pem", "" },
        { "DER", "main.der", "key.der",
          "warning: chain: the issuer of CN=main is missing: "
          "CN=intermediate; the server would send an incomplete "
          "chain\n" },
        { "PKCS#7", "main.p7", "main.key", "" },
        { "PKCS#7 as PEM", "main.p7.pem", "main.key", "" },
        { "a key that everybody can read, beside the chain", "leak.pem", "main.key",
          "warning: chain: can be read by everybody, and holds a private key; take that out, or "
          "chmod o-r it and renew the key\n" },
        { "a byte order mark", "marked.pem", "main.key", "" },
        { "no chain file", "missing.pem", "main.key",
          "chain: missing.pem cannot be read: No such file or directory\n" },
        { "a directory", ".", "main.key", "chain: . is no regular file\n" },
        { "no certificate in it", "main.key", "main.key", NO_CERTIFICATE("main.key") },
        { "an empty file", "empty.pem", "main.key", NO_CERTIFICATE("empty.pem") },
        { "a key that is DER", "key.der", "main.key", NO_CERTIFICATE("key.der") },
        { "garbage behind DER", "behind.der", "main.key",
          "chain: behind.der is damaged behind its certificate 1\n" },
        { "a damaged certificate", "damaged.pem", "main.key",
          "chain: damaged.pem is damaged in its block 1, counted by BEGIN lines: a line is cut or "
          "has a character that is no base64\n" },
        { "a certificate that is cut", "cut.pem", "main.key",
          "chain: cut.pem is damaged in its block 1, counted by BEGIN lines: its END line is "
          "missing or belongs to another\n" },
        { "a block that holds something else", "wrong.pem", "main.key",
          "chain: wrong.pem is damaged in its block 4, counted by BEGIN lines: it is no "
          "CERTIFICATE\n" },
        { "a Java keystore", "keystore.jks", "main.key",
          "chain: keystore.jks is a Java keystore (JKS); turn it into a PKCS#12 file with "
          "scripts/import-keystore\n" },
        { "a Java keystore for a key", "main.pem", "keystore.jceks",
          "key: keystore.jceks is a Java keystore (JCEKS); turn it into a PKCS#12 file with "
          "scripts/import-keystore\n" },
        { "no key file", "main.pem", "missing.key",
          "key: missing.key cannot be read: No such file or directory\n" },
        { "no key in it", "main.pem", "private.pem", NO_KEY("private.pem") },
        { "an empty key file", "main.pem", "empty.key",
          "key: empty.key has no private key; it is neither PEM, which starts with "
          "-----BEGIN PRIVATE KEY-----, nor DER\n" },
        { "two keys", "main.pem", "two.key",
          "key: two.key has 2 private keys; leave the one of the certificate\n" },
        { "the key of another", "main.pem", "stranger.key",
          "key: the key belongs to none of the certificates: CN=main, CN=intermediate, "
          "CN=root\n" },
        { "an encrypted key", "main.pem", "encrypted.key", LOCKED("encrypted.key") },
        { "a key encrypted the old way", "main.pem", "traditional.key", LOCKED("traditional.key") },
        { "others may read the key", "main.pem", "open.key",
          "key: open.key can be read by everybody; chmod o-r it, and renew what is in it if others "
          "had access\n" },
        { "both are missing", "missing.pem", "missing.key",
          "chain: missing.pem cannot be read: No such file or directory\n"
          "key: missing.key cannot be read: No such file or directory\n" },
        { "no provider for a URI", "main.pem", "pkcs11:object=main",
          "key: nothing here opens pkcs11: URIs; OpenSSL needs a provider for them, set up in "
          "openssl.cnf\n" },
        { "a URI of a file", "main.pem", "file:main.key",
          "key: write a file's name without file:\n" },
        { "a drive, not a URI", "main.pem", "c:main.key",
          "key: c:main.key cannot be read: No such file or directory\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tls_certificate *c = load("main", rows[i].chain, rows[i].key);
        bool is_usable =
            rows[i].complaint[0] == '\0' || strncmp(rows[i].complaint, "warning", 7) == 0;

        row_assert_string(&rows[i], said, rows[i].complaint);
        row_assert(&rows[i], (c != NULL) == is_usable);
        tls_certificate_free(c);
    }
}

static void passwords(void **state)
{
    static const struct {
        const char *name, *key, *password, *complaint;
    } rows[] = {
        { "right", "encrypted.key", "right.pass", "" },
        { "right, the old way", "traditional.key", "right.pass", "" },
        { "right, DER", "encrypted.der", "right.pass", "" },
        { "with a line end", "encrypted.key", "line.pass", "" },
        { "with a line end of Windows", "encrypted.key", "crlf.pass", "" },
        { "wrong", "encrypted.key", "wrong.pass",
          "key: the password in wrong.pass does not open encrypted.key\n" },
        { "wrong, the old way", "traditional.key", "wrong.pass",
          "key: the password in wrong.pass does not open traditional.key\n" },
        { "wrong, DER", "encrypted.der", "wrong.pass",
          "key: the password in wrong.pass does not open encrypted.der\n" },
        { "spaces count", "encrypted.key", "space.pass",
          "key: the password in space.pass does not open encrypted.key\n" },
        { "empty", "encrypted.key", "empty.pass",
          "key_password_file: empty.pass is empty; it must hold the password\n" },
        { "a line end alone", "encrypted.key", "end.pass",
          "key_password_file: end.pass is empty; it must hold the password\n" },
        { "two lines", "encrypted.key", "lines.pass",
          "key_password_file: lines.pass has more than one line; it must hold the password "
          "alone\n" },
        { "none there", "encrypted.key", "missing.pass",
          "key_password_file: missing.pass cannot be read: No such file or directory\n" },
        { "open to all", "encrypted.key", "open.pass",
          "key_password_file: open.pass can be read by everybody; chmod o-r it, and renew what is "
          "in it if others had access\n" },
        { "not needed", "main.key", "right.pass",
          "warning: key_password_file: does nothing: the key is not encrypted\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct tls_certificate_options options = { .name = "main",
                                                         .chain = "main.pem",
                                                         .key = rows[i].key,
                                                         .key_password_file = rows[i].password };
        struct tls_certificate *c = load_certificate(&options, said, sizeof(said));

        row_assert_string(&rows[i], said, rows[i].complaint);
        tls_certificate_free(c);
    }
}

static void keystores(void **state)
{
    static const char not_opened[] =
        "keystore: the password in wrong.pass does not open main.p12\n";
    static const struct {
        const char *name, *keystore, *password, *alias, *complaint;
    } rows[] = {
        { "one key", "main.p12", "right.pass", NULL, "" },
        { "its alias", "main.p12", "right.pass", "red5", "" },
        { "its alias in capitals", "main.p12", "right.pass", "RED5", "" },
        { "no password", "open.p12", NULL, NULL, "" },
        { "no password, in its other encoding", "null.p12", NULL, NULL, "" },
        { "no MAC", "unsealed.p12", "right.pass", NULL, "" },
        { "a key that is not encrypted", "bare-key.p12", "right.pass", NULL, "" },
        { "old encryption", "old.p12", "right.pass", NULL, "" },
        { "readable by all", "shared.p12", "right.pass", NULL,
          "warning: keystore: can be read by everybody, so that only its password protects the "
          "private key; chmod o-r it\n" },
        { "wrong alias", "main.p12", "right.pass", "other",
          "keystore: main.p12 has no private key of the alias \"other\"; it has: \"red5\"\n" },
        { "wrong password", "main.p12", "wrong.pass", NULL, not_opened },
        { "wrong password, no MAC", "unsealed.p12", "wrong.pass", NULL,
          "keystore: unsealed.p12 is damaged, or its password is another\n" },
        { "password not given", "main.p12", NULL, NULL,
          "keystore: main.p12 needs a password; name a file that holds it as "
          "keystore_password_file\n" },
        { "no key", "keyless.p12", "right.pass", NULL,
          "keystore: keyless.p12 has no private key, only 2 certificates\n" },
        { "no certificate", "bare.p12", "right.pass", NULL,
          "keystore: bare.p12 has no certificate\n" },
        { "PEM", "main.pem", "right.pass", NULL,
          "keystore: main.pem is no PKCS#12 file; a PEM or DER file is named by chain and key\n" },
        { "JKS", "keystore.jks", "right.pass", NULL,
          "keystore: keystore.jks is a Java keystore (JKS); turn it into a PKCS#12 file with "
          "scripts/import-keystore\n" },
        { "missing", "missing.p12", "right.pass", NULL,
          "keystore: missing.p12 cannot be read: No such file or directory\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct tls_certificate_options options = { .name = "main",
                                                         .keystore = rows[i].keystore,
                                                         .keystore_password_file = rows[i].password,
                                                         .keystore_alias = rows[i].alias };
        struct tls_certificate *c = load_certificate(&options, said, sizeof(said));

        row_assert_string(&rows[i], said, rows[i].complaint);
        row_assert(&rows[i], (c != NULL) == (said[0] == '\0' || strncmp(said, "warning", 7) == 0));
        tls_certificate_free(c);
    }
}

/* Whatever a disk makes of a file, loading it ends with a sentence. */
static void damage(void **state)
{
    static const struct {
        const char *name, *file;
        struct tls_certificate_options options;
    } rows[] = {
        { "PEM chain", "main.pem", { .chain = "x", .key = "main.key" } },
        { "DER chain", "main.der", { .chain = "x", .key = "main.key" } },
        { "PKCS#7 chain", "main.p7", { .chain = "x", .key = "main.key" } },
        { "PEM key", "main.key", { .chain = "main.pem", .key = "x" } },
        { "DER key", "key.der", { .chain = "main.pem", .key = "x" } },
        { "PKCS#12", "main.p12", { .keystore = "x", .keystore_password_file = "right.pass" } },
        { "PKCS#12 without a MAC",
          "unsealed.p12",
          { .keystore = "x", .keystore_password_file = "right.pass" } },
    };
    enum { STEPS = 40 };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tls_certificate_options options = rows[i].options;
        size_t size;
        char *bytes = read_bytes(rows[i].file, &size);

        options.name = "main";
        for (size_t at = 0; at < size; at += 1 + size / STEPS) {
            char was = bytes[at];
            struct tls_certificate *c;

            write_file("x", bytes, at);
            assert_int_equal(chmod("x", 0600), 0);
            c = load_certificate(&options, said, sizeof(said));
            row_assert(&rows[i], c != NULL || said[0] != '\0');
            tls_certificate_free(c);

            bytes[at] = (char)(was ^ 0x55);
            write_file("x", bytes, size);
            c = load_certificate(&options, said, sizeof(said));
            row_assert(&rows[i], c != NULL || said[0] != '\0');
            tls_certificate_free(c);
            bytes[at] = was;
        }
        free(bytes);
    }
}

/* "main < intermediate": the common names of what the client got. */
static const char *received_chain(SSL *ssl)
{
    static char text[256];
    const STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);

    text[0] = '\0';
    for (int i = 0; i < sk_X509_num(chain); i++) {
        char name[64];
        X509_NAME *subject = X509_get_subject_name(sk_X509_value(chain, i));

        assert_true(X509_NAME_get_text_by_NID(subject, NID_commonName, name, sizeof(name)) > 0);
        strcat(text, i > 0 ? " < " : "");
        strcat(text, name);
    }
    return text;
}

static void chains_in_any_order(void **state)
{
    const struct {
        const char *name;
        X509 *file[4]; /* what stands in it, up to NULL */
        const char *chain;
        int verdict;
        const char *said;
    } rows[] = {
        { "in order",
          { leaf.certificate, intermediate.certificate, root.certificate },
          "main < intermediate",
          X509_V_OK,
          "" },
        { "upside down",
          { root.certificate, intermediate.certificate, leaf.certificate },
          "main < intermediate",
          X509_V_OK,
          "" },
        { "a stranger between",
          { leaf.certificate, stranger.certificate, intermediate.certificate, root.certificate },
          "main < intermediate",
          X509_V_OK,
          "warning: chain: the certificate of CN=stranger is no part of the chain and is not "
          "sent\n" },
        { "another leaf first",
          { wild.certificate, leaf.certificate, intermediate.certificate, root.certificate },
          "main < intermediate",
          X509_V_OK,
          "warning: chain: the certificate of CN=wild is no part of the chain and is not sent\n" },
        { "the leaf twice",
          { leaf.certificate, leaf.certificate, intermediate.certificate, root.certificate },
          "main < intermediate",
          X509_V_OK,
          "" },
        { "the intermediate twice",
          { leaf.certificate, intermediate.certificate, intermediate.certificate,
            root.certificate },
          "main < intermediate",
          X509_V_OK,
          "" },
        { "no root",
          { leaf.certificate, intermediate.certificate },
          "main < intermediate",
          X509_V_OK,
          "warning: chain: the issuer of CN=intermediate is missing: CN=root; the server would "
          "send an incomplete chain (if that is the root of a CA of your own, add it to the file: "
          "it is not sent)\n" },
        { "no intermediate",
          { leaf.certificate, root.certificate },
          "main",
          X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
          "warning: chain: the issuer of CN=main is missing: CN=intermediate; the server would "
          "send an incomplete chain\n"
          "warning: chain: the certificate of CN=root is no part of the chain and is not sent\n" },
        { "renewed with the same key",
          { leaf.certificate, renewed.certificate, intermediate.certificate, root.certificate },
          "renewed < intermediate",
          X509_V_OK,
          "warning: chain: the certificate of CN=main is no part of the chain and is not "
          "sent\n" },
        { "an issuer of the same name and another key",
          { leaf.certificate, impostor.certificate, intermediate.certificate, root.certificate },
          "main < intermediate",
          X509_V_OK,
          "warning: chain: the certificate of CN=intermediate is no part of the chain and is not "
          "sent\n" },
        { "issuers in a circle",
          { circled.certificate, egg.certificate, hen.certificate },
          "main < hen < egg",
          X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
          "warning: chain: the issuer of CN=egg is missing: CN=hen; the server would send an "
          "incomplete chain (if that is the root of a CA of your own, add it to the file: it is "
          "not "
          "sent)\n" },
        { "a root signed by an older one",
          { leaf.certificate, intermediate.certificate, root.certificate, crossed.certificate },
          "main < intermediate < root",
          X509_V_OK,
          "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct tls_certificate *certificates[1];
        struct tls_context *context;
        struct tls_certificate *c;
        struct pair p;
        size_t count = 0;

        while (count < COUNT(rows[i].file) && rows[i].file[count] != NULL)
            count++;
        save_certificates("order.pem", rows[i].file, count);
        c = load("main", "order.pem", "main.key");
        row_assert_string(&rows[i], said, rows[i].said);
        certificates[0] = c;
        context = offer(certificates, 1);

        pair_open(&p, SOCK_STREAM, context, client, NULL);
        row_assert_int(&rows[i], pair_handshake(&p), IO_OK);
        row_assert_string(&rows[i], received_chain(p.client.ssl), rows[i].chain);
        row_assert_int(&rows[i], SSL_get_verify_result(p.client.ssl), rows[i].verdict);
        pair_close(&p);
        tls_context_free(context);
        tls_certificate_free(c);
    }
}

static void a_self_signed_certificate_is_sent(void **state)
{
    struct tls_certificate *c = load("stranger", "stranger.pem", "stranger.key");
    const struct tls_certificate *certificates[] = { c };
    struct tls_context *context = offer(certificates, 1);
    struct pair p;

    (void)state;
    pair_connect(&p, SOCK_STREAM, context, client);
    assert_string_equal(received_chain(p.client.ssl), "stranger");
    pair_close(&p);
    tls_context_free(context);
    tls_certificate_free(c);
}

#define LETTERS_27 "abcdefghijklmnopqrstuvwxyz-"
#define LETTERS_81 LETTERS_27 LETTERS_27 LETTERS_27

/* `wild` is RSA, the others are EC: the client must get the chosen one. */
static void names_choose(void **state)
{
    static const struct {
        const char *name, *sni, *certificate;
    } rows[] = {
        { "no name: the first", NULL, "main" },
        { "exact", "example.org", "main" },
        { "exact, another of its names", "www.example.net", "main" },
        { "case does not matter", "EXAMPLE.org", "main" },
        { "wildcard", "a.example.org", "wild" },
        { "wildcard, in capitals", "A.Example.ORG", "wild" },
        { "exact before wildcard", "cam.example.org", "cam" },
        { "a wildcard is one label", "a.b.example.org", "main" },
        { "a wildcard is a whole label", "xexample.org", "main" },
        { "a wildcard is no empty label", ".example.org", "main" },
        { "unknown: the first", "example.com", "main" },
        { "a name that only starts alike", "example.org.evil", "main" },
        { "the wildcard itself is no host", "*.example.org", "wild" },
        { "an address in words", "127.0.0.1", "main" },
        { "255 bytes, the most there can be", LETTERS_81 LETTERS_81 LETTERS_81 ".example.org",
          "wild" },
    };
    struct tls_certificate *loaded[] = {
        load("main", "main.pem", "main.key"),
        load("wild", "wild.pem", "wild.key"),
        load("cam", "cam.pem", "cam.key"),
    };
    struct tls_context *context =
        offer((const struct tls_certificate *const *)loaded, COUNT(loaded));

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char expected[64];
        struct pair p;

        pair_open(&p, SOCK_STREAM, context, client, rows[i].sni);
        row_assert(&rows[i], tls_conn_certificate(p.conn) == NULL);
        row_assert_int(&rows[i], pair_handshake(&p), IO_OK);
        row_assert_string(&rows[i], tls_conn_certificate(p.conn), rows[i].certificate);
        if (rows[i].sni != NULL)
            row_assert_string(&rows[i], tls_conn_sni(p.conn), rows[i].sni);
        else
            row_assert(&rows[i], tls_conn_sni(p.conn) == NULL);
        (void)snprintf(expected, sizeof(expected), "%s < intermediate", rows[i].certificate);
        row_assert_string(&rows[i], received_chain(p.client.ssl), expected);
        row_assert_int(&rows[i], SSL_get_verify_result(p.client.ssl), X509_V_OK);
        pair_close(&p);
    }
    tls_context_free(context);
    for (size_t i = 0; i < COUNT(loaded); i++)
        tls_certificate_free(loaded[i]);
}

static void save_chain(const char *path, const struct identity *of)
{
    X509 *const chain[] = { of->certificate, intermediate.certificate, root.certificate };

    save_certificates(path, chain, COUNT(chain));
}

static void save_private(const char *path, const char *bytes, size_t n)
{
    write_file(path, bytes, n);
    assert_int_equal(chmod(path, 0600), 0);
}

static void save_two(const char *path, const char *first, const char *second)
{
    char *a = read_file(first), *b = read_file(second), *both;

    assert_true(asprintf(&both, "%s%s", a, b) > 0);
    save_private(path, both, strlen(both));
    free(a);
    free(b);
    free(both);
}

/* "main.pem" with one byte changed, with its last line missing, and more. */
static void save_odd_chains(void)
{
    char *text = read_file("main.pem"), *odd;
    const char *last_line = strstr(text, "-----END");

    write_file("cut.pem", text, (size_t)(last_line - text));
    assert_true(asprintf(&odd, "\xEF\xBB\xBF%s", text) > 0);
    write_file("marked.pem", odd, strlen(odd));
    free(odd);
    assert_true(asprintf(&odd, "%s-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
                         text) > 0);
    write_file("wrong.pem", odd, strlen(odd));
    free(odd);
    text[100] = '!';
    write_file("damaged.pem", text, strlen(text));
    free(text);
}

static void save_der(void)
{
    unsigned char *der = NULL;
    int n = i2d_X509(leaf.certificate, &der);

    write_file("main.der", (char *)der, (size_t)n);
    der = OPENSSL_realloc(der, (size_t)n + 5);
    memcpy(der + n, "extra", 5);
    write_file("behind.der", (char *)der, (size_t)n + 5);
    OPENSSL_free(der);

    der = NULL;
    n = i2d_PrivateKey(leaf.key, &der);
    save_private("key.der", (char *)der, (size_t)n);
    OPENSSL_free(der);
}

static void save_pkcs7(void)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    PKCS7 *p7;
    FILE *der = fopen("main.p7", "w"), *pem = fopen("main.p7.pem", "w");

    assert_true(sk_X509_push(chain, root.certificate) > 0);
    assert_true(sk_X509_push(chain, intermediate.certificate) > 0);
    assert_true(sk_X509_push(chain, leaf.certificate) > 0);
    p7 = PKCS7_sign(NULL, NULL, chain, NULL, PKCS7_PARTIAL);
    assert_non_null(p7);
    assert_int_equal(i2d_PKCS7_fp(der, p7), 1);
    assert_int_equal(PEM_write_PKCS7(pem, p7), 1);
    assert_int_equal(fclose(der), 0);
    assert_int_equal(fclose(pem), 0);
    PKCS7_free(p7);
    sk_X509_free(chain);
}

static void save_encrypted_der(void)
{
    FILE *file = fopen("encrypted.der", "w");
    char password[] = "secret";

    assert_int_equal(
        i2d_PKCS8PrivateKey_fp(file, leaf.key, EVP_aes_256_cbc(), password, 6, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod("encrypted.der", 0600), 0);
}

/* A keystore without a MAC, or with a key or certificate too few. */
static void save_keystore(const char *path, EVP_PKEY *key, X509 *certificate, int mac_rounds,
                          const char *password)
{
    STACK_OF(X509) *others = sk_X509_new_null();
    PKCS12 *p12;
    FILE *file = fopen(path, "w");

    assert_true(certificate == NULL || (sk_X509_push(others, root.certificate) > 0 &&
                                        sk_X509_push(others, intermediate.certificate) > 0));
    p12 = PKCS12_create(password, "red5", key, key != NULL ? certificate : NULL, others, 0, 0, 1,
                        mac_rounds, 0);
    assert_non_null(p12);
    assert_int_equal(i2d_PKCS12_fp(file, p12), 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
    PKCS12_free(p12);
    sk_X509_free(others);
}

/* Sealed with a password, but readable without. */
static void save_bare_key(void)
{
    STACK_OF(X509) *others = sk_X509_new_null();
    PKCS12 *p12;
    FILE *file = fopen("bare-key.p12", "w");

    assert_true(sk_X509_push(others, intermediate.certificate) > 0);
    assert_true(sk_X509_push(others, root.certificate) > 0);
    p12 = PKCS12_create("secret", "red5", leaf.key, leaf.certificate, others, -1, -1, 1, 1, 0);
    assert_int_equal(i2d_PKCS12_fp(file, p12), 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod("bare-key.p12", 0600), 0);
    PKCS12_free(p12);
    sk_X509_free(others);
}

/* As the JDK of 2012 wrote them: RC2 with 40 bits, Triple-DES, SHA-1. */
static void save_old_keystore(void)
{
    OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *common = OSSL_PROVIDER_load(library, "default");
    OSSL_PROVIDER *old = OSSL_PROVIDER_load(library, "legacy");
    STACK_OF(X509) *others = sk_X509_new_null();
    FILE *file = fopen("old.p12", "w");
    PKCS12 *p12;

    assert_non_null(common);
    assert_non_null(old);
    assert_true(sk_X509_push(others, intermediate.certificate) > 0);
    assert_true(sk_X509_push(others, root.certificate) > 0);
    p12 = PKCS12_create_ex("secret", "red5", leaf.key, leaf.certificate, others,
                           NID_pbe_WithSHA1And3_Key_TripleDES_CBC, NID_pbe_WithSHA1And40BitRC2_CBC,
                           1024, 1, 0, library, NULL);
    assert_non_null(p12);
    assert_int_equal(i2d_PKCS12_fp(file, p12), 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod("old.p12", 0600), 0);
    PKCS12_free(p12);
    sk_X509_free(others);
    assert_int_equal(OSSL_PROVIDER_unload(old), 1);
    assert_int_equal(OSSL_PROVIDER_unload(common), 1);
    OSSL_LIB_CTX_free(library);
}

static void save_keystores(void)
{
    save_keystore("main.p12", leaf.key, leaf.certificate, 1, "secret");
    save_keystore("shared.p12", leaf.key, leaf.certificate, 1, "secret");
    assert_int_equal(chmod("shared.p12", 0644), 0);
    save_keystore("unsealed.p12", leaf.key, leaf.certificate, -1, "secret");
    save_keystore("open.p12", leaf.key, leaf.certificate, 1, "");
    save_keystore("null.p12", leaf.key, leaf.certificate, 1, NULL);
    save_keystore("keyless.p12", NULL, leaf.certificate, 1, "secret");
    save_keystore("bare.p12", leaf.key, NULL, 1, "secret");
    save_bare_key();
    save_old_keystore();
    write_file("keystore.jks", "\xFE\xED\xFE\xED\0\0\0\2", 8);
    save_private("keystore.jceks", "\xCE\xCE\xCE\xCE\0\0\0\2", 8);
}

static void save_passwords(void)
{
    save_private("right.pass", "secret", 6);
    save_private("line.pass", "secret\n", 7);
    save_private("crlf.pass", "secret\r\n", 8);
    save_private("wrong.pass", "Secret\n", 7);
    save_private("space.pass", "secret \n", 8);
    save_private("empty.pass", "", 0);
    save_private("end.pass", "\n", 1);
    save_private("lines.pass", "secret\nsecret\n", 14);
    write_file("open.pass", "secret\n", 7);
    assert_int_equal(chmod("open.pass", 0644), 0);
}

static void make_circle(void)
{
    struct identity first = identity_new("hen", NULL, "EC", NULL);

    egg = identity_new("egg", NULL, "EC", &first);
    hen = identity_renew(&first, "hen", NULL, &egg);
    circled = identity_renew(&leaf, "main", "DNS:example.org", &hen);
    identity_free(&first);
}

static int set_up(void **state)
{
    if (enter_temp_dir(state) != 0)
        return -1;
    root = identity_new("root", NULL, "EC", NULL);
    intermediate = identity_new("intermediate", NULL, "EC", &root);
    leaf = identity_new("main", "DNS:example.org,DNS:www.example.net,IP:127.0.0.1", "EC",
                        &intermediate);
    wild = identity_new("wild", "DNS:*.Example.org", "RSA", &intermediate);
    cam = identity_new("cam", "DNS:cam.example.org", "EC", &intermediate);
    stranger = identity_new("stranger", "DNS:example.org", "EC", NULL);
    renewed = identity_renew(&leaf, "renewed", "DNS:example.org", &intermediate);
    impostor = identity_new("intermediate", NULL, "EC", &root);
    older = identity_new("older", NULL, "EC", NULL);
    crossed = identity_renew(&root, "root", NULL, &older);
    make_circle();
    client = client_context_new(root.certificate);

    save_chain("main.pem", &leaf);
    save_chain("wild.pem", &wild);
    save_chain("cam.pem", &cam);
    save_certificates("stranger.pem", &stranger.certificate, 1);
    save_key("main.key", leaf.key, KEY_PLAIN, 0600);
    save_key("wild.key", wild.key, KEY_PLAIN, 0600);
    save_key("cam.key", cam.key, KEY_PLAIN, 0600);
    save_key("stranger.key", stranger.key, KEY_PLAIN, 0600);
    save_key("group.key", leaf.key, KEY_PLAIN, 0640);
    save_key("open.key", leaf.key, KEY_PLAIN, 0604);
    save_key("encrypted.key", leaf.key, KEY_ENCRYPTED, 0600);
    save_key("traditional.key", leaf.key, KEY_ENCRYPTED_TRADITIONAL, 0600);
    save_odd_chains();
    save_two("both.pem", "main.key", "main.pem");
    save_two("two.key", "main.key", "cam.key");
    save_two("leak.pem", "main.pem", "main.key");
    assert_int_equal(chmod("leak.pem", 0644), 0);
    save_der();
    save_pkcs7();
    save_encrypted_der();
    save_keystores();
    save_passwords();
    write_file("empty.pem", "", 0);
    save_private("empty.key", "", 0);
    save_chain("private.pem", &leaf);
    return chmod("private.pem", 0600);
}

static int tear_down(void **state)
{
    struct identity *const all[] = { &root,     &intermediate, &leaf,     &wild,    &cam,
                                     &stranger, &renewed,      &impostor, &crossed, &older };

    for (size_t i = 0; i < COUNT(all); i++)
        identity_free(all[i]);
    SSL_CTX_free(client);
    return leave_temp_dir(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults),
        cmocka_unit_test(passwords),
        cmocka_unit_test(keystores),
        cmocka_unit_test(damage),
        cmocka_unit_test(chains_in_any_order),
        cmocka_unit_test(a_self_signed_certificate_is_sent),
        cmocka_unit_test(names_choose),
    };

    return cmocka_run_group_tests_name("certificate", tests, set_up, tear_down);
}
