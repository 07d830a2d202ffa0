#include "test/unit/unit.h"

#include "proxy/channel.h"
#include "test/unit/fake_conn.h"

enum { BUFFER_BYTES = 8, PUMPS = 3, STEPS = 6, NO_BUDGET = 1000 };

/* clang-format off */
#define GIVES(text)   { IO_OK, text, 0 }
#define TAKES(count)  { IO_OK, NULL, count }
#define SAYS(status)  { status, NULL, 0 }
#define TWICE(status) SAYS(status), SAYS(status)
#define THEN(...)     { __VA_ARGS__, SAYS(IO_IDLE) }
#define NOTHING       { SAYS(IO_IDLE) }
/* clang-format on */

/* What is seen after a pump. */
struct after {
    enum io_status status;
    const char *taken; /* by the target, since the beginning */
    enum channel_state state;
    size_t held;
    int read_wait, write_wait; /* for which event of the sockets; 0: for none */
};

/* A script for each side, and what each pump leaves. Between two pumps the
 * target is noticed, that is, not blocked any more. */
/* clang-format off */
static const struct row {
    const char *name;
    size_t budget;
    struct fake_step reads[STEPS], writes[STEPS], shutdowns[STEPS];
    struct after after[PUMPS];
} rows[] = {
    { "nothing there", NO_BUDGET,
      NOTHING, NOTHING, NOTHING,
      { { IO_IDLE, "", CHANNEL_OPEN, 0, IO_WANT_READ, 0 } } },
    { "bytes in order", NO_BUDGET,
      THEN(GIVES("abc"), GIVES("def")), NOTHING, NOTHING,
      { { IO_IDLE, "abcdef", CHANNEL_OPEN, 0, IO_WANT_READ, 0 } } },
    { "bytes come later", NO_BUDGET,
      THEN(SAYS(IO_WANT_READ), GIVES("abc")), NOTHING, NOTHING,
      { { IO_IDLE, "", CHANNEL_OPEN, 0, IO_WANT_READ, 0 },
        { IO_IDLE, "abc", CHANNEL_OPEN, 0, IO_WANT_READ, 0 } } },
    { "a short write holds the rest", NO_BUDGET,
      THEN(GIVES("abcdef"), GIVES("gh")), THEN(TAKES(2), SAYS(IO_WANT_WRITE)), NOTHING,
      { { IO_IDLE, "ab", CHANNEL_OPEN, 4, 0, IO_WANT_WRITE },
        { IO_IDLE, "abcdefgh", CHANNEL_OPEN, 0, IO_WANT_READ, 0 } } },
    { "a full buffer asks for no reads", NO_BUDGET,
      THEN(GIVES("abcdefgh"), GIVES("ij")), THEN(TWICE(IO_WANT_WRITE), TAKES(1), SAYS(IO_WANT_WRITE)), NOTHING,
      { { IO_IDLE, "", CHANNEL_OPEN, 8, 0, IO_WANT_WRITE },
        { IO_IDLE, "a", CHANNEL_OPEN, 7, 0, IO_WANT_WRITE },
        { IO_IDLE, "abcdefghij", CHANNEL_OPEN, 0, IO_WANT_READ, 0 } } },
    { "the source ends", NO_BUDGET,
      THEN(GIVES("abc"), SAYS(IO_EOF)), NOTHING, NOTHING,
      { { IO_IDLE, "abc", CHANNEL_SHUT, 0, 0, 0 } } },
    { "the source ends without a byte", NO_BUDGET,
      THEN(SAYS(IO_EOF)), NOTHING, NOTHING,
      { { IO_IDLE, "", CHANNEL_SHUT, 0, 0, 0 } } },
    { "the source ends with bytes left", NO_BUDGET,
      THEN(GIVES("abc"), SAYS(IO_EOF)), THEN(TAKES(1), TWICE(IO_WANT_WRITE), SAYS(IO_WANT_WRITE)), NOTHING,
      { { IO_IDLE, "a", CHANNEL_OPEN, 2, 0, IO_WANT_WRITE },
        { IO_IDLE, "a", CHANNEL_DRAINING, 2, 0, IO_WANT_WRITE },
        { IO_IDLE, "abc", CHANNEL_SHUT, 0, 0, 0 } } },
    { "the shutdown waits", NO_BUDGET,
      THEN(GIVES("a"), SAYS(IO_EOF)), NOTHING, THEN(TWICE(IO_WANT_WRITE)),
      { { IO_IDLE, "a", CHANNEL_DRAINING, 0, 0, IO_WANT_WRITE },
        { IO_IDLE, "a", CHANNEL_SHUT, 0, 0, 0 } } },
    { "a read wants to write", NO_BUDGET,
      THEN(SAYS(IO_WANT_WRITE), GIVES("abc")), NOTHING, NOTHING,
      { { IO_IDLE, "", CHANNEL_OPEN, 0, IO_WANT_WRITE, 0 },
        { IO_IDLE, "abc", CHANNEL_OPEN, 0, IO_WANT_READ, 0 } } },
    { "a write wants to read", NO_BUDGET,
      THEN(GIVES("abc")), THEN(TWICE(IO_WANT_READ)), NOTHING,
      { { IO_IDLE, "", CHANNEL_OPEN, 3, IO_WANT_READ, IO_WANT_READ },
        { IO_IDLE, "abc", CHANNEL_OPEN, 0, IO_WANT_READ, 0 } } },
    { "the budget is spent", 6,
      THEN(GIVES("abcd"), GIVES("efgh"), GIVES("ij")), NOTHING, NOTHING,
      { { IO_OK, "abcdefgh", CHANNEL_OPEN, 0, 0, 0 },
        { IO_IDLE, "abcdefghij", CHANNEL_OPEN, 0, IO_WANT_READ, 0 } } },
    { "the budget is spent before the end", 3,
      THEN(GIVES("abc"), SAYS(IO_EOF)), NOTHING, NOTHING,
      { { IO_OK, "abc", CHANNEL_OPEN, 0, 0, 0 }, { IO_IDLE, "abc", CHANNEL_SHUT, 0, 0, 0 } } },
    { "the source fails", NO_BUDGET,
      THEN(GIVES("abc"), SAYS(IO_ERROR)), NOTHING, NOTHING,
      { { IO_ERROR, "abc", CHANNEL_OPEN, 0, 0, 0 } } },
    { "the target fails", NO_BUDGET,
      THEN(GIVES("abc")), THEN(SAYS(IO_ERROR)), NOTHING,
      { { IO_ERROR, "", CHANNEL_OPEN, 3, 0, 0 } } },
    { "the target fails when it is shut", NO_BUDGET,
      THEN(SAYS(IO_EOF)), NOTHING, THEN(SAYS(IO_ERROR)),
      { { IO_ERROR, "", CHANNEL_DRAINING, 0, 0, 0 } } },
    { "what was read before the source failed is delivered", NO_BUDGET,
      THEN(GIVES("abc"), SAYS(IO_ERROR)), THEN(TAKES(1), SAYS(IO_WANT_WRITE)), NOTHING,
      { { IO_IDLE, "a", CHANNEL_OPEN, 2, 0, IO_WANT_WRITE },
        { IO_ERROR, "abc", CHANNEL_OPEN, 0, 0, 0 } } },
    { "the target has no buffer", NO_BUDGET,
      THEN(GIVES("abc")), THEN(TWICE(IO_STARVED)), NOTHING,
      { { IO_IDLE, "", CHANNEL_OPEN, 3, IO_WANT_READ, 0 },
        { IO_IDLE, "abc", CHANNEL_OPEN, 0, IO_WANT_READ, 0 } } },
};
/* clang-format on */

