#include "test/unit/unit.h"

#include "test/unit/authority.h"
#include "test/unit/tls_pair.h"

#include <sys/socket.h>
#include <sys/stat.h>

/*    root -> intermediate -> main, wild, cam        stranger, signed by itself    */
static struct identity root, intermediate, leaf, wild, cam, stranger;
static SSL_CTX *client;

static struct tls_certificate *load(const char *name, const char *chain, const char *key,
                                    struct error *err)
{
    struct tls_certificate *c = tls_certificate_new(name);

    assert_non_null(c);
    if (tls_certificate_load_chain(c, chain, err) < 0 ||
        tls_certificate_load_key(c, key, err) < 0) {
        tls_certificate_free(c);
        return NULL;
    }
    return c;
}

static struct tls_context *offer(const struct tls_certificate *const *certificates, size_t count)
{
    const struct tls_options options = { .name = "rtmps",
                                         .certificates = certificates,
                                         .certificate_count = count };
    struct error err;
    struct tls_context *context = tls_context_new(&options, &err);

    assert_non_null(context);
    return context;
}

static void faults(void **state)
{
    static const struct {
        const char *name, *chain, *key, *complaint; /* "": none */
    } rows[] = {
        { "all is well", "main.pem", "main.key", "" },
        { "the group may read the key", "main.pem", "group.key", "" },
        { "both in one file", "both.pem", "both.pem", "" },
        { "no chain file", "missing.pem", "main.key",
          "missing.pem cannot be read: No such file or directory" },
        { "no certificate in it", "main.key", "main.key",
          "main.key has no certificate; a PEM file starts with -----BEGIN CERTIFICATE-----" },
        { "an empty file", "empty.pem", "main.key",
          "empty.pem has no certificate; a PEM file starts with -----BEGIN CERTIFICATE-----" },
        { "a damaged certificate", "damaged.pem", "main.key",
          "a certificate cannot be read: bad base64 decode" },
        { "a certificate that is cut", "cut.pem", "main.key",
          "a certificate cannot be read: bad end line" },
        { "no key file", "main.pem", "missing.key",
          "missing.key cannot be read: No such file or directory" },
        { "no key in it", "main.pem", "private.pem",
          "private.pem has no private key; a PEM file starts with -----BEGIN PRIVATE KEY-----" },
        { "the key of another", "main.pem", "stranger.key",
          "the key belongs to no certificate of main.pem" },
        { "an encrypted key", "main.pem", "encrypted.key",
          "encrypted.key is encrypted; store it decrypted, readable by its owner alone: "
          "openssl pkey -in OLD -out NEW" },
        { "a key encrypted the old way", "main.pem", "traditional.key",
          "traditional.key is encrypted; store it decrypted, readable by its owner alone: "
          "openssl pkey -in OLD -out NEW" },
        { "others may read the key", "main.pem", "open.key",
          "open.key can be read by everybody; chmod o-r it, and renew the key if others had "
          "access" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error err = { "" };
        struct tls_certificate *c = load("main", rows[i].chain, rows[i].key, &err);

        row_assert_string(&rows[i], err.text, rows[i].complaint);
        row_assert(&rows[i], (c != NULL) == (rows[i].complaint[0] == '\0'));
        tls_certificate_free(c);
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
    } rows[] = {
        { "in order",
          { leaf.certificate, intermediate.certificate },
          "main < intermediate",
          X509_V_OK },
        { "upside down",
          { intermediate.certificate, leaf.certificate },
          "main < intermediate",
          X509_V_OK },
        { "the root last",
          { leaf.certificate, intermediate.certificate, root.certificate },
          "main < intermediate",
          X509_V_OK },
        { "the root first",
          { root.certificate, intermediate.certificate, leaf.certificate },
          "main < intermediate",
          X509_V_OK },
        { "a stranger between",
          { leaf.certificate, stranger.certificate, intermediate.certificate },
          "main < intermediate",
          X509_V_OK },
        { "another leaf first",
          { wild.certificate, leaf.certificate, intermediate.certificate },
          "main < intermediate",
          X509_V_OK },
        { "the leaf twice",
          { leaf.certificate, leaf.certificate, intermediate.certificate },
          "main < intermediate",
          X509_V_OK },
        { "the intermediate twice",
          { leaf.certificate, intermediate.certificate, intermediate.certificate },
          "main < intermediate",
          X509_V_OK },
        { "no intermediate",
          { leaf.certificate },
          "main",
          X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct tls_certificate *certificates[1];
        struct tls_context *context;
        struct tls_certificate *c;
        struct error err = { "" };
        struct pair p;
        size_t count = 0;

        while (count < COUNT(rows[i].file) && rows[i].file[count] != NULL)
            count++;
        save_certificates("order.pem", rows[i].file, count);
        c = load("main", "order.pem", "main.key", &err);
        row_assert_string(&rows[i], err.text, "");
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
    struct error err;
    struct tls_certificate *c = load("stranger", "stranger.pem", "stranger.key", &err);
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
    };
    struct error err = { "" };
    struct tls_certificate *loaded[] = {
        load("main", "main.pem", "main.key", &err),
        load("wild", "wild.pem", "wild.key", &err),
        load("cam", "cam.pem", "cam.key", &err),
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
    X509 *const chain[] = { of->certificate, intermediate.certificate };

    save_certificates(path, chain, COUNT(chain));
}

/* "main.pem" with one byte changed, and with its last line missing. */
static void save_faulty_chains(void)
{
    char *text = read_file("main.pem");
    const char *last_line = strstr(text, "-----END");

    write_file("cut.pem", text, (size_t)(last_line - text));
    text[100] = '!';
    write_file("damaged.pem", text, strlen(text));
    free(text);
}

static void save_both(void)
{
    char *chain = read_file("main.pem"), *key = read_file("main.key"), *both;

    assert_true(asprintf(&both, "%s%s", key, chain) > 0);
    write_file("both.pem", both, strlen(both));
    assert_int_equal(chmod("both.pem", 0600), 0);
    free(chain);
    free(key);
    free(both);
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
    save_faulty_chains();
    save_both();
    write_file("empty.pem", "", 0);
    save_chain("private.pem", &leaf);
    return chmod("private.pem", 0600);
}

static int tear_down(void **state)
{
    struct identity *const all[] = { &root, &intermediate, &leaf, &wild, &cam, &stranger };

    for (size_t i = 0; i < COUNT(all); i++)
        identity_free(all[i]);
    SSL_CTX_free(client);
    return leave_temp_dir(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults),
        cmocka_unit_test(chains_in_any_order),
        cmocka_unit_test(a_self_signed_certificate_is_sent),
        cmocka_unit_test(names_choose),
    };

    return cmocka_run_group_tests_name("certificate", tests, set_up, tear_down);
}
