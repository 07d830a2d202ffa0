/* session_set.h - all sessions of one worker, and what they share.
 *
 *    ready    has more to move now: TLS may hold bytes no event will report
 *    greeting waits for its turn to go on with its handshake
 *    crowd    waits for the greeter, with its whole handshake before it
 *    starved  waits for a buffer; woken, one by one, as buffers come back, and by
 *             its own timer, should memory run out for everybody
 *
 * A session is on one of these lists or on none.
 *
 * In a turn of the worker's loop who is being served comes first: events of live
 * sessions are met at once, then come those that are ready, and then handshakes, in
 * the order in which they asked, until their time is up.
 */
#ifndef PROXY_SESSION_SET_H
#define PROXY_SESSION_SET_H

#include "base/list.h"
#include "base/pipe.h"
#include "base/poller.h"
#include "base/pool.h"
#include "proxy/batch.h"
#include "proxy/end.h"
#include "proxy/greeter.h"
#include "proxy/stats.h"
#include "tls/tls.h"

#include <stdbool.h>
#include <uv.h>

enum {
    /* Eight records: a socket gives as much text for each receive, and they are gathered
     * for one send. Twice 64 kB measured better than once: fewer wake-ups of both
     * ends (doc/decisions/0003). */
    SESSION_BUFFER_BYTES = 8 * TLS_RECORD_BYTES,
    /* One record; for few bytes, and for a client that takes few. */
    SESSION_SMALL_BYTES = TLS_RECORD_BYTES,
    SESSION_BUFFERS_MORE = 64, /* on top of what memory allows: for the smallest machine */
};

struct session_set {
    uv_loop_t *loop;       /* borrowed; its timers */
    struct poller *poller; /* borrowed */
    struct pool pool;
    struct pipe_pool pipes;
    struct list all;
    struct list ready;
    struct list greeting;
    struct list crowd;
    struct greeter greeter;
    uint64_t streamed_ms;    /* when bytes moved last of a session that has been here for a while */
    uint64_t woke_ns;        /* when this turn of the loop began; uv_hrtime() */
    bool has_crowd;          /* while a handshake steps: let the greeter do what is costly */
    struct batch_turn moved; /* by streams, in this turn of the loop */
    struct list starved;
    struct list dialling[STATS_BACKENDS]; /* by backend: who waits for a turn among max_dials */
    size_t fed_count;                     /* the pool's put_count when one was woken last */
    size_t count;                         /* sessions, those that only wait to be freed included */
    bool is_draining;                     /* no further request is waited for */
    struct stats *stats;                  /* borrowed */
    size_t slot;                          /* the worker's in stats */
    void (*on_freed)(struct session_set *set); /* a session is gone */
    void *owner;                               /* for on_freed */
};

void session_set_init(struct session_set *set, uv_loop_t *loop, struct poller *poller,
                      size_t buffers_max, size_t pipes_max);

/* From now on let sessions end as soon as they have nothing to do. */
void session_set_drain(struct session_set *set);

/* End all sessions with `reason`; they are freed from the loop. */
void session_set_end_all(struct session_set *set, enum end_reason reason);

/* Free the pool; no session may be left. */
void session_set_deinit(struct session_set *set);

/* Somebody moves bytes who has been here for a while. */
bool session_set_has_streams(const struct session_set *set);

/* Somebody waits for a turn: the loop must not sleep. */
bool session_set_is_busy(const struct session_set *set);

/* How long it may sleep, if `timeout_ms` is as long as libuv lets it; -1: for ever. */
int session_set_timeout_ms(const struct session_set *set, int timeout_ms);

/* Give those that are ready their turn, and handshakes as much as there is time for. */
void session_set_turn(struct session_set *set);

/* Put a session, by its `turn` node, behind those that wait to go on with a handshake. */
void session_set_greet(struct session_set *set, struct list *turn);

/* Put a session, by its `turn` node, on the ready list. */
void session_set_make_ready(struct session_set *set, struct list *turn);

/* Hand a handshake that steps over to the greeter, at its turn; it comes back by
 * session_greeted(). False where it should rather go on by itself. */
bool session_set_hand_over(struct session_set *set, struct list *turn);

/* If a buffer has come back since the last call, make a starved session ready. */
void session_set_feed(struct session_set *set);

#endif
