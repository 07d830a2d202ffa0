#include "proxy/session_http.h"

#include "proxy/exchange.h"
#include "proxy/request.h"
#include "proxy/response.h"
#include "proxy/session_end.h"
#include "proxy/session_set.h"

#include <string.h>

/* Before others have their turn. */
enum { ANSWER_BYTES = 512 * 1024, HEAD_TURNS = 32 };

static uint64_t now_of(const struct session *s)
{
    return uv_now(s->set->loop);
}

int session_http_start(struct session *s)
{
    s->http = exchange_new(s->front, s->client.tls, &s->address, &s->in, &s->out);
    if (s->http == NULL)
        return -1;
    s->http->is_draining = &s->set->is_draining;
    s->in.judge = request_judge;
    s->out.judge = response_judge;
    s->head_ms = now_of(s);
    channel_judge_again(&s->in); /* the first bytes were read before there was a judge */
    return 0;
}

/* ---- REQUEST ---- */

/* A backend may close between two requests: the next one dials anew. What it
 * says unasked can only be meant for a request that was never made. */
static void look_at_backend(struct session *s)
{
    enum io_status status = IO_ERROR;
    unsigned char byte;

    if (!s->backend.is_open)
        return;
    if (!s->backend.has_failed)
        status = conn_peek(&s->backend, &byte);
    if (status == IO_OK)
        session_end(s, END_BAD_RESPONSE, "bytes that no request asked for");
    else if (status == IO_EOF || status == IO_ERROR)
        conn_close(&s->backend, CONN_CLOSE);
}

/* The client says no more, or need not be listened to any more. */
static void end_idle(struct session *s)
{
    const struct exchange *x = s->http;

    if (s->in.state != CHANNEL_OPEN)
        session_end(s, conn_is_truncated(&s->client) ? END_CLIENT_TRUNCATED : END_CLIENT_CLOSED,
                    NULL);
    else if (exchange_is_draining(x) && x->count > 0 && channel_held(&s->in) == 0 &&
             !conn_is_blocked(&s->client)) /* else the last response is still on its way */
        session_end(s, END_FINISHED, NULL);
}

static enum session_state take_request(struct session *s)
{
    struct exchange *x = s->http;

    s->client_wait = IO_IDLE;
    s->head_ms = 0;
    s->asked_ms = 0;
    s->attempts = 0;
    s->retry_ms = 0;
    x->is_reused = s->backend.is_open;
    if (x->answer == NULL)
        return x->is_reused ? SESSION_RELAYING : SESSION_CONNECTING;
    s->end_state = SESSION_REQUEST;
    if (x->tls == NULL)
        s->answer_end = s->front->config->redirect != NULL ? END_FINISHED : END_PLAIN_HTTP;
    else
        s->answer_end = END_FINISHED;
    return SESSION_ANSWERING;
}

static bool is_head_wanted(const struct exchange *x)
{
    return x->request == PART_HEAD && x->answer == NULL && x->end == END_NONE;
}

/* TLS may hold more than one read gives, and no poll would tell. */
static enum io_status fill_head(struct session *s)
{
    enum io_status status;
    int turns = HEAD_TURNS;

    do
        status = channel_fill(&s->in);
    while (status == IO_OK && is_head_wanted(s->http) && s->in.state == CHANNEL_OPEN &&
           --turns > 0);
    return status == IO_OK && turns == 0 ? IO_YIELD : status;
}

enum session_state session_http_step_request(struct session *s)
{
    struct exchange *x = s->http;
    enum io_status status = IO_OK;

    look_at_backend(s);
    if (is_head_wanted(x))
        status = fill_head(s);
    if (status == IO_ERROR)
        session_end_client(s);
    if (x->end != END_NONE)
        session_end(s, x->tls == NULL && s->front->tls != NULL ? END_PLAIN_HTTP : x->end, x->fault);
    if (s->end != END_NONE)
        return s->state;

    if (x->request != PART_HEAD || x->answer != NULL)
        return take_request(s);
    if (s->head_ms == 0 && channel_held(&s->in) > 0)
        s->head_ms = now_of(s);
    end_idle(s);
    s->client_wait = status;
    return s->state;
}

/* ---- RELAYING ---- */

static enum session_state go_on_ending(struct session *s)
{
    if (s->out.state == CHANNEL_SHUT)
        session_end(s, s->answer_end, s->fault);
    else if (s->client.has_failed)
        session_end_client(s);
    return s->state;
}

/* The client's connection ends behind what was delivered: with close_notify,
 * which may have to wait. From here on the session does nothing else: whatever
 * the client still sends belongs to a request that has its response. */
static enum session_state finish(struct session *s, enum end_reason reason, const char *fault)
{
    s->is_ending = true;
    s->answer_end = reason;
    s->fault = fault;
    s->in.is_held = true;
    s->out.must_not_end = false;
    s->out.state = CHANNEL_DRAINING;
    if (channel_pump(&s->out, ANSWER_BYTES) == IO_OK)
        session_set_make_ready(s->set, &s->turn);
    return go_on_ending(s);
}

static enum session_state finish_exchange(struct session *s)
{
    struct exchange *x = s->http;

