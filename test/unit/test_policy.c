#include "test/unit/unit.h"

#include "test/unit/authority.h"
#include "test/unit/tls_pair.h"

#include <openssl/err.h>
#include <sys/socket.h>

static struct identity root, ec, rsa, ec_other, ec_wild, ec_again;
static struct tls_certificate *certificates[5];
static char said[4096];

enum { EC, RSA_, OTHER, WILD, AGAIN }; /* the first two and the last have the same names */

static struct tls_context *context_new(struct tls_options options, size_t count)
{
    options.name = "rtmps";
    options.certificates = (const struct tls_certificate *const *)certificates;
    options.certificate_count = count;
    return make_context(&options, said, sizeof(said));
}

/* ---- versions and ciphers ---- */

struct offer {
    int version;
    const char *ciphers; /* of TLS 1.2 and older */
};

/* "TLSv1.2 NAME", or the fault. */
static void shake(struct tls_context *server, struct offer offer, char *out, size_t size)
{
    SSL_CTX *client = client_context_new(root.certificate);
    struct pair p;

    assert_int_equal(SSL_CTX_set_min_proto_version(client, offer.version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(client, offer.version), 1);
    if (offer.ciphers != NULL)
        assert_int_equal(SSL_CTX_set_cipher_list(client, offer.ciphers), 1);
    pair_open(&p, SOCK_STREAM, server, client, NULL);
    if (pair_handshake(&p) == IO_OK)
        (void)snprintf(out, size, "%s %s", tls_conn_version(p.conn), tls_conn_cipher(p.conn));
    else
        (void)snprintf(out, size, "%s", tls_conn_fault(p.conn));
    pair_close(&p);
    SSL_CTX_free(client);
}

#define NONE                                                                                       \
    "no shared cipher (the client offers none that the proxy has, or has for its certificate's "   \
    "type of key)"
#define TOO_OLD "unsupported protocol (the client has no version of TLS that this listener speaks)"

static void policies(void **state)
{
    static const struct {
        const char *name;
        struct offer offer;
        const char *modern, *intermediate, *legacy;
    } rows[] = {
        { "TLS 1.3",
          { TLS1_3_VERSION, NULL },
          "TLSv1.3 TLS_AES_128_GCM_SHA256",
          "TLSv1.3 TLS_AES_128_GCM_SHA256",
          "TLSv1.3 TLS_AES_128_GCM_SHA256" },
        { "TLS 1.2, all",
          { TLS1_2_VERSION, "ALL" },
          TOO_OLD,
          "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256",
          "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256" },
        { "the server's order",
          { TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256" },
          TOO_OLD,
          "TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256",
          "TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256" },
        { "a client without AES in hardware",
          { TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256" },
          TOO_OLD,
          "TLSv1.2 ECDHE-RSA-CHACHA20-POLY1305",
          "TLSv1.2 ECDHE-RSA-CHACHA20-POLY1305" },
        { "CBC",
          { TLS1_2_VERSION, "ECDHE-RSA-AES128-SHA" },
          TOO_OLD,
          NONE,
          "TLSv1.2 ECDHE-RSA-AES128-SHA" },
        { "RSA key exchange",
          { TLS1_2_VERSION, "AES128-SHA" },
          TOO_OLD,
          NONE,
          "TLSv1.2 AES128-SHA" },
        { "DHE", { TLS1_2_VERSION, "kDHE:@SECLEVEL=0" }, TOO_OLD, NONE, NONE },
        { "no certificate", { TLS1_2_VERSION, "aNULL:@SECLEVEL=0" }, TOO_OLD, NONE, NONE },
        { "no encryption", { TLS1_2_VERSION, "eNULL:@SECLEVEL=0" }, TOO_OLD, NONE, NONE },
        { "TLS 1.1",
          { TLS1_1_VERSION, "ALL" },
          TOO_OLD,
          TOO_OLD,
          "TLSv1.1 ECDHE-ECDSA-AES128-SHA" },
        { "TLS 1.0, as Java 6 has it",
          { TLS1_VERSION, "AES128-SHA" },
          TOO_OLD,
          TOO_OLD,
          "TLSv1 AES128-SHA" },
    };

    (void)state;
    for (enum tls_policy policy = TLS_MODERN; policy <= TLS_LEGACY; policy++) {
        struct tls_context *server = context_new((struct tls_options){ .policy = policy }, 2);

        assert_non_null(server);
        for (size_t i = 0; i < COUNT(rows); i++) {
            const char *const expected[] = { rows[i].modern, rows[i].intermediate, rows[i].legacy };
            char seen[128];

            shake(server, rows[i].offer, seen, sizeof(seen));
            row_assert_string(&rows[i], seen, expected[policy]);
        }
        tls_context_free(server);
    }
}

#define WORDS(...)                                                                                 \
    {                                                                                              \
        .items = (char *const[]){ __VA_ARGS__ },                                                   \
        .count = sizeof((char *const[]){ __VA_ARGS__ }) / sizeof(char *)                           \
    }

static void single_options(void **state)
{
    const struct {
        const char *name;
        struct tls_options options;
        struct offer offer;
        const char *seen;
    } rows[] = {
        { "the lowest version",
          { .policy = TLS_INTERMEDIATE, .min = TLS_1_3 },
          { TLS1_2_VERSION, NULL },
          TOO_OLD },
        { "a lower one than the policy's",
          { .policy = TLS_MODERN, .min = TLS_1_2 },
          { TLS1_2_VERSION, "AESGCM" },
          "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256" },
        { "the highest version",
          { .policy = TLS_INTERMEDIATE, .max = TLS_1_2 },
          { TLS1_3_VERSION, NULL },
          TOO_OLD },
        { "legacy, but not so old",
          { .policy = TLS_LEGACY, .min = TLS_1_1 },
          { TLS1_VERSION, NULL },
          TOO_OLD },
        { "a cipher",
          { .policy = TLS_INTERMEDIATE, .ciphers = WORDS("ECDHE-RSA-AES256-GCM-SHA384") },
          { TLS1_2_VERSION, "ALL" },
          "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384" },
        { "IANA's name",
          { .policy = TLS_INTERMEDIATE, .ciphers = WORDS("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384") },
          { TLS1_2_VERSION, "ALL" },
          "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384" },
        { "our order",
          { .policy = TLS_INTERMEDIATE,
            .ciphers = WORDS("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256") },
          { TLS1_2_VERSION, "ALL" },
          "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384" },
        { "a suite",
          { .policy = TLS_MODERN, .ciphersuites = WORDS("TLS_AES_128_GCM_SHA256") },
          { TLS1_3_VERSION, NULL },
          "TLSv1.3 TLS_AES_128_GCM_SHA256" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tls_context *server = context_new(rows[i].options, 2);
        char seen[128];

        row_assert_string(&rows[i], said, "");
        shake(server, rows[i].offer, seen, sizeof(seen));
        row_assert_string(&rows[i], seen, rows[i].seen);
        tls_context_free(server);
    }
}

static void refused_options(void **state)
{
    const struct {
        const char *name;
        struct tls_options options;
        const char *said;
    } rows[] = {
        { "nothing left",
          { .policy = TLS_INTERMEDIATE, .min = TLS_1_3, .max = TLS_1_2 },
          "tls_max: no version is left: the lowest one allowed is above the highest\n" },
        { "nothing left of the policy",
          { .policy = TLS_MODERN, .max = TLS_1_2 },
          "tls_max: no version is left: the lowest one allowed is above the highest\n" },
        { "old without legacy",
          { .policy = TLS_INTERMEDIATE, .min = TLS_1_0 },
          "tls_min: TLS 1.0 and 1.1 need tls = legacy as well\n" },
        { "an unknown cipher",
          { .policy = TLS_INTERMEDIATE,
            .ciphers = WORDS("ECDHE-RSA-AES256-GCM-SHA384", "NONSENSE") },
          "ciphers: OpenSSL knows no cipher \"NONSENSE\"\n" },
        { "a group of ciphers",
          { .policy = TLS_INTERMEDIATE, .ciphers = WORDS("HIGH") },
          "ciphers: OpenSSL knows no cipher \"HIGH\"\n" },
        { "a command",
          { .policy = TLS_INTERMEDIATE, .ciphers = WORDS("@SECLEVEL=0") },
          "ciphers: OpenSSL knows no cipher \"@SECLEVEL=0\"\n" },
        { "DHE",
          { .policy = TLS_LEGACY, .ciphers = WORDS("DHE-RSA-AES128-SHA") },
          "ciphers: \"DHE-RSA-AES128-SHA\" cannot be used here: it is DHE, or without encryption, "
          "or without a certificate\n" },
        { "no encryption",
          { .policy = TLS_LEGACY, .ciphers = WORDS("NULL-SHA256") },
          "ciphers: \"NULL-SHA256\" cannot be used here: it is DHE, or without encryption, or "
          "without a certificate\n" },
        { "a suite among ciphers",
          { .policy = TLS_INTERMEDIATE, .ciphers = WORDS("TLS_AES_128_GCM_SHA256") },
          "ciphers: \"TLS_AES_128_GCM_SHA256\" is of TLS 1.3; it belongs into ciphersuites\n" },
        { "a cipher among suites",
          { .policy = TLS_INTERMEDIATE, .ciphersuites = WORDS("ECDHE-RSA-AES256-GCM-SHA384") },
          "ciphersuites: \"ECDHE-RSA-AES256-GCM-SHA384\" is of TLS 1.2 or older; it belongs into "
          "ciphers\n" },
        { "ciphers for nothing",
          { .policy = TLS_MODERN, .ciphers = WORDS("ECDHE-RSA-AES256-GCM-SHA384") },
          "ciphers: does nothing where TLS 1.3 alone is spoken; see ciphersuites\n" },
        { "suites for nothing",
          { .policy = TLS_INTERMEDIATE,
            .max = TLS_1_2,
            .ciphersuites = WORDS("TLS_AES_128_GCM_SHA256") },
          "ciphersuites: does nothing without TLS 1.3; see ciphers\n" },
        { "an unknown curve",
          { .policy = TLS_INTERMEDIATE, .curves = WORDS("X25519", "P-257") },
          "curves: OpenSSL knows no curve \"P-257\"\n" },
        { "two curves in one word",
          { .policy = TLS_INTERMEDIATE, .curves = WORDS("X25519:P-256") },
          "curves: OpenSSL knows no curve \"X25519:P-256\"\n" },
        { "no CA",
          { .policy = TLS_INTERMEDIATE, .client_verify = TLS_VERIFY_REQUIRED },
          "client_ca: is missing; client_verify needs it\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tls_context *server = context_new(rows[i].options, 2);

        row_assert(&rows[i], server == NULL);
        row_assert_string(&rows[i], said, rows[i].said);
        row_assert_int(&rows[i], (int)ERR_peek_error(), 0);
    }
}

/* What the server chose, by its OpenSSL number. */
static int curve_of(struct tls_context *server, const char *offered)
{
    SSL_CTX *client = client_context_new(root.certificate);
    struct pair p;
    int curve;

    assert_int_equal(SSL_CTX_set_min_proto_version(client, TLS1_3_VERSION), 1);
    if (SSL_CTX_set1_groups_list(client, offered) != 1) { /* of a later OpenSSL */
        SSL_CTX_free(client);
        return -1;
    }
    pair_connect(&p, SOCK_STREAM, server, client);
    curve = (int)SSL_get_negotiated_group(p.client.ssl);
    pair_close(&p);
    SSL_CTX_free(client);
    return curve;
}

static void curves(void **state)
{
    enum { X25519MLKEM768 = 0x11ec }; /* TLS's number; OpenSSL has none */
    struct tls_context *server = context_new((struct tls_options){ .policy = TLS_INTERMEDIATE }, 2);
    struct tls_options one = { .policy = TLS_INTERMEDIATE, .curves = WORDS("P-384", "P-256") };
    int hybrid = curve_of(server, "X25519MLKEM768:X25519");

    (void)state;
    assert_int_equal(curve_of(server, "X25519:P-256"), NID_X25519);
    assert_int_equal(curve_of(server, "P-384:P-256"),
                     NID_secp384r1); /* what the client sent first */
    if (hybrid >= 0) {
        assert_int_equal(hybrid & 0xffff, X25519MLKEM768);
        assert_int_equal(curve_of(server, "X25519:X25519MLKEM768") & 0xffff, X25519MLKEM768);
    }
    tls_context_free(server);
    server = context_new(one, 2);
    assert_int_equal(curve_of(server, "X25519:P-384"), NID_secp384r1);
    tls_context_free(server);
}

/* ---- which certificate ---- */

static void names_and_key_types(void **state)
{
    static const struct {
        const char *name, *sni;
        int version;
        const char *algorithms, *ciphers; /* that the client can verify */
        size_t count;                     /* of certificates */
        const char *chosen;
        bool is_reject;
    } rows[] = {
        { "no name, any", NULL, TLS1_3_VERSION, NULL, NULL, 5, "ec", false },
        { "no name, RSA alone", NULL, TLS1_3_VERSION, "RSA-PSS+SHA256", NULL, 5, "rsa", false },
        { "no name, RSA alone, 1.2", NULL, TLS1_2_VERSION, "RSA+SHA256", "aRSA", 5, "rsa", false },
        { "no name, ECDSA alone", NULL, TLS1_3_VERSION, "ECDSA+SHA256", NULL, 5, "ec", false },
        { "a name, any", "main.test", TLS1_3_VERSION, NULL, NULL, 5, "ec", false },
        { "a name, RSA alone", "main.test", TLS1_3_VERSION, "RSA-PSS+SHA256", NULL, 5, "rsa",
          false },
        { "a name, RSA alone, 1.2", "main.test", TLS1_2_VERSION, "RSA+SHA256", "aRSA", 5, "rsa",
          false },
        { "a name in upper case", "MAIN.Test", TLS1_2_VERSION, "RSA+SHA256", "aRSA", 5, "rsa",
          false },
        { "another certificate", "other.test", TLS1_3_VERSION, NULL, NULL, 5, "other", false },
        { "a name before a wildcard", "a.main.test", TLS1_3_VERSION, NULL, NULL, 5, "other",
          false },
        { "a wildcard", "b.main.test", TLS1_3_VERSION, NULL, NULL, 5, "wild", false },
        { "a wildcard in upper case", "B.MAIN.TEST", TLS1_2_VERSION, NULL, NULL, 5, "wild", false },
        { "a wildcard stands for one label", "b.c.main.test", TLS1_3_VERSION, NULL, NULL, 5, "ec",
          false },
        { "an unknown name", "unknown.test", TLS1_3_VERSION, NULL, NULL, 5, "ec", false },
        { "an unknown name, RSA alone", "unknown.test", TLS1_3_VERSION, "RSA-PSS+SHA256", NULL, 5,
          "rsa", false },
        { "reject: an unknown name", "unknown.test", TLS1_3_VERSION, NULL, NULL, 5, NULL, true },
        { "reject: likewise, 1.2", "unknown.test", TLS1_2_VERSION, NULL, NULL, 5, NULL, true },
        { "reject: no name", NULL, TLS1_3_VERSION, NULL, NULL, 5, "ec", true },
        { "reject: a name", "main.test", TLS1_3_VERSION, NULL, NULL, 5, "ec", true },
        { "reject: a wildcard", "b.main.test", TLS1_2_VERSION, NULL, NULL, 5, "wild", true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tls_context *server =
            context_new((struct tls_options){ .policy = TLS_INTERMEDIATE,
                                              .rejects_unknown_names = rows[i].is_reject },
                        rows[i].count);
        SSL_CTX *client = client_context_new(root.certificate);
        struct pair p;

        assert_int_equal(SSL_CTX_set_min_proto_version(client, rows[i].version), 1);
        assert_int_equal(SSL_CTX_set_max_proto_version(client, rows[i].version), 1);
        if (rows[i].algorithms != NULL)
            assert_int_equal(SSL_CTX_set1_sigalgs_list(client, rows[i].algorithms), 1);
        if (rows[i].ciphers != NULL)
            assert_int_equal(SSL_CTX_set_cipher_list(client, rows[i].ciphers), 1);
        pair_open(&p, SOCK_STREAM, server, client, rows[i].sni);
        if (rows[i].chosen == NULL) {
            row_assert_int(&rows[i], pair_handshake(&p), IO_ERROR);
            row_assert_string(&rows[i], tls_conn_fault(p.conn),
                              "no certificate has the name that the client asked for");
            ERR_clear_error();
            (void)client_handshake(&p.client);
            row_assert_int(&rows[i], ERR_GET_REASON(ERR_peek_error()),
                           SSL_R_TLSV1_UNRECOGNIZED_NAME);
        } else {
            X509 *shown;

            row_assert_int(&rows[i], pair_handshake(&p), IO_OK);
            row_assert_string(&rows[i], tls_conn_certificate(p.conn), rows[i].chosen);
            shown = SSL_get0_peer_certificate(p.client.ssl);
            for (size_t k = 0; k < 5; k++) /* and that is what the client got */
                if (X509_cmp(shown,
                             (X509 *[]){ ec.certificate, rsa.certificate, ec_other.certificate,
                                         ec_wild.certificate, ec_again.certificate }[k]) == 0)
                    row_assert_string(
                        &rows[i], ((const char *[]){ "ec", "rsa", "other", "wild", "again" })[k],
                        rows[i].chosen);
        }
        pair_close(&p);
        SSL_CTX_free(client);
        tls_context_free(server);
    }
}

/* The client's first key share is of no use to the server: it is asked for another, and so says
 * its name twice. */
static void a_name_said_twice(void **state)
{
    struct tls_options options = { .policy = TLS_INTERMEDIATE, .curves = WORDS("P-384") };
    struct tls_context *server = context_new(options, 5);
    SSL_CTX *client = client_context_new(root.certificate);
    struct pair p;

    (void)state;
    assert_int_equal(SSL_CTX_set1_groups_list(client, "X25519:P-384"), 1);
    pair_open(&p, SOCK_STREAM, server, client, "Other.Test");
    assert_int_equal(pair_handshake(&p), IO_OK);
    assert_string_equal(tls_conn_version(p.conn), "TLSv1.3");
    assert_string_equal(tls_conn_certificate(p.conn), "other");
    assert_int_equal(X509_cmp(SSL_get0_peer_certificate(p.client.ssl), ec_other.certificate), 0);
    pair_close(&p);
    SSL_CTX_free(client);
    tls_context_free(server);
}

/* Whatever a byte of the hello becomes, the server refuses it, waits for more or goes on. */
static void damaged_hellos(void **state)
{
    static const unsigned char flips[] = { 0x01, 0x80, 0xff };
    struct tls_context *server =
        context_new((struct tls_options){ .policy = TLS_LEGACY, .rejects_unknown_names = true }, 4);
    SSL_CTX *client = client_context_new(root.certificate);
    long size = 1;

    (void)state;
    for (long at = 0; at < size; at++)
        for (size_t i = 0; i < COUNT(flips); i++) {
            enum io_status status;
            struct pair p;
            char *hello;

            pair_open(&p, SOCK_STREAM, server, client, "main.test");
            assert_int_equal(SSL_do_handshake(p.client.ssl), -1);
            size = BIO_get_mem_data(p.client.out, &hello);
            hello[at] = (char)(hello[at] ^ flips[i]);
            client_send(&p.client);
            pair_notice(&p);
            while ((status = tls_conn_handshake(p.conn)) == IO_YIELD)
                ;
            assert_true(status == IO_ERROR || status == IO_WANT_READ);
            pair_close(&p);
        }
    assert_true(size > 100);
    SSL_CTX_free(client);
    tls_context_free(server);
}

static struct tls_certificate *save_and_load(const char *name, const struct identity *i)
{
    char chain[32], key[32];

    (void)snprintf(chain, sizeof(chain), "%s.pem", name);
    (void)snprintf(key, sizeof(key), "%s.key", name);
    save_certificates(chain, &i->certificate, 1);
    save_key(key, i->key, KEY_PLAIN, 0600);
    return load_pem(name, chain, key);
}

static int set_up(void **state)
{
    if (enter_temp_dir(state) != 0)
        return -1;
    root = identity_new("root", NULL, "EC", NULL);
    ec = identity_new("main", "DNS:main.test,DNS:localhost", "EC", &root);
    rsa = identity_new("main", "DNS:localhost,DNS:main.test", "RSA", &root);
    ec_other = identity_new("other", "DNS:other.test,DNS:a.main.test", "EC", &root);
    ec_wild = identity_new("wild", "DNS:*.main.test", "EC", &root);
    ec_again = identity_new("again", "DNS:main.test,DNS:localhost,DNS:*.main.test", "EC", &root);
    certificates[EC] = save_and_load("ec", &ec);
    certificates[RSA_] = save_and_load("rsa", &rsa);
    certificates[OTHER] = save_and_load("other", &ec_other);
    certificates[WILD] = save_and_load("wild", &ec_wild);
    certificates[AGAIN] = save_and_load("again", &ec_again);
    return 0;
}

static int tear_down(void **state)
{
    struct identity *all[] = { &root, &ec, &rsa, &ec_other, &ec_wild, &ec_again };

    for (size_t i = 0; i < COUNT(certificates); i++)
        tls_certificate_free(certificates[i]);
    for (size_t i = 0; i < COUNT(all); i++)
        identity_free(all[i]);
    return leave_temp_dir(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies),
        cmocka_unit_test(single_options),
        cmocka_unit_test(refused_options),
        cmocka_unit_test(curves),
        cmocka_unit_test(names_and_key_types),
        cmocka_unit_test(a_name_said_twice),
        cmocka_unit_test(damaged_hellos),
    };

    return cmocka_run_group_tests_name("policy", tests, set_up, tear_down);
}
