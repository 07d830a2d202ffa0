#include "test/unit/unit.h"

#include "test/unit/authority.h"
#include "test/unit/tls_pair.h"
#include "tls/ramp.h"

#include <errno.h>
#include <sys/socket.h>

enum { RECORD_BYTES = 16 * 1024, BIG = 300 * 1000 };

static struct identity root, leaf;
static struct tls_certificate *certificate;
static struct tls_context *server;
static SSL_CTX *client;
static unsigned char big[BIG];

/* A client's context for one version of TLS. */
static SSL_CTX *client_of(int version)
{
    SSL_CTX *context = client_context_new(root.certificate);

    assert_int_equal(SSL_CTX_set_min_proto_version(context, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, version), 1);
    return context;
}

/* Each test that passes bytes does so with both versions. */
static const struct version {
    const char *name;
    int number;
} versions[] = { { "TLSv1.2", TLS1_2_VERSION }, { "TLSv1.3", TLS1_3_VERSION } };

/* Handshakes. */

static void handshakes(void **state)
{
    static const struct {
        const char *name;
        int version;
        const char *ciphers; /* of TLS 1.2 */
        enum io_status status;
        const char *seen; /* the version or the fault */
    } rows[] = {
        { "1.3", TLS1_3_VERSION, "ALL", IO_OK, "TLSv1.3" },
        { "1.2", TLS1_2_VERSION, "ALL", IO_OK, "TLSv1.2" },
        { "1.1", TLS1_1_VERSION, "ALL", IO_ERROR,
          "unsupported protocol (the client has no version of TLS that this listener speaks)" },
        { "1.2 without AEAD", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", IO_ERROR,
          "no shared cipher (the client offers none that the proxy has, or has for its "
          "certificate's "
          "type of key)" },
        { "1.2 without forward secrecy", TLS1_2_VERSION, "AES128-GCM-SHA256", IO_ERROR,
          "no shared cipher (the client offers none that the proxy has, or has for its "
          "certificate's "
          "type of key)" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SSL_CTX *context = client_of(rows[i].version);
        struct pair p;

        row_assert_int(&rows[i], SSL_CTX_set_cipher_list(context, rows[i].ciphers), 1);
        pair_open(&p, SOCK_STREAM, server, context, NULL);
        row_assert(&rows[i], tls_conn_version(p.conn) == NULL);
        row_assert(&rows[i], tls_conn_cipher(p.conn) == NULL);
        row_assert_int(&rows[i], pair_handshake(&p), rows[i].status);
        row_assert_int(&rows[i], p.pool.used_count, 0);
        if (rows[i].status == IO_OK) {
            row_assert_string(&rows[i], tls_conn_version(p.conn), rows[i].seen);
            row_assert_string(&rows[i], tls_conn_cipher(p.conn), SSL_get_cipher_name(p.client.ssl));
            pair_assert_alive(&p);
        } else {
            row_assert_string(&rows[i], tls_conn_fault(p.conn), rows[i].seen);
            row_assert_int(&rows[i], tls_conn_errno(p.conn), 0);
            row_assert(&rows[i], tls_conn_version(p.conn) == NULL);
            client_receive(&p.client, SIZE_MAX);
            row_assert_int(&rows[i], BIO_pending(p.client.in), 7); /* an alert */
        }
        pair_close(&p);
        SSL_CTX_free(context);
    }
}

/* Send what the client has to say one byte at a time. */
static enum io_status feed_slowly(struct pair *p)
{
    enum io_status status = IO_WANT_READ;
    char byte;

    while (BIO_read(p->client.out, &byte, 1) == 1) {
        assert_int_equal(status, IO_WANT_READ);
        assert_int_equal(p->pool.used_count, 0);
        client_send_raw(&p->client, &byte, 1);
        pair_notice(p);
        do
            status = tls_conn_handshake(p->conn);
        while (status == IO_YIELD);
    }
    return status;
}

static void a_handshake_byte_by_byte(void **state)
{
    (void)state;
    for (const struct version *v = versions; v < versions + COUNT(versions); v++) {
        SSL_CTX *context = client_of(v->number);
        struct pair p;

        pair_open(&p, SOCK_STREAM, server, context, NULL);
        row_assert_int(v, SSL_do_handshake(p.client.ssl), -1);
        row_assert_int(v, feed_slowly(&p), IO_WANT_READ);
        client_receive(&p.client, SIZE_MAX);
        (void)SSL_do_handshake(p.client.ssl);
        row_assert_int(v, feed_slowly(&p), IO_OK);
        row_assert(v, client_handshake(&p.client));
        pair_assert_alive(&p);
        pair_close(&p);
        SSL_CTX_free(context);
    }
}

static void a_flight_is_one_send(void **state)
{
    struct pair p;

    (void)state;
    pair_connect(&p, SOCK_SEQPACKET, server, client);
    assert_int_equal(p.client.packets, 1);
    pair_close(&p);
}

static void no_call_without_notice(void **state)
{
    struct pair p;

    (void)state;
    pair_open(&p, SOCK_STREAM, server, client, NULL);
    assert_int_equal(tls_conn_handshake(p.conn), IO_WANT_READ);
    (void)client_handshake(&p.client);
    assert_int_equal(tls_conn_handshake(p.conn), IO_WANT_READ);
    client_receive(&p.client, SIZE_MAX);
    assert_int_equal(p.client.packets, 0);

    tls_conn_notice(p.conn, true, false, false);
    assert_int_equal(tls_conn_handshake(p.conn), IO_WANT_READ);
    client_receive(&p.client, SIZE_MAX);
    assert_int_equal(p.client.packets, 1);
    pair_close(&p);
}

static void what_is_no_client_hello(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t n;
        const char *fault;
    } rows[] = {
        { "HTTP", "GET / HTTP/1.1\r\n\r\n", 18, "http request" },
        { "RTMP", "\x03\0\0\0\0\0\0\0\0\0\0", 11, "wrong version number" },
        { "SSH", "SSH-2.0-OpenSSH_9.2\r\n", 21, "wrong version number" },
        { "a record of another type", "\x17\x03\x03\0\x05hello", 10, "unexpected message" },
        { "another handshake message", "\x16\x03\x01\0\x04\x02\0\0\0", 9, "unexpected message" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct pair p;

        pair_open(&p, SOCK_STREAM, server, client, NULL);
        client_send_raw(&p.client, rows[i].bytes, rows[i].n);
        pair_notice(&p);
        row_assert_int(&rows[i], tls_conn_handshake(p.conn), IO_ERROR);
        row_assert_string(&rows[i], tls_conn_fault(p.conn), rows[i].fault);
        row_assert_int(&rows[i], tls_conn_errno(p.conn), 0);
        pair_close(&p);
    }
}

static void the_client_leaves_before_the_handshake_is_done(void **state)
{
    static const struct {
        const char *name;
        size_t hello_bytes;
    } rows[] = { { "before a byte", 0 }, { "inside its hello", 50 }, { "after it", SIZE_MAX } };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct pair p;
        char *hello;
        long n;

        pair_open(&p, SOCK_STREAM, server, client, NULL);
        (void)SSL_do_handshake(p.client.ssl);
        n = BIO_get_mem_data(p.client.out, &hello);
        client_send_raw(&p.client, hello,
                        (size_t)n < rows[i].hello_bytes ? (size_t)n : rows[i].hello_bytes);
        (void)shutdown(p.client.fd, SHUT_WR);
        pair_notice(&p);
        row_assert_int(&rows[i], tls_conn_handshake(p.conn),
                       rows[i].hello_bytes > 0 ? IO_YIELD : IO_EOF);
        pair_notice(&p);
        row_assert_int(&rows[i], tls_conn_handshake(p.conn), IO_EOF);
        row_assert_int(&rows[i], p.pool.used_count, 0);
        pair_close(&p);
    }
}

