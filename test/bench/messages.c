/* messages.c - many live streams: each gets messages of 1 to 4 kB at its turn, and how long each
 * was under way is noted.
 *
 * A message says whose and which it is, how long, and when it was sent; the rest of it is pattern.
 */
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "load.h"
#include "meter.h"
#include "pattern.h"

#define SHORTEST 1000
#define LONGEST  4000
#define AT_ONCE                                                                                    \
    32 /* messages that are late are sent in such portions, with a look at the sockets in between  \
        */

struct head {
    uint32_t stream;
    uint32_t number;
    uint32_t length; /* of all */
    uint32_t mark;
    uint64_t sent;
};

/* What of a client's stream has not been judged yet. */
struct stream {
    uint32_t number; /* of the message that is awaited */
    size_t held;
    unsigned char bytes[2 * 16384];
};

static uint64_t sent, begun;
static uint32_t *numbers; /* of the next message, by stream */

static uint32_t length_of(uint32_t stream, uint32_t number)
{
    uint32_t n = (stream * 2654435761U) ^ (number * 2246822519U);

    n ^= n >> 15;
    return SHORTEST + n % (LONGEST - SHORTEST + 1);
}

static uint64_t place_of(uint32_t stream, uint32_t number)
{
    return (uint64_t)stream * 7919 + (uint64_t)number * 131;
}

static void begin(void)
{
    unsigned n;

    numbers = calloc(load.connections, sizeof(*numbers));
    if (!numbers)
        fail("no memory");
    for (n = 0; n < load.connections; n++) {
        load.clients[n]->state = calloc(1, sizeof(struct stream));
        if (!load.clients[n]->state)
            fail("no memory");
    }
    begun = clock_now();
}

static void send_message(struct end *backend)
{
    static unsigned char message[LONGEST];
    uint32_t number = numbers[backend->number]++;
    struct head head = { .stream = backend->number,
                         .number = number,
                         .length = length_of(backend->number, number),
                         .sent = clock_now() };

    memcpy(message, &head, sizeof(head));
    memcpy(message + sizeof(head), pattern_at(place_of(head.stream, number)),
           head.length - sizeof(head));
    if (end_write(backend, message, head.length) != head.length)
        fail("a stream stood still until the kernel's buffers were full");
}

static uint64_t turn(uint64_t now)
{
    uint64_t due = (now - begun) * load.rate / 1000000000, stop = sent + AT_ONCE;

    for (; sent < due && sent < stop; sent++)
        send_message(load.backends[sent % load.connections]);
    return begun + (sent + 1) * 1000000000 / load.rate + 1;
}

/* The length of the message that is whole at `bytes`, or 0. */
static size_t judge(const struct end *client, struct stream *stream, const unsigned char *bytes,
                    size_t length, uint64_t now)
{
    struct head head;

    if (length < sizeof(head))
        return 0;
    memcpy(&head, bytes, sizeof(head));
    if (head.stream != client->number || head.number != stream->number ||
        head.length != length_of(head.stream, head.number))
        fail("a message arrived that was not the next of its stream");
    if (length < head.length)
        return 0;
    if (!pattern_matches(place_of(head.stream, head.number), bytes + sizeof(head),
                         head.length - sizeof(head)))
        fail("a message arrived that was not sent so");
    stream->number++;
    load.units++;
    load.bytes += head.length;
    sample_add(now - head.sent);
    return head.length;
}

static void judge_all(const struct end *client, struct stream *stream)
{
    uint64_t now = clock_now();
    size_t begin_of = 0, n;

    while ((n = judge(client, stream, stream->bytes + begin_of, stream->held - begin_of, now)) > 0)
        begin_of += n;
    stream->held -= begin_of;
    memmove(stream->bytes, stream->bytes + begin_of, stream->held);
}

static void on_client(struct end *e, uint32_t events)
{
    struct stream *stream = e->state;
    ssize_t n;

    (void)events;
    do {
        n = end_read(e, stream->bytes + stream->held, sizeof(stream->bytes) - stream->held);
        if (n < 0)
            fail("a stream ended");
        stream->held += (size_t)n;
        judge_all(e, stream);
    } while (n > 0 && end_holds_more(e));
}

const struct traffic messages = {
    .name = "messages",
    .begin = begin,
    .on_client = on_client,
    .on_backend = backend_awaits_end,
    .turn = turn,
};