struct fixture {
    struct pool pool;
    struct fake_conn source, target;
    struct channel ch;
};

static void start(struct fixture *f, size_t ceiling)
{
    memset(f, 0, sizeof(*f));
    pool_init(&f->pool, BUFFER_BYTES, ceiling, 1);
    channel_init(&f->ch, &f->source.conn, &f->target.conn, &f->pool, POOL_LAST_STEP);
}

static void finish(struct fixture *f)
{
    channel_deinit(&f->ch);
    assert_int_equal(f->pool.used_count, 0);
    pool_deinit(&f->pool);
}

static int event_for(enum io_status wait)
{
    return wait == IO_WANT_READ || wait == IO_WANT_WRITE ? (int)wait : 0;
}

static void scripts(void **state)
{
    (void)state;
    for (const struct row *row = rows; row < rows + COUNT(rows); row++) {
        struct fixture f;

        start(&f, 1);
        f.source.reads = row->reads;
        f.target.writes = row->writes;
        f.target.shutdowns = row->shutdowns;
        for (const struct after *after = row->after;
             after < row->after + PUMPS && after->taken != NULL; after++) {
            f.target.is_blocked = false;
            row_assert_int(row, channel_pump(&f.ch, row->budget), after->status);
            row_assert_string(row, f.target.taken, after->taken);
            row_assert_int(row, f.ch.state, after->state);
            row_assert_int(row, channel_held(&f.ch), after->held);
            row_assert_int(row, event_for(f.ch.read_wait), after->read_wait);
            row_assert_int(row, event_for(f.ch.write_wait), after->write_wait);
            row_assert_int(row, f.ch.delivered, strlen(after->taken));
            row_assert_int(row, f.ch.received, strlen(after->taken) + after->held);
            row_assert_int(row, f.target.is_shut, after->state == CHANNEL_SHUT);
            row_assert_int(row, f.pool.used_count, after->held > 0); /* no byte, no buffer */
        }
        finish(&f);
    }
}

