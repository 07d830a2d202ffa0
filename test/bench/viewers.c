/* viewers.c - clients that read less than they are offered, or nothing. */
#include <stdlib.h>
#include <sys/epoll.h>

#include "fail.h"
#include "load.h"
#include "meter.h"
#include "pattern.h"

#define TICK 10000000 /* ns */

static uint64_t begun, ticks;

static void begin(void)
{
    unsigned n;

    for (n = 0; n < load.connections; n++) {
        end_want(load.clients[n], 0);
        end_want(load.backends[n], 0);
    }
    begun = clock_now();
}

/* `position` is what was passed on so far, of what the rate allows. */
static void offer(struct end *backend, uint64_t allowed)
{
    size_t length, n;

    while (backend->position < allowed) {
        length = (size_t)(allowed - backend->position);
        length = length < PATTERN_SPAN ? length : PATTERN_SPAN;
        n = end_write(backend, pattern_at(backend->position), length);
        backend->position += n;
        if (n < length)
            return;
    }
}

static void take(struct end *client, uint64_t allowed)
{
    static unsigned char bytes[16384];
    uint64_t left;
    ssize_t n;

    while (client->position < allowed) {
        left = allowed - client->position;
        n = end_read(client, bytes, left < sizeof(bytes) ? (size_t)left : sizeof(bytes));
        if (n < 0)
            fail("a viewer was closed");
        if (n == 0)
            return;
        if (!pattern_matches(client->position, bytes, (size_t)n))
            fail("bytes arrived that were not sent so");
        client->position += (uint64_t)n;
        load.bytes += (uint64_t)n;
    }
}

static uint64_t turn(uint64_t now)
{
    unsigned n;

    if (now < begun + ticks * TICK)
        return begun + ticks * TICK;
    ticks++;
    for (n = 0; n < load.connections; n++) {
        offer(load.backends[n], ticks * (load.rate / 100));
        take(load.clients[n], ticks * (load.reads / 100));
    }
    return begun + ticks * TICK;
}

static void on_client(struct end *e, uint32_t events)
{
    (void)e;
    if (events & EPOLLERR)
        fail("a viewer's connection broke");
}

const struct traffic viewers = {
    .name = "viewers",
    .is_slow = true,
    .begin = begin,
    .on_client = on_client,
    .on_backend = backend_awaits_end,
    .turn = turn,
};
