#include "test/unit/unit.h"

#include "test/unit/authority.h"
#include "test/unit/tls_pair.h"
#include "tls/tickets.h"

#include <openssl/rand.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* When things happen, in seconds of a clock that these tests turn. */
enum { START = 1000000, HOUR = 3600 };

static struct identity root, leaf, client_root, other_root, person;
static struct tls_certificate *certificate;
static uint64_t clock_s;

static const struct version {
    const char *name;
    int number;
} versions[] = { { "TLSv1.2", TLS1_2_VERSION }, { "TLSv1.3", TLS1_3_VERSION } };

static uint64_t read_clock(void)
{
    return clock_s;
}

static struct tls_tickets *tickets_new(void)
{
    struct error err;
    struct tls_tickets *t = tls_tickets_new(&err);

    assert_non_null(t);
    t->now_s = read_clock;
    t->rotate_s = clock_s + TICKET_ROTATION_S;
    return t;
}

static struct ticket_keys read_page(const struct tls_tickets *t)
{
    struct ticket_keys keys;

    for (size_t i = 0; i < TICKET_WORDS; i++)
        ((uint64_t *)&keys)[i] = atomic_load(&t->page->words[i]);
    return keys;
}

static void write_page(struct tls_tickets *t, const struct ticket_keys *keys)
{
    for (size_t i = 0; i < TICKET_WORDS; i++)
        atomic_store(&t->page->words[i], ((const uint64_t *)keys)[i]);
}

static struct tls_context *context_new(struct tls_options options)
{
    char said[1024];
    struct tls_context *context;

    options.certificates = (const struct tls_certificate *const *)&certificate;
    options.certificate_count = 1;
    context = make_context(&options, said, sizeof(said));
    if (context == NULL)
        fail_msg("%s", said);
    return context;
}

static struct tls_context *plain_context(struct tls_tickets *tickets)
{
    return context_new(
        (struct tls_options){ .name = "rtmps", .policy = TLS_INTERMEDIATE, .tickets = tickets });
}

static SSL_CTX *client_of(int version)
{
    SSL_CTX *context = client_context_new(root.certificate);

    assert_int_equal(SSL_CTX_set_min_proto_version(context, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, version), 1);
    return context;
}

/* A session of its own, and the ticket that came with it; NULL if none came. */
static SSL_SESSION *visit(struct tls_context *server, SSL_CTX *client, const char *sni,
                          SSL_SESSION *ticket, bool *is_resumed)
{
    SSL_SESSION *given;
    struct pair p;
    size_t n;

    pair_open(&p, SOCK_STREAM, server, client, sni);
    if (ticket != NULL) /* a copy, since OpenSSL takes a session that was used for spent */
        assert_int_equal(SSL_set_session(p.client.ssl, ticket), 1);
    assert_int_equal(pair_handshake(&p), IO_OK);
    *is_resumed = SSL_session_reused(p.client.ssl) == 1;
    tls_conn_send_ticket(p.conn);
    assert_int_equal(tls_conn_write(p.conn, "x", 1, &n), IO_OK);
    assert_int_equal(client_read(&p.client, (char[1]){ 0 }, 1), 1);
    pair_assert_alive(&p);
    given = p.client.ticket;
    SSL_set_shutdown(p.client.ssl, SSL_SENT_SHUTDOWN); /* or OpenSSL takes the session for bad */
    p.client.ticket = NULL;
    if (given == NULL && SSL_version(p.client.ssl) == TLS1_2_VERSION)
        given = SSL_get1_session(p.client.ssl); /* OpenSSL tells of no ticket that was renewed */
    pair_close(&p);
    return given;
}

static SSL_SESSION *get_ticket(struct tls_context *server, SSL_CTX *client, const char *sni)
{
    bool is_resumed;
    SSL_SESSION *ticket = visit(server, client, sni, NULL, &is_resumed);

    assert_non_null(ticket);
    assert_false(is_resumed);
    return ticket;
}

static bool resumes(struct tls_context *server, SSL_CTX *client, const char *sni,
                    SSL_SESSION *ticket)
{
    SSL_SESSION *copy = SSL_SESSION_dup(ticket);
    bool is_resumed;

    SSL_SESSION_free(visit(server, client, sni, copy, &is_resumed));
    SSL_SESSION_free(copy);
    return is_resumed;
}

