#include "proxy/batch.h"

enum {
    WINDOW_NS = 10 * 1000 * 1000,
    SMALL_BYTES = 8 * 1024, /* of a stream at once: more of it fills buffers, and pays for waking */
    STREAMS_WORTH = 2,      /* in a delay */
    OVERSLEPT = 3,          /* times what was asked for */
    PUT_OFF_FIRST_NS = 20 * 1000 * 1000,
    PUT_OFF_MOST_NS = 1000 * 1000 * 1000,
};

static bool is_small(const struct batch *b)
{
    return b->bytes < b->streams * SMALL_BYTES;
}

/* How many streams were ready in a delay, on the average. */
static bool has_many(const struct batch *b, uint64_t elapsed_ns)
{
    return b->streams * b->delay_ns > STREAMS_WORTH * elapsed_ns;
}

static void put_off(struct batch *b, uint64_t now_ns)
{
    if (b->put_off_ns == 0)
        b->put_off_ns = PUT_OFF_FIRST_NS;
    b->off_until_ns = now_ns + b->put_off_ns;
    b->put_off_ns =
        b->put_off_ns < PUT_OFF_MOST_NS / 2 ? b->put_off_ns * 2 : (uint64_t)PUT_OFF_MOST_NS;
}

static void decide(struct batch *b, uint64_t now_ns)
{
    uint64_t elapsed_ns = now_ns - b->window_ns;

    if (!b->is_on) {
        b->is_on = now_ns >= b->off_until_ns && is_small(b) && has_many(b, elapsed_ns);
    } else if (b->streams < STREAMS_WORTH * b->wakes) {
        b->is_on = false;
        put_off(b, now_ns);
    } else {
        b->is_on = is_small(b) && b->delay_ns > 0;
        b->put_off_ns = 0;
    }
    b->window_ns = now_ns;
    b->streams = b->bytes = 0;
    b->wakes = 0;
}

uint64_t batch_next(struct batch *b, const struct batch_turn *turn, uint64_t now_ns)
{
    if (turn->streams > 0) {
        if (b->streams == 0 || turn->delay_ns < b->delay_ns)
            b->delay_ns = turn->delay_ns;
        b->streams += turn->streams;
        b->bytes += turn->bytes;
        b->wakes++;
    }
    if (now_ns - b->window_ns >= WINDOW_NS)
        decide(b, now_ns);
    return b->is_on ? b->delay_ns : 0;
}

void batch_slept(struct batch *b, uint64_t asked_ns, uint64_t slept_ns, uint64_t now_ns)
{
    if (!b->is_on || slept_ns < OVERSLEPT * asked_ns)
        return;
    b->is_on = false;
    put_off(b, now_ns);
}