/* Bytes. */

/* Write `n` bytes of `big` while the client takes at most `bite` at a time;
 * what it got is compared. Returns how often a write or flush had to wait. */
static unsigned write_big(struct pair *p, size_t n, size_t bite)
{
    static unsigned char got[BIG];
    size_t written = 0, received = 0, some;
    unsigned waits = 0;

    while (received < n) {
        enum io_status status;

        pair_notice(p);
        status = written < n ? tls_conn_write(p->conn, big + written, n - written, &some)
                             : tls_conn_flush(p->conn);
        if (status == IO_WANT_WRITE)
            waits++;
        else
            assert_int_equal(status, IO_OK);
        if (written < n)
            written += some;
        assert_int_equal(p->pool.used_count, tls_conn_pending(p->conn) > 0);
        client_receive(&p->client, bite);
        while (SSL_read_ex(p->client.ssl, got + received, sizeof(got) - received, &some) == 1)
            received += some;
    }
    assert_int_equal(received, n);
    assert_memory_equal(got, big, n);
    assert_int_equal(p->pool.used_count, 0);
    return waits;
}

static void records_are_gathered(void **state)
{
    static const struct {
        const char *name;
        size_t bytes;
        unsigned sends;
    } rows[] = {
        { "a byte", 1, 1 },
        { "a record", RECORD_BYTES, 1 },
        { "a record and a byte", RECORD_BYTES + 1, 1 },
        { "100 kB", 100 * 1000, 1 },
        { "as much as a buffer holds", 7 * RECORD_BYTES, 1 },
        { "a byte more", 7 * RECORD_BYTES + 1, 2 },
        { "twice as much", 14 * RECORD_BYTES, 2 },
    };

    (void)state;
    for (const struct version *v = versions; v < versions + COUNT(versions); v++) {
        SSL_CTX *context = client_of(v->number);
        struct pair p;

        pair_connect(&p, SOCK_SEQPACKET, server, context);
        for (size_t i = 0; i < COUNT(rows); i++) {
            p.client.packets = 0;
            row_assert_int(&rows[i], write_big(&p, rows[i].bytes, SIZE_MAX), 0);
            row_assert_int(&rows[i], p.client.packets, rows[i].sends);
        }
        pair_close(&p);
        SSL_CTX_free(context);
    }
}

