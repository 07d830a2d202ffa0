/* stats.h - counters in shared memory, a slot for each worker.
 *
 * Each slot is written by its worker alone, and read by all: a limit over all
 * workers is the sum over the slots. The master clears the slot of a worker
 * that died, so its share comes back.
 */
#ifndef PROXY_STATS_H
#define PROXY_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STATS_SLOTS = 256,   /* workers of all generations */
    STATS_BACKENDS = 64, /* different backends of all generations */
};

struct stats_slot {
    _Alignas(64) atomic_uint sessions;
    atomic_uint dials[STATS_BACKENDS]; /* connections being opened, by backend */
};

struct stats {
    atomic_uint_least64_t sessions_seen; /* the last session's number */
    atomic_size_t slot_count;            /* slots that were ever used; written by the master */
    bool is_taken[STATS_SLOTS];          /* the master's book */
    struct stats_slot slots[STATS_SLOTS];
};

/* Zeroed memory that forked processes share. NULL if there is none. */
struct stats *stats_new(void);
void stats_free(struct stats *stats);

/* For the master: a slot for one more worker, -1 if there is none; and back. */
int stats_take_slot(struct stats *stats);
void stats_give_slot(struct stats *stats, int slot);

/* For the master, before a worker starts with the slot or when it is gone. */
void stats_clear_slot(struct stats *stats, size_t slot);

uint64_t stats_next_session(struct stats *stats);

/* Count one more in `slot` unless all slots together have `max` already. */
bool stats_session_start(struct stats *stats, size_t slot, unsigned max);
void stats_session_end(struct stats *stats, size_t slot);
bool stats_dial_start(struct stats *stats, size_t slot, size_t backend, unsigned max);
void stats_dial_end(struct stats *stats, size_t slot, size_t backend);

#endif
