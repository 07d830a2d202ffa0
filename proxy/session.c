#include "proxy/session.h"

#include "proxy/exchange.h"
#include "proxy/route.h"
#include "proxy/session_dial.h"
#include "proxy/session_end.h"
#include "proxy/session_http.h"
#include "proxy/session_log.h"
#include "proxy/session_set.h"
#include "proxy/session_time.h"
#include "proxy/stats.h"
#include "tls/tls.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PUMP_BYTES = 512 * 1024, /* each way, before others have their turn */
    STREAM_MS = 250,         /* who still moves bytes then has more to come */
};

static const char no_memory[] = "memory has run out";

static uint64_t now_of(const struct session *s)
{
    return uv_now(s->set->loop);
}

static const struct listener_config *limits_of(const struct session *s)
{
    return s->front->config;
}

const struct backend *session_backend(const struct session *s)
{
    return &s->front->backends[s->protocol];
}

/* ---- steps: each returns the next state, or its own to wait ---- */

static enum session_state wait_client(struct session *s, enum io_status wait)
{
    s->client_wait = wait;
    return s->state;
}

/* Plain HTTP on a port of TLS: an old link. It is told where to go. */
static bool is_redirected(const struct session *s, unsigned char first)
{
    return route_hello(first) == HELLO_HTTP && (limits_of(s)->offers & OFFERS_HTTP) != 0;
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

    s->is_plain = is_redirected(s, first);
    if (s->is_plain)
        return false;
    if (route_hello(first) != HELLO_TLS &&
        !(route_hello(first) == HELLO_OLD_TLS && limits_of(s)->tls == CONFIG_TLS_LEGACY))
        session_end(s, not_tls[route_hello(first)], NULL);
    else if (conn_start_tls(&s->client, s->front->tls, &s->set->pool) < 0)
        session_end(s, END_NO_MEMORY, no_memory);
    return s->end == END_NONE;
}

/* A client that refuses the certificate says so and leaves at once: its reset may
 * be here before the alert was read, which says what the administrator must know. One that
 * has not seen it yet gets no answer: that would cost most of a handshake. */
static void end_lost_handshake(struct session *s)
{
    struct tls_conn *tls = s->client.tls;

    if (tls != NULL && !tls_conn_is_fresh(tls)) {
        tls_conn_notice(tls, true, false, false);
        if (tls_conn_handshake(tls) == IO_ERROR && tls_conn_errno(tls) == 0)
            session_end(s, END_HANDSHAKE_FAILED, tls_conn_fault(tls));
    }
    session_end(s, END_HANDSHAKE_CLOSED, NULL);
}

bool session_send_away(struct session *s)
{
    if (s->client.has_failed || !greeter_start(&s->set->greeter, s->client.tls, s))
        return false;
    conn_hand_over(&s->client);
    return true;
}

void session_greeted(struct session *s, enum io_status status)
{
    bool has_missed = conn_take_back(&s->client);

    if (has_missed && (status == IO_WANT_READ || status == IO_WANT_WRITE))
        status = IO_YIELD; /* what it waits for may be there by now */
    s->greeted = status;
    if (s->stop != END_NONE)
        session_stop(s, s->stop);
    else
        session_step(s);
}

/* By ourselves, or by the greeter. */
static enum io_status shake(struct session *s)
{
    enum io_status status = s->greeted;

    s->greeted = IO_IDLE;
    if (status != IO_IDLE)
        return status;
    if (tls_conn_is_costly(s->client.tls) && session_set_hand_over(s->set, &s->turn))
        return IO_IDLE;
    return tls_conn_handshake(s->client.tls);
}

static enum session_state step_handshake(struct session *s)
{
    enum io_status status;

    if (s->client.has_failed) {
        end_lost_handshake(s);
        return s->state;
    }
    if (limits_of(s)->redirect != NULL)
        return SESSION_ROUTING;
    if (s->client.tls == NULL && !begin_tls(s))
        return s->is_plain ? SESSION_ROUTING : s->state;

    status = shake(s);
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
    channel_open(&s->in);
    if (limits_of(s)->tickets)
        tls_conn_send_ticket(s->client.tls);
    return SESSION_CONNECTING;
}

