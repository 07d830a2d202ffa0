#include "test/unit/tls_client.h"

#include "test/unit/unit.h"

#include <openssl/err.h>
#include <sys/socket.h>

enum { CHUNK_BYTES = 256 * 1024 };

static int on_ticket(SSL *ssl, SSL_SESSION *ticket)
{
    struct tls_client *c = SSL_get_app_data(ssl);

    c->ticket_count++;
    SSL_SESSION_free(c->ticket);
    c->ticket = ticket;
    return 1;
}

SSL_CTX *client_context_new(X509 *root)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    assert_non_null(context);
    assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root), 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_ticket);
    SSL_CTX_set_security_level(context, 0); /* old versions are for the server to refuse */
    return context;
}

void client_open(struct tls_client *c, SSL_CTX *context, int fd, const char *sni)
{
    *c = (struct tls_client){
        .ssl = SSL_new(context), .in = BIO_new(BIO_s_mem()), .out = BIO_new(BIO_s_mem()), .fd = fd
    };
    assert_non_null(c->ssl);
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_app_data(c->ssl, c);
    SSL_set_connect_state(c->ssl);
    if (sni != NULL)
        assert_int_equal(SSL_set_tlsext_host_name(c->ssl, sni), 1);
}

void client_close(struct tls_client *c)
{
    SSL_SESSION_free(c->ticket);
    SSL_free(c->ssl);
    ERR_clear_error();
    if (c->fd >= 0)
        assert_int_equal(close(c->fd), 0);
}

void client_receive(struct tls_client *c, size_t size)
{
    static char chunk[CHUNK_BYTES];
    ssize_t n = 0;

    for (; size > 0; size -= (size_t)n) {
        n = recv(c->fd, chunk, size < sizeof(chunk) ? size : sizeof(chunk), MSG_DONTWAIT);
        c->has_fin |= n == 0;
        if (n <= 0)
            return;
        c->packets++;
        assert_int_equal(BIO_write(c->in, chunk, (int)n), n);
    }
}

void client_send(struct tls_client *c)
{
    static char chunk[16 * 1024];
    char *waiting;
    long n;

    while ((n = BIO_get_mem_data(c->out, &waiting)) > 0) {
        ssize_t sent = send(c->fd, waiting, n < (long)sizeof(chunk) ? (size_t)n : sizeof(chunk),
                            MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent <= 0)
            return;
        assert_int_equal(BIO_read(c->out, chunk, (int)sent), sent);
    }
}

bool client_handshake(struct tls_client *c)
{
    int rc;

    client_receive(c, SIZE_MAX);
    rc = SSL_do_handshake(c->ssl);
    client_send(c);
    return rc == 1;
}

size_t client_read(struct tls_client *c, void *out, size_t size)
{
    size_t n, total = 0;

    client_receive(c, SIZE_MAX);
    while (total < size && SSL_read_ex(c->ssl, (char *)out + total, size - total, &n) == 1)
        total += n;
    client_send(c);
    return total;
}

void client_write(struct tls_client *c, const void *bytes, size_t n)
{
    size_t written = 0;

    assert_int_equal(SSL_write_ex(c->ssl, bytes, n, &written), 1);
    assert_int_equal(written, n);
    client_send(c);
}

void client_send_raw(struct tls_client *c, const void *bytes, size_t n)
{
    assert_int_equal(send(c->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL), n);
}
