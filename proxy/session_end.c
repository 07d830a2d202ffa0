#include "proxy/session_end.h"

#include "base/list.h"
#include "proxy/exchange.h"
#include "proxy/session_log.h"
#include "proxy/session_set.h"
#include "proxy/session_time.h"
#include "proxy/stats.h"
#include "tls/tls.h"

#include <stdlib.h>
#include <string.h>

enum {
    LINGER_LOOK_MS = 50,   /* between looks at what the kernel has sent */
    DISCARD_MAX_MS = 5000, /* of a request that was answered before it was all there */
};

void session_end(struct session *s, enum end_reason reason, const char *fault)
{
    if (s->end != END_NONE)
        return;
    s->end = reason;
    s->fault = fault;
    if (s->state != SESSION_ANSWERING) /* what is answered has its state already */
        s->end_state = s->state;
}

void session_end_client(struct session *s)
{
    if (s->client.error != 0)
        session_end(s, END_CLIENT_RESET, strerror(s->client.error));
    else
        session_end(s, END_TLS_ERROR, tls_conn_fault(s->client.tls));
}

/* The first of those who wait tries at once; the others are behind it. */
static void wake_next_dial(struct session_set *set, const struct list *queue)
{
    struct session *first;

    if (list_is_empty(queue))
        return;
    first = container_of(queue->next, struct session, dial_turn);
    first->retry_ms = 0;
    session_set_make_ready(set, &first->turn);
}

void session_release_dial(struct session *s)
{
    const struct list *queue;

    if (!s->has_dial && list_is_empty(&s->dial_turn))
        return;
    queue = &s->set->dialling[session_backend(s)->index];
    list_remove(&s->dial_turn);
    if (s->has_dial)
        stats_dial_end(s->set->stats, s->set->slot, session_backend(s)->index);
    s->has_dial = false;
    wake_next_dial(s->set, queue);
}

void session_take_dial(struct session *s)
{
    list_remove(&s->dial_turn);
    s->has_dial = true;
    wake_next_dial(s->set, &s->set->dialling[session_backend(s)->index]);
}

static void on_timer_closed(uv_handle_t *timer)
{
    struct session *s = container_of((uv_timer_t *)timer, struct session, timer);
    struct session_set *set = s->set;

    stats_session_end(set->stats, set->slot);
    list_remove(&s->link);
    exchange_free(s->http);
    free(s);
    set->count--;
    set->on_freed(set);
}

/* Bytes will be missing from what has gone this way: part of an HTTP message, or
 * what a tunnel was given. */
static bool is_broken_off(const struct session *s, const struct channel *ch)
{
    const struct exchange *x = s->http;

    if (x == NULL || x->is_upgraded)
        return channel_held(ch) > 0 || s->client.has_failed || s->backend.has_failed;
    if (channel_judged(ch) > 0 || ch->target->has_failed)
        return true;
    if (ch == &s->out)
        return x->is_final_seen && !exchange_response_is_done(x);
    return x->request == PART_BODY && !exchange_request_is_done(x);
}

/* Where bytes will be missing, a clean end is a lie. */
static enum conn_close manner_for(const struct session *s, const struct channel *ch)
{
    bool is_told = s->is_answered && s->out.state == CHANNEL_SHUT;

    if (is_told)
        return CONN_CLOSE;
    if (ends[s->end].manner == END_RESET || is_broken_off(s, ch) || conn_is_blocked(ch->target))
        return CONN_RESET;
    return CONN_CLOSE;
}

/* Say good-bye to one side, where it will be true; `ch` leads there, and is NULL
 * where nothing can be said yet. */
static void say_end(struct conn *c, const struct channel *ch, enum conn_close how)
{
    if (how == CONN_RESET)
        conn_close(c, CONN_RESET);
    else if (ch != NULL && ch->state != CHANNEL_SHUT && c->is_open)
        (void)conn_shutdown(c);
}

/* Nothing was taken from the kernel's queues for too long. */
static bool has_lingered(struct session *s, uint64_t now)
{
    size_t unsent = conn_unsent(&s->client) + conn_unsent(&s->backend);

    if (unsent < s->unsent_bytes)
        s->linger_until_ms = now + s->front->config->half_close_timeout_ms;
    s->unsent_bytes = unsent;
    return now >= s->linger_until_ms;
}

/* What a closed socket is sent is answered by an RST, and that overtakes and
 * destroys the bytes still on their way to a slow reader. So a side is closed
 * when the kernel has nothing left to send to it, its own end has come, or it took
 * nothing for half_close_timeout. A client that is still sending a request which
 * has its answer already is listened to for a while. */
void session_linger(struct session *s)
{
    struct conn *sides[] = { &s->client, &s->backend };
    uint64_t now = uv_now(s->set->loop);
    bool is_waiting = false;

    for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
        bool is_patient = sides[i] == &s->client && now < s->discard_until_ms;

        if (!sides[i]->is_open)
            continue;
        if (conn_is_lingering(sides[i], is_patient))
            is_waiting = true;
        else
            conn_close(sides[i], CONN_CLOSE);
    }
    if (is_waiting && !has_lingered(s, now)) {
        session_time_look_again(s, LINGER_LOOK_MS);
        return;
    }
    conn_close(&s->client, CONN_RESET);
    conn_close(&s->backend, CONN_RESET);
    if (!uv_is_closing((uv_handle_t *)&s->timer))
        uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

/* The client may not have read the answer to a request that it is still sending. */
static bool is_client_sending(const struct session *s)
{
    const struct exchange *x = s->http;

    if (x == NULL || x->is_upgraded || s->in.state != CHANNEL_OPEN || s->client.has_failed)
        return false;
    return (s->is_answered || x->is_final_seen) && !exchange_request_is_done(x);
}

void session_finish(struct session *s)
{
    enum conn_close to_client = manner_for(s, &s->out);
    enum conn_close to_backend = manner_for(s, &s->in);

    session_log_end(s);
    session_release_dial(s);
    if (is_client_sending(s))
        s->discard_until_ms = uv_now(s->set->loop) + DISCARD_MAX_MS;
    list_remove(&s->turn);
    channel_deinit(&s->in);
    channel_deinit(&s->out);

    say_end(&s->client, s->end_state >= SESSION_ROUTING ? &s->out : NULL, to_client);
    say_end(&s->backend, &s->in, to_backend);
    s->unsent_bytes = SIZE_MAX;
    session_linger(s);
}
