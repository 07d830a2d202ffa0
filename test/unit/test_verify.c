#include "test/unit/unit.h"

#include "test/unit/authority.h"
#include "test/unit/tls_pair.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

enum { DAY_S = 24 * 3600 };

static struct identity root, leaf;              /* the server's */
static struct identity clients, middle, others; /* CAs of clients */
static struct identity renewed;                 /* clients, with another key */
static struct identity alice, revoked, deep, stranger, expired;
static struct tls_certificate *certificate;
static char said[4096];

static struct tls_context *context_new(enum tls_verify verify, const char *ca, const char *crl)
{
    return make_context(
        &(struct tls_options){
            .name = "rtmps",
            .certificates = (const struct tls_certificate *const *)&certificate,
            .certificate_count = 1,
            .policy = TLS_INTERMEDIATE,
            .client_verify = verify,
            .client_ca = ca,
            .client_crl = crl,
        },
        said, sizeof(said));
}

static SSL_CTX *client_of(int version, const struct identity *who)
{
    SSL_CTX *context = client_context_new(root.certificate);

    assert_int_equal(SSL_CTX_set_min_proto_version(context, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, version), 1);
    if (who != NULL) {
        assert_int_equal(SSL_CTX_use_certificate(context, who->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(context, who->key), 1);
        if (who == &deep)
            assert_int_equal(SSL_CTX_add1_chain_cert(context, middle.certificate), 1);
    }
    return context;
}

/* Lists of an intermediate CA need that CA to be known as well. */
static const char *ca_of(const char *crl)
{
    bool is_of_chain =
        crl != NULL && (strcmp(crl, "good.crl") == 0 || strcmp(crl, "middle.crl") == 0);

    return is_of_chain ? "chain.pem" : "clients.pem";
}

static void who_may_pass(void **state)
{
    static const char missing[] = "peer did not return a certificate";
    static const char unknown[] = "unable to get local issuer certificate";
    const struct {
        const char *name;
        const struct identity *who;
        enum tls_verify verify;
        const char *crl;
        const char *fault; /* NULL: may pass */
    } rows[] = {
        { "nobody, not asked", NULL, TLS_VERIFY_NONE, NULL, NULL },
        { "a stranger, not asked", &stranger, TLS_VERIFY_NONE, NULL, NULL },
        { "nobody, optional", NULL, TLS_VERIFY_OPTIONAL, NULL, NULL },
        { "nobody, required", NULL, TLS_VERIFY_REQUIRED, NULL, missing },
        { "alice, optional", &alice, TLS_VERIFY_OPTIONAL, NULL, NULL },
        { "alice, required", &alice, TLS_VERIFY_REQUIRED, NULL, NULL },
        { "a chain", &deep, TLS_VERIFY_REQUIRED, NULL, NULL },
        { "a stranger, optional", &stranger, TLS_VERIFY_OPTIONAL, NULL, unknown },
        { "a stranger, required", &stranger, TLS_VERIFY_REQUIRED, NULL, unknown },
        { "expired", &expired, TLS_VERIFY_REQUIRED, NULL, "certificate has expired" },
        { "alice, with a list", &alice, TLS_VERIFY_REQUIRED, "clients.crl", NULL },
        { "revoked, without a list", &revoked, TLS_VERIFY_REQUIRED, NULL, NULL },
        { "revoked, with it", &revoked, TLS_VERIFY_REQUIRED, "clients.crl", "certificate revoked" },
        { "revoked, optional", &revoked, TLS_VERIFY_OPTIONAL, "clients.crl",
          "certificate revoked" },
        { "no list of an intermediate", &deep, TLS_VERIFY_REQUIRED, "clients.crl",
          "unable to get certificate CRL" },
        { "all lists of a chain", &deep, TLS_VERIFY_REQUIRED, "good.crl", NULL },
        { "a revoked intermediate", &deep, TLS_VERIFY_REQUIRED, "middle.crl",
          "certificate revoked" },
        { "a list that is over", &alice, TLS_VERIFY_REQUIRED, "old.crl", "CRL has expired" },
    };

    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++)
        for (size_t i = 0; i < COUNT(rows); i++) {
            struct tls_context *server =
                context_new(rows[i].verify, ca_of(rows[i].crl), rows[i].crl);
            SSL_CTX *client = client_of(version, rows[i].who);
            struct pair p;

            row_assert(&rows[i], server != NULL);
            pair_open(&p, SOCK_STREAM, server, client, NULL);
            if (rows[i].fault != NULL) {
                row_assert_int(&rows[i], pair_handshake(&p), IO_ERROR);
                row_assert_string(&rows[i], tls_conn_fault(p.conn), rows[i].fault);
                row_assert(&rows[i], tls_conn_client_subject(p.conn) == NULL);
            } else {
                row_assert_int(&rows[i], pair_handshake(&p), IO_OK);
                pair_assert_alive(&p);
                row_assert_string(
                    &rows[i], tls_conn_client_verify(p.conn),
                    rows[i].who != NULL && rows[i].verify != TLS_VERIFY_NONE ? "SUCCESS" : "NONE");
            }
            pair_close(&p);
            SSL_CTX_free(client);
            tls_context_free(server);
        }
}

