#include "test/unit/unit.h"

#include "proxy/batch.h"

enum { US = 1000, MS = 1000 * US, DELAY_NS = 500 * US };

/* A second of turns, `every_us` apart, that each move `bytes` of `streams`, until the worker
 * sleeps; then one for each sleep, with `asleep` streams. */
struct load {
    const char *name;
    unsigned every_us;
    unsigned streams;
    unsigned asleep;
    unsigned bytes; /* of each stream */
    uint64_t delay_ns;
    unsigned sleeps_min, sleeps_max;
};

static const struct load loads[] = {
    { "a crowd of small messages", 50, 1, 10, 2000, DELAY_NS, 900, 2000 },
    { "one answer after the other", 25, 1, 1, 2000, DELAY_NS, 1, 300 },
    { "few wake-ups", 1000, 1, 1, 2000, DELAY_NS, 0, 0 },
    { "bulk", 50, 2, 2, 100000, DELAY_NS, 0, 0 },
    { "a crowd that must not wait", 50, 1, 10, 2000, 0, 0, 0 },
    { "no streams", 50, 0, 0, 0, DELAY_NS, 0, 0 },
};

static unsigned sleeps_of(const struct load *l)
{
    struct batch b = { .is_on = false };
    uint64_t now = 0, sleep = 0;
    unsigned sleeps = 0;

    while (now < 1000ull * MS) {
        const struct batch_turn turn = { .streams = sleep > 0 ? l->asleep : l->streams,
                                         .bytes = (uint64_t)l->bytes *
                                                  (sleep > 0 ? l->asleep : l->streams),
                                         .delay_ns = l->delay_ns };

        now += (uint64_t)l->every_us * US + sleep;
        sleep = batch_next(&b, &turn, now);
        sleeps += sleep > 0;
    }
    return sleeps;
}

static void sleeps(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(loads); i++) {
        unsigned n = sleeps_of(&loads[i]);

        if (n < loads[i].sleeps_min || n > loads[i].sleeps_max)
            fail_msg("%s: %u sleeps in a second", loads[i].name, n);
    }
}

/* The shortest delay of those that moved in a window is kept to. */
static void nobody_waits_longer_than_he_may(void **state)
{
    struct batch b = { .is_on = false };
    uint64_t now = 0, sleep = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        const struct batch_turn turn = { .streams = 10,
                                         .bytes = 10000,
                                         .delay_ns = i % 2 == 0 ? DELAY_NS : 100 * US };

        now += 20 * US + sleep;
        sleep = batch_next(&b, &turn, now);
        assert_true(sleep <= DELAY_NS);
    }
    assert_int_equal(sleep, 100 * US);
}

/* On a processor that something else keeps busy; which is found out again now and then. */
static void who_oversleeps_sleeps_no_more(void **state)
{
    const struct batch_turn turn = { .streams = 10, .bytes = 10000, .delay_ns = DELAY_NS };
    struct batch b = { .is_on = false };
    uint64_t now = 0, sleep = 0;
    unsigned sleeps = 0, good = 0;

    (void)state;
    while (now < 10000ull * MS) {
        now += 50 * US;
        sleep = batch_next(&b, &turn, now);
        if (sleep == 0)
            continue;
        sleeps++;
        now += 3 * MS;
        batch_slept(&b, sleep, 3 * MS, now);
    }
    assert_in_range(sleeps, 10, 20); /* 20 ms, 40, 80 ... and then each second */

    for (uint64_t until = now + 2000ull * MS; now < until; now += 50 * US + sleep) {
        sleep = batch_next(&b, &turn, now);
        good += sleep > 0;
        batch_slept(&b, sleep, 2 * sleep, now);
    }
    assert_in_range(good, 1500, 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleeps),
        cmocka_unit_test(nobody_waits_longer_than_he_may),
        cmocka_unit_test(who_oversleeps_sleeps_no_more),
    };

    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
