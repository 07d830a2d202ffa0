#include "proxy/conn.h"

#include "base/list.h"
#include "tls/tls.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DISCARD_BYTES = 1024 * 1024 };

static enum io_status fail(struct conn *c, int error)
{
    c->has_failed = true;
    c->error = error;
    return IO_ERROR;
}

static enum io_status fail_if(struct conn *c, enum io_status status)
{
    return status == IO_ERROR ? fail(c, tls_conn_errno(c->tls)) : status;
}

/* The other side has reset the connection. Linux keeps what it had sent before,
 * but tells of it as of a clean end once the error was asked for (net/ipv4/tcp.c,
 * tcp_recvmsg_locked). No event follows. */
static enum io_status note_reset(struct conn *c, int error)
{
    if (!c->salvages || c->tls != NULL)
        return fail(c, error);
    c->is_broken = true;
    c->is_full = true;
    c->is_drained = false;
    c->error = error;
    return IO_WANT_WRITE;
}

static int socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);

    (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error != 0 ? error : ECONNRESET;
}

static void note(struct conn *c, uint32_t events)
{
    bool is_readable = (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) != 0;
    bool is_writable = (events & EPOLLOUT) != 0;

    c->has_fin |= (events & (EPOLLRDHUP | EPOLLHUP)) != 0;
    if ((events & EPOLLERR) != 0) {
        (void)note_reset(c, socket_error(c->fd));
        return;
    }
    c->is_drained &= !is_readable;
    c->is_full &= !is_writable;
    if (c->tls != NULL)
        tls_conn_notice(c->tls, is_readable, is_writable, c->has_fin);
}

static void on_watch(struct watch *w, uint32_t events)
{
    struct conn *c = container_of(w, struct conn, watch);

    if (c->is_away) {
        c->missed |= events;
        return;
    }
    note(c, events);
    c->on_event(c);
}

void conn_hand_over(struct conn *c)
{
    c->is_away = true;
    c->missed = 0;
}

bool conn_take_back(struct conn *c)
{
    c->is_away = false;
    if (c->missed != 0)
        note(c, c->missed);
    return c->missed != 0;
}

void conn_init(struct conn *c, conn_callback *on_event, void *owner)
{
    *c = (struct conn){ .fd = -1, .on_event = on_event, .owner = owner };
}

int conn_open(struct conn *c, struct poller *poller, int fd)
{
    assert(!c->is_open);
    conn_init(c, c->on_event, c->owner);
    c->poller = poller;
    c->watch.on_event = on_watch;
    if (poller_add(poller, &c->watch, fd, EPOLLIN | EPOLLRDHUP | EPOLLET) < 0) {
        (void)close(fd);
        return -1;
    }
    c->fd = fd;
    c->is_open = true;
    return 0;
}

int conn_start_tls(struct conn *c, struct tls_context *context, struct pool *pool)
{
    c->tls = tls_conn_new(context, c->fd, pool);
    return c->tls != NULL ? 0 : -1;
}

enum io_status conn_peek(struct conn *c, unsigned char *first)
{
    ssize_t n;

    if (c->has_failed)
        return IO_ERROR;
    if (c->is_broken)
        return fail(c, c->error);
    if (c->is_drained)
        return IO_WANT_READ;
    do
        n = recv(c->fd, first, 1, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return IO_OK;
    if (n == 0)
        return IO_EOF;
    c->is_drained = true;
    return errno == EAGAIN ? IO_WANT_READ : fail(c, errno);
}

enum io_status conn_read(struct conn *c, void *out, size_t size, size_t *n)
{
    ssize_t got;

    *n = 0;
    if (c->has_failed)
        return IO_ERROR;
    if (c->tls != NULL)
        return fail_if(c, tls_conn_read(c->tls, out, size, n));
    if (c->is_drained)
        return IO_WANT_READ;

    do
        got = recv(c->fd, out, size, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got <= 0 && c->is_broken)
        return fail(c, c->error);
    if (got == 0) {
        c->has_ended = true;
        return IO_EOF;
    }
    c->is_drained = got < (ssize_t)size && !c->is_broken && !c->has_fin; /* no event follows that */
    if (got < 0)
        return errno == EAGAIN ? IO_WANT_READ : fail(c, errno);
    *n = (size_t)got;
    return IO_OK;
}

enum io_status conn_write(struct conn *c, const void *bytes, size_t size, size_t *n)
{
    ssize_t put;

    *n = 0;
    if (c->has_failed)
        return IO_ERROR;
    if (c->tls != NULL)
        return fail_if(c, tls_conn_write(c->tls, bytes, size, n));
    if (c->is_full)
        return IO_WANT_WRITE;

