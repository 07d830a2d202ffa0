/* session.h - one client with its backend: the state machine.
 *
 *    client conn --> channel in  --> backend conn
 *    client conn <-- channel out <-- backend conn
 *
 *    HANDSHAKE --TLS is up--> ROUTING --first byte--> CONNECTING --> RELAYING
 *                        \------------- tunnel -------^
 *
 * An HTTP session has heads first, and goes round: session_http.h.
 *
 * State says where the session is; each channel says how far its direction has
 * come; a conn knows neither. A callback notes what happened and calls
 * session_step(); in a handshake it waits for its turn first. Nothing else moves the
 * state or ends a session.
 *
 * A session ends through one door, with one reason, in one log line. It is
 * freed by the close callback of its timer.
 */
#ifndef PROXY_SESSION_H
#define PROXY_SESSION_H

#include "base/addr.h"
#include "base/list.h"
#include "proxy/channel.h"
#include "proxy/conn.h"
#include "proxy/end.h"
#include "proxy/front.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct exchange;
struct session_set;

enum session_state {
    SESSION_HANDSHAKE,  /* the client's TLS */
    SESSION_ROUTING,    /* the first decrypted byte */
    SESSION_REQUEST,    /* HTTP: a request's head */
    SESSION_CONNECTING, /* the backend: a turn to dial, the dial, retries */
    SESSION_RELAYING,   /* both channels pump */
    SESSION_ANSWERING,  /* HTTP: an answer of our own */
};

struct session {
    struct list link; /* in the set's list of all */
    struct list turn; /* in the set's ready or starved list */
    struct session_set *set;
    const struct front *front;
    uint64_t number; /* for the log */
    enum session_state state;
    enum protocol protocol;
    enum end_reason end;
    enum session_state end_state; /* when the reason came up */
    enum end_reason answer_end;   /* ANSWERING, is_ending: the reason, once all is delivered */
    enum end_reason first_close;  /* the side that ended its direction first */
    enum io_status client_wait;   /* before the channels: what the client conn waits for */
    enum end_reason stop;         /* to end with, when the client conn is back from the greeter */
    enum io_status greeted;       /* the greeter's answer, not met yet; IO_IDLE: there is none */
    const char *fault;            /* what went wrong, if something did; constant text */

    struct conn client;
    struct conn backend;
    struct channel in;     /* client -> backend */
    struct channel out;    /* backend -> client */
    struct exchange *http; /* owned; NULL: another protocol */
    bool is_plain;         /* no TLS, on a port where there should be */
    bool is_dialled;       /* a backend, once at least */
    bool is_answered;      /* HTTP: by ourselves */
    bool is_ending;        /* HTTP: the last response is out, close_notify follows */
    uint64_t head_ms;      /* HTTP: when the head at hand began; 0: it has not */
    uint64_t asked_ms;     /* HTTP: when the backend had all of the request; 0: not yet */

    uv_timer_t timer;      /* fires at timer_due or before the deadline */
    uint64_t timer_due_ms; /* 0: not armed; times are the loop's */
    uint64_t accepted_ms;
    uint64_t entered_ms;       /* this state */
    uint64_t moved_ms;         /* when bytes last moved */
    uint64_t retry_ms;         /* CONNECTING: not before */
    unsigned attempts;         /* dials that failed */
    bool has_dial;             /* counted in stats */
    struct list dial_turn;     /* CONNECTING: in the set's queue for the backend */
    uint64_t discard_until_ms; /* after the end: what the client still sends is read */
    uint64_t linger_until_ms;  /* after the end: when to close whatever is unsent */
    size_t unsent_bytes;       /* in the kernel, when the timer looked last */
    struct addr address;       /* the client's */
};

/* Begin with an accepted, non-blocking socket, which is taken. The session is
 * in the set, and counted in stats by the caller. 0, or -1: memory or
 * descriptors ran out, the socket was closed. */
int session_open(struct session_set *set, const struct front *front, int fd,
                 const struct addr *address);

/* Do all that can be done now. */
void session_step(struct session *s);

/* In a handshake: let the greeter go on with it. False where that cannot be. */
bool session_send_away(struct session *s);

/* It is back, with this answer. */
void session_greeted(struct session *s, enum io_status status);

/* Where its protocol goes. */
const struct backend *session_backend(const struct session *s);

/* It waits for a buffer of the pool. */
bool session_is_starved(const struct session *s);

/* End it from outside. */
void session_stop(struct session *s, enum end_reason reason);

#endif