struct sizes {
    size_t small_bytes; /* of records of one packet, that came before any other */
    size_t small_most;
    size_t full_count;
    size_t other_count; /* the last one, most often */
};

/* OpenSSL shows each record's header: type, version, length.
 * NOLINTNEXTLINE(readability-function-size): the parameters are OpenSSL's choice */
static void note_size(int is_sent, int version, int type, const void *bytes, size_t n, SSL *ssl,
                      void *user)
{
    const unsigned char *header = bytes;
    struct sizes *sizes = user;
    size_t size;

    (void)version;
    (void)n;
    (void)ssl;
    if (is_sent || type != SSL3_RT_HEADER || header[0] != SSL3_RT_APPLICATION_DATA)
        return;
    size = (size_t)header[3] << 8 | header[4];
    if (size > RECORD_BYTES)
        sizes->full_count++;
    else if (sizes->full_count > 0 || size < RAMP_TEXT_BYTES)
        sizes->other_count++;
    else
        sizes->small_bytes += RAMP_TEXT_BYTES;
    if (sizes->full_count == 0 && size > sizes->small_most)
        sizes->small_most = size;
}

static void the_first_records_fit_a_packet_each(void **state)
{
    (void)state;
    for (const struct version *v = versions; v < versions + COUNT(versions); v++) {
        SSL_CTX *context = client_of(v->number);
        struct sizes sizes = { 0 };
        struct pair p;

        pair_connect(&p, SOCK_STREAM, server, context);
        SSL_set_msg_callback(p.client.ssl, note_size);
        (void)SSL_set_msg_callback_arg(p.client.ssl, &sizes);
        assert_int_equal(write_big(&p, RAMP_BYTES, SIZE_MAX), 0);
        assert_int_equal(write_big(&p, 2 * RECORD_BYTES, SIZE_MAX), 0);
        assert_in_range(sizes.small_bytes, RAMP_BYTES - RAMP_TEXT_BYTES, RAMP_BYTES);
        assert_in_range(sizes.small_most, RAMP_TEXT_BYTES, RAMP_TEXT_BYTES + 24);
        assert_int_equal(sizes.full_count, 2);
        assert_int_equal(sizes.other_count, 1);
        pair_close(&p);
        SSL_CTX_free(context);
    }
}

