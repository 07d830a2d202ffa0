#include "test/unit/unit.h"

#include "base/pool.h"

#include <stdbool.h>

/* AddressSanitizer's count; gcc does not ship the header that declares it. */
size_t __sanitizer_get_current_allocated_bytes(void);

enum { SIZE = 16 };

/* One buffer, row after row. */
static void buffer_spans(void **state)
{
    static const struct {
        const char *name;
        size_t produce, consume; /* first this, then that */
        size_t start, end;
    } rows[] = {
        { "a new one is empty", 0, 0, 0, 0 },
        { "produced bytes lie at the tail", 5, 0, 0, 5 },
        { "consumed ones leave at the head", 0, 2, 2, 5 },
        { "consuming makes no room", 4, 1, 3, 9 },
        { "the last byte consumed moves it to the front", 0, 6, 0, 0 },
        { "full", SIZE, 0, 0, SIZE },
        { "full with consumed bytes", 0, SIZE - 1, SIZE - 1, SIZE },
        { "nothing produced, nothing consumed", 0, 0, SIZE - 1, SIZE },
        { "empty again", 0, 1, 0, 0 },
        { "produced and consumed at once", 3, 3, 0, 0 },
    };
    struct pool pool;
    struct buffer *b;

    (void)state;
    pool_init(&pool, SIZE, 1, 0);
    b = pool_get(&pool, POOL_LAST_STEP);
    assert_non_null(b);
    for (size_t i = 0; i < COUNT(rows); i++) {
        buffer_produce(b, rows[i].produce);
        buffer_consume(b, rows[i].consume);
        row_assert_int(&rows[i], buffer_head(b) - b->bytes, rows[i].start);
        row_assert_int(&rows[i], buffer_tail(b) - b->bytes, rows[i].end);
        row_assert_int(&rows[i], buffer_len(b), rows[i].end - rows[i].start);
        row_assert_int(&rows[i], buffer_room(b), SIZE - rows[i].end);
    }
    pool_put(&pool, b);
    pool_deinit(&pool);
}

/* In a buffer that holds "abcdef" behind some headroom, and is full up to some room. */
static void bytes_in_the_place_of_others(void **state)
{
    static const struct {
        const char *name;
        size_t headroom, offset, old_size;
        const char *bytes, *expected; /* NULL: no room */
        size_t start;
    } rows[] = {
        { "the same length", 4, 0, 2, "XY", "XYcdef", 4 },
        { "shorter, in front", 4, 0, 2, "X", "Xcdef", 5 },
        { "longer, into the headroom", 4, 0, 2, "123456", "123456cdef", 0 },
        { "behind others, which move", 4, 2, 2, "1234", "ab1234ef", 2 },
        { "nothing for something", 4, 2, 2, "", "abef", 6 },
        { "something for nothing", 4, 0, 0, "12", "12abcdef", 2 },
        { "at the end", 4, 6, 0, "12", "abcdef12", 2 },
        { "too long in front, so what is behind moves", 1, 2, 2, "12345", "ab12345ef", 1 },
        { "exactly as long as there is room behind", 0, 0, 0, "0123456789", "0123456789abcdef", 0 },
        { "too long", 0, 0, 0, "0123456789x", NULL, 0 },
        { "too long for each side alone", 5, 0, 0, "012345", NULL, 5 },
        { "all of it", 3, 0, 6, "", "", 9 },
    };
    struct pool pool;

    (void)state;
    pool_init(&pool, SIZE, 1, 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *expected = rows[i].expected != NULL ? rows[i].expected : "abcdef";
        struct buffer *b = pool_get(&pool, POOL_LAST_STEP);
        bool is_done;

        assert_non_null(b);
        buffer_leave_headroom(b, rows[i].headroom);
        memcpy(buffer_tail(b), "abcdef", 6);
        buffer_produce(b, 6);
        is_done = buffer_replace(b, rows[i].offset, rows[i].old_size, rows[i].bytes,
                                 strlen(rows[i].bytes));
        row_assert_int(&rows[i], is_done, rows[i].expected != NULL);
        row_assert_int(&rows[i], buffer_head(b) - b->bytes, rows[i].start);
        row_assert_int(&rows[i], buffer_len(b), strlen(expected));
        row_assert_int(&rows[i], memcmp(buffer_head(b), expected, strlen(expected)), 0);
        pool_put(&pool, b);
    }
    pool_deinit(&pool);
}

