#include "proxy/session.h"

#include "proxy/route.h"
#include "proxy/session_log.h"
#include "proxy/session_set.h"
#include "proxy/stats.h"
#include "tls/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PUMP_BYTES = 512 * 1024, /* each way, before others have their turn */
    DIAL_TURN_MS = 5,        /* between tries for a place among max_dials */
    STARVED_MS = 100,        /* between tries for memory, if nobody gives a buffer back */
    LINGER_LOOK_MS = 50,     /* between looks at what the kernel has sent */
};

static void linger(struct session *s);

static const char no_memory[] = "memory has run out";

static uint64_t now_of(const struct session *s)
{
    return uv_now(s->set->loop);
}

static const struct listener_config *limits_of(const struct session *s)
{
    return s->front->config;
}

static const struct backend *backend_of(const struct session *s)
{
    return &s->front->backends[s->protocol];
}

/* The one door out: the first reason stays. */
static void session_end(struct session *s, enum end_reason reason, const char *fault)
{
    if (s->end != END_NONE)
        return;
    s->end = reason;
    s->fault = fault;
}

/* ---- steps: each returns the next state, or its own to wait ---- */

static enum session_state wait_client(struct session *s, enum io_status wait)
{
    s->client_wait = wait;
    return s->state;
}

/* The first byte on the wire tells whether this is TLS at all. True: it is. */
static bool begin_tls(struct session *s)
{
    static const enum end_reason not_tls[] = {
        [HELLO_HTTP] = END_PLAIN_HTTP,
        [HELLO_RTMP] = END_PLAIN_RTMP,
        [HELLO_OLD_TLS] = END_NOT_TLS,
        [HELLO_UNKNOWN] = END_NOT_TLS,
    };
    unsigned char first;
    enum io_status status = conn_peek(&s->client, &first);

    s->client_wait = status;
    if (status == IO_EOF || status == IO_ERROR)
        session_end(s, END_HANDSHAKE_CLOSED, NULL);
    if (status != IO_OK)
        return false;

    if (route_hello(first) != HELLO_TLS &&
        !(route_hello(first) == HELLO_OLD_TLS && limits_of(s)->tls == CONFIG_TLS_LEGACY))
        session_end(s, not_tls[route_hello(first)], NULL);
    else if (conn_start_tls(&s->client, s->front->tls, &s->set->pool) < 0)
        session_end(s, END_NO_MEMORY, no_memory);
    return s->end == END_NONE;
}

static enum session_state step_handshake(struct session *s)
{
    enum io_status status;

    if (s->client.has_failed) {
        session_end(s, END_HANDSHAKE_CLOSED, NULL);
        return s->state;
    }
    if (s->client.tls == NULL && !begin_tls(s))
        return s->state;

    status = tls_conn_handshake(s->client.tls);
    if (status == IO_EOF || (status == IO_ERROR && tls_conn_errno(s->client.tls) != 0))
        session_end(s, END_HANDSHAKE_CLOSED, NULL);
    else if (status == IO_ERROR)
        session_end(s, END_HANDSHAKE_FAILED, tls_conn_fault(s->client.tls));
    if (status != IO_OK)
        return wait_client(s, status);

    s->client_wait = IO_IDLE;
    if ((limits_of(s)->offers & OFFERS_TUNNEL) == 0)
        return SESSION_ROUTING;
    s->protocol = PROTOCOL_TUNNEL;
    if (limits_of(s)->tickets)
        tls_conn_send_ticket(s->client.tls);
    return SESSION_CONNECTING;
}

static void end_failed_client(struct session *s)
{
    if (s->client.error != 0)
        session_end(s, END_CLIENT_RESET, strerror(s->client.error));
    else
        session_end(s, END_TLS_ERROR, tls_conn_fault(s->client.tls));
}

static enum session_state step_routing(struct session *s)
{
    enum io_status status = channel_fill(&s->in);
    unsigned offers = limits_of(s)->offers;

