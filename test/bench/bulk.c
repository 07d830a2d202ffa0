/* bulk.c - as many bytes as pass, one way, each compared with what it has to be. */
#include <sys/epoll.h>

#include "fail.h"
#include "load.h"
#include "pattern.h"

#define RECORD          ((size_t)16384)
#define RECORDS_AT_ONCE 8
#define TURNS           16 /* of one end before others get theirs */

static unsigned char received[PATTERN_SPAN];

static void start_at(struct end *e)
{
    e->position = (uint64_t)e->number * 7919;
}

static uint64_t start_of(const struct end *e)
{
    return (uint64_t)e->number * 7919;
}

static void note_progress(struct end *e, size_t n)
{
    e->position += n;
    load.bytes += n;
    if (load.limit && e->position == start_of(e) + load.limit)
        load.finished++;
}

static void receive(struct end *e)
{
    unsigned turn;
    ssize_t n;

    for (turn = 0; turn < TURNS * RECORDS_AT_ONCE; turn++) {
        n = end_read(e, received, sizeof(received));
        if (n == 0)
            return;
        if (n < 0)
            fail("a connection ended in the middle of its bytes");
        if (!pattern_matches(e->position, received, (size_t)n))
            fail("bytes arrived that were not sent so");
        note_progress(e, (size_t)n);
        if (!end_holds_more(e))
            return;
    }
}

static void begin_download(void)
{
    unsigned n;

    for (n = 0; n < load.connections; n++) {
        start_at(load.clients[n]);
        start_at(load.backends[n]);
        end_want(load.backends[n], EPOLLOUT);
    }
}

static void on_client_of_download(struct end *e, uint32_t events)
{
    (void)events;
    receive(e);
}

static size_t to_send(const struct end *e)
{
    uint64_t left = load.limit ? start_of(e) + load.limit - e->position : PATTERN_SPAN;

    return left < PATTERN_SPAN ? (size_t)left : PATTERN_SPAN;
}

static void on_backend_of_download(struct end *e, uint32_t events)
{
    size_t length, n;
    unsigned turn;

    if (!(events & EPOLLOUT)) {
        backend_awaits_end(e, events);
        return;
    }
    for (turn = 0; turn < TURNS; turn++) {
        length = to_send(e);
        if (length == 0) {
            end_want(e, EPOLLIN);
            return;
        }
        n = end_write(e, pattern_at(e->position), length);
        e->position += n;
        if (n < length)
            return;
    }
}

static void begin_upload(void)
{
    unsigned n;

    for (n = 0; n < load.connections; n++) {
        start_at(load.clients[n]);
        start_at(load.backends[n]);
        end_want(load.clients[n], EPOLLOUT);
    }
}

static void on_client_of_upload(struct end *e, uint32_t events)
{
    unsigned turn, n;

    (void)events;
    for (turn = 0; turn < TURNS && end_flush(e); turn++) {
        for (n = 0; n < RECORDS_AT_ONCE; n++)
            e->position += end_write(e, pattern_at(e->position), RECORD);
    }
}

static void on_backend_of_upload(struct end *e, uint32_t events)
{
    (void)events;
    receive(e);
}

const struct traffic bulk_download = {
    .name = "download",
    .begin = begin_download,
    .on_client = on_client_of_download,
    .on_backend = on_backend_of_download,
};

const struct traffic bulk_upload = {
    .name = "upload",
    .begin = begin_upload,
    .on_client = on_client_of_upload,
    .on_backend = on_backend_of_upload,
};