static void the_last_one_back_is_handed_out_first(void **state)
{
    struct buffer *a, *b;
    struct pool pool;

    (void)state;
    pool_init(&pool, SIZE, 4, 4);
    a = pool_get(&pool, POOL_LAST_STEP);
    b = pool_get(&pool, POOL_LAST_STEP);
    assert_ptr_not_equal(a, b);
    pool_put(&pool, b);
    pool_put(&pool, a);
    assert_ptr_equal(pool_get(&pool, POOL_LAST_STEP), a);
    assert_ptr_equal(pool_get(&pool, POOL_LAST_STEP), b);
    assert_int_equal(pool.free_count, 0);
    pool_put(&pool, a);
    pool_put(&pool, b);
    pool_deinit(&pool);
}

static void a_buffer_comes_empty(void **state)
{
    struct buffer *b;
    struct pool pool;

    (void)state;
    pool_init(&pool, SIZE, 1, 1);
    b = pool_get(&pool, POOL_LAST_STEP);
    buffer_produce(b, 7);
    buffer_consume(b, 3);
    pool_put(&pool, b);
    assert_ptr_equal(pool_get(&pool, POOL_LAST_STEP), b);
    assert_int_equal(buffer_len(b), 0);
    assert_int_equal(buffer_room(b), SIZE);
    pool_put(&pool, b);
    pool_deinit(&pool);
}

static void the_ceiling_holds(void **state)
{
    struct buffer *a, *b;
    struct pool pool;

    (void)state;
    pool_init(&pool, SIZE, 2, 2);
    a = pool_get(&pool, POOL_LAST_STEP);
    b = pool_get(&pool, POOL_LAST_STEP);
    assert_null(pool_get(&pool, POOL_LAST_STEP));
    assert_int_equal(pool.used_count, 2);
    pool_put(&pool, a);
    assert_ptr_equal(pool_get(&pool, POOL_LAST_STEP), a);
    pool_put(&pool, NULL);
    assert_null(pool_get(&pool, POOL_LAST_STEP));
    pool_put(&pool, a);
    pool.ceiling = 1; /* kept buffers do not count, used ones do */
    assert_null(pool_get(&pool, POOL_LAST_STEP));
    pool_put(&pool, b);
    pool_deinit(&pool);
}