    do
        put = send(c->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (put < 0 && errno == EINTR);
    c->is_full = put < (ssize_t)size;
    if (put < 0)
        return errno == EAGAIN ? IO_WANT_WRITE : note_reset(c, errno);
    *n = (size_t)put;
    return IO_OK;
}

bool conn_can_splice_in(const struct conn *c)
{
    return c->tls == NULL && !c->is_broken;
}

bool conn_can_splice_out(const struct conn *c)
{
    return c->tls == NULL || tls_conn_can_splice(c->tls);
}

enum io_status conn_splice_in(struct conn *c, struct pipe *to, size_t size, size_t *n)
{
    ssize_t got;

    *n = 0;
    if (c->has_failed)
        return IO_ERROR;
    if (c->is_drained)
        return IO_WANT_READ;

    got = pipe_fill(to, c->fd, size);
    if (got == 0)
        return IO_EOF;
    if (got < 0 && errno == EINVAL)
        return IO_ERROR;
    if (got < 0 && errno == EAGAIN && to->held > 0)
        return IO_IDLE;
    c->is_drained = got < 0 && !c->has_fin; /* that it got less does not mean that it got all */
    if (got < 0)
        return errno == EAGAIN ? IO_WANT_READ : fail(c, errno);
    *n = (size_t)got;
    return IO_OK;
}

enum io_status conn_splice_out(struct conn *c, struct pipe *from, size_t *n)
{
    size_t size = from->held;
    ssize_t put;

    *n = 0;
    if (c->has_failed)
        return IO_ERROR;
    if (c->tls != NULL)
        return fail_if(c, tls_conn_splice(c->tls, from, n));
    if (c->is_full)
        return IO_WANT_WRITE;

    put = pipe_drain(from, c->fd);
    c->is_full = put < (ssize_t)size;
    if (put < 0)
        return errno == EAGAIN ? IO_WANT_WRITE : note_reset(c, errno);
    *n = (size_t)put;
    return IO_OK;
}

enum io_status conn_flush(struct conn *c)
{
    if (c->has_failed)
        return IO_ERROR;
    return c->tls != NULL ? fail_if(c, tls_conn_flush(c->tls)) : IO_OK;
}

enum io_status conn_shutdown(struct conn *c)
{
    enum io_status status = IO_OK;

    if (c->has_failed)
        return IO_ERROR;
    if (c->tls != NULL)
        status = fail_if(c, tls_conn_shutdown(c->tls));
    if (status != IO_OK || shutdown(c->fd, SHUT_WR) == 0)
        return status;
    return errno == ENOTCONN ? IO_OK : fail(c, errno); /* a reset: reading will tell */
}

size_t conn_unsent(const struct conn *c)
{
    int queued = 0;

    if (!c->is_open || ioctl(c->fd, SIOCOUTQ, &queued) < 0)
        return 0;
    return (size_t)queued + (c->tls != NULL ? tls_conn_pending(c->tls) : 0);
}

bool conn_is_lingering(struct conn *c, bool is_patient)
{
    ssize_t n;

    tls_conn_free(c->tls); /* what it could say is said */
    c->tls = NULL;
    if (c->has_ended)
        return false;
    do
        n = recv(c->fd, NULL, DISCARD_BYTES, MSG_TRUNC | MSG_DONTWAIT);
    while (n > 0 || (n < 0 && errno == EINTR));
    if (n == 0 || errno != EAGAIN || c->has_failed || (!is_patient && conn_unsent(c) == 0))
        return false;
    return true;
}

size_t conn_room(const struct conn *c)
{
    int unsent = 0;

    if (c->tls == NULL || ioctl(c->fd, SIOCOUTQNSD, &unsent) < 0)
        return SIZE_MAX;
    return unsent < CONN_UNSENT_BYTES ? (size_t)(CONN_UNSENT_BYTES - unsent) : 0;
}

bool conn_is_blocked(const struct conn *c)
{
    return c->tls != NULL ? tls_conn_is_blocked(c->tls) : c->is_full;
}

bool conn_is_truncated(const struct conn *c)
{
    return c->tls != NULL && tls_conn_is_truncated(c->tls);
}

void conn_arm(struct conn *c)
{
    if (!c->is_open || c->awaits_writing || c->has_failed || c->is_broken || !conn_is_blocked(c))
        return;
    c->awaits_writing = true;
    poller_change(c->poller, &c->watch, c->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

void conn_close(struct conn *c, enum conn_close how)
{
    const struct linger no_linger = { .l_onoff = 1, .l_linger = 0 };

    if (!c->is_open)
        return;
    c->is_open = false;
    tls_conn_free(c->tls);
    c->tls = NULL;
    poller_forget(&c->watch);
    if (how == CONN_RESET)
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &no_linger, sizeof(no_linger));
    (void)close(c->fd);
    c->fd = -1;
}
