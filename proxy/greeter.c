#include "proxy/greeter.h"

#include "base/list.h"
#include "base/slice.h"
#include "tls/tls.h"

#include <assert.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    STUCK_MS = 5, /* then the loop does one itself, now and then */

    /* It gives way as good as always, but has its share where some other program keeps the
     * processors: SCHED_IDLE would leave nothing, and handshakes would take seconds. */
    NICE = 19,
};

static struct greeter_job *job_of(struct greeter *g, unsigned number)
{
    return &g->jobs[number % GREETER_JOBS];
}

/* ---- in the thread ---- */

static void work(void *user)
{
    struct greeter *g = user;
    const uint64_t one = 1;

    (void)setpriority(PRIO_PROCESS, 0, NICE); /* of this thread alone (setpriority(2)) */
    slice_ask(0);                             /* the loop's is shorter then, and comes first */
    for (unsigned number = 0;; number++) {
        struct greeter_job *job = job_of(g, number);

        uv_sem_wait(&g->todo);
        if (job->tls == NULL)
            return;
        job->status = tls_conn_handshake(job->tls);
        atomic_store_explicit(&job->is_done, true, memory_order_release);
        (void)!write(g->event_fd, &one, sizeof(one));
    }
}

/* ---- in the loop ---- */

/* Each write is an edge, so the count is never read. */
static void on_event(struct watch *w, uint32_t events)
{
    struct greeter *g = container_of(w, struct greeter, watch);

    (void)events;
    while (g->answered != g->started) {
        struct greeter_job *job = job_of(g, g->answered);

        if (!atomic_load_explicit(&job->is_done, memory_order_acquire))
            return;
        g->answered++;
        g->moved_ms = uv_now(g->loop);
        tls_conn_take_back(job->tls);
        g->on_answer(g, job->owner, job->status);
    }
}

void greeter_init(struct greeter *g, uv_loop_t *loop, struct poller *poller,
                  greeter_callback *on_answer)
{
    *g = (struct greeter){ .loop = loop, .poller = poller, .on_answer = on_answer, .event_fd = -1 };
    g->watch.on_event = on_event;
}

static int open_thread(struct greeter *g)
{
    g->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (g->event_fd < 0)
        return -1;
    if (poller_add(g->poller, &g->watch, g->event_fd, EPOLLIN | EPOLLET) < 0)
        goto close_event;
    if (uv_sem_init(&g->todo, 0) < 0)
        goto remove_watch;
    if (uv_thread_create(&g->thread, work, g) == 0) {
        return 0;
    }

    uv_sem_destroy(&g->todo);
remove_watch:
    poller_remove(g->poller, &g->watch, g->event_fd);
close_event:
    (void)close(g->event_fd);
    g->event_fd = -1;
    return -1;
}

void greeter_deinit(struct greeter *g)
{
    assert(greeter_under_way(g) == 0);
    if (g->event_fd < 0)
        return;
    job_of(g, g->started)->tls = NULL;
    uv_sem_post(&g->todo);
    (void)uv_thread_join(&g->thread);
    uv_sem_destroy(&g->todo);
    poller_forget(&g->watch);
    (void)close(g->event_fd);
}

unsigned greeter_under_way(const struct greeter *g)
{
    return g->started - g->answered;
}

bool greeter_start(struct greeter *g, struct tls_conn *tls, void *owner)
{
    struct greeter_job *job = job_of(g, g->started);

    if (greeter_under_way(g) == GREETER_JOBS || (g->event_fd < 0 && open_thread(g) < 0) ||
        !tls_conn_hand_over(tls))
        return false;
    if (greeter_under_way(g) == 0)
        g->moved_ms = uv_now(g->loop);
    job->tls = tls;
    job->owner = owner;
    atomic_store_explicit(&job->is_done, false, memory_order_relaxed);
    g->started++;
    uv_sem_post(&g->todo);
    return true;
}

int greeter_patience_ms(const struct greeter *g)
{
    return greeter_under_way(g) > 0 ? STUCK_MS : -1;
}

bool greeter_is_stuck(struct greeter *g)
{
    uint64_t now = uv_now(g->loop);

    if (greeter_under_way(g) == 0 || now - g->moved_ms < STUCK_MS)
        return false;
    g->moved_ms = now;
    return true;
}
