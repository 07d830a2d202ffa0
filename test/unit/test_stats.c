#include "test/unit/unit.h"

#include "proxy/backend_numbers.h"
#include "proxy/stats.h"

#include <sys/mman.h>
#include <sys/wait.h>

/* Sessions and dials are counted alike: each step is taken with both. */
static void a_limit_is_over_all_slots(void **state)
{
    enum { MAX = 3, BACKEND = 7 };
    enum what { START, END, CLEAR };
    static const struct {
        const char *name;
        enum what what;
        size_t slot;
        bool is_granted;
    } rows[] = {
        { "the first", START, 0, true },
        { "another slot", START, 1, true },
        { "the last there is", START, 0, true },
        { "one too many", START, 0, false },
        { "one too many in another slot", START, 1, false },
        { "one ends", END, 0, true },
        { "its place is taken by another slot", START, 1, true },
        { "full again", START, 0, false },
        { "the worker with two died", CLEAR, 1, true },
        { "two places", START, 0, true },
        { "two places, the second", START, 0, true },
        { "full once more", START, 1, false },
    };
    struct stats *stats = stats_new();

    (void)state;
    assert_non_null(stats);
    stats_clear_slot(stats, 0);
    stats_clear_slot(stats, 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t slot = rows[i].slot;

        switch (rows[i].what) {
        case START:
            row_assert_int(&rows[i], stats_session_start(stats, slot, MAX), rows[i].is_granted);
            row_assert_int(&rows[i], stats_dial_start(stats, slot, BACKEND, MAX),
                           rows[i].is_granted);
            break;
        case END:
            stats_session_end(stats, slot);
            stats_dial_end(stats, slot, BACKEND);
            break;
        case CLEAR:
            stats_clear_slot(stats, slot);
            break;
        }
    }
    stats_free(stats);
}

static void each_backend_has_its_own_limit(void **state)
{
    struct stats *stats = stats_new();

    (void)state;
    stats_clear_slot(stats, 0);
    assert_true(stats_dial_start(stats, 0, 0, 1));
    assert_true(stats_dial_start(stats, 0, STATS_BACKENDS - 1, 1));
    assert_false(stats_dial_start(stats, 0, 0, 1));
    assert_true(stats_session_start(stats, 0, 1));
    stats_free(stats);
}

static void the_last_slot_counts(void **state)
{
    struct stats *stats = stats_new();

    (void)state;
    stats_clear_slot(stats, STATS_SLOTS - 1);
    assert_int_equal(atomic_load(&stats->slot_count), STATS_SLOTS);
    assert_true(stats_session_start(stats, STATS_SLOTS - 1, 1));
    assert_false(stats_session_start(stats, 0, 1));
    stats_free(stats);
}

enum { PROCESSES = 4, TURNS = 2000, MAX = 2 };

/* What the processes share besides the stats. */
struct witness {
    atomic_uint ready;
    atomic_uint sessions; /* granted at this moment */
    atomic_uint granted;
    atomic_uint over;          /* times there were more than MAX */
    atomic_uint_least64_t sum; /* of the numbers that were given */
};

static void take_turns(struct stats *stats, size_t slot, struct witness *w)
{
    atomic_fetch_add(&w->ready, 1);
    while (atomic_load(&w->ready) < PROCESSES)
        continue;
    for (int i = 0; i < TURNS; i++) {
        atomic_fetch_add(&w->sum, stats_next_session(stats));
        if (!stats_session_start(stats, slot, MAX))
            continue;
        if (atomic_fetch_add(&w->sessions, 1) >= MAX)
            atomic_fetch_add(&w->over, 1);
        atomic_fetch_add(&w->granted, 1);
        atomic_fetch_sub(&w->sessions, 1);
        stats_session_end(stats, slot);
    }
}

static void processes_never_exceed_the_maximum(void **state)
{
    const uint64_t numbers = (uint64_t)PROCESSES * TURNS;
    struct stats *stats = stats_new();
    struct witness *w =
        mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(w, MAP_FAILED);
    for (size_t slot = 0; slot < PROCESSES; slot++)
        stats_clear_slot(stats, slot);
    for (size_t slot = 0; slot < PROCESSES; slot++)
        if (fork() == 0) {
            take_turns(stats, slot, w);
            _exit(0);
        }
    for (size_t i = 0; i < PROCESSES; i++) {
        int status = -1;

        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }

    assert_int_equal(w->over, 0);
    assert_true(w->granted > 0);
    assert_int_equal(w->sum, numbers * (numbers + 1) / 2); /* each number once */
    for (size_t slot = 0; slot < PROCESSES; slot++)
        assert_int_equal(stats->slots[slot].sessions, 0);
    (void)munmap(w, sizeof(*w));
    stats_free(stats);
}

static void slots_are_taken_and_given_back(void **state)
{
    struct stats *stats = stats_new();

    (void)state;
    for (int i = 0; i < STATS_SLOTS; i++)
        assert_int_equal(stats_take_slot(stats), i);
    assert_int_equal(stats_take_slot(stats), -1);
    stats_give_slot(stats, 17);
    assert_int_equal(stats_take_slot(stats), 17);
    assert_int_equal(stats_take_slot(stats), -1);
    stats_free(stats);
}

static void a_backend_keeps_its_number_while_somebody_has_it(void **state)
{
    struct backend_numbers numbers = { 0 };
    char text[16];

    (void)state;
    assert_int_equal(backend_numbers_take(&numbers, "a:1"), 0);
    assert_int_equal(backend_numbers_take(&numbers, "b:1"), 1);
    assert_int_equal(backend_numbers_take(&numbers, "b:1"), 1); /* the next generation */
    backend_numbers_give(&numbers, 0);
    backend_numbers_give(&numbers, 1);
    assert_int_equal(backend_numbers_take(&numbers, "c:1"), 0);
    assert_int_equal(backend_numbers_take(&numbers, "b:1"), 1);
    for (int i = 2; i < STATS_BACKENDS; i++) {
        (void)snprintf(text, sizeof(text), "d:%d", i);
        assert_int_equal(backend_numbers_take(&numbers, text), i);
    }
    assert_int_equal(backend_numbers_take(&numbers, "e:1"), -1);
    assert_int_equal(backend_numbers_take(&numbers, "c:1"), 0);
    for (int i = 0; i < STATS_BACKENDS; i++)
        while (numbers.rows[i].text != NULL)
            backend_numbers_give(&numbers, i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_is_over_all_slots),
        cmocka_unit_test(each_backend_has_its_own_limit),
        cmocka_unit_test(the_last_slot_counts),
        cmocka_unit_test(processes_never_exceed_the_maximum),
        cmocka_unit_test(slots_are_taken_and_given_back),
        cmocka_unit_test(a_backend_keeps_its_number_while_somebody_has_it),
    };

    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
