#include "proxy/probe.h"

#include "proxy/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(struct probe *p, const char *reason)
{
    return error_set(&p->fault, "%s", reason);
}

void probe_begin(struct probe *p)
{
    uint64_t now = clock_ms();

    p->step_ms = now + PROBE_STEP_MS < p->run_ms ? now + PROBE_STEP_MS : p->run_ms;
}

/* Until the socket is ready for what `status` wants. */
static int wait_for(struct probe *p, enum io_status status)
{
    struct pollfd poll_fd = { .fd = p->fd, .events = status == IO_WANT_WRITE ? POLLOUT : POLLIN };
    uint64_t now;
    int n;

    do {
        now = clock_ms();
        n = now < p->step_ms ? poll(&poll_fd, 1, (int)(p->step_ms - now)) : 0;
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        return 0;
    if (n < 0)
        return fail(p, strerror(errno));
    return p->step_ms == p->run_ms
               ? fail(p, "no time is left for this run")
               : error_set(&p->fault, "no answer in %d s", PROBE_STEP_MS / 1000);
}

/* ---- connect ---- */

static int await_connection(struct probe *p)
{
    socklen_t size = sizeof(p->error);

    if (wait_for(p, IO_WANT_WRITE) < 0) {
        p->error = ETIMEDOUT;
        return -1;
    }
    if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &p->error, &size) < 0)
        p->error = errno;
    return p->error == 0 ? 0 : fail(p, strerror(p->error));
}

static int connect_to(struct probe *p, const struct addr *to)
{
    if (connect(p->fd, &to->any, to->len) == 0)
        return 0;
    if (errno == EINPROGRESS)
        return await_connection(p);
    p->error = errno;
    return fail(p, strerror(p->error));
}

int probe_open(struct probe *p, const struct addr *to, uint64_t run_ms)
{
    const int on = 1; /* a request in two parts does not wait for the first one's ACK */

    *p = (struct probe){ .run_ms = run_ms };
    probe_begin(p);
    p->fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->fd < 0) {
        p->error = errno;
        return fail(p, strerror(p->error));
    }
    (void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect_to(p, to) == 0)
        return 0;
    probe_close(p);
    return -1;
}

void probe_close(struct probe *p)
{
    if (p->tls != NULL)
        tls_probe_shutdown(p->tls);
    tls_probe_free(p->tls);
    p->tls = NULL;
    if (p->fd >= 0)
        (void)close(p->fd);
    p->fd = -1;
}

/* ---- bytes ---- */

/* After a step that said `status`: 0 to take it again, 1 at the end, -1. */
static int go_on(struct probe *p, enum io_status status)
{
    switch (status) {
    case IO_OK:
        return 0;
    case IO_EOF:
        return 1;
    case IO_ERROR:
        return p->tls != NULL ? fail(p, tls_probe_fault(p->tls)) : -1;
    default:
        return wait_for(p, status);
    }
}

int probe_secure(struct probe *p, struct tls_probe_options *options)
{
    enum io_status status;
    int rc;

    options->fd = p->fd;
    p->tls = tls_probe_new(options, &p->fault);
    if (p->tls == NULL)
        return -1;
    probe_begin(p);
    do {
        status = tls_probe_handshake(p->tls);
        rc = go_on(p, status);
    } while (rc == 0 && status != IO_OK);
    return rc <= 0 ? rc : fail(p, "the connection was closed");
}

static enum io_status plain_status(struct probe *p, ssize_t rc, enum io_status wish)
{
    if (rc >= 0)
        return rc > 0 ? IO_OK : IO_EOF;
    if (errno == EAGAIN || errno == EINTR)
        return wish;
    (void)fail(p, strerror(errno));
    return IO_ERROR;
}

static enum io_status send_some(struct probe *p, const void *bytes, size_t size, size_t *n)
{
    ssize_t sent;

    if (p->tls != NULL)
        return tls_probe_write(p->tls, bytes, size, n);
    sent = send(p->fd, bytes, size, MSG_NOSIGNAL);
    *n = sent > 0 ? (size_t)sent : 0;
    return plain_status(p, sent, IO_WANT_WRITE);
}

static enum io_status receive_some(struct probe *p, void *out, size_t size, size_t *n)
{
    ssize_t got;

    if (p->tls != NULL)
        return tls_probe_read(p->tls, out, size, n);
    got = recv(p->fd, out, size, 0);
    *n = got > 0 ? (size_t)got : 0;
    return plain_status(p, got, IO_WANT_READ);
}

int probe_send(struct probe *p, const void *bytes, size_t size)
{
    size_t sent = 0;

    while (sent < size) {
        size_t n;
        int rc = go_on(p, send_some(p, (const char *)bytes + sent, size - sent, &n));

        if (rc != 0)
            return rc < 0 ? rc : fail(p, "the connection was closed");
        sent += n;
    }
    return 0;
}

ssize_t probe_receive(struct probe *p, void *out, size_t size)
{
    size_t n = 0;
    int rc;

    do
        rc = go_on(p, receive_some(p, out, size, &n));
    while (rc == 0 && n == 0);
    return rc < 0 ? rc : (ssize_t)n;
}

ssize_t probe_receive_all(struct probe *p, void *out, size_t size)
{
    size_t got = 0;
    ssize_t n = 1;

    while (got < size && (n = probe_receive(p, (char *)out + got, size - got)) > 0)
        got += (size_t)n;
    return n < 0 ? n : (ssize_t)got;
}
