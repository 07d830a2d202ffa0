#include "proxy/session_time.h"

#include "base/list.h"
#include "proxy/exchange.h"
#include "proxy/session_end.h"
#include "proxy/session_set.h"

enum { STARVED_MS = 100 }; /* between tries for memory, if nobody gives a buffer back */

static uint64_t now_of(const struct session *s)
{
    return uv_now(s->set->loop);
}

/* Between two requests, or within a head: the first head counts from the first
 * byte of the session. */
static struct deadline request_deadline(const struct session *s)
{
    const struct listener_config *l = s->front->config;

    if (s->head_ms != 0)
        return (struct deadline){ s->head_ms + l->header_timeout_ms, END_HEADER_TIMEOUT };
    return (struct deadline){ s->entered_ms + l->keepalive_timeout_ms, END_KEEPALIVE_TIMEOUT };
}

/* Nothing moves, and it is the backend that should. */
static bool is_backend_late(const struct session *s)
{
    return s->http->response == PART_GATHERED || conn_is_blocked(&s->backend) ||
           (s->http->expects_continue && !s->http->has_continued);
}

/* While a body passes, only its progress counts; while a response is awaited,
 * only how long that takes. */
static struct deadline exchange_deadline(const struct session *s)
{
    const struct listener_config *l = s->front->config;

    if (s->is_ending)
        return (struct deadline){ s->moved_ms + l->half_close_timeout_ms, END_HALF_CLOSE_TIMEOUT };
    if (s->http->response != PART_HEAD || s->asked_ms == 0)
        return (struct deadline){ s->moved_ms + l->idle_timeout_ms,
                                  is_backend_late(s) ? END_RESPONSE_TIMEOUT : END_IDLE_TIMEOUT };
    return (struct deadline){ s->asked_ms + l->response_timeout_ms, END_RESPONSE_TIMEOUT };
}

static struct deadline relaying_deadline(const struct session *s)
{
    const struct listener_config *l = s->front->config;

    if (s->http != NULL && !s->http->is_upgraded)
        return exchange_deadline(s);
    if (s->in.state == CHANNEL_SHUT || s->out.state == CHANNEL_SHUT)
        return (struct deadline){ s->moved_ms + l->half_close_timeout_ms, END_HALF_CLOSE_TIMEOUT };
    return (struct deadline){ s->moved_ms + l->idle_timeout_ms, END_IDLE_TIMEOUT };
}

/* Until the backend is reached a deadline is absolute: bytes do not move it. */
struct deadline session_deadline(const struct session *s)
{
    const struct listener_config *l = s->front->config;

    switch (s->state) {
    case SESSION_HANDSHAKE:
        return (struct deadline){ s->accepted_ms + l->handshake_timeout_ms, END_HANDSHAKE_TIMEOUT };
    case SESSION_ROUTING:
        return (struct deadline){ s->entered_ms + l->first_byte_timeout_ms,
                                  END_FIRST_BYTE_TIMEOUT };
    case SESSION_REQUEST:
        return request_deadline(s);
    case SESSION_CONNECTING:
        return (struct deadline){ s->entered_ms + l->connect_timeout_ms,
                                  s->attempts > 0 ? END_CONNECT_FAILED : END_CONNECT_TIMEOUT };
    case SESSION_ANSWERING:
        return (struct deadline){ s->moved_ms + l->half_close_timeout_ms, s->answer_end };
    case SESSION_RELAYING:
        break;
    }
    return relaying_deadline(s);
}

static bool is_moving(const struct session *s)
{
    return s->state == SESSION_RELAYING || s->state == SESSION_ANSWERING;
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
        session_linger(s);
        return;
    }
    if (is_moving(s))
        note_unsent(s);
    session_step(s);
}

void session_time_look_again(struct session *s, unsigned ms)
{
    (void)uv_timer_start(&s->timer, on_timer, ms, 0);
}

void session_time_arm(struct session *s)
{
    uint64_t now = now_of(s);
    uint64_t due = session_deadline(s).at_ms;
    uint64_t half_way = s->moved_ms + (due - s->moved_ms) / 2;

    if (s->state == SESSION_CONNECTING && !s->backend.is_open && s->retry_ms < due)
        due = s->retry_ms;
    if (is_moving(s) && half_way > now) /* to see what the kernel sends */
        due = half_way;
    if (session_is_starved(s) && due > now + STARVED_MS)
        due = now + STARVED_MS;
    if (s->timer_due_ms != 0 && s->timer_due_ms <= due)
        return;
    s->timer_due_ms = due;
    /* never 0: libuv would run it in this same turn, and again */
    (void)uv_timer_start(&s->timer, on_timer, due > now ? due - now : 1, 0);
}
