/* session_set.h - all sessions of one worker, and what they share.
 *
 *    ready    has more to move now: TLS may hold bytes no poll will report
 *    starved  waits for a buffer; woken, one by one, as buffers come back, and by
 *             its own timer, should memory run out for everybody
 *
 * A session is on one of the two lists or on none.
 */
#ifndef PROXY_SESSION_SET_H
#define PROXY_SESSION_SET_H

#include "base/list.h"
#include "base/pool.h"
#include "proxy/end.h"

#include <stdbool.h>
#include <uv.h>

struct stats;

enum {
    /* A socket gives up to this much for each receive, and TLS records are
     * gathered into as much for each send. Twice 64 kB measured better than
     * once: fewer wake-ups of both ends (doc/decisions). */
    SESSION_BUFFER_BYTES = 128 * 1024,
    SESSION_BUFFERS_MORE = 64, /* on top of what memory allows: for the smallest machine */
};

struct session_set {
    uv_loop_t *loop; /* borrowed */
    uv_idle_t turn;  /* runs the ready list; active while it has anybody */
    struct pool pool;
    struct list all;
    struct list ready;
    struct list starved;
    size_t fed_count;    /* the pool's put_count when one was woken last */
    size_t count;        /* sessions, those that only wait to be freed included */
    bool is_draining;    /* no further request is waited for */
    struct stats *stats; /* borrowed */
    size_t slot;         /* the worker's in stats */
    void (*on_freed)(struct session_set *set); /* a session is gone */
    void *owner;                               /* for on_freed */
};

/* 0 or -1. Close with session_set_close() before the loop ends. */
int session_set_init(struct session_set *set, uv_loop_t *loop, size_t buffers_max);

/* From now on let sessions end as soon as they have nothing to do. */
void session_set_drain(struct session_set *set);

/* End all sessions with `reason`; they are freed from the loop. */
void session_set_end_all(struct session_set *set, enum end_reason reason);

/* Close the handles; no session may be left. */
void session_set_close(struct session_set *set);

/* After the loop has run the close: free the pool. */
void session_set_deinit(struct session_set *set);

/* Put a session, by its `turn` node, on the ready list. */
void session_set_make_ready(struct session_set *set, struct list *turn);

/* If a buffer has come back since the last call, make a starved session ready. */
void session_set_feed(struct session_set *set);

#endif
