#include "proxy/worker.h"

#include "base/list.h"
#include "base/log.h"
#include "base/slice.h"
#include "proxy/batch.h"
#include "proxy/control.h"
#include "proxy/exit.h"
#include "proxy/session_set.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ACCEPT_AGAIN_MS = 100,
    KEEP_BYTES = 16 * 1024 * 1024,
    GROW_BYTES = 1024 * 1024,
    TIDY_MS = 1000,        /* without a buffer in use, before memory is given back */
    TIDY_TRIES = 10,       /* so often it waits for that */
    TIMER_SLACK_NS = 1000, /* a short sleep is to be no longer than it says */
};

struct worker {
    const struct worker_options *options;
    struct poller poller;
    uv_loop_t loop;
    struct watch libuv; /* what the loop waits for, within the poller */
    uv_poll_t control;
    uv_timer_t accept_again;
    uv_timer_t tidy;
    size_t tidied_count; /* the pool's put_count when memory was given back last */
    size_t seen_count;   /* and when the timer looked last */
    int tidy_tries;      /* in vain, since something began to move */
    struct session_set sessions;
    struct batch batch;
    struct acceptor *acceptors;
    size_t acceptor_count;
    bool is_draining;
    bool is_finished;
    bool is_libuv_due;
};

static void pause_accepting(struct worker *w)
{
    for (size_t i = 0; i < w->acceptor_count; i++)
        acceptor_pause(&w->acceptors[i]);
}

static void resume_accepting(struct worker *w)
{
    if (w->is_draining)
        return;
    (void)uv_timer_stop(&w->accept_again);
    for (size_t i = 0; i < w->acceptor_count; i++)
        acceptor_resume(&w->acceptors[i]);
}

static void on_accept_again(uv_timer_t *timer)
{
    resume_accepting(container_of(timer, struct worker, accept_again));
}

/* No room, or nothing to make room with: connections wait in the kernel's
 * queue, where another worker may take them. */
static void on_full(struct acceptor *a)
{
    struct worker *w = a->owner;

    if (w->is_draining)
        return;
    pause_accepting(w);
    (void)uv_timer_start(&w->accept_again, on_accept_again, ACCEPT_AGAIN_MS, 0);
}

/* The last session is gone: with its handles closed, the loop ends. */
static void finish_if_drained(struct worker *w)
{
    if (!w->is_draining || w->sessions.count > 0 || w->is_finished)
        return;
    w->is_finished = true;
    uv_close((uv_handle_t *)&w->accept_again, NULL);
    uv_close((uv_handle_t *)&w->tidy, NULL);
    uv_close((uv_handle_t *)&w->control, NULL);
}

static void on_freed(struct session_set *set)
{
    struct worker *w = set->owner;

    if (w->acceptor_count > 0 && w->acceptors[0].is_paused)
        resume_accepting(w);
    finish_if_drained(w);
}