/* ---- rotation ---- */

static void keys_live_for_a_day(void **state)
{
    struct error err;

    (void)state;
    for (const struct version *v = versions; v < versions + COUNT(versions); v++) {
        struct tls_tickets *t;
        struct tls_context *server;
        SSL_CTX *client = client_of(v->number);
        SSL_SESSION *first, *second;

        clock_s = START;
        t = tickets_new();
        server = plain_context(t);
        first = get_ticket(server, client, NULL);
        row_assert(v, resumes(server, client, NULL, first));

        clock_s = START + 12 * HOUR - 1;
        row_assert_int(v, tls_tickets_rotate(t, &err), 0);
        row_assert_int(v, read_page(t).count, 1); /* not due */
        clock_s++;
        row_assert_int(v, tls_tickets_rotate(t, &err), 0);
        row_assert_int(v, read_page(t).count, 2);
        second = get_ticket(server, client, NULL);
        row_assert(v, resumes(server, client, NULL, first));
        row_assert(v, resumes(server, client, NULL, second));

        clock_s = START + 24 * HOUR - 1;
        row_assert(v, resumes(server, client, NULL, first));
        clock_s++; /* by time alone, though nobody has rotated */
        row_assert(v, !resumes(server, client, NULL, first));
        row_assert(v, resumes(server, client, NULL, second));
        row_assert_int(v, tls_tickets_rotate(t, &err), 0);
        row_assert_int(v, read_page(t).count, 2);
        row_assert(v, resumes(server, client, NULL, second));

        clock_s = START + 100 * HOUR; /* the machine slept */
        row_assert(v, !resumes(server, client, NULL, second));
        row_assert_int(v, tls_tickets_rotate(t, &err), 0);
        row_assert_int(v, read_page(t).count,
                       2); /* one that was never replaced in time, and a new one */
        SSL_SESSION_free(first);
        SSL_SESSION_free(second);
        tls_context_free(server);
        tls_tickets_free(t);
        SSL_CTX_free(client);
    }
}

static void an_old_ticket_is_renewed(void **state)
{
    struct tls_tickets *t;
    struct tls_context *server;
    SSL_CTX *client = client_of(TLS1_2_VERSION);
    SSL_SESSION *first, *renewed;
    struct error err;
    bool is_resumed;

    (void)state;
    clock_s = START;
    t = tickets_new();
    server = plain_context(t);
    first = get_ticket(server, client, NULL);
    clock_s += 13 * HOUR;
    assert_int_equal(tls_tickets_rotate(t, &err), 0);
    renewed = visit(server, client, NULL, first, &is_resumed);
    assert_true(is_resumed);
    assert_non_null(renewed);
    clock_s += 11 * HOUR + 1;
    assert_true(resumes(server, client, NULL, renewed));
    SSL_SESSION_free(first);
    SSL_SESSION_free(renewed);
    tls_context_free(server);
    tls_tickets_free(t);
    SSL_CTX_free(client);
}

/* ---- forgery ---- */

static const struct forgery {
    const char *name;
    bool knows_name; /* which every ticket shows */
    bool is_random;  /* else zeros */
} forgeries[] = {
    { "zeros", false, false },
    { "a known name and zeros", true, false },
    { "a known name and other keys", true, true },
    { "foreign keys", false, true },
};

/* What a forger's server would give, whose keys are `f` but whose policy is ours. */
static void try_forgery(const struct forgery *f, struct tls_tickets *t, struct tls_context *server,
                        SSL_CTX *client)
{
    struct ticket_keys real = read_page(t);

    for (uint64_t i = 0; i < real.count; i++) {
        struct tls_tickets *forged = tickets_new();
        struct tls_context *forger = plain_context(forged);
        struct ticket_keys keys = { .count = 1 };
        SSL_SESSION *ticket;

        if (f->is_random)
            assert_int_equal(
                RAND_bytes((unsigned char *)&keys.slots[0].key, sizeof(keys.slots[0].key)), 1);
        if (f->knows_name)
            memcpy(keys.slots[0].key.name, real.slots[i].key.name, TICKET_NAME_BYTES);
        write_page(forged, &keys);
        ticket = get_ticket(forger, client, NULL);
        row_assert(f, resumes(forger, client, NULL, ticket)); /* it is a good one there */
        row_assert(f, !resumes(server, client, NULL, ticket));
        SSL_SESSION_free(ticket);
        tls_context_free(forger);
        tls_tickets_free(forged);
    }
}