static void a_blocked_target_reads_nothing(void **state)
{
    static const struct fake_step reads[] = THEN(GIVES("abc"), GIVES("def"));
    struct fixture f;

    (void)state;
    start(&f, 1);
    f.source.reads = reads;
    f.target.is_blocked = true;
    f.target.writes = (const struct fake_step[])THEN(TWICE(IO_WANT_WRITE));
    assert_int_equal(channel_pump(&f.ch, NO_BUDGET), IO_IDLE);
    assert_int_equal(f.source.read_calls, 0);
    assert_int_equal(f.pool.used_count, 0);

    f.target.is_blocked = false;
    assert_int_equal(channel_pump(&f.ch, NO_BUDGET), IO_IDLE);
    assert_int_equal(f.source.read_calls, 1);
    assert_int_equal(channel_held(&f.ch), 3);
    finish(&f);
}

static void a_channel_without_a_buffer_starves(void **state)
{
    static const struct fake_step reads[] = THEN(GIVES("abc"));
    struct fixture f;

    (void)state;
    start(&f, 0);
    f.source.reads = reads;
    assert_false(channel_is_starved(&f.ch));
    assert_int_equal(channel_pump(&f.ch, NO_BUDGET), IO_IDLE);
    assert_true(channel_is_starved(&f.ch));
    assert_int_equal(f.source.read_calls, 0);
    assert_int_equal(event_for(f.ch.read_wait), 0);
    assert_int_equal(event_for(f.ch.write_wait), 0);

    f.pool.ceiling = 1;
    assert_int_equal(channel_pump(&f.ch, NO_BUDGET), IO_IDLE);
    assert_false(channel_is_starved(&f.ch));
    assert_string_equal(f.target.taken, "abc");
    finish(&f);
}

