/* listener.h - listening sockets: opened by the master, accepted from by the
 * workers.
 *
 * All workers share each socket. A worker that dies takes no queued connection
 * with it; who is idle accepts (doc/decisions says what that costs and why
 * not SO_REUSEPORT).
 */
#ifndef PROXY_LISTENER_H
#define PROXY_LISTENER_H

#include "base/addr.h"
#include "base/error.h"
#include "base/poller.h"
#include "proxy/front.h"

#include <stdbool.h>
#include <stdint.h>

struct session_set;

/* One listening socket, in the master. */
struct listener {
    size_t front;          /* index into the generation's fronts */
    struct addr requested; /* as proxy.ini has it; a port 0 there is the kernel's choice below */
    struct addr address;
    int fd; /* -1: an IPv6 wildcard on a machine without IPv6 */
};

/* Open a listening socket. Sessions' sockets inherit what is set on it. 0 or
 * -1; with `is_optional`, a missing address family gives 0 and fd -1. */
int listener_open(struct listener *l, const struct addr *address, bool is_optional,
                  struct error *err);
void listener_close(struct listener *l);

/* One listening socket, in a worker. */
struct acceptor {
    struct watch watch;
    const struct front *front; /* borrowed */
    struct session_set *set;   /* borrowed */
    int fd;                    /* borrowed */
    unsigned sessions_max;     /* over all workers */
    size_t worker_max;         /* of this worker */
    int turn;                  /* how many were to be taken at the last event */
    uint32_t look;             /* when that was: the poller's turn */
    bool is_paused;
    bool is_warned;                      /* of what ran out; until the next success */
    void (*on_full)(struct acceptor *a); /* no session can be taken now */
    void *owner;
};

/* The fields from `front` to the end are the caller's to fill. 0 or -1. */
int acceptor_start(struct acceptor *a);

/* Leave connections in the queue; and take them again. */
void acceptor_pause(struct acceptor *a);
void acceptor_resume(struct acceptor *a);

/* Take what is in the queue, at most as much as there is room for. */
void acceptor_drain(struct acceptor *a);

/* Close this process's copy of the socket. */
void acceptor_close(struct acceptor *a);

#endif
