#include "proxy/session_set.h"

#include "proxy/session.h"
#include "proxy/session_http.h"

enum {
    BUFFERS_KEPT = 3, /* of each size: one session uses two at a time */
    PIPES_KEPT = 4,

    /* Of one turn, before who is being served is looked after again. A full RSA-2048
     * handshake cannot be divided, and takes longer. */
    HANDSHAKES_NS = 100 * 1000,
    HANDSHAKES_ALONE_NS = 2 * 1000 * 1000, /* where no stream waits: fewer looks at the sockets */

    /* Where streams fill the turns, who is new has a part of each that is as long as this part of
     * theirs. A full handshake, or half of one, then makes no difference to them. */
    HANDSHAKES_SHARE = 4,
    HANDSHAKE_NS = 500 * 1000,

    STREAMED_MS = 1000, /* a second without a byte of a stream: there is none */
};

static void on_answer(struct greeter *g, void *session, enum io_status status)
{
    (void)g;
    session_greeted(session, status);
}

void session_set_init(struct session_set *set, uv_loop_t *loop, struct poller *poller,
                      size_t buffers_max, size_t pipes_max)
{
    set->loop = loop;
    set->poller = poller;
    set->count = 0;
    set->is_draining = false;
    set->fed_count = 0;
    list_init(&set->all);
    list_init(&set->ready);
    list_init(&set->greeting);
    list_init(&set->crowd);
    greeter_init(&set->greeter, loop, poller, on_answer);
    set->streamed_ms = 0;
    set->has_crowd = false;
    list_init(&set->starved);
    for (size_t i = 0; i < STATS_BACKENDS; i++)
        list_init(&set->dialling[i]);
    pool_init(&set->pool, SESSION_BUFFER_BYTES, buffers_max, BUFFERS_KEPT);
    set->pool.small_bytes = SESSION_SMALL_BYTES;
    pipe_pool_init(&set->pipes, pipes_max, PIPES_KEPT);
}

bool session_set_is_busy(const struct session_set *set)
{
    return !list_is_empty(&set->ready) || !list_is_empty(&set->greeting) ||
           (!list_is_empty(&set->crowd) && greeter_under_way(&set->greeter) < GREETER_JOBS);
}

int session_set_timeout_ms(const struct session_set *set, int timeout_ms)
{
    int patience_ms = list_is_empty(&set->crowd) ? -1 : greeter_patience_ms(&set->greeter);

    if (session_set_is_busy(set))
        return 0;
    return patience_ms >= 0 && (timeout_ms < 0 || patience_ms < timeout_ms) ? patience_ms
                                                                            : timeout_ms;
}

/* Sessions that become ready meanwhile wait for the next turn of the loop, so
 * that sockets are polled in between. */
static void serve_ready(struct session_set *set)
{
    struct list now;
    struct list *node;

    list_init(&now);
    list_splice(&now, &set->ready);
    while ((node = list_take(&now)) != NULL)
        session_step(container_of(node, struct session, turn));
}

bool session_set_has_streams(const struct session_set *set)
{
    return set->streamed_ms > 0 && uv_now(set->loop) - set->streamed_ms < STREAMED_MS;
}

/* For how long who is new has his turn, when streams have had theirs. */
static uint64_t time_for_greeting_ns(const struct session_set *set, uint64_t now_ns)
{
    uint64_t share_ns = (now_ns - set->woke_ns) / HANDSHAKES_SHARE;

    if (!session_set_has_streams(set))
        return HANDSHAKES_ALONE_NS;
    return share_ns > HANDSHAKES_NS ? share_ns : HANDSHAKES_NS;
}

/* A stream would be kept waiting, by more than one handshake. */
static bool has_crowd(const struct session_set *set)
{
    return session_set_has_streams(set) &&
           (greeter_under_way(&set->greeter) > 0 || !list_is_empty(&set->greeting));
}

static void serve_greeting(struct session_set *set)
{
    uint64_t now_ns = uv_hrtime();
    uint64_t time_ns = time_for_greeting_ns(set, now_ns);
    uint64_t until_ns = now_ns + time_ns;
    struct list *node;

    while ((node = list_take(&set->greeting)) != NULL) {
        set->has_crowd = time_ns < HANDSHAKE_NS && has_crowd(set);
        session_step(container_of(node, struct session, turn));
        if (uv_hrtime() >= until_ns)
            break;
    }
    set->has_crowd = false;
}

/* By itself it goes on if there is no thread, or no buffer to send along: one in a turn. */
static void serve_crowd(struct session_set *set)
{
    while (!list_is_empty(&set->crowd) && greeter_under_way(&set->greeter) < GREETER_JOBS) {
        struct session *s = container_of(list_take(&set->crowd), struct session, turn);

        if (session_send_away(s))
            continue;
        session_step(s);
        return;
    }
    if (!list_is_empty(&set->crowd) && greeter_is_stuck(&set->greeter))
        session_step(container_of(list_take(&set->crowd), struct session, turn));
}

bool session_set_hand_over(struct session_set *set, struct list *turn)
{
    if (set->has_crowd)
        list_append(&set->crowd, turn);
    return set->has_crowd;
}

void session_set_turn(struct session_set *set)
{
    if (!list_is_empty(&set->ready))
        serve_ready(set);
    if (!list_is_empty(&set->greeting))
        serve_greeting(set);
    if (!list_is_empty(&set->crowd))
        serve_crowd(set);
}

void session_set_greet(struct session_set *set, struct list *turn)
{
    if (list_is_empty(turn))
        list_append(&set->greeting, turn);
}

void session_set_drain(struct session_set *set)
{
    struct list *node = set->all.next;

    set->is_draining = true;
    while (node != &set->all) {
        struct session *s = container_of(node, struct session, link);

        node = node->next;
        session_http_drain(s);
    }
}

void session_set_end_all(struct session_set *set, enum end_reason reason)
{
    struct list *node = set->all.next;

    while (node != &set->all) {
        struct session *s = container_of(node, struct session, link);

        node = node->next;
        session_stop(s, reason);
    }
}

void session_set_deinit(struct session_set *set)
{
    greeter_deinit(&set->greeter);
    pool_deinit(&set->pool);
    pipe_pool_deinit(&set->pipes);
}

void session_set_make_ready(struct session_set *set, struct list *turn)
{
    list_remove(turn);
    list_append(&set->ready, turn);
}

void session_set_feed(struct session_set *set)
{
    if (set->pool.put_count == set->fed_count || list_is_empty(&set->starved))
        return;
    set->fed_count = set->pool.put_count;
    session_set_make_ready(set, list_take(&set->starved));
}