static void fill_reads_and_writes_nothing(void **state)
{
    static const struct {
        const char *name;
        struct fake_step read;
        enum io_status status;
        enum channel_state state;
        size_t held;
    } fills[] = {
        { "nothing yet", SAYS(IO_WANT_READ), IO_WANT_READ, CHANNEL_OPEN, 0 },
        { "bytes", GIVES("abc"), IO_OK, CHANNEL_OPEN, 3 },
        { "more bytes", GIVES("defgh"), IO_OK, CHANNEL_OPEN, 8 },
        { "no room", GIVES("not read"), IO_IDLE, CHANNEL_OPEN, 8 },
    };
    struct fixture f;

    (void)state;
    start(&f, 1);
    for (size_t i = 0; i < COUNT(fills); i++) {
        const struct fake_step reads[] = THEN(fills[i].read);

        f.source.reads = reads;
        row_assert_int(&fills[i], channel_fill(&f.ch), fills[i].status);
        row_assert_int(&fills[i], f.ch.state, fills[i].state);
        row_assert_int(&fills[i], channel_held(&f.ch), fills[i].held);
    }
    assert_string_equal(f.target.taken, "");
    f.source.reads = NULL;
    assert_int_equal(channel_pump(&f.ch, NO_BUDGET), IO_IDLE);
    assert_string_equal(f.target.taken, "abcdefgh");
    finish(&f);
}

static void fill_tells_of_the_end(void **state)
{
    static const struct fake_step reads[] = THEN(SAYS(IO_EOF));
    struct fixture f;

    (void)state;
    start(&f, 1);
    f.source.reads = reads;
    assert_int_equal(channel_fill(&f.ch), IO_OK);
    assert_int_equal(f.ch.state, CHANNEL_DRAINING);
    assert_int_equal(f.pool.used_count, 0);
    assert_false(f.target.is_shut);
    finish(&f);
}

/* ---- splice.h ---- */

enum { BULK_BYTES = 32 * 1024, BULK_BUFFER_BYTES = 128 * 1024 };

static char bulk[BULK_BYTES + 1]; /* a read that is large enough to be followed by a splice */

struct spliced {
    struct pool pool;
    struct pipe_pool pipes;
    struct fake_conn source, target;
    struct channel ch;
};

static void start_spliced(struct spliced *f, size_t pipes, const struct fake_step *reads,
                          const struct fake_step *splice_reads)
{
    memset(f, 0, sizeof(*f));
    memset(bulk, 'b', BULK_BYTES);
    pool_init(&f->pool, BULK_BUFFER_BYTES, 1, 1);
    pipe_pool_init(&f->pipes, pipes, 1);
    channel_init(&f->ch, &f->source.conn, &f->target.conn, &f->pool, POOL_LAST_STEP);
    f->ch.pipes = &f->pipes;
    f->source.splices = f->target.splices = true;
    f->source.reads = reads;
    f->source.splice_reads = splice_reads;
}

static void finish_spliced(struct spliced *f)
{
    channel_deinit(&f->ch);
    assert_int_equal(f->pool.used_count, 0);
    assert_int_equal(f->pipes.used_count, 0);
    pool_deinit(&f->pool);
    pipe_pool_deinit(&f->pipes);
}

static void a_large_read_is_followed_by_a_splice(void **state)
{
    const struct fake_step reads[] = THEN(GIVES(bulk));
    const struct fake_step splice_reads[] = THEN(GIVES(bulk), SAYS(IO_WANT_READ));
    struct spliced f;

    (void)state;
    start_spliced(&f, 1, reads, splice_reads);
    assert_int_equal(channel_pump(&f.ch, BULK_BUFFER_BYTES), IO_IDLE);
    assert_int_equal(f.ch.read_wait, IO_WANT_READ);
    assert_int_equal(f.ch.delivered, 2 * BULK_BYTES);
    assert_int_equal(f.ch.spliced, BULK_BYTES);
    assert_int_equal(strlen(f.target.taken), 2 * BULK_BYTES);
    assert_int_equal(f.pipes.used_count, 0); /* no byte, no pipe */
    finish_spliced(&f);
}