    if (x->has_surplus)
        return finish(s, END_BAD_RESPONSE, "bytes behind the end of a response");
    if (x->is_last || s->in.state != CHANNEL_OPEN)
        return finish(s, s->out.state != CHANNEL_OPEN ? END_BACKEND_CLOSED : END_FINISHED, NULL);
    if (x->is_backend_last || s->out.state != CHANNEL_OPEN)
        conn_close(&s->backend, CONN_CLOSE);
    s->out.state = CHANNEL_OPEN;
    x->is_reused = s->backend.is_open;
    exchange_next(x);
    return SESSION_REQUEST;
}

/* The backend is gone, and the response is not all there. */
static enum session_state lose_backend(struct session *s)
{
    bool is_reset = s->backend.has_failed;

    if (exchange_replay(s->http)) {
        conn_close(&s->backend, CONN_CLOSE);
        s->out.state = CHANNEL_OPEN;
        return SESSION_CONNECTING;
    }
    if (s->http->response != PART_HEAD)
        session_end(s, END_BACKEND_TRUNCATED, is_reset ? strerror(s->backend.error) : NULL);
    else if (is_reset)
        session_end(s, END_BACKEND_RESET, strerror(s->backend.error));
    else
        session_end(s, END_BACKEND_CLOSED, "no whole response");
    return s->state;
}

/* A reset is an end too, for what was read before it. */
static void note_backend(struct session *s)
{
    if (!s->backend.has_failed || s->out.state != CHANNEL_OPEN)
        return;
    s->out.state = CHANNEL_DRAINING;
    s->http->is_backend_broken = true;
}

static void note_asked(struct session *s)
{
    if (s->asked_ms == 0 && exchange_request_is_done(s->http))
        s->asked_ms = now_of(s);
}

enum session_state session_http_relay(struct session *s)
{
    struct exchange *x = s->http;
    bool is_answered;

    if (s->is_ending)
        return go_on_ending(s);
    note_backend(s);
    note_asked(s);
    is_answered = exchange_response_is_done(x);
    if (s->client.has_failed)
        session_end_client(s);
    else if (x->end != END_NONE)
        session_end(s, x->end, x->fault);
    else if (is_answered && exchange_request_is_done(x))
        return finish_exchange(s);
    else if (is_answered && (x->is_last || s->out.state != CHANNEL_OPEN))
        return finish(s, s->out.state != CHANNEL_OPEN ? END_BACKEND_CLOSED : END_FINISHED, NULL);
    else if (s->in.state != CHANNEL_OPEN &&
             (exchange_request_is_cut(x) || conn_is_truncated(&s->client)))
        session_end(s, conn_is_truncated(&s->client) ? END_CLIENT_TRUNCATED : END_CLIENT_CLOSED,
                    NULL);
    else if (exchange_response_is_cut(x))
        return lose_backend(s);
    return s->state;
}

/* ---- ANSWERING ---- */

/* The error that the client is told: none where the response has begun, or
 * nothing was asked. */
static unsigned status_for(const struct session *s)
{
    const struct exchange *x = s->http;

    if (x == NULL || x->is_final_seen || x->is_upgraded || s->is_answered || s->client.has_failed)
        return 0;
    if (s->end == x->end && x->status != 0)
        return x->status;
    if (s->end == END_PLAIN_HTTP)
        return 400;
    return x->request == PART_HEAD && ends[s->end].status >= 500 ? 0 : ends[s->end].status;
}

bool session_http_tell(struct session *s)
{
    unsigned status = status_for(s);

    if (status == 0 || !exchange_answer_error(s->http, status))
        return false;
    s->answer_end = s->end;
    s->end = END_NONE;
    return true;
}

/* Whatever the backend still has to say is not wanted. */
static void leave_backend(struct session *s)
{
    bool is_cut = s->http->request == PART_BODY && !exchange_request_is_done(s->http);

    session_release_dial(s);
    conn_close(&s->backend, is_cut ? CONN_RESET : CONN_CLOSE);
}

static void start_answer(struct session *s)
{
    struct exchange *x = s->http;

    s->is_answered = true;
    if (x->is_last)
        leave_backend(s);
    channel_feed(&s->out, x->answer, x->answer_bytes);
    if (x->file != NULL)
        channel_feed(&s->out, x->file->bytes, x->file->len);
    s->out.is_held = true; /* nothing is read from a backend meanwhile */
    if (!x->is_last)
        return;
    s->out.must_not_end = false;
    s->out.state = CHANNEL_DRAINING;
}

enum session_state session_http_step_answering(struct session *s)
{
    uint64_t before = s->out.delivered;
    enum io_status status;

    if (!s->is_answered)
        start_answer(s);
    status = channel_pump(&s->out, ANSWER_BYTES);
    if (before != s->out.delivered)
        s->moved_ms = now_of(s);
    if (s->client.has_failed || s->out.state == CHANNEL_SHUT)
        session_end(s, s->answer_end, s->fault);
    if (s->end != END_NONE)
        return s->state;
    if (status == IO_OK)
        session_set_make_ready(s->set, &s->turn);
    if (s->http->is_last || channel_is_fed(&s->out) || channel_held(&s->out) > 0)
        return s->state;
    s->is_answered = false;
    exchange_next(s->http);
    return SESSION_REQUEST;
}

void session_http_drain(struct session *s)
{
    if (s->end == END_NONE && s->state == SESSION_REQUEST)
        session_step(s);
}
