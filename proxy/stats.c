#include "proxy/stats.h"

#include <sys/mman.h>

struct stats *stats_new(void)
{
    void *p =
        mmap(NULL, sizeof(struct stats), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return p != MAP_FAILED ? p : NULL;
}

void stats_free(struct stats *stats)
{
    if (stats != NULL)
        (void)munmap(stats, sizeof(*stats));
}

int stats_take_slot(struct stats *stats)
{
    for (int i = 0; i < STATS_SLOTS; i++)
        if (!stats->is_taken[i]) {
            stats->is_taken[i] = true;
            return i;
        }
    return -1;
}

void stats_give_slot(struct stats *stats, int slot)
{
    stats->is_taken[slot] = false;
}

void stats_clear_slot(struct stats *stats, size_t slot)
{
    atomic_store(&stats->slots[slot].sessions, 0);
    for (size_t i = 0; i < STATS_BACKENDS; i++)
        atomic_store(&stats->slots[slot].dials[i], 0);
    if (slot >= atomic_load(&stats->slot_count))
        atomic_store(&stats->slot_count, slot + 1);
}

uint64_t stats_next_session(struct stats *stats)
{
    return atomic_fetch_add(&stats->sessions_seen, 1) + 1;
}

/* Two that count themselves at the same moment may both step back; the limit
 * is never passed, and whoever stepped back tries again. */
bool stats_session_start(struct stats *stats, size_t slot, unsigned max)
{
    uint64_t sum = 0;

    atomic_fetch_add(&stats->slots[slot].sessions, 1);
    for (size_t i = 0; i < atomic_load(&stats->slot_count); i++)
        sum += atomic_load(&stats->slots[i].sessions);
    if (sum <= max)
        return true;
    stats_session_end(stats, slot);
    return false;
}

void stats_session_end(struct stats *stats, size_t slot)
{
    atomic_fetch_sub(&stats->slots[slot].sessions, 1);
}

bool stats_dial_start(struct stats *stats, size_t slot, size_t backend, unsigned max)
{
    uint64_t sum = 0;

    atomic_fetch_add(&stats->slots[slot].dials[backend], 1);
    for (size_t i = 0; i < atomic_load(&stats->slot_count); i++)
        sum += atomic_load(&stats->slots[i].dials[backend]);
    if (sum <= max)
        return true;
    stats_dial_end(stats, slot, backend);
    return false;
}

void stats_dial_end(struct stats *stats, size_t slot, size_t backend)
{
    atomic_fetch_sub(&stats->slots[slot].dials[backend], 1);
}