/* Whoever is nearer to the end of a byte's way gets a buffer for longer. */
static void the_last_ones_are_for_the_last_steps(void **state)
{
    static const struct {
        const char *name;
        size_t ceiling, used;
        enum pool_rank rank;
        bool is_given;
    } rows[] = {
        { "first, below three quarters", 64, 47, POOL_FIRST_STEP, true },
        { "first, at three quarters", 64, 48, POOL_FIRST_STEP, false },
        { "next, at three quarters", 64, 48, POOL_NEXT_STEP, true },
        { "next, below seven eighths", 64, 55, POOL_NEXT_STEP, true },
        { "next, at seven eighths", 64, 56, POOL_NEXT_STEP, false },
        { "last, at seven eighths", 64, 56, POOL_LAST_STEP, true },
        { "last, below the ceiling", 64, 63, POOL_LAST_STEP, true },
        { "last, at the ceiling", 64, 64, POOL_LAST_STEP, false },
        { "an eighth is rounded up: next", 9, 7, POOL_NEXT_STEP, false },
        { "an eighth is rounded up: first", 9, 5, POOL_FIRST_STEP, false },
        { "of four: first", 4, 1, POOL_FIRST_STEP, true },
        { "of four: first, all for the others", 4, 2, POOL_FIRST_STEP, false },
        { "of four: next", 4, 2, POOL_NEXT_STEP, true },
        { "of four: next, all for the last", 4, 3, POOL_NEXT_STEP, false },
        { "of two: nothing for the first", 2, 0, POOL_FIRST_STEP, false },
        { "of one: nothing for the next", 1, 0, POOL_NEXT_STEP, false },
        { "of one: all for the last", 1, 0, POOL_LAST_STEP, true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buffer *used[64];
        struct buffer *b;
        struct pool pool;

        pool_init(&pool, SIZE, rows[i].ceiling, 0);
        for (size_t n = 0; n < rows[i].used; n++)
            row_assert(&rows[i], (used[n] = pool_get(&pool, POOL_LAST_STEP)) != NULL);
        b = pool_get(&pool, rows[i].rank);
        row_assert(&rows[i], (b != NULL) == rows[i].is_given);
        pool_put(&pool, b);
        for (size_t n = 0; n < rows[i].used; n++)
            pool_put(&pool, used[n]);
        pool_deinit(&pool);
    }
}

static void a_burst_leaves_no_memory_behind(void **state)
{
    enum { BURST = 8, KEEP = 2, BYTES = 1000 };
    struct buffer *burst[BURST];
    struct pool pool;
    size_t before = __sanitizer_get_current_allocated_bytes();

    (void)state;
    pool_init(&pool, BYTES, BURST, KEEP);
    for (size_t i = 0; i < BURST; i++)
        burst[i] = pool_get(&pool, POOL_LAST_STEP);
    assert_true(__sanitizer_get_current_allocated_bytes() - before >= (size_t)BURST * BYTES);

    for (size_t i = 0; i < BURST; i++)
        pool_put(&pool, burst[i]);
    assert_int_equal(pool.used_count, 0);
    assert_int_equal(pool.free_count, KEEP);
    assert_int_equal(__sanitizer_get_current_allocated_bytes() - before,
                     KEEP * (sizeof(struct buffer) + BYTES));

    pool_deinit(&pool);
    assert_int_equal(pool.free_count, 0);
    assert_int_equal(__sanitizer_get_current_allocated_bytes(), before);
}

static void few_bytes_take_a_small_buffer(void **state)
{
    static const struct {
        const char *name;
        size_t small_bytes, bytes, size;
    } rows[] = {
        { "none are small", 0, 1, SIZE },
        { "fits", 4, 1, 4 },
        { "fits exactly", 4, 4, 4 },
        { "does not fit", 4, 5, SIZE },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buffer *large, *b;
        struct pool pool;

        pool_init(&pool, SIZE, 2, 2);
        pool.small_bytes = rows[i].small_bytes;
        b = pool_get_for(&pool, POOL_LAST_STEP, rows[i].bytes);
        row_assert_int(&rows[i], b->size, rows[i].size);
        large = pool_get(&pool, POOL_LAST_STEP);
        row_assert_int(&rows[i], large->size, SIZE);
        row_assert(&rows[i], pool_get_for(&pool, POOL_LAST_STEP, 1) == NULL);
        pool_put(&pool, large);
        pool_put(&pool, b);
        row_assert(&rows[i], pool_get_for(&pool, POOL_LAST_STEP, rows[i].bytes) == b);
        pool_put(&pool, b);
        pool_deinit(&pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_spans),
        cmocka_unit_test(bytes_in_the_place_of_others),
        cmocka_unit_test(the_last_one_back_is_handed_out_first),
        cmocka_unit_test(a_buffer_comes_empty),
        cmocka_unit_test(the_ceiling_holds),
        cmocka_unit_test(the_last_ones_are_for_the_last_steps),
        cmocka_unit_test(few_bytes_take_a_small_buffer),
        cmocka_unit_test(a_burst_leaves_no_memory_behind),
    };

    return cmocka_run_group_tests_name("buffer, pool", tests, NULL, NULL);
}
