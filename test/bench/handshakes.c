#include "handshakes.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fail.h"
#include "greeting.h"
#include "load.h"
#include "meter.h"

#define EVENTS 64

static struct shared {
    _Atomic uint64_t done, resumed;
} * shared;
static pid_t child;

static void begin_one(uint32_t number);

static void on_ready(struct end *e)
{
    uint32_t number = e->number;

    shared->done++;
    shared->resumed += end_is_resumed(e);
    end_shut(e);
    begin_one(number);
}

static void begin_one(uint32_t number)
{
    greeting_connect(number, GREETING_HANDSHAKE, false, on_ready);
}

static void on_backend(struct end *backend)
{
    backend->on_event = backend_awaits_end;
}

static void on_stray(struct end *backend)
{
    (void)backend;
    fail("a stream was opened when all were there");
}

static _Noreturn void run(unsigned slots, int listener)
{
    struct epoll_event events[EVENTS], accepting = { .events = EPOLLIN, .data.ptr = NULL };
    int epoll = epoll_create1(EPOLL_CLOEXEC), n, count;

    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &accepting))
        fail("no epoll for the handshakes");
    ends_use(epoll);
    while (slots > 0)
        begin_one(--slots);
    for (;;) {
        count = epoll_wait(epoll, events, EVENTS, -1);
        for (n = 0; n < count; n++) {
            struct end *e = events[n].data.ptr;

            if (e)
                e->on_event(e, events[n].events);
            else
                greeting_accept(listener, false, on_stray, on_backend);
        }
    }
}

void handshakes_start(unsigned slots, int listener)
{
    struct sched_param none = { 0 };

    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        fail("no memory");
    child = fork();
    if (child < 0)
        fail("no process for the handshakes");
    if (child > 0)
        return;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) ||
        (load.connections > 0 && sched_setscheduler(0, SCHED_IDLE, &none)))
        fail("the handshakes cannot be given a lower priority");
    run(slots, listener);
}

struct handshake_counts handshakes_read(void)
{
    struct handshake_counts counts = { 0 };
    int status;

    if (!child)
        return counts;
    if (waitpid(child, &status, WNOHANG) == child)
        fail("the handshakes ended");
    counts.done = shared->done;
    counts.resumed = shared->resumed;
    counts.own = processor_time_of(child);
    return counts;
}

void handshakes_stop(void)
{
    if (!child)
        return;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}