static bool is_offered(const struct session *s)
{
    unsigned offers = limits_of(s)->offers;

    return (offers & 1u << s->protocol) != 0 ||
           ((offers & OFFERS_REDIRECT) != 0 && s->protocol == PROTOCOL_HTTP);
}

static enum session_state start_http(struct session *s)
{
    if (session_http_start(s) < 0) {
        session_end(s, END_NO_MEMORY, no_memory);
        return s->state;
    }
    return SESSION_REQUEST;
}

/* The first request shows whether the client bears a ticket. */
static enum session_state step_request(struct session *s)
{
    enum session_state next = session_http_step_request(s);

    if (s->http->bears_ticket && s->client.tls != NULL)
        tls_conn_send_ticket(s->client.tls);
    s->http->bears_ticket = false;
    return next;
}

static enum session_state step_routing(struct session *s)
{
    enum io_status status = channel_fill(&s->in);

    if (status == IO_ERROR)
        session_end_client(s);
    else if (channel_held(&s->in) == 0 && s->in.state == CHANNEL_DRAINING)
        session_end(s, END_NO_REQUEST, NULL);
    if (s->end != END_NONE || channel_held(&s->in) == 0)
        return wait_client(s, status);

    s->client_wait = IO_IDLE;
    s->protocol = route_protocol(*buffer_head(s->in.buffer));
    if (s->protocol == PROTOCOL_NONE)
        session_end(s, END_UNKNOWN_PROTOCOL, NULL);
    else if (!is_offered(s))
        session_end(s, END_WRONG_PROTOCOL, NULL);
    else if (s->protocol == PROTOCOL_HTTP)
        return start_http(s);
    channel_open(&s->in);
    return s->end == END_NONE ? SESSION_CONNECTING : s->state;
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
        session_end_client(s);
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

static enum session_state relay_tunnel(struct session *s)
{
    note_first_close(s);
    if (s->client.has_failed || s->backend.has_failed)
        end_failed_side(s);
    else if (s->in.state == CHANNEL_SHUT && s->out.state == CHANNEL_SHUT)
        session_end(s, s->first_close, NULL);
    else if (s->in.state == CHANNEL_SHUT && conn_is_truncated(&s->client))
        session_end(s, END_CLIENT_TRUNCATED, NULL);
    return s->state;
}

static bool is_tunnel(const struct session *s)
{
    return s->http == NULL || s->http->is_upgraded;
}

static bool is_young(const struct session *s)
{
    return now_of(s) - s->accepted_ms < STREAM_MS;
}

/* A stream's bytes, for the worker that decides when to look again. */
static void note_moved(struct session *s, uint64_t bytes)
{
    struct batch_turn *moved = &s->set->moved;
    uint64_t delay_ns = limits_of(s)->batch_delay_us * 1000;

    s->moved_ms = now_of(s);
    if (is_young(s))
        return;
    s->set->streamed_ms = s->moved_ms;
    if (!is_tunnel(s))
        return;
    if (moved->streams == 0 || delay_ns < moved->delay_ns)
        moved->delay_ns = delay_ns;
    moved->streams++;
    moved->bytes += bytes;
}

static enum session_state step_relaying(struct session *s)
{
    uint64_t received = s->in.received + s->out.received;
    uint64_t delivered = s->in.delivered + s->out.delivered;
    enum io_status in;
    enum io_status out;

    in = channel_pump(&s->in, PUMP_BYTES);
    out = channel_pump(&s->out, PUMP_BYTES);