static void a_small_splice_is_followed_by_a_read(void **state)
{
    const struct fake_step reads[] = THEN(GIVES(bulk), GIVES("read"));
    static const struct fake_step splice_reads[] = THEN(GIVES("spliced"), GIVES("not asked for"));
    struct spliced f;

    (void)state;
    start_spliced(&f, 1, reads, splice_reads);
    assert_int_equal(channel_pump(&f.ch, BULK_BUFFER_BYTES), IO_IDLE);
    assert_string_equal(f.target.taken + BULK_BYTES, "splicedread");
    finish_spliced(&f);
}

/* The pipe is full of a blocked target's bytes; what is read by copy later comes behind them. */
static void bytes_in_the_pipe_go_first(void **state)
{
    const struct fake_step reads[] = THEN(GIVES(bulk), GIVES("behind"));
    static const struct fake_step splice_reads[] = THEN(GIVES("in the pipe, "));
    const struct fake_step writes[] = THEN(TAKES(BULK_BYTES), TAKES(3), SAYS(IO_WANT_WRITE));
    struct spliced f;

    (void)state;
    start_spliced(&f, 1, reads, splice_reads);
    f.target.writes = writes;
    assert_int_equal(channel_pump(&f.ch, BULK_BUFFER_BYTES), IO_IDLE);
    assert_int_equal(channel_held(&f.ch), strlen("in the pipe, ") - 3);
    assert_int_equal(channel_judged(&f.ch), channel_held(&f.ch));
    assert_int_equal(f.pipes.used_count, 1);
    assert_int_equal(f.pool.used_count, 0);

    f.target.is_blocked = false;
    assert_int_equal(channel_pump(&f.ch, BULK_BUFFER_BYTES), IO_IDLE);
    assert_string_equal(f.target.taken + BULK_BYTES, "in the pipe, behind");
    finish_spliced(&f);
}

static void no_more_is_spliced_than_there_is_credit(void **state)
{
    const struct fake_step reads[] = THEN(GIVES(bulk));
    static const struct fake_step splice_reads[] = THEN(GIVES("12345"));
    struct spliced f;

    (void)state;
    start_spliced(&f, 1, reads, splice_reads);
    f.ch.credit = BULK_BYTES + 5;
    assert_int_equal(channel_pump(&f.ch, BULK_BUFFER_BYTES), IO_IDLE);
    assert_int_equal(f.source.asked, 5);
    assert_int_equal(f.ch.credit, 0);
    finish_spliced(&f);
}

