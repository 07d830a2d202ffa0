#include "test/unit/unit.h"

#include "test/unit/authority.h"
#include "test/unit/tls_pair.h"
#include "tls/staple.h"

#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

enum { HOUR_S = 3600 };

static struct identity root, middle, leaf, other, stranger;
static char said[4096];

struct answer {
    const struct identity *about, *signer;
    int status;       /* V_OCSP_CERTSTATUS_* */
    long from, until; /* seconds from now; until 0: it does not say */
    int response;     /* OCSP_RESPONSE_STATUS_* */
};

static void save_answer(const char *path, const struct answer *a)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha256(), a->about->certificate, middle.certificate);
    ASN1_TIME *from = X509_gmtime_adj(NULL, a->from);
    ASN1_TIME *until = a->until != 0 ? X509_gmtime_adj(NULL, a->until) : NULL;
    ASN1_TIME *revoked = X509_gmtime_adj(NULL, -HOUR_S);
    OCSP_RESPONSE *response;
    BIO *file = BIO_new_file(path, "w");

    assert_non_null(OCSP_basic_add1_status(basic, id, a->status, 0,
                                           a->status == V_OCSP_CERTSTATUS_REVOKED ? revoked : NULL,
                                           from, until));
    assert_int_equal(
        OCSP_basic_sign(basic, a->signer->certificate, a->signer->key, EVP_sha256(), NULL, 0), 1);
    response = OCSP_response_create(a->response,
                                    a->response == OCSP_RESPONSE_STATUS_SUCCESSFUL ? basic : NULL);
    assert_true(i2d_OCSP_RESPONSE_bio(file, response) > 0);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    ASN1_TIME_free(revoked);
    BIO_free(file);
}

static struct tls_certificate *load(const char *chain, const char *ocsp)
{
    return load_certificate(
        &(struct tls_certificate_options){
            .name = "main", .chain = chain, .key = "main.key", .ocsp = ocsp },
        said, sizeof(said));
}