static void what_is_told_of_a_client(void **state)
{
    struct identity odd = identity_new("M\xfcller, \"A\"\\\n", "DNS:odd", "EC", &clients);
    struct tls_context *server = context_new(TLS_VERIFY_REQUIRED, "clients.pem", NULL);
    SSL_CTX *client = client_of(TLS1_3_VERSION, &odd);
    struct pair p;

    (void)state;
    pair_open(&p, SOCK_STREAM, server, client, NULL);
    assert_null(tls_conn_client_subject(p.conn)); /* not yet */
    assert_int_equal(pair_handshake(&p), IO_OK);
    assert_string_equal(tls_conn_client_subject(p.conn), "CN=M\\C3\\BCller\\, \\\"A\\\"\\\\\\0A");
    assert_string_equal(tls_conn_client_issuer(p.conn), "CN=clients");
    assert_true(strspn(tls_conn_client_serial(p.conn), "0123456789ABCDEF") ==
                strlen(tls_conn_client_serial(p.conn)));
    assert_int_equal(strlen(tls_conn_client_fingerprint(p.conn)), 64);
    pair_close(&p);
    SSL_CTX_free(client);
    tls_context_free(server);
    identity_free(&odd);
}

static void faulty_files(void **state)
{
    static const struct {
        const char *name, *ca, *crl;
        bool is_usable;
        const char *said; /* the beginning */
    } rows[] = {
        { "all is well", "clients.pem", "clients.crl", true, "" },
        { "no file", "none.pem", NULL, false, "client_ca: none.pem cannot be read" },
        { "a directory", ".", NULL, false, "client_ca: . is no regular file" },
        { "an empty file", "empty.pem", NULL, false, "client_ca: empty.pem has no certificate" },
        { "garbage", "garbage.pem", NULL, false, "client_ca: garbage.pem has no certificate" },
        { "cut", "cut.pem", NULL, false, "client_ca: a certificate or list cannot be read" },
        { "one good, one bad", "half.pem", NULL, false,
          "client_ca: a certificate or list cannot be read" },
        { "no CA", "alice.pem", NULL, false, "client_ca: CN=alice is no CA" },
        { "no list", "clients.pem", "none.crl", false, "client_crl: none.crl cannot be read" },
        { "an empty list", "clients.pem", "empty.pem", false,
          "client_crl: empty.pem has no revocation list" },
        { "certificates for a list", "clients.pem", "clients.pem", false,
          "client_crl: clients.pem has no revocation list" },
        { "a list of others", "clients.pem", "others.crl", false,
          "client_crl: the list of CN=others is of no CA in client_ca" },
        { "a list by the old key of a CA", "renewed.pem", "clients.crl", true, "" },
        { "a list by its new key", "renewed.pem", "renewed.crl", true, "" },
        { "a forged list", "clients.pem", "forged.crl", false,
          "client_crl: the list of CN=clients was not signed by it" },
        { "an old list", "clients.pem", "old.crl", true,
          "warning: client_crl: the list of CN=clients is over since" },
        { "a CA without a list", "both.pem", "clients.crl", true,
          "warning: client_crl: there is no list of CN=others, so its clients are refused" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tls_context *server = context_new(TLS_VERIFY_REQUIRED, rows[i].ca, rows[i].crl);

        row_assert_int(&rows[i], server != NULL, rows[i].is_usable);
        if (strncmp(said, rows[i].said, strlen(rows[i].said)) != 0 ||
            (rows[i].said[0] == '\0' && said[0] != '\0'))
            fail_msg("%s: %s", rows[i].name, said);
        tls_context_free(server);
    }
}

/* A file cut anywhere is refused, or is whole to the last certificate. */
static void a_file_cut_at_every_byte(void **state)
{
    char *text = read_file("clients.pem");
    size_t size = strlen(text);

    (void)state;
    for (size_t n = 0; n < size - 1; n++) { /* the last is a newline */
        struct tls_context *server;

        write_file("part.pem", text, n);
        server = context_new(TLS_VERIFY_REQUIRED, "part.pem", NULL);
        if (server != NULL && n < size - 2)
            fail_msg("%zu of %zu bytes were taken", n, size);
        tls_context_free(server);
    }
    free(text);
}

/* ---- resumption ---- */

static SSL_SESSION *visit(struct tls_context *server, SSL_CTX *client, SSL_SESSION *ticket,
                          bool *is_resumed)
{
    SSL_SESSION *given;
    struct pair p;

    pair_open(&p, SOCK_STREAM, server, client, NULL);
    if (ticket != NULL)
        assert_int_equal(SSL_set_session(p.client.ssl, ticket), 1);
    assert_int_equal(pair_handshake(&p), IO_OK);
    *is_resumed = SSL_session_reused(p.client.ssl) == 1;
    assert_string_equal(tls_conn_client_subject(p.conn), "CN=brief"); /* resumed or not */
    given = SSL_get1_session(p.client.ssl);
    SSL_set_shutdown(p.client.ssl, SSL_SENT_SHUTDOWN);
    pair_close(&p);
    return given;
}

static void a_certificate_that_expires_ends_its_tickets(void **state)
{
    struct identity brief = identity_new("brief", "DNS:brief", "EC", &clients);
    struct tls_context *server = context_new(TLS_VERIFY_REQUIRED, "clients.pem", NULL);
    SSL_CTX *client;
    SSL_SESSION *ticket;
    bool is_resumed;
    struct pair p;

    (void)state;
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(brief.certificate), 2));
    assert_true(X509_sign(brief.certificate, clients.key, EVP_sha256()) > 0);
    client = client_of(TLS1_2_VERSION, &brief);
    ticket = visit(server, client, NULL, &is_resumed);
    SSL_SESSION_free(visit(server, client, ticket, &is_resumed));
    assert_true(is_resumed);
    while (X509_cmp_current_time(X509_get0_notAfter(brief.certificate)) > 0)
        (void)usleep(10000);

    pair_open(&p, SOCK_STREAM, server, client, NULL);
    assert_int_equal(SSL_set_session(p.client.ssl, ticket), 1);
    assert_int_equal(pair_handshake(&p), IO_ERROR);
    assert_string_equal(tls_conn_fault(p.conn), "certificate has expired");
    pair_close(&p);
    SSL_SESSION_free(ticket);
    SSL_CTX_free(client);
    tls_context_free(server);
    identity_free(&brief);
}

