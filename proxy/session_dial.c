#include "proxy/session_dial.h"

#include "base/error.h"
#include "proxy/session_end.h"
#include "proxy/session_set.h"
#include "proxy/stats.h"

#include <errno.h>
#include <string.h>

enum { DIAL_TURN_MS = 5 }; /* between looks for a place that another worker gave back */

static uint64_t now_of(const struct session *s)
{
    return uv_now(s->set->loop);
}

/* There was a connection, and it was reset; behind a FIN Linux calls that EPIPE
 * (net/ipv4/tcp_input.c, tcp_reset). */
static bool is_reset(int error)
{
    return error == ECONNRESET || error == ECONNABORTED || error == EPIPE;
}

/* Refused and unreachable are worth another try. A reset is none: dialling twice is not
 * for a proxy to decide. */
static enum session_state retry_later(struct session *s, int error)
{
    if (is_reset(error) || error_is_shortage(error)) {
        session_end(s, error_is_shortage(error) ? END_NO_MEMORY : END_BACKEND_RESET,
                    strerror(error));
        return s->state;
    }
    session_release_dial(s);
    conn_close(&s->backend, CONN_CLOSE);
    s->fault = strerror(error);
    s->retry_ms = now_of(s) + backend_retry_delay_ms(s->attempts++);
    return s->state;
}

static enum session_state end_dial(struct session *s)
{
    session_release_dial(s);
    s->backend.salvages = s->http != NULL; /* an answer may stand before its reset */
    s->fault = NULL;
    s->attempts = 0;
    s->retry_ms = 0;
    return SESSION_RELAYING;
}

/* First come, first served. A place that this worker gives back wakes the first of those
 * who wait; only that one looks for what others give back. */
static bool take_turn(struct session *s, const struct backend *b)
{
    struct list *queue = &s->set->dialling[b->index];
    bool is_first = list_is_empty(queue) || queue->next == &s->dial_turn;

    if (is_first && stats_dial_start(s->set->stats, s->set->slot, b->index, b->max_dials)) {
        session_take_dial(s);
        return true;
    }
    if (list_is_empty(&s->dial_turn))
        list_append(queue, &s->dial_turn);
    s->fault = "no turn among max_dials";
    s->retry_ms = is_first ? now_of(s) + DIAL_TURN_MS : UINT64_MAX;
    return false;
}

static enum session_state start_dial(struct session *s)
{
    const struct backend *b = session_backend(s);
    enum io_status status;
    int error = 0;
    int fd;

    if (now_of(s) < s->retry_ms)
        return s->state;
    if (!take_turn(s, b))
        return s->state;
    s->is_dialled = true;
    s->fault = "no answer";
    status = backend_dial(b, s->attempts, &fd, &error);
    if (status == IO_ERROR)
        return retry_later(s, error);
    if (conn_open(&s->backend, s->set->poller, fd) < 0) {
        session_end(s, END_NO_MEMORY, "memory has run out");
        return s->state;
    }
    s->backend.is_drained = true; /* what comes first is told by an event */
    if (status == IO_OK)
        return end_dial(s);
    s->backend.is_full = true; /* writable is what tells the end of a dial */
    return s->state;
}

enum session_state session_dial_step(struct session *s)
{
    if (s->client.has_failed) {
        session_end_client(s);
        return s->state;
    }
    if (!s->backend.is_open)
        return start_dial(s);
    if (s->backend.has_failed)
        return retry_later(s, s->backend.error);
    return s->backend.is_full ? s->state : end_dial(s);
}
