#include "end.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fail.h"

#define SOURCES 64 /* addresses of clients: many connections, and as many ports each */

static int epoll;
static struct sockaddr_in proxy;
static struct tls_wishes wishes;
static SSL_CTX *context;
static SSL_SESSION *session; /* the newest, if wishes.resumes */

static int on_session(SSL *ssl, SSL_SESSION *new)
{
    (void)ssl;
    SSL_SESSION_free(session);
    session = new;
    return 1; /* ours now */
}

/* Whose certificate it is costs the clients more than the proxy, and is not what is measured. */
static int accept_any(X509_STORE_CTX *store, void *unused)
{
    (void)store;
    (void)unused;
    return 1;
}

void ends_init(int epoll_fd, struct sockaddr_in address, struct tls_wishes wanted)
{
    int version = wanted.is_old ? TLS1_2_VERSION : TLS1_3_VERSION;

    epoll = epoll_fd;
    proxy = address;
    wishes = wanted;
    context = SSL_CTX_new(TLS_client_method());
    if (!context || !SSL_CTX_set_min_proto_version(context, version) ||
        !SSL_CTX_set_max_proto_version(context, version) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") ||
        !SSL_CTX_set_cipher_list(context,
                                 "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256") ||
        !SSL_CTX_set1_groups_list(context, "X25519"))
        fail("OpenSSL refuses the clients' settings");
    SSL_CTX_set_cert_verify_callback(context, accept_any, NULL);
    if (wishes.reads_in_bulk) {
        SSL_CTX_set_read_ahead(context, 1);
        SSL_CTX_set_default_read_buffer_len(context, (size_t)1 << 17);
    }
    if (wishes.resumes) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, on_session);
    }
}

void ends_use(int epoll_fd)
{
    epoll = epoll_fd;
}

static struct end *end_new(int fd, uint32_t interest, void (*on_event)(struct end *, uint32_t))
{
    struct end *e = calloc(1, sizeof(*e));
    struct epoll_event event = { .events = interest, .data.ptr = e };
    int on = 1;

    if (!e)
        fail("no memory");
    *e = (struct end){ .fd = fd, .interest = interest, .on_event = on_event };
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        fail("a socket cannot be watched: %s", strerror(errno));
    return e;
}

static int connecting_socket(uint32_t number)
{
    struct sockaddr_in source = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0)
        fail("no socket: %s", strerror(errno));
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + number % SOURCES);
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) ||
        bind(fd, (struct sockaddr *)&source, sizeof(source)))
        fail("no address for a client: %s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&proxy, sizeof(proxy)) && errno != EINPROGRESS)
        fail("the proxy cannot be reached: %s", strerror(errno));
    return fd;
}

struct end *end_connect(uint32_t number, void (*on_event)(struct end *, uint32_t))
{
    struct end *e = end_new(connecting_socket(number), EPOLLOUT, on_event);

    e->number = number;
    e->ssl = SSL_new(context);
    e->sealed = BIO_new(BIO_s_mem());
    if (!e->ssl || !e->sealed)
        fail("no memory");
    SSL_set0_rbio(e->ssl, BIO_new_socket(e->fd, BIO_NOCLOSE));
    SSL_set0_wbio(e->ssl, e->sealed);
    SSL_set_connect_state(e->ssl);
    if (session && !SSL_set_session(e->ssl, session))
        fail("OpenSSL refuses the session it gave");
    return e;
}

struct end *end_accepted(int fd, void (*on_event)(struct end *, uint32_t))
{
    return end_new(fd, EPOLLIN, on_event);
}

void end_close(struct end *e)
{
    if (e->ssl) {
        SSL_set_shutdown(e->ssl,
                         SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* else no resumption */
        SSL_free(e->ssl);
    }
    epoll_ctl(epoll, EPOLL_CTL_DEL, e->fd, NULL); /* a forked process may still have it open */
    close(e->fd);
    free(e->state);
    free(e);
}

void end_shut(struct end *e)
{
    SSL_shutdown(e->ssl);
    end_flush(e);
    end_close(e);
}

void end_want(struct end *e, uint32_t interest)
{
    struct epoll_event event = { .events = interest, .data.ptr = e };

    if (e->interest == interest)
        return;
    e->interest = interest;
    if (epoll_ctl(epoll, EPOLL_CTL_MOD, e->fd, &event))
        fail("epoll_ctl: %s", strerror(errno));
}

static _Noreturn void fail_for_tls(const char *what)
{
    unsigned long error = ERR_get_error();

    fail("%s: %s", what, error ? ERR_reason_error_string(error) : "the proxy closed");
}

bool end_shakes_hands(struct end *e)
{
    int result = SSL_do_handshake(e->ssl);
    int error = SSL_get_error(e->ssl, result);

    end_flush(e);
    if (result != 1 && error != SSL_ERROR_WANT_READ)
        fail_for_tls("a handshake failed");
    return result == 1;
}

bool end_is_resumed(const struct end *e)
{
    return SSL_session_reused(e->ssl);
}

static ssize_t read_tls(struct end *e, void *into, size_t room)
{
    size_t n;

    if (SSL_read_ex(e->ssl, into, room, &n))
        return (ssize_t)n;
    switch (SSL_get_error(e->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return -1;
    default:
        fail_for_tls("a client's connection broke");
    }
}

ssize_t end_read(struct end *e, void *into, size_t room)
{
    ssize_t n;

    if (e->ssl)
        return read_tls(e, into, room);
    n = recv(e->fd, into, room, 0);
    if (n > 0)
        return n;
    if (n < 0 && errno == EAGAIN)
        return 0;
    return -1;
}

bool end_holds_more(const struct end *e)
{
    return e->ssl && SSL_has_pending(e->ssl);
}

static size_t send_some(struct end *e, const void *bytes, size_t length)
{
    ssize_t n = send(e->fd, bytes, length, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN)
        fail("the proxy broke a %s's connection: %s", e->ssl ? "client" : "backend",
             strerror(errno));
    return n < 0 ? 0 : (size_t)n;
}

bool end_flush(struct end *e)
{
    char *bytes;
    long length = BIO_get_mem_data(e->sealed, &bytes);

    if (length == 0)
        return true;
    e->sealed_sent += send_some(e, bytes + e->sealed_sent, (size_t)length - e->sealed_sent);
    if (e->sealed_sent < (size_t)length)
        return false;
    e->sealed_sent = 0;
    (void)BIO_reset(e->sealed);
    return true;
}

size_t end_write(struct end *e, const void *bytes, size_t length)
{
    size_t n;

    if (!e->ssl)
        return send_some(e, bytes, length);
    if (!SSL_write_ex(e->ssl, bytes, length, &n))
        fail_for_tls("OpenSSL does not write");
    return n;
}
