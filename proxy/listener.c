#include "proxy/listener.h"

#include "base/list.h"
#include "base/log.h"
#include "proxy/session.h"
#include "proxy/session_set.h"
#include "proxy/stats.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,  /* the kernel cuts it to net.core.somaxconn */
    ACCEPT_TURN = 8, /* for each event: leaves some for the other workers, and for live sessions */
    DRAIN_TURN = 65536,
};

int listener_open(struct listener *l, const struct addr *address, bool is_optional,
                  struct error *err)
{
    char text[ADDR_TEXT_BYTES];
    const int on = 1;
    const int unsent_bytes = CONN_UNSENT_BYTES;
    const int defer_s = 1; /* a client speaks first: accept it together with its first bytes */
    int family = address->any.sa_family;

    l->requested = *address;
    l->address = *address;
    l->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0 && is_optional && errno == EAFNOSUPPORT)
        return 0;
    if (l->fd < 0)
        return error_set(err, "%s: no socket: %s", addr_print(address, text), strerror(errno));

    (void)setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof(unsent_bytes));
    (void)setsockopt(l->fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer_s, sizeof(defer_s));
    if (family == AF_INET6)
        (void)setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));

    if (bind(l->fd, &address->any, address->len) < 0 || listen(l->fd, BACKLOG) < 0) {
        int error = errno;

        listener_close(l);
        if (is_optional && error == EADDRNOTAVAIL)
            return 0;
        return error_set(err, "cannot listen on %s: %s", addr_print(address, text),
                         strerror(error));
    }
    (void)getsockname(l->fd, &l->address.any, &l->address.len);
    return 0;
}

void listener_close(struct listener *l)
{
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
}

static bool has_room(const struct acceptor *a)
{
    return a->set->count < a->worker_max &&
           stats_session_start(a->set->stats, a->set->slot, a->sessions_max);
}

/* False when nothing more can be accepted now. */
static bool accept_one(struct acceptor *a)
{
    struct addr address = { .len = sizeof(address.v6) }; /* the longer of the two */
    int error;
    int fd;

    if (!has_room(a)) {
        a->on_full(a);
        return false;
    }
    fd = accept4(a->fd, &address.any, &address.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0 && session_open(a->set, a->front, fd, &address) == 0) {
        a->is_warned = false;
        return true;
    }

    error = fd >= 0 ? ENOMEM : errno;
    stats_session_end(a->set->stats, a->set->slot);
    if (!error_is_shortage(error))
        return error != EAGAIN; /* else: of a client that has left again */
    if (!a->is_warned)
        log_warn("cannot accept for [listener %s] for now: %s", a->front->config->name,
                 strerror(error));
    a->is_warned = true;
    a->on_full(a);
    return false;
}

/* An accept in vain costs a socket and a file, made and thrown away (net/socket.c,
 * do_accept). So one connection is taken, and more where events follow at once: with the
 * next look at the sockets, which may be a while after this one. */
static void take_turn(struct acceptor *a)
{
    uint32_t look = a->set->poller->turn;
    bool is_next = look == a->look + 1;
    int taken = 0;

    if (!is_next || a->turn == 0)
        a->turn = 1;
    else if (a->turn < ACCEPT_TURN)
        a->turn *= 2;
    a->look = look;
    while (taken < a->turn && accept_one(a))
        taken++;
}

static void on_connection(struct watch *w, uint32_t events)
{
    struct acceptor *a = container_of(w, struct acceptor, watch);

    if ((events & EPOLLERR) != 0) {
        log_error("[listener %s]: the listening socket failed", a->front->config->name);
        a->on_full(a);
        return;
    }
    take_turn(a);
}

/* Not EPOLLEXCLUSIVE: the kernel then wakes the same idle worker again and again, and one
 * of them would get all of the streams. */
int acceptor_start(struct acceptor *a)
{
    a->watch.on_event = on_connection;
    return poller_add(a->set->poller, &a->watch, a->fd, EPOLLIN);
}

void acceptor_pause(struct acceptor *a)
{
    if (!a->is_paused)
        poller_remove(a->set->poller, &a->watch, a->fd);
    a->is_paused = true;
}

void acceptor_resume(struct acceptor *a)
{
    if (a->is_paused)
        a->is_paused = acceptor_start(a) < 0;
}

void acceptor_drain(struct acceptor *a)
{
    for (int turns = DRAIN_TURN; turns > 0 && accept_one(a); turns--)
        ;
}

void acceptor_close(struct acceptor *a)
{
    acceptor_pause(a); /* the master has the socket too, so closing it forgets nothing */
    (void)close(a->fd);
    a->fd = -1;
}
