/* poller.h - descriptors that are waited for, in one epoll set.
 *
 * A watch is embedded in what waits. It is added once, mostly edge-triggered
 * (EPOLLET): then an event says that something has changed, and its owner
 * remembers what it has not used up yet. No system call is made to wait for the
 * same descriptor again, and none to forget it before it is closed.
 *
 * Not thread-safe: one poller for each worker, made after the fork.
 */
#ifndef BASE_POLLER_H
#define BASE_POLLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct watch;

/* `events` is a mask of EPOLL*. The callback may add and forget any watch, its own
 * included, but free none that was added. */
typedef void watch_callback(struct watch *w, uint32_t events);

struct watch {
    watch_callback *on_event;
    uint32_t turn;  /* of the poller, when it was added: older events are not for it */
    bool is_active; /* between poller_add() and poller_forget() */
};

enum { POLLER_EVENTS_MAX = 256 }; /* of one turn */

struct poller {
    int fd;
    uint32_t turn;
    int count; /* of `events` that wait to be dispatched */
    struct epoll_event events[POLLER_EVENTS_MAX];
};

/* 0 or -1 with errno. */
int poller_init(struct poller *p);
void poller_deinit(struct poller *p);

/* Report `events` of `fd`. 0, or -1 with errno: the kernel has no room. */
int poller_add(struct poller *p, struct watch *w, int fd, uint32_t events);

/* Report these from now on; and once more what has happened already. */
void poller_change(struct poller *p, struct watch *w, int fd, uint32_t events);

/* `w` gets no more events, not even those that were collected already. The descriptor
 * must be closed at once, or taken out with poller_remove(). */
void poller_forget(struct watch *w);
void poller_remove(struct poller *p, struct watch *w, int fd);

/* Wait for events, `timeout_ms` at most (-1: for ever). The number of them; 0 also
 * where a signal came. */
int poller_wait(struct poller *p, int timeout_ms);

/* Call back for each of them. */
void poller_dispatch(struct poller *p);

#endif