static void no_forged_ticket_is_taken(void **state)
{
    struct error err;

    (void)state;
    for (const struct version *v = versions; v < versions + COUNT(versions); v++) {
        SSL_CTX *client = client_of(v->number);
        struct tls_tickets *t;
        struct tls_context *server;

        clock_s = START;
        t = tickets_new();
        server = plain_context(t);
        for (int step = 0; step < 4; step++) { /* at each step of the rotation */
            for (size_t i = 0; i < COUNT(forgeries); i++)
                try_forgery(&forgeries[i], t, server, client);
            clock_s += 12 * HOUR;
            row_assert_int(v, tls_tickets_rotate(t, &err), 0);
        }
        tls_context_free(server);
        tls_tickets_free(t);
        SSL_CTX_free(client);
    }
}

static void no_two_keys_are_alike(void **state)
{
    enum { ROUNDS = 50 };
    struct ticket_key seen[ROUNDS];
    struct tls_tickets *t;
    struct error err;

    (void)state;
    clock_s = START;
    t = tickets_new();
    for (int i = 0; i < ROUNDS; i++) {
        struct ticket_keys keys = read_page(t);

        seen[i] = keys.slots[0].key;
        assert_true(keys.count <= 2);
        for (int k = 0; k < i; k++) {
            assert_memory_not_equal(seen[k].name, seen[i].name, sizeof(seen[i].name));
            assert_memory_not_equal(seen[k].aes, seen[i].aes, sizeof(seen[i].aes));
            assert_memory_not_equal(seen[k].hmac, seen[i].hmac, sizeof(seen[i].hmac));
        }
        clock_s += 12 * HOUR;
        assert_int_equal(tls_tickets_rotate(t, &err), 0);
    }
    tls_tickets_free(t);
}

/* The master was killed while it wrote: better no tickets than mixed ones. */
static void a_page_half_written_is_not_used(void **state)
{
    SSL_CTX *client = client_of(TLS1_2_VERSION);
    struct tls_tickets *t;
    struct tls_context *server;
    SSL_SESSION *ticket, *none;
    bool is_resumed;

    (void)state;
    clock_s = START;
    t = tickets_new();
    server = plain_context(t);
    ticket = get_ticket(server, client, NULL);
    (void)atomic_fetch_add(&t->page->sequence, 1);
    none = visit(server, client, NULL, ticket, &is_resumed);
    assert_false(is_resumed);
    assert_true(none == NULL || SSL_SESSION_has_ticket(none) == 0);
    (void)atomic_fetch_add(&t->page->sequence, 1);
    assert_true(resumes(server, client, NULL, ticket));
    SSL_SESSION_free(none);
    SSL_SESSION_free(ticket);
    tls_context_free(server);
    tls_tickets_free(t);
    SSL_CTX_free(client);
}

/* ---- what a ticket is bound to ---- */

