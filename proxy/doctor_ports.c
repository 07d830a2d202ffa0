/* doctor_ports.c - whether the plain ports of the backends can be reached at the machine's
 * other addresses.
 *
 * What a machine sends to itself passes its loopback interface, whatever the address: a
 * firewall that keeps others out lets this through. So an open port is a warning. */
#include "proxy/clock.h"
#include "proxy/doctor.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DIALS_MAX = 256,
    ANSWER_MS = 1000, /* of ourselves: at once, or never */
    SSH_PORT = 22,
    RTMPT_OLD_PORT = 8088, /* Red5's own in OpenMeetings 1.9 and 2.0 */
};

static const char check[] = "plain-ports";

struct dial {
    struct addr address;
    int error; /* 0: it is open */
};

struct dials {
    struct dial items[DIALS_MAX];
    struct pollfd fds[DIALS_MAX];
    nfds_t count;
};

/* ---- which ---- */

static bool is_other_address(const struct ifaddrs *i, struct addr *out)
{
    return i->ifa_addr != NULL && (i->ifa_flags & IFF_UP) != 0 && addr_take(i->ifa_addr, out) &&
           !addr_is_loopback(out);
}

static bool is_own(const struct ifaddrs *all, const struct addr *address)
{
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        struct addr other;

        if (!is_other_address(i, &other))
            continue;
        addr_set_port(&other, addr_port(address));
        if (addr_is_equal(&other, address))
            return true;
    }
    return addr_is_loopback(address);
}

/* The proxy's own: of a listener at that address, or at all. */
static bool is_listeners(const struct doctor *d, const struct addr *address)
{
    for (size_t i = 0; i < d->config->listener_count; i++) {
        const struct listener_config *l = &d->config->listeners[i];

        for (size_t k = 0; k < l->address_count; k++)
            if (addr_is_equal(&l->addresses[k], address) ||
                (addr_is_wildcard(&l->addresses[k]) &&
                 addr_port(&l->addresses[k]) == addr_port(address) &&
                 l->addresses[k].any.sa_family == address->any.sa_family))
                return true;
    }
    return false;
}

static void add_port(const struct doctor *d, struct dials *dials, const struct ifaddrs *all,
                     uint16_t port)
{
    for (nfds_t i = 0; i < dials->count; i++)
        if (addr_port(&dials->items[i].address) == port)
            return;
    for (const struct ifaddrs *i = all; i != NULL && dials->count < DIALS_MAX; i = i->ifa_next) {
        struct addr address;

        if (!is_other_address(i, &address))
            continue;
        addr_set_port(&address, port);
        if (is_listeners(d, &address))
            continue;
        dials->items[dials->count++].address = address;
    }
}

/* The ports of backends on this machine; those of others are not ours to try. */
static void add_targets(struct doctor *d, struct dials *dials, const struct ifaddrs *all)
{
    for (size_t i = 0; i < d->target_count; i++) {
        const struct target *t = &d->targets[i];

        for (size_t k = 0; k < t->backend->address_count; k++)
            if (addr_port(&t->backend->addresses[k]) == SSH_PORT)
                continue; /* it has its own encryption, and its own clients */
            else if (is_own(all, &t->backend->addresses[k]))
                add_port(d, dials, all, addr_port(&t->backend->addresses[k]));
            else
                doctor_warning(d, check, t->subject,
                               "let nobody but this machine reach it: scripts/firewall apply "
                               "--from ADDRESS, there",
                               "is on another machine; who else reaches it cannot be seen here");
    }
}

/* ---- dial all at once ---- */

static void start(struct dial *dial, struct pollfd *fd)
{
    const struct addr *to = &dial->address;

    fd->events = POLLOUT;
    fd->fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    dial->error = fd->fd < 0 ? errno : ETIMEDOUT;
    if (fd->fd >= 0 && connect(fd->fd, &to->any, to->len) == 0)
        dial->error = 0;
    else if (fd->fd >= 0 && errno != EINPROGRESS)
        dial->error = errno;
}

static void finish(struct dial *dial, struct pollfd *fd)
{
    socklen_t size = sizeof(dial->error);

    (void)getsockopt(fd->fd, SOL_SOCKET, SO_ERROR, &dial->error, &size);
    (void)close(fd->fd);
    fd->fd = -1; /* poll passes it over */
}

static void dial_all(struct dials *dials)
{
    uint64_t until = clock_ms() + ANSWER_MS;
    uint64_t now;
    nfds_t left = dials->count;

    for (nfds_t i = 0; i < dials->count; i++)
        start(&dials->items[i], &dials->fds[i]);
    while (left > 0 && (now = clock_ms()) < until) {
        if (poll(dials->fds, dials->count, (int)(until - now)) < 0 && errno != EINTR)
            break;
        for (nfds_t i = 0; i < dials->count; i++)
            if (dials->fds[i].fd >= 0 && dials->fds[i].revents != 0)
                finish(&dials->items[i], &dials->fds[i]);
        left = 0;
        for (nfds_t i = 0; i < dials->count; i++)
            left += dials->fds[i].fd >= 0;
    }
    for (nfds_t i = 0; i < dials->count; i++)
        if (dials->fds[i].fd >= 0)
            (void)close(dials->fds[i].fd);
}

/* ---- tell ---- */

static void tell(struct doctor *d, const struct dials *dials)
{
    unsigned open = 0;

    for (nfds_t i = 0; i < dials->count; i++) {
        char text[ADDR_TEXT_BYTES];

        if (dials->items[i].error != 0)
            continue;
        open++;
        doctor_warning(
            d, check, addr_print(&dials->items[i].address, text),
            "let Red5 listen on 127.0.0.1 alone (scripts/openmeetings enable DIR), or say "
            "scripts/firewall apply, and scripts/firewall check --at HOST on another "
            "machine",
            "a plain port is open at an address that others may reach; whether a "
            "firewall keeps them away cannot be seen from this machine");
    }
    if (dials->count == 0)
        doctor_ok(d, check, "this machine",
                  "has no plain ports at addresses that others may reach");
    else if (open == 0)
        doctor_ok(d, check, "this machine",
                  "none of the plain ports is open at its other addresses");
}

void doctor_check_ports(struct doctor *d)
{
    struct dials *dials = calloc(1, sizeof(*dials));
    struct ifaddrs *all = NULL;

    if (dials == NULL || getifaddrs(&all) < 0) {
        doctor_warning(d, check, "this machine", NULL, "its addresses cannot be listed");
        free(dials);
        return;
    }
    add_targets(d, dials, all);
    if (dials->count > 0)
        add_port(d, dials, all, RTMPT_OLD_PORT);
    dial_all(dials);
    tell(d, dials);
    freeifaddrs(all);
    free(dials);
}
