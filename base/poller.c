#include "base/poller.h"

#include <unistd.h>

int poller_init(struct poller *p)
{
    p->turn = 0;
    p->count = 0;
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    return p->fd < 0 ? -1 : 0;
}

void poller_deinit(struct poller *p)
{
    (void)close(p->fd);
    p->fd = -1;
}

static int control(struct poller *p, int operation, int fd, struct watch *w, uint32_t events)
{
    struct epoll_event event = { .events = events, .data = { .ptr = w } };

    return epoll_ctl(p->fd, operation, fd, &event);
}

int poller_add(struct poller *p, struct watch *w, int fd, uint32_t events)
{
    if (control(p, EPOLL_CTL_ADD, fd, w, events) < 0)
        return -1;
    w->turn = p->turn;
    w->is_active = true;
    return 0;
}

void poller_change(struct poller *p, struct watch *w, int fd, uint32_t events)
{
    (void)control(p, EPOLL_CTL_MOD, fd, w, events); /* of a descriptor that is in it */
}

void poller_forget(struct watch *w)
{
    w->is_active = false;
}

void poller_remove(struct poller *p, struct watch *w, int fd)
{
    (void)control(p, EPOLL_CTL_DEL, fd, w, 0);
    w->is_active = false;
}

/* A watch that was forgotten in this turn and added again has a new descriptor: what
 * was collected is of the old one. */
static bool is_for(const struct poller *p, const struct watch *w)
{
    return w->is_active && w->turn != p->turn;
}

int poller_wait(struct poller *p, int timeout_ms)
{
    int n = epoll_wait(p->fd, p->events, POLLER_EVENTS_MAX, timeout_ms);

    p->turn++;
    p->count = n > 0 ? n : 0;
    return p->count;
}

void poller_dispatch(struct poller *p)
{
    for (int i = 0; i < p->count; i++) {
        struct watch *w = p->events[i].data.ptr;

        if (is_for(p, w))
            w->on_event(w, p->events[i].events);
    }
    p->count = 0;
}