    if (status == IO_ERROR)
        end_failed_client(s);
    else if (channel_held(&s->in) == 0 && s->in.state == CHANNEL_DRAINING)
        session_end(s, END_NO_REQUEST, NULL);
    if (s->end != END_NONE || channel_held(&s->in) == 0)
        return wait_client(s, status);

    s->client_wait = IO_IDLE;
    s->protocol = route_protocol(*buffer_head(s->in.buffer));
    if (s->protocol == PROTOCOL_NONE)
        session_end(s, END_UNKNOWN_PROTOCOL, NULL);
    else if ((offers & 1u << s->protocol) == 0)
        session_end(s, END_WRONG_PROTOCOL, NULL);
    else if (s->protocol == PROTOCOL_HTTP)
        tls_conn_send_ticket(s->client.tls);
    return s->end == END_NONE ? SESSION_CONNECTING : s->state;
}

static void release_dial(struct session *s)
{
    if (s->has_dial)
        stats_dial_end(s->set->stats, s->set->slot, backend_of(s)->index);
    s->has_dial = false;
}

/* Refused and unreachable are worth another try. A reset is none: there was a
 * connection, and dialling twice is not for a proxy to decide. */
static enum session_state retry_later(struct session *s, int error)
{
    if (error == ECONNRESET || error == ECONNABORTED || error_is_shortage(error)) {
        session_end(s, error_is_shortage(error) ? END_NO_MEMORY : END_BACKEND_RESET,
                    strerror(error));
        return s->state;
    }
    release_dial(s);
    conn_close(&s->backend, CONN_CLOSE);
    s->fault = strerror(error);
    s->retry_ms = now_of(s) + backend_retry_delay_ms(s->attempts++);
    return s->state;
}

static enum session_state end_dial(struct session *s)
{
    release_dial(s);
    s->fault = NULL;
    return SESSION_RELAYING;
}

static enum session_state start_dial(struct session *s)
{
    const struct backend *b = backend_of(s);
    enum io_status status;
    int error = 0;
    int fd;

    if (now_of(s) < s->retry_ms)
        return s->state;
    if (!stats_dial_start(s->set->stats, s->set->slot, b->index, b->max_dials)) {
        s->fault = "no turn among max_dials";
        s->retry_ms = now_of(s) + DIAL_TURN_MS;
        return s->state;
    }
    s->has_dial = true;
    s->fault = "no answer";
    status = backend_dial(b, s->attempts, &fd, &error);
    if (status == IO_ERROR)
        return retry_later(s, error);
    if (conn_open(&s->backend, s->set->loop, fd) < 0) {
        session_end(s, END_NO_MEMORY, no_memory);
        return s->state;
    }
    s->handles++;
    s->backend.is_drained = true; /* what comes first is told by an event */
    if (status == IO_OK)
        return end_dial(s);
    s->backend.is_full = true; /* writable is what tells the end of a dial */
    return s->state;
}

static enum session_state step_connecting(struct session *s)
{
    if (s->client.has_failed) {
        end_failed_client(s);
        return s->state;
    }
    if (s->backend.is_closing)
        return s->state; /* an attempt that failed; its close callback steps on */
    if (!s->backend.is_open)
        return start_dial(s);
    if (s->backend.has_failed)
        return retry_later(s, s->backend.error);
    return s->backend.is_full ? s->state : end_dial(s);
}

/* When one side has said all it wanted, and that was delivered, the way in
 * which the other hangs up is no news. */
static void end_failed_side(struct session *s)
{
    bool is_said = s->client.has_failed ? s->out.state == CHANNEL_SHUT
                                        : s->in.state == CHANNEL_SHUT && s->client.has_fin;

    if (is_said)
        session_end(s, s->first_close, NULL);
    else if (s->client.has_failed)
        end_failed_client(s);
    else
        session_end(s, END_BACKEND_RESET, strerror(s->backend.error));
}

