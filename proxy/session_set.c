#include "proxy/session_set.h"

#include "proxy/session.h"
#include "proxy/session_http.h"

enum { BUFFERS_KEPT = 16 };

/* Sessions that become ready meanwhile wait for the next turn of the loop, so
 * that sockets are polled in between. */
static void on_turn(uv_idle_t *idle)
{
    struct session_set *set = container_of(idle, struct session_set, turn);
    struct list now;
    struct list *node;

    list_init(&now);
    list_splice(&now, &set->ready);
    (void)uv_idle_stop(&set->turn);
    while ((node = list_take(&now)) != NULL)
        session_step(container_of(node, struct session, turn));
}

int session_set_init(struct session_set *set, uv_loop_t *loop, size_t buffers_max)
{
    set->loop = loop;
    set->count = 0;
    set->is_draining = false;
    set->fed_count = 0;
    list_init(&set->all);
    list_init(&set->ready);
    list_init(&set->starved);
    pool_init(&set->pool, SESSION_BUFFER_BYTES, buffers_max, BUFFERS_KEPT);
    return uv_idle_init(loop, &set->turn);
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

void session_set_close(struct session_set *set)
{
    uv_close((uv_handle_t *)&set->turn, NULL);
}

void session_set_deinit(struct session_set *set)
{
    pool_deinit(&set->pool);
}

void session_set_make_ready(struct session_set *set, struct list *turn)
{
    list_remove(turn);
    list_append(&set->ready, turn);
    (void)uv_idle_start(&set->turn, on_turn);
}

void session_set_feed(struct session_set *set)
{
    if (set->pool.put_count == set->fed_count || list_is_empty(&set->starved))
        return;
    set->fed_count = set->pool.put_count;
    session_set_make_ready(set, list_take(&set->starved));
}
