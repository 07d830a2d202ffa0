/* test_hostile.c - the rows of test/lib/hostile.py, judged without any socket. */
#include "test/unit/guarded.h"
#include "test/unit/unit.h"

#include "http/body.h"
#include "http/head.h"

enum { MAX = 8192, PASSES = 200, WAITS = 408 };

static const struct row {
    const char *name;
    struct span bytes;
    const char *expected;
} rows[] = {
#include "hostile_cases.h"
};

static int status_of(enum head_verdict verdict)
{
    switch (verdict) {
    case HEAD_OK:
        return PASSES;
    case HEAD_PARTIAL:
        return WAITS;
    case HEAD_TOO_LARGE:
        return 431;
    case HEAD_VERSION:
        return 505;
    case HEAD_UNSUPPORTED:
        return 501;
    default:
        return 400;
    }
}

/* The answer to one request, of which the bytes come in pieces of `step`. */
static int answer(const struct row *row, size_t step)
{
    struct head_scan scan = { 0 };
    static struct head head;
    struct body body;
    enum head_verdict verdict = HEAD_PARTIAL;
    size_t size = 0, len = 0, taken;

    while (verdict == HEAD_PARTIAL && len < row->bytes.len) {
        len = row->bytes.len - len < step ? row->bytes.len : len + step;
        verdict = head_scan(&scan, HEAD_REQUEST, guarded_copy(row->bytes.at, len), len, MAX, &size);
    }
    if (verdict == HEAD_OK)
        verdict = head_parse_request(guarded_copy(row->bytes.at, size), size, &head);
    if (verdict != HEAD_OK)
        return status_of(verdict);

    body_init(&body, head.body, head.content_length);
    while (!body.is_done && !body.is_bad && size < row->bytes.len) {
        len = row->bytes.len - size < step ? row->bytes.len - size : step;
        taken = body_scan(&body, guarded_copy(row->bytes.at + size, len), len);
        row_assert(row, taken == len || body.is_done || body.is_bad);
        size += taken;
    }
    if (body.is_bad)
        return 400;
    row_assert(row, body.is_done);
    row_assert_int(row, size, row->bytes.len); /* nothing is left for a second request */
    return PASSES;
}

static int expected_status(const struct row *row)
{
    if (strcmp(row->expected, "passes") == 0)
        return PASSES;
    if (strcmp(row->expected, "waits") == 0)
        return WAITS;
    return atoi(row->expected);
}

static void every_row_in_pieces(void **state)
{
    static const size_t steps[] = { 1, 2, 3, 7, 64, SIZE_MAX };

    (void)state;
    for (const struct row *row = rows; row < rows + COUNT(rows); row++) {
        for (size_t i = 0; i < COUNT(steps); i++) {
            int got = answer(row, steps[i]);

            if (strcmp(row->expected, "closed") == 0) /* a first request; later ones end here */
                row_assert(row, got == 400 || got == 501);
            else
                row_assert_int(row, got, expected_status(row));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_row_in_pieces) };

    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