static void a_ticket_is_good_where_it_was_made(void **state)
{
    static char *const one_cipher[] = { "ECDHE-ECDSA-AES128-GCM-SHA256" };
    static const struct tls_options base = { .name = "rtmps",
                                             .policy = TLS_INTERMEDIATE,
                                             .client_verify = TLS_VERIFY_OPTIONAL,
                                             .client_ca = "clients.pem" };
    struct {
        const char *name;
        struct tls_options options;
        const char *sni;
        bool is_good;
    } rows[] = {
        { "the same", base, "localhost", true },
        { "the name in another case", base, "LocalHost", true },
        { "another name", base, "other", false },
        { "no name", base, NULL, false },
        { "another listener", base, "localhost", false },
        { "another lowest version", base, "localhost", false },
        { "other ciphers", base, "localhost", false },
        { "another policy", base, "localhost", false },
        { "a stricter check", base, "localhost", false },
        { "no check", base, "localhost", false },
        { "other CAs", base, "localhost", false },
        { "a CA more", base, "localhost", false },
    };

    (void)state;
    rows[4].options.name = "https";
    rows[5].options.max = TLS_1_2;
    rows[6].options.ciphers = (struct tls_words){ .items = one_cipher, .count = 1 };
    rows[7].options.policy = TLS_LEGACY;
    rows[8].options.client_verify = TLS_VERIFY_REQUIRED;
    rows[9].options.client_verify = TLS_VERIFY_NONE;
    rows[10].options.client_ca = "others.pem";
    rows[11].options.client_ca = "both.pem";

    clock_s = START;
    for (const struct version *v = versions; v < versions + COUNT(versions); v++)
        for (size_t i = 0; i < COUNT(rows); i++) {
            SSL_CTX *client = client_of(v->number);
            struct tls_tickets *t = tickets_new();
            struct tls_options first = base;
            struct tls_context *here, *there;
            SSL_SESSION *ticket;

            if (rows[i].options.max == TLS_1_2 && v->number == TLS1_3_VERSION)
                rows[i].options.max = TLS_AS_POLICY, rows[i].options.min = TLS_1_3;
            assert_int_equal(SSL_CTX_use_certificate(client, person.certificate), 1);
            assert_int_equal(SSL_CTX_use_PrivateKey(client, person.key), 1);
            first.tickets = rows[i].options.tickets = t;
            here = context_new(first);
            there = context_new(rows[i].options);
            ticket = get_ticket(here, client, "localhost");
            row_assert(&rows[i], resumes(here, client, "localhost", ticket));
            if (rows[i].options.client_ca == NULL ||
                strcmp(rows[i].options.client_ca, "others.pem") != 0)
                row_assert_int(&rows[i], resumes(there, client, rows[i].sni, ticket),
                               rows[i].is_good);
            else { /* a full handshake, which fails */
                struct pair p;

                pair_open(&p, SOCK_STREAM, there, client, rows[i].sni);
                assert_int_equal(SSL_set_session(p.client.ssl, ticket), 1);
                row_assert_int(&rows[i], pair_handshake(&p), IO_ERROR);
                pair_close(&p);
            }
            SSL_SESSION_free(ticket);
            tls_context_free(here);
            tls_context_free(there);
            tls_tickets_free(t);
            SSL_CTX_free(client);
        }
}

/* ---- files ---- */

static void key_files(void **state)
{
    enum { KEY = sizeof(struct ticket_key) };
    static const struct {
        const char *name;
        size_t size;
        int kind; /* 'r'andom, 'z'eros, 't'wice the same name */
        mode_t mode;
        const char *complaint; /* NULL: it is good */
    } rows[] = {
        { "one key", KEY, 'r', 0600, NULL },
        { "eight keys, readable by the group", 8 * KEY, 'r', 0640, NULL },
        { "nine keys", 9 * KEY, 'r', 0600, "file.keys has more than 8 keys" },
        { "nothing", 0, 'r', 0600, "file.keys has 0 bytes; each key has 80" },
        { "a byte too many", KEY + 1, 'r', 0600, "file.keys has 81 bytes" },
        { "a key of 48 bytes", 48, 'r', 0600, "file.keys has 48 bytes" },
        { "zeros", KEY, 'z', 0600, "key 1 of file.keys is zeros" },
        { "the same key twice", 2 * KEY, 't', 0600, "two keys of file.keys begin" },
        { "readable by all", KEY, 'r', 0604, "file.keys can be read by everybody" },
    };
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned char bytes[10 * KEY];
        struct tls_ticket_keys *keys;

        assert_int_equal(RAND_bytes(bytes, sizeof(bytes)), 1);
        if (rows[i].kind == 'z')
            memset(bytes, 0, sizeof(bytes));
        if (rows[i].kind == 't')
            memcpy(bytes + KEY, bytes, KEY);
        write_file("file.keys", (char *)bytes, rows[i].size);
        assert_int_equal(chmod("file.keys", rows[i].mode), 0);
        keys = tls_ticket_keys_load("file.keys", &err);
        row_assert_int(&rows[i], keys != NULL, rows[i].complaint == NULL);
        if (keys == NULL)
            row_assert(&rows[i], strstr(err.text, rows[i].complaint) != NULL);
        tls_ticket_keys_free(keys);
    }
    assert_null(tls_ticket_keys_load("no.keys", &err));
    assert_string_equal(err.text, "no.keys cannot be read: No such file or directory");
    assert_null(tls_ticket_keys_load(".", &err));
}