static void a_slow_reader_holds_one_buffer(void **state)
{
    const int small = 4096;
    struct pair p;

    (void)state;
    pair_connect(&p, SOCK_STREAM, server, client);
    assert_int_equal(setsockopt(p.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    assert_true(write_big(&p, BIG, 1000) > 0);
    pair_assert_alive(&p);
    pair_close(&p);
}

static void a_refused_send_waits_for_notice(void **state)
{
    const int small = 4096;
    struct pair p;
    size_t n;

    (void)state;
    pair_connect(&p, SOCK_STREAM, server, client);
    assert_int_equal(setsockopt(p.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    assert_int_equal(tls_conn_write(p.conn, big, BIG, &n), IO_OK);
    assert_true(n > 0);
    assert_true(tls_conn_pending(p.conn) > 0);
    assert_int_equal(p.pool.used_count, 1);

    client_receive(&p.client, SIZE_MAX); /* room, but nobody said so */
    assert_int_equal(tls_conn_write(p.conn, big + n, BIG - n, &n), IO_WANT_WRITE);
    assert_int_equal(n, 0);
    assert_int_equal(tls_conn_flush(p.conn), IO_WANT_WRITE);
    assert_int_equal(tls_conn_shutdown(p.conn), IO_WANT_WRITE);
    client_receive(&p.client, SIZE_MAX);
    assert_false(p.client.has_fin);

    p.client.packets = 0;
    pair_notice(&p);
    (void)tls_conn_flush(p.conn);
    client_receive(&p.client, SIZE_MAX);
    assert_true(p.client.packets > 0);
    pair_close(&p);
}

static void reads_fill_what_they_are_given(void **state)
{
    static unsigned char got[BIG];

    (void)state;
    for (const struct version *v = versions; v < versions + COUNT(versions); v++) {
        SSL_CTX *context = client_of(v->number);
        enum io_status status = IO_OK;
        size_t n, total = 0;
        struct pair p;

        pair_connect(&p, SOCK_STREAM, server, context);
        client_write(&p.client, big, BIG);
        while (total < BIG) {
            size_t size = BIG - total < 50 * 1000 ? BIG - total : 50 * 1000;

            pair_notice(&p);
            status = tls_conn_read(p.conn, got + total, size, &n);
            row_assert(v, status == IO_OK || status == IO_WANT_READ);
            row_assert(v, (status == IO_OK) == (n > 0));
            total += n;
            client_send(&p.client);
        }
        row_assert_int(v, memcmp(got, big, BIG), 0);
        row_assert_int(v, tls_conn_read(p.conn, got, 1, &n), IO_WANT_READ);
        row_assert_int(v, p.pool.used_count, 0);
        pair_close(&p);
        SSL_CTX_free(context);
    }
}

/* RFC 8446, 4.6.3: the answer goes out before the next bytes. */
static void key_updates_go_unnoticed(void **state)
{
    static const struct {
        const char *name;
        int type;
    } rows[] = {
        { "the client's own", SSL_KEY_UPDATE_NOT_REQUESTED },
        { "the server's as well", SSL_KEY_UPDATE_REQUESTED },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct pair p;

        pair_connect(&p, SOCK_STREAM, server, client);
        row_assert_int(&rows[i], SSL_key_update(p.client.ssl, rows[i].type), 1);
        pair_assert_alive(&p);
        pair_assert_alive(&p);
        pair_close(&p);
    }
}

/* As many as fit into what OpenSSL reads ahead: it must not work through them all. */
static void a_flood_of_key_updates_is_a_fault(void **state)
{
    static const struct {
        const char *name;
        int count;
        bool is_flood;
    } rows[] = { { "100 at once", 100, false },
                 { "too many even for two seconds", 202, true },
                 { "2000", 2000, true } };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum io_status status;
        struct pair p;
        char byte;
        size_t n;

        pair_connect(&p, SOCK_STREAM, server, client);
        for (int k = 0; k < rows[i].count; k++) {
            row_assert_int(&rows[i], SSL_key_update(p.client.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
            row_assert_int(&rows[i], SSL_do_handshake(p.client.ssl), 1);
        }
        client_write(&p.client, "x", 1);
        pair_notice(&p);
        while ((status = tls_conn_read(p.conn, &byte, 1, &n)) == IO_YIELD)
            ;
        row_assert_int(&rows[i], status, rows[i].is_flood ? IO_ERROR : IO_OK);
        if (rows[i].is_flood) {
            row_assert_string(&rows[i], tls_conn_fault(p.conn), "a flood of KeyUpdates");
            row_assert_int(&rows[i], tls_conn_errno(p.conn), 0);
            row_assert_int(&rows[i], tls_conn_read(p.conn, &byte, 1, &n), IO_ERROR);
        }
        pair_close(&p);
    }
}

static void renegotiation_is_refused(void **state)
{
    SSL_CTX *context = client_of(TLS1_2_VERSION);
    struct pair p;
    char byte;
    size_t n;

    (void)state;
    pair_connect(&p, SOCK_STREAM, server, context);
    assert_int_equal(SSL_renegotiate(p.client.ssl), 1);
    (void)SSL_do_handshake(p.client.ssl);
    client_send(&p.client);
    p.client.packets = 0;
    pair_notice(&p);
    assert_int_equal(tls_conn_read(p.conn, &byte, 1, &n), IO_WANT_READ);
    client_receive(&p.client, SIZE_MAX);
    assert_int_equal(p.client.packets, 1); /* the alert no_renegotiation */
    assert_int_equal(p.pool.used_count, 0);
    pair_close(&p);
    SSL_CTX_free(context);
}

/* Ends. */

static void the_server_ends_first(void **state)
{
    (void)state;
    for (const struct version *v = versions; v < versions + COUNT(versions); v++) {
        SSL_CTX *context = client_of(v->number);
        struct pair p;
        char text[8];
        size_t n;

        pair_connect(&p, SOCK_STREAM, server, context);
        row_assert_int(v, tls_conn_write(p.conn, "last", 4, &n), IO_OK);
        row_assert_int(v, tls_conn_shutdown(p.conn), IO_OK);
        row_assert_int(v, p.pool.used_count, 0);
        row_assert_int(v, client_read(&p.client, text, sizeof(text)), 4);
        row_assert_int(v, SSL_get_shutdown(p.client.ssl), SSL_RECEIVED_SHUTDOWN);

        p.client.packets = 0; /* once is enough */
        row_assert_int(v, tls_conn_shutdown(p.conn), IO_OK);
        client_receive(&p.client, SIZE_MAX);
        row_assert_int(v, p.client.packets, 0);

        client_write(&p.client, "more", 4); /* the other direction goes on */
        pair_notice(&p);
        row_assert_int(v, tls_conn_read(p.conn, text, sizeof(text), &n), IO_OK);
        row_assert_int(v, n, 4);
        pair_close(&p);
        SSL_CTX_free(context);
    }
}

static void the_client_ends_first(void **state)
{
    (void)state;
    for (const struct version *v = versions; v < versions + COUNT(versions); v++) {
        SSL_CTX *context = client_of(v->number);
        struct pair p;
        char text[8];
        size_t n;

        pair_connect(&p, SOCK_STREAM, server, context);
        client_write(&p.client, "last", 4);
        row_assert_int(v, SSL_shutdown(p.client.ssl), 0);
        client_send(&p.client);
        pair_notice(&p);
        row_assert_int(v, tls_conn_read(p.conn, text, sizeof(text), &n), IO_OK);
        row_assert_int(v, n, 4);
        row_assert_int(v, tls_conn_read(p.conn, text, sizeof(text), &n), IO_EOF);
        row_assert_int(v, tls_conn_read(p.conn, text, sizeof(text), &n), IO_EOF);
        row_assert(v, !tls_conn_is_truncated(p.conn));

        row_assert_int(v, tls_conn_write(p.conn, "more", 4, &n), IO_OK);
        row_assert_int(v, client_read(&p.client, text, sizeof(text)), 4);
        row_assert_int(v, tls_conn_shutdown(p.conn), IO_OK);
        row_assert_int(v, p.pool.used_count, 0);
        pair_close(&p);
        SSL_CTX_free(context);
    }
}

/* A FIN without close_notify, between records and inside one. */
static void a_truncated_end_is_told(void **state)
{
    static const struct {
        const char *name;
        long cut; /* bytes of the last record that do not arrive */
    } rows[] = { { "between records", 0 }, { "inside a record", 3 } };

    (void)state;
    for (const struct version *v = versions; v < versions + COUNT(versions); v++)
        for (size_t i = 0; i < COUNT(rows); i++) {
            SSL_CTX *context = client_of(v->number);
            struct pair p;
            char text[8], *record;
            size_t n;
            long waiting;

            pair_connect(&p, SOCK_STREAM, server, context);
            client_write(&p.client, "one", 3);
            assert_int_equal(SSL_write(p.client.ssl, "two", 3), 3);
            waiting = BIO_get_mem_data(p.client.out, &record);
            client_send_raw(&p.client, record, (size_t)(waiting - rows[i].cut));
            (void)shutdown(p.client.fd, SHUT_WR);

            pair_notice(&p);
            row_assert_int(&rows[i], tls_conn_read(p.conn, text, sizeof(text), &n), IO_OK);
            row_assert_int(&rows[i], n, rows[i].cut == 0 ? 6 : 3);
            pair_notice(&p);
            row_assert_int(&rows[i], tls_conn_read(p.conn, text, sizeof(text), &n), IO_EOF);
            row_assert_int(&rows[i], tls_conn_read(p.conn, text, sizeof(text), &n), IO_EOF);
            row_assert(&rows[i], tls_conn_is_truncated(p.conn));

            row_assert_int(&rows[i], tls_conn_write(p.conn, "more", 4, &n), IO_OK);
            row_assert_int(&rows[i], client_read(&p.client, text, sizeof(text)), 4);
            row_assert_int(&rows[i], tls_conn_shutdown(p.conn), IO_OK);
            pair_close(&p);
            SSL_CTX_free(context);
        }
}

static void garbage_is_a_fault(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t n;
        const char *fault;
    } rows[] = {
        { "no record", "GET / HTTP/1.1\r\n\r\n", 18, "wrong version number" },
        { "a record that was not encrypted",
          "\x17\x03\x03\0\x18"
          "0123456789abcdefghijklmn",
          29, "decryption failed or bad record mac" },
        { "a record too long",
          "\x17\x03\x03\xff\xff"
          "x",
          6, "packet length too long" },
    };

    (void)state;
    for (const struct version *v = versions; v < versions + COUNT(versions); v++)
        for (size_t i = 0; i < COUNT(rows); i++) {
            SSL_CTX *context = client_of(v->number);
            struct pair p;
            char text[8];
            size_t n;

            pair_connect(&p, SOCK_STREAM, server, context);
            client_write(&p.client, "good", 4);
            client_send_raw(&p.client, rows[i].bytes, rows[i].n);
            p.client.packets = 0;
            pair_notice(&p);
            row_assert_int(&rows[i], tls_conn_read(p.conn, text, sizeof(text), &n), IO_OK);
            row_assert_int(&rows[i], n, 4);
            row_assert_int(&rows[i], tls_conn_read(p.conn, text, sizeof(text), &n), IO_ERROR);
            row_assert_string(&rows[i], tls_conn_fault(p.conn), rows[i].fault);
            row_assert_int(&rows[i], tls_conn_errno(p.conn), 0);
            row_assert_int(&rows[i], p.pool.used_count, 0);
            client_receive(&p.client, SIZE_MAX);
            row_assert_int(&rows[i], p.client.packets, 1); /* the alert */
            pair_close(&p);
            SSL_CTX_free(context);
        }
}

static void a_broken_socket_is_told(void **state)
{
    enum what { READ, WRITE, SHUTDOWN };
    static const struct {
        const char *name;
        enum what what;
        bool is_unread; /* the client closes with bytes unread: a reset */
        int error;
    } rows[] = {
        { "a read after a reset", READ, true, ECONNRESET },
        { "a write to nobody", WRITE, false, EPIPE },
        { "a shutdown to nobody", SHUTDOWN, false, EPIPE },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum io_status status = IO_OK;
        struct pair p;
        char byte;
        size_t n;

        pair_connect(&p, SOCK_STREAM, server, client);
        if (rows[i].is_unread)
            row_assert_int(&rows[i], tls_conn_write(p.conn, "x", 1, &n), IO_OK);
        (void)close(p.client.fd);
        p.client.fd = -1;
        pair_notice(&p);
        switch (rows[i].what) {
        case READ:
            status = tls_conn_read(p.conn, &byte, 1, &n);
            break;
        case WRITE:
            status = tls_conn_write(p.conn, "x", 1, &n);
            break;
        case SHUTDOWN:
            status = tls_conn_shutdown(p.conn);
            break;
        }
        row_assert_int(&rows[i], status, IO_ERROR);
        row_assert_int(&rows[i], tls_conn_errno(p.conn), rows[i].error);
        row_assert(&rows[i], tls_conn_fault(p.conn) != NULL);
        row_assert_int(&rows[i], tls_conn_read(p.conn, &byte, 1, &n), IO_ERROR);
        row_assert_int(&rows[i], tls_conn_write(p.conn, "x", 1, &n), IO_ERROR);
        pair_close(&p);
    }
}

/* Tickets. */

static void a_ticket_goes_out_when_it_is_asked_for(void **state)
{
    SSL_SESSION *ticket;
    struct pair p;
    char byte;
    size_t n;

    (void)state;
    pair_connect(&p, SOCK_SEQPACKET, server, client);
    pair_assert_alive(&p);
    assert_int_equal(p.client.ticket_count, 0); /* librtmp takes one for a failed read */

    tls_conn_send_ticket(p.conn);
    client_receive(&p.client, SIZE_MAX);
    p.client.packets = 0;
    assert_int_equal(tls_conn_write(p.conn, "x", 1, &n), IO_OK);
    assert_int_equal(client_read(&p.client, &byte, 1), 1);
    assert_int_equal(p.client.ticket_count, 1);
    assert_int_equal(p.client.packets, 1); /* together with the byte */
    pair_assert_alive(&p);
    assert_int_equal(p.client.ticket_count, 1);
    (void)SSL_shutdown(p.client.ssl); /* or the session is no good */
    ticket = p.client.ticket;
    p.client.ticket = NULL;
    pair_close(&p);

    pair_open(&p, SOCK_STREAM, server, client, NULL);
    assert_int_equal(SSL_set_session(p.client.ssl, ticket), 1);
    assert_int_equal(pair_handshake(&p), IO_OK);
    assert_int_equal(SSL_session_reused(p.client.ssl), 1);
    assert_string_equal(tls_conn_certificate(p.conn), "main");
    pair_assert_alive(&p);
    assert_int_equal(p.client.ticket_count, 0);
    SSL_SESSION_free(ticket);
    pair_close(&p);
}

/* Room for the ticket is left: still one send, and nothing waits. */
static void a_ticket_fits_beside_a_full_buffer(void **state)
{
    struct pair p;

    (void)state;
    pair_connect(&p, SOCK_SEQPACKET, server, client);
    assert_int_equal(write_big(&p, RAMP_BYTES, SIZE_MAX), 0);
    tls_conn_send_ticket(p.conn);
    p.client.packets = 0;
    assert_int_equal(write_big(&p, 6 * RECORD_BYTES, SIZE_MAX), 0);
    assert_int_equal(p.client.packets, 1);
    assert_int_equal(p.client.ticket_count, 1);
    pair_close(&p);
}

static void tls12_has_its_ticket_in_the_handshake(void **state)
{
    SSL_CTX *context = client_of(TLS1_2_VERSION);
    struct pair p;

    (void)state;
    pair_connect(&p, SOCK_STREAM, server, context);
    assert_int_equal(p.client.ticket_count, 1);
    tls_conn_send_ticket(p.conn);
    pair_assert_alive(&p);
    assert_int_equal(p.client.ticket_count, 1);
    pair_close(&p);
    SSL_CTX_free(context);
}

/* Buffers. */

static void without_a_buffer_all_wait(void **state)
{
    (void)state;
    for (const struct version *v = versions; v < versions + COUNT(versions); v++) {
        SSL_CTX *context = client_of(v->number);
        struct pair p;
        char byte;
        size_t n;

        pair_open(&p, SOCK_STREAM, server, context, NULL);
        p.pool.ceiling = 0;
        row_assert_int(v, pair_handshake(&p), IO_STARVED);
        p.pool.ceiling = 1;
        row_assert_int(v, pair_handshake(&p), IO_OK);

        p.pool.ceiling = 0;
        row_assert_int(v, tls_conn_write(p.conn, "x", 1, &n), IO_STARVED);
        row_assert_int(v, n, 0);
        row_assert_int(v, tls_conn_shutdown(p.conn), IO_STARVED);
        client_write(&p.client, "y", 1); /* reading needs none */
        pair_notice(&p);
        row_assert_int(v, tls_conn_read(p.conn, &byte, 1, &n), IO_OK);

        p.pool.ceiling = 1;
        pair_assert_alive(&p);
        row_assert_int(v, tls_conn_shutdown(p.conn), IO_OK);
        row_assert_int(v, client_read(&p.client, &byte, 1), 0);
        row_assert_int(v, SSL_get_shutdown(p.client.ssl), SSL_RECEIVED_SHUTDOWN);
        pair_close(&p);
        SSL_CTX_free(context);
    }
}

static void a_buffer_goes_back_with_the_conn(void **state)
{
    const int small = 4096;
    struct pair p;
    size_t n;

    (void)state;
    pair_connect(&p, SOCK_STREAM, server, client);
    assert_int_equal(setsockopt(p.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    assert_int_equal(tls_conn_write(p.conn, big, BIG, &n), IO_OK);
    assert_int_equal(p.pool.used_count, 1);
    pair_close(&p); /* looks at the pool */
}

static int set_up(void **state)
{
    for (size_t i = 0; i < BIG; i++)
        big[i] = (unsigned char)(i ^ i >> 8);
    if (enter_temp_dir(state) != 0)
        return -1;
    root = identity_new("root", NULL, "EC", NULL);
    leaf = identity_new("main", "DNS:localhost", "EC", &root);
    client = client_context_new(root.certificate);
    save_certificates("main.pem", &leaf.certificate, 1);
    save_key("main.key", leaf.key, KEY_PLAIN, 0600);
    certificate = load_pem("main", "main.pem", "main.key");
    server = offer((const struct tls_certificate *const *)&certificate, 1);
    return server != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    tls_context_free(server);
    tls_certificate_free(certificate);
    SSL_CTX_free(client);
    identity_free(&root);
    identity_free(&leaf);
    return leave_temp_dir(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes),
        cmocka_unit_test(a_handshake_byte_by_byte),
        cmocka_unit_test(a_flight_is_one_send),
        cmocka_unit_test(no_call_without_notice),
        cmocka_unit_test(what_is_no_client_hello),
        cmocka_unit_test(the_client_leaves_before_the_handshake_is_done),
        cmocka_unit_test(records_are_gathered),
        cmocka_unit_test(the_first_records_fit_a_packet_each),
        cmocka_unit_test(a_slow_reader_holds_one_buffer),
        cmocka_unit_test(a_refused_send_waits_for_notice),
        cmocka_unit_test(reads_fill_what_they_are_given),
        cmocka_unit_test(key_updates_go_unnoticed),
        cmocka_unit_test(a_flood_of_key_updates_is_a_fault),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(the_server_ends_first),
        cmocka_unit_test(the_client_ends_first),
        cmocka_unit_test(a_truncated_end_is_told),
        cmocka_unit_test(garbage_is_a_fault),
        cmocka_unit_test(a_broken_socket_is_told),
        cmocka_unit_test(a_ticket_goes_out_when_it_is_asked_for),
        cmocka_unit_test(a_ticket_fits_beside_a_full_buffer),
        cmocka_unit_test(tls12_has_its_ticket_in_the_handshake),
        cmocka_unit_test(without_a_buffer_all_wait),
        cmocka_unit_test(a_buffer_goes_back_with_the_conn),
    };

    return cmocka_run_group_tests_name("tls", tests, set_up, tear_down);
}