static void drain(struct worker *w)
{
    const char quiet = CONTROL_QUIET;

    if (w->is_draining)
        return;
    for (size_t i = 0; i < w->acceptor_count; i++)
        acceptor_drain(&w->acceptors[i]);
    w->is_draining = true;
    for (size_t i = 0; i < w->acceptor_count; i++)
        acceptor_close(&w->acceptors[i]);
    (void)send(w->options->control_fd, &quiet, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    session_set_drain(&w->sessions);
    finish_if_drained(w);
}

static void stop(struct worker *w)
{
    drain(w);
    session_set_end_all(&w->sessions, END_STOPPED);
}

static void on_control(uv_poll_t *poll, int status, int events)
{
    struct worker *w = container_of(poll, struct worker, control);
    char command = 0;
    ssize_t n = recv(w->options->control_fd, &command, 1, MSG_DONTWAIT);

    (void)events;
    if (status < 0 || n == 0) { /* the master is gone: nobody will tell us more */
        (void)uv_poll_stop(&w->control);
        log_error("the master has gone; waiting for sessions to end");
        drain(w);
    } else if (n == 1 && command == CONTROL_DRAIN) {
        drain(w);
    } else if (n == 1 && command == CONTROL_STOP) {
        stop(w);
    }
}

static int start_accepting(struct worker *w)
{
    const struct worker_options *o = w->options;

    w->acceptors = calloc(o->listener_count, sizeof(*w->acceptors));
    if (w->acceptors == NULL)
        return -1;
    for (size_t i = 0; i < o->listener_count; i++) {
        struct acceptor *a = &w->acceptors[w->acceptor_count];

        if (o->listeners[i].fd < 0)
            continue;
        *a = (struct acceptor){
            .front = &o->generation->fronts[o->listeners[i].front],
            .set = &w->sessions,
            .fd = o->listeners[i].fd,
            .sessions_max = o->sessions_max,
            .worker_max = o->worker_max,
            .on_full = on_full,
            .owner = w,
        };
        if (acceptor_start(a) < 0)
            return -1;
        w->acceptor_count++;
    }
    return 0;
}

static void on_libuv(struct watch *watch, uint32_t events)
{
    (void)events;
    container_of(watch, struct worker, libuv)->is_libuv_due = true;
}

static int start(struct worker *w)
{
    const struct worker_options *o = w->options;
    const char ready = CONTROL_READY;

    if (poller_init(&w->poller) < 0 || uv_loop_init(&w->loop) < 0 ||
        uv_timer_init(&w->loop, &w->accept_again) < 0 || uv_timer_init(&w->loop, &w->tidy) < 0)
        return -1;
    session_set_init(&w->sessions, &w->loop, &w->poller, o->buffers_max, o->pipes_max);
    w->sessions.stats = o->stats;
    w->sessions.slot = o->slot;
    w->sessions.on_freed = on_freed;
    w->sessions.owner = w;

    w->libuv.on_event = on_libuv;
    if (uv_poll_init(&w->loop, &w->control, o->control_fd) < 0 ||
        uv_poll_start(&w->control, UV_READABLE | UV_DISCONNECT, on_control) < 0 ||
        poller_add(&w->poller, &w->libuv, uv_backend_fd(&w->loop), EPOLLIN) < 0 ||
        start_accepting(w) < 0)
        return -1;
    return send(o->control_fd, &ready, 1, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

/* After a burst most of the heap is free, but between what is not. That takes milliseconds
 * to give back, so it waits until nothing moves; but not for ever, as somebody always moves
 * a byte. */
static void on_tidy(uv_timer_t *timer)
{
    struct worker *w = container_of(timer, struct worker, tidy);
    size_t count = w->sessions.pool.put_count;

    if (count != w->seen_count && ++w->tidy_tries < TIDY_TRIES) {
        w->seen_count = count;
        (void)uv_timer_start(&w->tidy, on_tidy, TIDY_MS, 0);
        return;
    }
    w->tidied_count = count;
    w->tidy_tries = 0;
    (void)malloc_trim(0);
}

static void tidy_later(struct worker *w)
{
    if (w->sessions.pool.put_count != w->tidied_count && !w->is_finished &&
        !uv_is_active((uv_handle_t *)&w->tidy))
        (void)uv_timer_start(&w->tidy, on_tidy, TIDY_MS, 0);
}

/* Streams with small messages are let gather, but for whoever has something to do now. */
static void wait_for_batch(struct worker *w)
{
    uint64_t now_ns = uv_hrtime();
    uint64_t sleep_ns = batch_next(&w->batch, &w->sessions.moved, now_ns);
    const struct timespec sleep = { .tv_nsec = (long)sleep_ns };
    uint64_t woke_ns;

    w->sessions.moved = (struct batch_turn){ .streams = 0 };
    if (sleep_ns == 0 || session_set_is_busy(&w->sessions) ||
        greeter_under_way(&w->sessions.greeter) > 0)
        return;
    (void)nanosleep(&sleep, NULL);
    woke_ns = uv_hrtime();
    batch_slept(&w->batch, sleep_ns, woke_ns - now_ns, woke_ns);
}

/* Sockets are the poller's. libuv has timers and the control socket, and is asked when one
 * of them is due: a turn that only moves bytes makes no call for it. */
static void run(struct worker *w)
{
    while (uv_run(&w->loop, UV_RUN_NOWAIT) != 0) {
        do {
            wait_for_batch(w);
            w->is_libuv_due = false;
            (void)poller_wait(&w->poller,
                              session_set_timeout_ms(&w->sessions, uv_backend_timeout(&w->loop)));
            uv_update_time(&w->loop);
            w->sessions.woke_ns = uv_hrtime();
            poller_dispatch(&w->poller);
            session_set_turn(&w->sessions);
            tidy_later(w);
        } while (!w->is_libuv_due && uv_backend_timeout(&w->loop) != 0);
    }
}

/* What a buffer or a handshake needs stays mapped between one and the next: to return it and
 * have it zeroed again costs a system call or two each time. on_tidy() gives it back. */
static void keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
    (void)mallopt(M_TOP_PAD, GROW_BYTES);
}

int worker_run(const struct worker_options *options)
{
    struct worker *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return EXIT_CANNOT_START;
    w->options = options;
    if (start(w) < 0) {
        log_error("a worker cannot start: memory or descriptors have run out");
        return EXIT_CANNOT_START; /* the process ends: nothing to undo */
    }
    (void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS);
    slice_ask(SLICE_SHORTEST_NS); /* the processor at once when an event comes, for a short while */
    keep_memory();
    run(w);

    session_set_deinit(&w->sessions);
    (void)uv_loop_close(&w->loop);
    poller_deinit(&w->poller);
    (void)close(options->control_fd);
    free(w->acceptors);
    free(w);
    return EXIT_DONE;
}
