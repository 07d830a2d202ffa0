#include "test/unit/tls_pair.h"

#include "test/unit/unit.h"

#include <poll.h>
#include <sys/socket.h>

enum { TURNS = 8 }; /* more than any handshake takes */

struct notes {
    char *text;
    size_t bytes;
};

static void on_report(void *user, enum tls_severity severity, const char *option,
                      const char *sentence)
{
    const struct notes *notes = user;
    size_t used = strlen(notes->text);

    (void)snprintf(notes->text + used, notes->bytes - used, "%s%s: %s\n",
                   severity != TLS_FAULT ? "warning: " : "", option, sentence);
}

struct tls_certificate *load_certificate(const struct tls_certificate_options *options, char *said,
                                         size_t said_bytes)
{
    struct notes notes = { .text = said, .bytes = said_bytes };
    const struct tls_report report = { .say = on_report, .user = &notes };

    said[0] = '\0';
    return tls_certificate_load(options, &report);
}

struct tls_certificate *load_pem(const char *name, const char *chain, const char *key)
{
    const struct tls_certificate_options options = { .name = name, .chain = chain, .key = key };
    char said[1024];
    struct tls_certificate *c = load_certificate(&options, said, sizeof(said));

    if (c == NULL)
        fail_msg("%s and %s: %s", chain, key, said);
    return c;
}

struct tls_context *make_context(const struct tls_options *options, char *said, size_t said_bytes)
{
    struct notes notes = { .text = said, .bytes = said_bytes };
    const struct tls_report report = { .say = on_report, .user = &notes };

    said[0] = '\0';
    return tls_context_new(options, &report);
}

struct tls_context *offer(const struct tls_certificate *const *certificates, size_t count)
{
    const struct tls_options options = { .name = "rtmps",
                                         .certificates = certificates,
                                         .certificate_count = count,
                                         .policy = TLS_INTERMEDIATE };
    char said[1024];
    struct tls_context *context = make_context(&options, said, sizeof(said));

    if (context == NULL)
        fail_msg("%s", said);
    return context;
}

void pair_open(struct pair *p, int socket_type, struct tls_context *server, SSL_CTX *client,
               const char *sni)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, socket_type | SOCK_NONBLOCK, 0, ends), 0);
    pool_init(&p->pool, PAIR_BUFFER_BYTES, 1, 1);
    p->fd = ends[0];
    p->conn = tls_conn_new(server, p->fd, &p->pool);
    assert_non_null(p->conn);
    client_open(&p->client, client, ends[1], sni);
}

void pair_close(struct pair *p)
{
    tls_conn_free(p->conn);
    assert_int_equal(p->pool.used_count, 0);
    pool_deinit(&p->pool);
    assert_int_equal(close(p->fd), 0);
    client_close(&p->client);
}

void pair_notice(struct pair *p)
{
    struct pollfd poll_fd = { .fd = p->fd, .events = POLLIN | POLLOUT | POLLRDHUP };
    const int broken = POLLERR | POLLHUP;

    assert_true(poll(&poll_fd, 1, 0) >= 0);
    tls_conn_notice(p->conn, (poll_fd.revents & (POLLIN | broken)) != 0,
                    (poll_fd.revents & (POLLOUT | broken)) != 0,
                    (poll_fd.revents & (POLLRDHUP | broken)) != 0);
}

enum io_status pair_handshake(struct pair *p)
{
    enum io_status status = IO_WANT_READ;
    bool is_done = false;

    for (int i = 0; i < TURNS && !(is_done && status == IO_OK); i++) {
        is_done = client_handshake(&p->client);
        pair_notice(p);
        while (status != IO_OK && (status = tls_conn_handshake(p->conn)) == IO_YIELD)
            ;
        if (status == IO_ERROR || status == IO_EOF)
            break;
    }
    return status == IO_OK && !is_done ? IO_IDLE : status;
}

void pair_connect(struct pair *p, int socket_type, struct tls_context *server, SSL_CTX *client)
{
    pair_open(p, socket_type, server, client, NULL);
    assert_int_equal(pair_handshake(p), IO_OK);
}

void pair_assert_alive(struct pair *p)
{
    char text[8];
    size_t n;

    client_write(&p->client, "ping", 4);
    pair_notice(p);
    assert_int_equal(tls_conn_read(p->conn, text, sizeof(text), &n), IO_OK);
    assert_int_equal(n, 4);
    assert_memory_equal(text, "ping", 4);
    assert_int_equal(tls_conn_read(p->conn, text, sizeof(text), &n), IO_WANT_READ);

    assert_int_equal(tls_conn_write(p->conn, "pong", 4, &n), IO_OK);
    assert_int_equal(n, 4);
    assert_int_equal(client_read(&p->client, text, sizeof(text)), 4);
    assert_memory_equal(text, "pong", 4);
    assert_int_equal(p->pool.used_count, 0);
}