static void what_cannot_be_spliced_is_copied(void **state)
{
    static const struct {
        const char *name;
        size_t pipes;
        bool source, target;
    } cases[] = {
        { "there is no pipe", 0, true, true },
        { "the source does not offer it", 1, false, true },
        { "the target does not offer it", 1, true, false },
        { "the kernel declines", 1, true, true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct fake_step reads[] = THEN(GIVES(bulk), GIVES("rest"), SAYS(IO_EOF));
        static const struct fake_step declines[] = THEN(SAYS(IO_ERROR));
        struct spliced f;

        start_spliced(&f, cases[i].pipes, reads, declines);
        f.source.splices = cases[i].source;
        f.target.splices = cases[i].target;
        row_assert_int(&cases[i], channel_pump(&f.ch, BULK_BUFFER_BYTES), IO_IDLE);
        row_assert_string(&cases[i], f.target.taken + BULK_BYTES, "rest");
        row_assert_int(&cases[i], f.ch.state, CHANNEL_SHUT);
        row_assert_int(&cases[i], f.ch.spliced, 0);
        finish_spliced(&f);
    }
}

static void a_source_that_ends_while_spliced_is_shut(void **state)
{
    const struct fake_step reads[] = THEN(GIVES(bulk));
    const struct fake_step splice_reads[] = THEN(GIVES(bulk), SAYS(IO_EOF));
    struct spliced f;

    (void)state;
    start_spliced(&f, 1, reads, splice_reads);
    assert_int_equal(channel_pump(&f.ch, BULK_BUFFER_BYTES), IO_IDLE);
    assert_int_equal(f.ch.state, CHANNEL_SHUT);
    assert_true(f.target.is_shut);
    assert_int_equal(f.ch.delivered, 2 * BULK_BYTES);
    finish_spliced(&f);
}

/* What one session left in a pipe must not reach another. */
static void a_pipe_with_bytes_is_not_used_again(void **state)
{
    struct pipe_pool pool;
    struct pipe *p;
    char byte;

    (void)state;
    pipe_pool_init(&pool, 1, 1);
    p = pipe_get(&pool);
    assert_non_null(p);
    assert_null(pipe_get(&pool));
    assert_int_equal(write(p->write_fd, "x", 1), 1);
    p->held = 1;
    pipe_put(&pool, p);
    assert_int_equal(pool.free_count, 0);

    p = pipe_get(&pool);
    assert_int_equal(read(p->read_fd, &byte, 1), -1);
    pipe_put(&pool, p);
    assert_int_equal(pool.free_count, 1);
    assert_ptr_equal(pipe_get(&pool), p);
    pipe_put(&pool, p);
    pipe_pool_deinit(&pool);
}

static void let_pass(struct channel *ch, void *user)
{
    (void)user;
    channel_grant(ch, 1);
}

/* Of the pool, for the next read. */
static void the_size_of_a_buffer(void **state)
{
    enum { LARGE = 40000, SMALL = 17000 };
    static const struct {
        const char *name;
        bool has_much;
        size_t room, headroom;
        uint64_t credit;
        size_t size;
    } sizes[] = {
        { "at the start", false, SIZE_MAX, 0, UINT64_MAX, SMALL },
        { "much came last", true, SIZE_MAX, 0, UINT64_MAX, LARGE },
        { "much came, and the target takes as much", true, LARGE, 0, UINT64_MAX, LARGE },
        { "much came, and the target takes less", true, LARGE - 1, 0, UINT64_MAX, SMALL },
        { "the target takes nothing", true, 0, 0, UINT64_MAX, SMALL },
        { "a head may come", false, 0, 8, UINT64_MAX, LARGE },
        { "a head comes", false, 0, 8, 0, LARGE },
        { "amid a body", true, 0, 8, 16384, SMALL },
        { "amid a body that the target takes", true, LARGE, 8, 16384, LARGE },
        { "near the end of a body", true, 0, 8, 16383, LARGE },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        static const struct fake_step reads[] = { GIVES("abc"), SAYS(IO_IDLE) };
        struct fixture f;

        start(&f, 1);
        f.pool.buffer_bytes = LARGE;
        f.pool.small_bytes = SMALL;
        f.source.reads = reads;
        f.target.room = sizes[i].room;
        f.ch.has_much = sizes[i].has_much;
        f.ch.headroom = sizes[i].headroom;
        f.ch.judge = sizes[i].credit < UINT64_MAX ? let_pass : NULL;
        f.ch.credit = sizes[i].credit;
        row_assert_int(&sizes[i], channel_fill(&f.ch), IO_OK);
        row_assert_int(&sizes[i], f.ch.buffer->size, sizes[i].size);
        row_assert(&sizes[i], !f.ch.has_much);
        finish(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_read_is_followed_by_a_splice),
        cmocka_unit_test(a_small_splice_is_followed_by_a_read),
        cmocka_unit_test(bytes_in_the_pipe_go_first),
        cmocka_unit_test(no_more_is_spliced_than_there_is_credit),
        cmocka_unit_test(what_cannot_be_spliced_is_copied),
        cmocka_unit_test(a_source_that_ends_while_spliced_is_shut),
        cmocka_unit_test(a_pipe_with_bytes_is_not_used_again),
        cmocka_unit_test(the_size_of_a_buffer),
        cmocka_unit_test(scripts),
        cmocka_unit_test(a_blocked_target_reads_nothing),
        cmocka_unit_test(a_channel_without_a_buffer_starves),
        cmocka_unit_test(fill_reads_and_writes_nothing),
        cmocka_unit_test(fill_tells_of_the_end),
    };

    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