/* The bytes that a client which asks for a response gets; NULL: none. */
static unsigned char *ask(const struct tls_certificate *c, int version, bool is_asking,
                          size_t *size)
{
    struct tls_context *server = offer(&c, 1);
    SSL_CTX *client = client_context_new(root.certificate);
    unsigned char *got = NULL;
    struct pair p;
    long n;

    assert_int_equal(SSL_CTX_set_min_proto_version(client, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(client, version), 1);
    pair_open(&p, SOCK_STREAM, server, client, "localhost");
    if (is_asking)
        (void)SSL_set_tlsext_status_type(p.client.ssl, TLSEXT_STATUSTYPE_ocsp);
    assert_int_equal(pair_handshake(&p), IO_OK);
    n = SSL_get_tlsext_status_ocsp_resp(p.client.ssl, &got);
    *size = n > 0 ? (size_t)n : 0;
    got = n > 0 ? OPENSSL_memdup(got, *size) : NULL;
    pair_close(&p);
    SSL_CTX_free(client);
    tls_context_free(server);
    return got;
}

static void what_is_sent(void **state)
{
    static const struct {
        const char *name, *chain;
        struct answer answer;
        bool is_loaded, is_sent;
        const char *said; /* the beginning */
    } rows[] = {
        { "good",
          "main.pem",
          { &leaf, &middle, V_OCSP_CERTSTATUS_GOOD, -HOUR_S, HOUR_S, 0 },
          true,
          true,
          "" },
        { "over",
          "main.pem",
          { &leaf, &middle, V_OCSP_CERTSTATUS_GOOD, -HOUR_S, -60, 0 },
          true,
          false,
          "warning: ocsp: the response is over since" },
        { "of tomorrow",
          "main.pem",
          { &leaf, &middle, V_OCSP_CERTSTATUS_GOOD, HOUR_S, 2 * HOUR_S, 0 },
          true,
          false,
          "warning: ocsp: the response holds from" },
        { "without an end",
          "main.pem",
          { &leaf, &middle, V_OCSP_CERTSTATUS_GOOD, -HOUR_S, 0, 0 },
          true,
          false,
          "warning: ocsp: the response does not say until when" },
        { "revoked",
          "main.pem",
          { &leaf, &middle, V_OCSP_CERTSTATUS_REVOKED, -HOUR_S, HOUR_S, 0 },
          true,
          false,
          "warning: ocsp: the CA revoked the certificate at" },
        { "unknown",
          "main.pem",
          { &leaf, &middle, V_OCSP_CERTSTATUS_UNKNOWN, -HOUR_S, HOUR_S, 0 },
          true,
          false,
          "warning: ocsp: the responder does not know the certificate" },
        { "another certificate's",
          "main.pem",
          { &other, &middle, V_OCSP_CERTSTATUS_GOOD, -HOUR_S, HOUR_S, 0 },
          true,
          false,
          "warning: ocsp: the response is about another certificate" },
        { "try later",
          "main.pem",
          { &leaf, &middle, V_OCSP_CERTSTATUS_GOOD, -HOUR_S, HOUR_S,
            OCSP_RESPONSE_STATUS_TRYLATER },
          true,
          false,
          "warning: ocsp: the responder's answer is \"trylater\"" },
        { "an issuer that is not there",
          "leaf.pem",
          { &leaf, &middle, V_OCSP_CERTSTATUS_GOOD, -HOUR_S, HOUR_S, 0 },
          true,
          false,
          "warning: ocsp: the certificate's issuer is not in the chain" },
        { "a stranger's signature",
          "main.pem",
          { &leaf, &stranger, V_OCSP_CERTSTATUS_GOOD, -HOUR_S, HOUR_S, 0 },
          false,
          false,
          "ocsp: the response is not signed by the certificate's CA" },
        { "the certificate's own signature",
          "main.pem",
          { &leaf, &leaf, V_OCSP_CERTSTATUS_GOOD, -HOUR_S, HOUR_S, 0 },
          false,
          false,
          "ocsp: the response is not signed by the certificate's CA" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tls_certificate *c;
        char *file;
        size_t file_size;

        save_answer("ocsp.der", &rows[i].answer);
        c = load(rows[i].chain, "ocsp.der");
        file = read_bytes("ocsp.der", &file_size);
        row_assert_int(&rows[i], c != NULL, rows[i].is_loaded);
        if (strncmp(said, rows[i].said, strlen(rows[i].said)) != 0 ||
            (rows[i].said[0] == '\0' && said[0] != '\0'))
            fail_msg("%s: %s", rows[i].name, said);
        for (int version = TLS1_2_VERSION; c != NULL && version <= TLS1_3_VERSION; version++) {
            size_t size;
            unsigned char *got = ask(c, version, true, &size);

            row_assert_int(&rows[i], got != NULL, rows[i].is_sent);
            row_assert(&rows[i],
                       got == NULL || (size == file_size && memcmp(got, file, size) == 0));
            OPENSSL_free(got);
            got = ask(c, version, false, &size);
            row_assert(&rows[i], got == NULL);
        }
        tls_certificate_free(c);
        free(file);
    }
}

static void a_response_that_ends_while_we_serve(void **state)
{
    static const struct answer good = {
        &leaf, &middle, V_OCSP_CERTSTATUS_GOOD, -HOUR_S, HOUR_S, 0
    };
    struct tls_certificate *c;
    unsigned char *got;
    size_t size;

    (void)state;
    save_answer("ocsp.der", &good);
    c = load("main.pem", "ocsp.der");
    assert_non_null(c);
    assert_false(tls_certificate_lost_staple(c));
    c->staple->until = time(NULL) + 60;
    got = ask(c, TLS1_3_VERSION, true, &size);
    assert_non_null(got);
    OPENSSL_free(got);
    assert_false(tls_certificate_lost_staple(c));

    c->staple->until = time(NULL);
    assert_null(ask(c, TLS1_3_VERSION, true, &size));
    assert_true(tls_certificate_lost_staple(c)); /* once */
    assert_false(tls_certificate_lost_staple(c));
    tls_certificate_free(c);
}

/* Cut at every byte, or with one changed, it is refused or at least not sent as good
 * with another content. */
static void damaged_files(void **state)
{
    static const struct answer good = {
        &leaf, &middle, V_OCSP_CERTSTATUS_GOOD, -HOUR_S, HOUR_S, 0
    };
    char *bytes;
    size_t size;

    (void)state;
    save_answer("ocsp.der", &good);
    bytes = read_bytes("ocsp.der", &size);
    for (size_t n = 0; n < size; n++) {
        write_file("part.der", bytes, n);
        if (load("main.pem", "part.der") != NULL)
            fail_msg("%zu of %zu bytes were taken", n, size);
    }
    for (size_t n = 0; n < size; n += 3) {
        struct tls_certificate *c;

        bytes[n] ^= 0x10;
        write_file("part.der", bytes, size);
        bytes[n] ^= 0x10;
        c = load("main.pem", "part.der");
        if (c != NULL && c->staple != NULL && said[0] != '\0')
            fail_msg("byte %zu: taken, and yet: %s", n, said);
        tls_certificate_free(c);
    }
    write_file("part.der", "tail", 4);
    assert_null(load("main.pem", "part.der"));
    assert_null(load("main.pem", "none.der"));
    assert_true(strstr(said, "ocsp: none.der cannot be read") != NULL);
    free(bytes);
}

static int set_up(void **state)
{
    if (enter_temp_dir(state) != 0)
        return -1;
    root = identity_new("root", NULL, "EC", NULL);
    middle = identity_new("middle", NULL, "EC", &root);
    leaf = identity_new("main", "DNS:localhost", "EC", &middle);
    other = identity_new("other", "DNS:localhost", "EC", &middle);
    stranger = identity_new("stranger", NULL, "EC", NULL);
    save_certificates("root.pem", &root.certificate, 1);
    assert_int_equal(setenv("SSL_CERT_FILE", "root.pem", 1), 0); /* or there would be warnings */
    save_certificates("main.pem", (X509 *[]){ leaf.certificate, middle.certificate }, 2);
    save_certificates("leaf.pem", &leaf.certificate, 1);
    save_key("main.key", leaf.key, KEY_PLAIN, 0600);
    return 0;
}

static int tear_down(void **state)
{
    struct identity *all[] = { &root, &middle, &leaf, &other, &stranger };

    for (size_t i = 0; i < COUNT(all); i++)
        identity_free(all[i]);
    return leave_temp_dir(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent),
        cmocka_unit_test(a_response_that_ends_while_we_serve),
        cmocka_unit_test(damaged_files),
    };

    return cmocka_run_group_tests_name("staple", tests, set_up, tear_down);
}