static void note_first_close(struct session *s)
{
    if (s->first_close != END_NONE)
        return;
    if (s->in.state != CHANNEL_OPEN)
        s->first_close = conn_is_truncated(&s->client) ? END_CLIENT_TRUNCATED : END_CLIENT_CLOSED;
    else if (s->out.state != CHANNEL_OPEN)
        s->first_close = END_BACKEND_CLOSED;
}

static enum session_state step_relaying(struct session *s)
{
    uint64_t before = s->in.received + s->in.delivered + s->out.received + s->out.delivered;
    enum io_status in;
    enum io_status out;

    in = channel_pump(&s->in, PUMP_BYTES);
    out = channel_pump(&s->out, PUMP_BYTES);

    if (before != s->in.received + s->in.delivered + s->out.received + s->out.delivered)
        s->moved_ms = now_of(s);
    note_first_close(s);

    if (s->client.has_failed || s->backend.has_failed)
        end_failed_side(s);
    else if (s->in.state == CHANNEL_SHUT && s->out.state == CHANNEL_SHUT)
        session_end(s, s->first_close, NULL);
    else if (s->in.state == CHANNEL_SHUT && conn_is_truncated(&s->client))
        session_end(s, END_CLIENT_TRUNCATED, NULL);
    else if (in == IO_OK || out == IO_OK)
        session_set_make_ready(s->set, &s->turn);
    return s->state;
}

static bool is_starved(const struct session *s)
{
    if (s->state == SESSION_RELAYING)
        return channel_is_starved(&s->in) || channel_is_starved(&s->out);
    return s->client_wait == IO_STARVED;
}

/* ---- time ---- */

struct deadline {
    uint64_t at_ms;
    enum end_reason reason;
};

static struct deadline relaying_deadline(const struct session *s)
{
    const struct listener_config *l = limits_of(s);

    if (s->in.state == CHANNEL_SHUT || s->out.state == CHANNEL_SHUT)
        return (struct deadline){ s->moved_ms + l->half_close_timeout_ms, END_HALF_CLOSE_TIMEOUT };
    return (struct deadline){
        s->moved_ms + (s->protocol == PROTOCOL_HTTP ? l->response_timeout_ms : l->idle_timeout_ms),
        END_IDLE_TIMEOUT,
    };
}

/* Until the backend is reached a deadline is absolute: bytes do not move it. */
static struct deadline deadline_of(const struct session *s)
{
    const struct listener_config *l = limits_of(s);

    switch (s->state) {
    case SESSION_HANDSHAKE:
        return (struct deadline){ s->accepted_ms + l->handshake_timeout_ms, END_HANDSHAKE_TIMEOUT };
    case SESSION_ROUTING:
        return (struct deadline){ s->entered_ms + l->first_byte_timeout_ms,
                                  END_FIRST_BYTE_TIMEOUT };
    case SESSION_CONNECTING:
        return (struct deadline){ s->entered_ms + l->connect_timeout_ms,
                                  s->attempts > 0 ? END_CONNECT_FAILED : END_CONNECT_TIMEOUT };
    case SESSION_RELAYING:
        break;
    }
    return relaying_deadline(s);
}

/* Bytes that the kernel still sends are progress, though no call of ours tells:
 * a socket polls writable again only when much of its queue is free. */
static void note_unsent(struct session *s)
{
    size_t unsent = conn_unsent(&s->client) + conn_unsent(&s->backend);

    if (unsent < s->unsent_bytes)
        s->moved_ms = now_of(s);
    s->unsent_bytes = unsent;
}

static void on_timer(uv_timer_t *timer)
{
    struct session *s = container_of(timer, struct session, timer);

    s->timer_due_ms = 0;
    if (s->end != END_NONE) {
        linger(s);
        return;
    }
    if (s->state == SESSION_RELAYING)
        note_unsent(s);
    session_step(s);
}

/* The timer may fire early, never late: progress moves the deadline without a
 * call, and a timer that fires too soon is armed anew. */
