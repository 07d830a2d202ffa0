#include "test/unit/unit.h"

#include "tls/ramp.h"
#include "tls/tls.h"

enum { FULL = TLS_TEXT_BYTES, SMALL = RAMP_TEXT_BYTES };

/* One connection after the other, each up to the next row that is its first. */
static const struct {
    const char *name;
    bool is_first;
    uint32_t now_ms;
    size_t text_bytes; /* of its records */
    size_t sends;
} writes[] = {
    { "at the start", true, 5000, SMALL, 1000 },
    { "up to the last byte of 64 kB", false, 5000, SMALL, RAMP_BYTES - 1001 },
    { "that byte", false, 5001, SMALL, 1 },
    { "behind it", false, 5002, FULL, 500000 },
    { "after 0.9 s", false, 5901, FULL, 1 },
    { "after another 0.9 s", false, 6800, FULL, 1 },
    { "after a second", false, 7800, SMALL, 1 },
    { "all at once", true, 0, SMALL, SIZE_MAX },
    { "behind that", false, 0, FULL, SIZE_MAX },
    { "a moment later", false, 999, FULL, 1 },
    { "long after", false, UINT32_MAX - 10, SMALL, RAMP_BYTES },
    { "the clock goes round", false, 10, FULL, 1 },
};

static void the_size_of_records(void **state)
{
    struct ramp r = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(writes); i++) {
        if (writes[i].is_first)
            r = (struct ramp){ .sent_bytes = 0 };
        row_assert_int(&writes[i], ramp_text_bytes(&r, writes[i].now_ms), writes[i].text_bytes);
        ramp_note(&r, writes[i].sends, writes[i].now_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_size_of_records) };

    return cmocka_run_group_tests_name("ramp", tests, NULL, NULL);
}