static void two_machines_share_a_file(void **state)
{
    unsigned char bytes[2 * sizeof(struct ticket_key)];
    SSL_CTX *client = client_of(TLS1_3_VERSION);
    struct tls_ticket_keys *both, *old;
    struct tls_tickets *one, *two;
    struct tls_context *here, *there;
    SSL_SESSION *ticket;
    struct error err;

    (void)state;
    clock_s = START;
    assert_int_equal(RAND_bytes(bytes, sizeof(bytes)), 1);
    write_file("both.keys", (char *)bytes, sizeof(bytes));
    write_file("old.keys", (char *)bytes + sizeof(bytes) / 2, sizeof(bytes) / 2);
    assert_int_equal(chmod("both.keys", 0600) | chmod("old.keys", 0600), 0);
    both = tls_ticket_keys_load("both.keys", &err);
    old = tls_ticket_keys_load("old.keys", &err);
    one = tickets_new();
    two = tickets_new();
    here = plain_context(one);
    there = plain_context(two);

    assert_int_equal(tls_tickets_use(one, old, &err), 0);
    ticket = get_ticket(here, client, NULL);
    assert_false(resumes(there, client, NULL, ticket));
    assert_int_equal(tls_tickets_use(two, both, &err), 0); /* has got the next file already */
    assert_true(resumes(there, client, NULL, ticket));
    clock_s += 1000 * HOUR;
    assert_int_equal(tls_tickets_rotate(two, &err), 0); /* not ours to rotate */
    assert_true(resumes(there, client, NULL, ticket));
    assert_int_equal(tls_tickets_use(two, NULL, &err), 0); /* back to our own */
    assert_false(resumes(there, client, NULL, ticket));

    SSL_SESSION_free(ticket);
    tls_context_free(here);
    tls_context_free(there);
    tls_tickets_free(one);
    tls_tickets_free(two);
    tls_ticket_keys_free(both);
    tls_ticket_keys_free(old);
    SSL_CTX_free(client);
}

static void own_keys_stay_over_a_reload(void **state)
{
    struct tls_tickets *t;
    struct ticket_keys before;
    struct error err;

    (void)state;
    clock_s = START;
    t = tickets_new();
    before = read_page(t);
    assert_int_equal(tls_tickets_use(t, NULL, &err), 0);
    assert_memory_equal(&before, &(struct ticket_keys[]){ read_page(t) }[0], sizeof(before));
    tls_tickets_free(t);
}

static int set_up(void **state)
{
    if (enter_temp_dir(state) != 0)
        return -1;
    root = identity_new("root", NULL, "EC", NULL);
    leaf = identity_new("main", "DNS:localhost", "EC", &root);
    client_root = identity_new("clients", NULL, "EC", NULL);
    other_root = identity_new("others", NULL, "EC", NULL);
    person = identity_new("alice", "DNS:alice", "EC", &client_root);
    save_certificates("main.pem", &leaf.certificate, 1);
    save_certificates("clients.pem", &client_root.certificate, 1);
    save_certificates("others.pem", &other_root.certificate, 1);
    save_certificates("both.pem", (X509 *[]){ client_root.certificate, other_root.certificate }, 2);
    save_key("main.key", leaf.key, KEY_PLAIN, 0600);
    certificate = load_pem("main", "main.pem", "main.key");
    return 0;
}

static int tear_down(void **state)
{
    tls_certificate_free(certificate);
    identity_free(&root);
    identity_free(&leaf);
    identity_free(&client_root);
    identity_free(&other_root);
    identity_free(&person);
    return leave_temp_dir(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_live_for_a_day),
        cmocka_unit_test(an_old_ticket_is_renewed),
        cmocka_unit_test(no_forged_ticket_is_taken),
        cmocka_unit_test(no_two_keys_are_alike),
        cmocka_unit_test(a_page_half_written_is_not_used),
        cmocka_unit_test(a_ticket_is_good_where_it_was_made),
        cmocka_unit_test(key_files),
        cmocka_unit_test(two_machines_share_a_file),
        cmocka_unit_test(own_keys_stay_over_a_reload),
    };

    return cmocka_run_group_tests_name("tickets", tests, set_up, tear_down);
}
