/* batch.h - whether a worker sleeps a little before it looks for events.
 *
 * Hundreds of streams with small messages wake a worker for each of them, and to fall
 * asleep and wake up costs more than the message does. As a network card that moderates its
 * interrupts, a worker that is woken very often waits up to batch_delay, and then serves
 * all that came.
 *
 *    off --streams are ready more than twice in a delay, with little each--> on
 *    on  --a sleep brings less than two of them, or much of each--> off
 *
 * What comes one by one, each after the answer to the one before, comes no faster for being
 * waited for. Sleeps show which it is; where they bring nothing the next try is put off, longer
 * each time. So it is where sleeps take much longer than they should: something else wants this
 * processor, and whoever sleeps gives his turn away. There is no clock and no sleep in here.
 */
#ifndef PROXY_BATCH_H
#define PROXY_BATCH_H

#include <stdbool.h>
#include <stdint.h>

struct batch {
    bool is_on;
    uint64_t window_ns; /* when what follows began to be counted */
    uint64_t delay_ns;  /* the shortest that a stream of the window allows */
    uint64_t streams;   /* moved bytes */
    uint64_t bytes;
    uint64_t wakes;
    uint64_t off_until_ns;
    uint64_t put_off_ns; /* for how long, the next time */
};

/* What moved in one turn of the loop. */
struct batch_turn {
    unsigned streams;
    uint64_t bytes;
    uint64_t delay_ns; /* the shortest batch_delay of these streams */
};

/* A turn is over. Returns for how long to sleep now, in nanoseconds. */
uint64_t batch_next(struct batch *b, const struct batch_turn *turn, uint64_t now_ns);

/* That sleep of `asked_ns` is over, after `slept_ns`. */
void batch_slept(struct batch *b, uint64_t asked_ns, uint64_t slept_ns, uint64_t now_ns);

#endif