static void arm_timer(struct session *s)
{
    uint64_t now = now_of(s);
    uint64_t due = deadline_of(s).at_ms;
    uint64_t half_way = s->moved_ms + (due - s->moved_ms) / 2;

    if (s->state == SESSION_CONNECTING && !s->backend.is_open && s->retry_ms < due)
        due = s->retry_ms;
    if (s->state == SESSION_RELAYING && half_way > now) /* to see what the kernel sends */
        due = half_way;
    if (is_starved(s) && due > now + STARVED_MS)
        due = now + STARVED_MS;
    if (s->timer_due_ms != 0 && s->timer_due_ms <= due)
        return;
    s->timer_due_ms = due;
    /* never 0: libuv would run it in this same turn, and again */
    (void)uv_timer_start(&s->timer, on_timer, due > now ? due - now : 1, 0);
}

/* ---- interest ---- */

static int client_events(const struct session *s)
{
    int own = conn_events(&s->client);

    if (s->state == SESSION_RELAYING)
        return own | channel_events(&s->in, &s->client) | channel_events(&s->out, &s->client);
    return own | conn_event_for(s->client_wait);
}

static int backend_events(const struct session *s)
{
    if (s->state == SESSION_RELAYING)
        return channel_events(&s->in, &s->backend) | channel_events(&s->out, &s->backend);
    return UV_WRITABLE;
}

static void session_arm(struct session *s)
{
    conn_arm(&s->client, client_events(s));
    conn_arm(&s->backend, backend_events(s));
    arm_timer(s);
    if (s->client_wait == IO_YIELD && s->state != SESSION_RELAYING)
        session_set_make_ready(s->set, &s->turn);
    else if (is_starved(s) && list_is_empty(&s->turn))
        list_append(&s->set->starved, &s->turn);
}

/* ---- the end ---- */

static void free_if_closed(struct session *s)
{
    struct session_set *set = s->set;

    if (--s->handles > 0)
        return;
    stats_session_end(set->stats, set->slot);
    list_remove(&s->link);
    free(s);
    set->count--;
    set->on_freed(set);
}

static void on_timer_closed(uv_handle_t *timer)
{
    free_if_closed(container_of((uv_timer_t *)timer, struct session, timer));
}

/* Where bytes that were read will not be delivered, a clean end is a lie. */
static enum conn_close manner_for(const struct session *s, const struct channel *ch)
{
    bool has_failed = s->client.has_failed || s->backend.has_failed;

    if (ends[s->end].manner == END_RESET || has_failed || channel_held(ch) > 0 ||
        conn_is_blocked(ch->target))
        return CONN_RESET;
    return CONN_CLOSE;
}

/* Say good-bye to one side, where it will be true; `ch` leads there, and is NULL
 * where nothing can be said yet. */
static void say_end(struct conn *c, const struct channel *ch, enum conn_close how)
{
    if (how == CONN_RESET)
        conn_close(c, CONN_RESET);
    else if (ch != NULL && ch->state != CHANNEL_SHUT && c->is_open && !c->is_closing)
        (void)conn_shutdown(c);
}

/* What a closed socket is sent is answered by an RST, and that overtakes and
 * destroys the bytes still on their way to a slow reader. So a side is closed
 * when the kernel has nothing left to send to it, its own end has come, or it took
 * nothing for half_close_timeout. */
static void linger(struct session *s)
{
    size_t unsent = conn_unsent(&s->client) + conn_unsent(&s->backend);
    struct conn *sides[] = { &s->client, &s->backend };
    bool is_waiting = false;
    bool is_late;

    if (unsent < s->unsent_bytes)
        s->linger_until_ms = now_of(s) + limits_of(s)->half_close_timeout_ms;
    s->unsent_bytes = unsent;
    is_late = now_of(s) >= s->linger_until_ms;

    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        if (!sides[i]->is_open || sides[i]->is_closing)
            continue;
        if (is_late || !conn_is_lingering(sides[i]))
            conn_close(sides[i], is_late ? CONN_RESET : CONN_CLOSE);
        else
            is_waiting = true;
    }
    if (is_waiting)
        (void)uv_timer_start(&s->timer, on_timer, LINGER_LOOK_MS, 0);
    else if (!uv_is_closing((uv_handle_t *)&s->timer))
        uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