/* ---- a CA's work ---- */

static void save_crl(const char *path, const struct identity *ca, EVP_PKEY *key,
                     const struct identity *bad, long until_s)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *last = X509_gmtime_adj(NULL, -2 * DAY_S);
    ASN1_TIME *next = X509_gmtime_adj(NULL, until_s);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(X509_CRL_set_version(crl, X509_CRL_VERSION_2), 1);
    assert_int_equal(X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->certificate)), 1);
    assert_int_equal(X509_CRL_set1_lastUpdate(crl, last), 1);
    assert_int_equal(X509_CRL_set1_nextUpdate(crl, next), 1);
    if (bad != NULL) {
        X509_REVOKED *entry = X509_REVOKED_new();

        assert_int_equal(
            X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(bad->certificate)), 1);
        assert_int_equal(X509_REVOKED_set_revocationDate(entry, last), 1);
        assert_int_equal(X509_CRL_add0_revoked(crl, entry), 1);
    }
    assert_true(X509_CRL_sign(crl, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_X509_CRL(file, crl), 1);
    assert_int_equal(fclose(file), 0);
    ASN1_TIME_free(last);
    ASN1_TIME_free(next);
    X509_CRL_free(crl);
}

static void join(const char *path, const char *first, const char *second)
{
    char *a = read_file(first);
    char *b = read_file(second);
    char both[8192];

    (void)snprintf(both, sizeof(both), "%s%s", a, b);
    write_file(path, both, strlen(both));
    free(a);
    free(b);
}