    received = s->in.received + s->out.received - received;
    if (received > 0 || s->in.delivered + s->out.delivered != delivered)
        note_moved(s, received);
    if (in == IO_OK || out == IO_OK || (in == IO_IDLE && channel_is_unblocked(&s->in)))
        session_set_make_ready(s->set, &s->turn);
    return is_tunnel(s) ? relay_tunnel(s) : session_http_relay(s);
}

bool session_is_starved(const struct session *s)
{
    if (s->state == SESSION_RELAYING)
        return channel_is_starved(&s->in) || channel_is_starved(&s->out);
    if (s->state == SESSION_ANSWERING)
        return channel_is_starved(&s->out);
    return s->client_wait == IO_STARVED;
}

/* ---- what it waits for ---- */

static void session_arm(struct session *s)
{
    conn_arm(&s->client);
    conn_arm(&s->backend);
    session_time_arm(s);
    if (s->client_wait == IO_YIELD && s->state == SESSION_HANDSHAKE)
        session_set_greet(s->set, &s->turn);
    else if (s->client_wait == IO_YIELD && s->state != SESSION_RELAYING)
        session_set_make_ready(s->set, &s->turn);
    else if (session_is_starved(s) && list_is_empty(&s->turn))
        list_append(&s->set->starved, &s->turn);
}

/* ---- the machine ---- */

static enum session_state (*const steps[])(struct session *) = {
    [SESSION_HANDSHAKE] = step_handshake, [SESSION_ROUTING] = step_routing,
    [SESSION_REQUEST] = step_request,     [SESSION_CONNECTING] = session_dial_step,
    [SESSION_RELAYING] = step_relaying,   [SESSION_ANSWERING] = session_http_step_answering,
};

static void enter(struct session *s, enum session_state next)
{
    s->state = next;
    s->entered_ms = now_of(s);
    s->moved_ms = s->entered_ms;
    session_log_state(s);
}

/* The kernel encrypts for this client, and the client wants other keys. */
static void end_if_keys_are_over(struct session *s)
{
    if (s->client.tls != NULL && tls_conn_needs_new_keys(s->client.tls))
        session_end(s, END_KEY_UPDATE, "kernel TLS cannot change keys as the client wishes");
}

static void end_if_late(struct session *s)
{
    struct deadline deadline = session_deadline(s);

    if (s->end == END_NONE && now_of(s) >= deadline.at_ms)
        session_end(s, deadline.reason, s->fault);
}

static void run(struct session *s)
{
    enum session_state next;

    if (s->state == SESSION_HANDSHAKE)
        end_if_late(s); /* whoever has waited in a crowd for too long is not greeted in vain */
    while (s->end == END_NONE && (next = steps[s->state](s)) != s->state)
        enter(s, next);
    end_if_keys_are_over(s);
    end_if_late(s);
}

void session_step(struct session *s)
{
    struct session_set *set = s->set;

    assert(s->end == END_NONE);
    if (s->client.is_away)
        return;
    list_remove(&s->turn);
    (void)conn_flush(&s->client); /* a failure is noted in the conn, and met by the step */
    run(s);
    if (s->end != END_NONE && session_http_tell(s)) {
        enter(s, SESSION_ANSWERING);
        run(s);
    }

    if (s->end != END_NONE)
        session_finish(s);
    else
        session_arm(s);
    session_set_feed(set);
}

void session_stop(struct session *s, enum end_reason reason)
{
    if (s->client.is_away) {
        s->stop = reason;
        return;
    }
    if (s->end == END_NONE) {
        session_end(s, reason, NULL);
        session_finish(s);
    }
    conn_close(&s->client, CONN_CLOSE); /* the kernel may still send, we do not wait for it */
    conn_close(&s->backend, CONN_CLOSE);
    session_linger(s);
}

/* A crowd not only shakes hands: it dials, says its first words, and may leave at once. */
static bool gives_way(const struct session *s)
{
    return is_young(s) && list_is_empty(&s->turn) && session_set_has_streams(s->set);
}

static void on_event(struct conn *c)
{
    struct session *s = c->owner;

    if (s->end != END_NONE)
        session_linger(s);
    else if (s->state == SESSION_HANDSHAKE || gives_way(s))
        session_set_greet(s->set, &s->turn);
    else
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
    conn_init(&s->client, on_event, s);
    conn_init(&s->backend, on_event, s);
    if (conn_open(&s->client, set->poller, fd) < 0) {
        free(s);
        return -1;
    }
    (void)uv_timer_init(set->loop, &s->timer);
    s->number = stats_next_session(set->stats);
    s->greeted = IO_IDLE;
    channel_init(&s->in, &s->client, &s->backend, &set->pool, POOL_FIRST_STEP);
    channel_init(&s->out, &s->backend, &s->client, &set->pool, POOL_NEXT_STEP);
    s->out.pipes = &set->pipes;
    s->in.headroom = front->config->max_header_bytes; /* it may be HTTP */
    list_init(&s->turn);
    list_init(&s->dial_turn);
    list_append(&set->all, &s->link);
    set->count++;

    enter(s, SESSION_HANDSHAKE);
    s->accepted_ms = s->entered_ms;
    session_set_greet(set, &s->turn); /* the ClientHello is there already, most often */
    return 0;
}