/* Log one line, let go of all but the sockets, close; freed in the last close
 * callback. */
static void session_finish(struct session *s)
{
    enum conn_close to_client = manner_for(s, &s->out);
    enum conn_close to_backend = manner_for(s, &s->in);

    session_log_end(s);
    release_dial(s);
    list_remove(&s->turn);
    channel_deinit(&s->in);
    channel_deinit(&s->out);

    say_end(&s->client, s->state >= SESSION_ROUTING ? &s->out : NULL, to_client);
    say_end(&s->backend, &s->in, to_backend);
    s->unsent_bytes = SIZE_MAX;
    linger(s);
}

/* ---- the machine ---- */

static enum session_state (*const steps[])(struct session *) = {
    [SESSION_HANDSHAKE] = step_handshake,
    [SESSION_ROUTING] = step_routing,
    [SESSION_CONNECTING] = step_connecting,
    [SESSION_RELAYING] = step_relaying,
};

static void enter(struct session *s, enum session_state next)
{
    s->state = next;
    s->entered_ms = now_of(s);
    s->moved_ms = s->entered_ms;
    session_log_state(s);
}

void session_step(struct session *s)
{
    struct session_set *set = s->set;
    enum session_state next;

    assert(s->end == END_NONE);
    list_remove(&s->turn);
    (void)conn_flush(&s->client); /* a failure is noted in the conn, and met by the step */
    while (s->end == END_NONE && (next = steps[s->state](s)) != s->state)
        enter(s, next);
    if (s->end == END_NONE && now_of(s) >= deadline_of(s).at_ms)
        session_end(s, deadline_of(s).reason, s->fault);

    if (s->end != END_NONE)
        session_finish(s);
    else
        session_arm(s);
    session_set_feed(set);
}

void session_stop(struct session *s, enum end_reason reason)
{
    if (s->end == END_NONE) {
        session_end(s, reason, NULL);
        session_finish(s);
    }
    conn_close(&s->client, CONN_CLOSE); /* the kernel may still send, we do not wait for it */
    conn_close(&s->backend, CONN_CLOSE);
    linger(s);
}

static void on_event(struct conn *c)
{
    struct session *s = c->owner;

    if (s->end == END_NONE)
        session_step(s);
    else
        linger(s);
}

static void on_conn_closed(struct conn *c)
{
    struct session *s = c->owner;
    if (s->end != END_NONE) {
        free_if_closed(s);
        return;
    }
    s->handles--; /* a dial that failed; the next may start */
    session_step(s);
}

int session_open(struct session_set *set, const struct front *front, int fd,
                 const struct addr *address)
{
    struct session *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        (void)close(fd);
        return -1;
    }
    s->set = set;
    s->front = front;
    s->address = *address;
    conn_init(&s->client, on_event, on_conn_closed, s);
    conn_init(&s->backend, on_event, on_conn_closed, s);
    if (conn_open(&s->client, set->loop, fd) < 0) {
        free(s);
        return -1;
    }
    (void)uv_timer_init(set->loop, &s->timer);
    s->handles = 2;
    s->number = stats_next_session(set->stats);
    channel_init(&s->in, &s->client, &s->backend, &set->pool, POOL_FIRST_STEP);
    channel_init(&s->out, &s->backend, &s->client, &set->pool, POOL_NEXT_STEP);
    list_init(&s->turn);
    list_append(&set->all, &s->link);
    set->count++;

    enter(s, SESSION_HANDSHAKE);
    s->accepted_ms = s->entered_ms;
    session_step(s); /* the ClientHello is often there already */
    return 0;
}