static void save_bad_files(void)
{
    static const char garbage[] = "no certificate at all\n";
    char *text = read_file("clients.pem");
    char both[8192];

    write_file("empty.pem", "", 0);
    write_file("garbage.pem", garbage, sizeof(garbage) - 1);
    write_file("cut.pem", text, strlen(text) / 2);
    (void)snprintf(both, sizeof(both),
                   "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", text);
    write_file("half.pem", both, strlen(both));
    free(text);
}

static int set_up(void **state)
{
    if (enter_temp_dir(state) != 0)
        return -1;
    root = identity_new("root", NULL, "EC", NULL);
    leaf = identity_new("main", "DNS:localhost", "EC", &root);
    clients = identity_new("clients", NULL, "EC", NULL);
    renewed = identity_new("clients", NULL, "EC", NULL);
    middle = identity_new("middle", NULL, "EC", &clients);
    others = identity_new("others", NULL, "EC", NULL);
    alice = identity_new("alice", "DNS:alice", "EC", &clients);
    revoked = identity_new("revoked", "DNS:revoked", "EC", &clients);
    deep = identity_new("deep", "DNS:deep", "EC", &middle);
    stranger = identity_new("stranger", "DNS:stranger", "EC", &others);
    expired = identity_new("expired", "DNS:expired", "EC", &clients);
    (void)X509_gmtime_adj(X509_getm_notAfter(expired.certificate), -60);
    (void)X509_sign(expired.certificate, clients.key, EVP_sha256());
    save_certificates("main.pem", &leaf.certificate, 1);
    save_certificates("clients.pem", &clients.certificate, 1);
    save_certificates("alice.pem", &alice.certificate, 1);
    save_certificates("both.pem", (X509 *[]){ clients.certificate, others.certificate }, 2);
    save_key("main.key", leaf.key, KEY_PLAIN, 0600);
    save_crl("clients.crl", &clients, clients.key, &revoked, DAY_S);
    save_crl("old.crl", &clients, clients.key, NULL, -60);
    save_certificates("renewed.pem", (X509 *[]){ renewed.certificate, clients.certificate }, 2);
    save_crl("renewed.crl", &renewed, renewed.key, NULL, DAY_S);
    save_crl("others.crl", &others, others.key, NULL, DAY_S);
    save_crl("forged.crl", &clients, others.key, NULL, DAY_S);
    save_certificates("chain.pem", (X509 *[]){ clients.certificate, middle.certificate }, 2);
    save_crl("none.part", &clients, clients.key, NULL, DAY_S);
    save_crl("middle.part", &clients, clients.key, &middle, DAY_S);
    save_crl("deep.part", &middle, middle.key, NULL, DAY_S);
    join("good.crl", "none.part", "deep.part");
    join("middle.crl", "middle.part", "deep.part");
    save_bad_files();
    certificate = load_pem("main", "main.pem", "main.key");
    return 0;
}

static int tear_down(void **state)
{
    struct identity *all[] = { &root,  &leaf,    &clients, &middle,   &others, &renewed,
                               &alice, &revoked, &deep,    &stranger, &expired };

    tls_certificate_free(certificate);
    for (size_t i = 0; i < COUNT(all); i++)
        identity_free(all[i]);
    return leave_temp_dir(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_pass),
        cmocka_unit_test(what_is_told_of_a_client),
        cmocka_unit_test(faulty_files),
        cmocka_unit_test(a_file_cut_at_every_byte),
        cmocka_unit_test(a_certificate_that_expires_ends_its_tickets),
    };

    return cmocka_run_group_tests_name("verify", tests, set_up, tear_down);
}
