#include "test/unit/guarded.h"
#include "test/unit/llhttp_body.h"
#include "test/unit/unit.h"

#include "http/body.h"
#include "http/span.h"

#define LAST "0\r\n\r\n"

/* Hands these bytes out in pieces of `step`; the number of those taken. */
static size_t feed(struct body *body, const char *bytes, size_t len, size_t step)
{
    size_t done = 0;

    while (done < len && !body->is_done && !body->is_bad) {
        size_t piece = len - done < step ? len - done : step;
        size_t taken = body_scan(body, guarded_copy(bytes + done, piece), piece);

        done += taken;
        if (taken < piece)
            assert_true(body->is_done || body->is_bad);
    }
    return done;
}

static void counted_bodies(void **state)
{
    static const char bytes[] = "hello, and more";
    struct body body;

    (void)state;
    for (size_t step = 1; step < sizeof(bytes); step++) {
        body_init(&body, BODY_LENGTH, 5);
        assert_false(body.is_done);
        assert_int_equal(feed(&body, bytes, sizeof(bytes) - 1, step), 5);
        assert_true(body.is_done && !body.is_bad);

        body_init(&body, BODY_CLOSE, 0);
        assert_int_equal(feed(&body, bytes, sizeof(bytes) - 1, step), sizeof(bytes) - 1);
        assert_false(body.is_done || body.is_bad);
    }
    body_init(&body, BODY_LENGTH, 0);
    assert_true(body.is_done);
    assert_int_equal(body_scan(&body, bytes, 5), 0);
    body_init(&body, BODY_NONE, 7);
    assert_true(body.is_done);
    assert_int_equal(body_scan(&body, bytes, 5), 0);
    body_init(&body, BODY_LENGTH, UINT64_MAX);
    assert_int_equal(body_scan(&body, bytes, 5), 5);
    assert_true(body.left == UINT64_MAX - 5);
}

static const struct chunks {
    const char *name;
    struct span bytes;
    const char *data;
    bool llhttp_differs; /* 8.1 takes no extension behind one with a value */
} good[] = {
    { "nothing", SPAN(LAST), "", false },
    { "one", SPAN("5\r\nhello\r\n" LAST), "hello", false },
    { "two", SPAN("1\r\na\r\n2\r\nbc\r\n" LAST), "abc", false },
    { "zeros before", SPAN("0005\r\nhello\r\n000\r\n\r\n"), "hello", false },
    { "capitals", SPAN("0A\r\nhellohello\r\n" LAST), "hellohello", false },
    { "an extension", SPAN("5;a\r\nhello\r\n0;b=c\r\n\r\n"), "hello", false },
    { "a quoted extension", SPAN("5;a=\"b; c\"\r\nhello\r\n" LAST), "hello", false },
    { "an empty quoted extension", SPAN("5;a=\"\"\r\nhello\r\n" LAST), "hello", false },
    { "extensions", SPAN("5;a;b;c\r\nhello\r\n" LAST), "hello", true },
    { "extensions with values", SPAN("5;a=b;c=d\r\nhello\r\n" LAST), "hello", true },
    { "trailers", SPAN("0\r\nA: b\r\nC:\r\n\r\n"), "", false },
    { "a trailer with a long name",
      SPAN("0\r\nThis-is-a-trailer-with-quite-a-long-name-of-its-own: b\r\n\r\n"), "", false },
    { "data like framing", SPAN("7\r\n0\r\n\r\n\r\n\r\n" LAST), "0\r\n\r\n\r\n", false },
};

static void chunked_bodies(void **state)
{
    char bytes[256];
    struct body body;

    (void)state;
    for (const struct chunks *row = good; row < good + COUNT(good); row++) {
        memcpy(bytes, row->bytes.at, row->bytes.len);
        memcpy(bytes + row->bytes.len, "GET", 4); /* what follows is another's */
        for (size_t step = 1; step <= row->bytes.len + 3; step++) {
            body_init(&body, BODY_CHUNKED, 0);
            row_assert_int(row, feed(&body, bytes, row->bytes.len + 3, step), row->bytes.len);
            row_assert(row, body.is_done && !body.is_bad);
        }
        for (size_t cut = 0; cut < row->bytes.len; cut++) {
            body_init(&body, BODY_CHUNKED, 0);
            row_assert_int(row, feed(&body, bytes, cut, 1), cut);
            row_assert(row, !body.is_done && !body.is_bad);
        }
    }
}

static void chunks_taken_out(void **state)
{
    (void)state;
    for (const struct chunks *row = good; row < good + COUNT(good); row++) {
        char *copy = guarded_copy(row->bytes.at, row->bytes.len);
        size_t len = body_unchunk(copy, row->bytes.len);

        row_assert_int(row, len, strlen(row->data));
        row_assert(row, memcmp(copy, row->data, len) == 0);
    }
}

/* How many bytes are good before the one that is not. */
static void broken_chunks(void **state)
{
    static const struct {
        const char *name;
        struct span bytes;
        size_t taken;
    } rows[] = {
        { "no size", SPAN("\r\n"), 0 },
        { "a sign", SPAN("+5\r\n"), 0 },
        { "a space", SPAN("5 \r\n"), 1 },
        { "hexadecimal with x", SPAN("0x5\r\n"), 1 },
        { "LF alone", SPAN("5\nhello"), 1 },
        { "CR alone", SPAN("5\rhello"), 2 },
        { "2^31 - 1", SPAN("7fffffff\n"), 8 },
        { "2^31", SPAN("80000000\r\n"), 7 },
        { "2^64 + 5", SPAN("10000000000000005\r\n"), 8 },
        { "more data than said", SPAN("2\r\nabc\r\n"), 5 },
        { "data and LF alone", SPAN("2\r\nab\n"), 5 },
        { "data and CR alone", SPAN("2\r\nab\r0"), 6 },
        { "an empty extension", SPAN("2;\r\n"), 2 },
        { "a blank extension", SPAN("2; a\r\n"), 2 },
        { "an extension with a quoted pair", SPAN("2;a=\"\\\"\r\n"), 5 },
        { "an extension behind quotes", SPAN("2;a=\"b\"c\r\n"), 7 },
        { "a control character in quotes", SPAN("2;a=\"\r\"\r\n"), 5 },
        { "a trailer without name", SPAN("0\r\n: a\r\n\r\n"), 3 },
        { "a trailer with a space in the name", SPAN("0\r\na b: c\r\n\r\n"), 4 },
        { "a folded trailer", SPAN("0\r\na: b\r\n c\r\n\r\n"), 9 },
        { "a trailer with NUL", SPAN("0\r\na: \0\r\n\r\n"), 6 },
        { "a trailer with LF alone", SPAN("0\r\na: b\n\r\n"), 7 },
        { "the end with LF alone", SPAN("0\r\n\n"), 3 },
        { "the end with CR alone", SPAN("0\r\n\rG"), 4 },
        { "Content-Length", SPAN("0\r\ncontent-length: 5\r\n\r\n"), 17 },
        { "Host", SPAN("0\r\nHost: h\r\n\r\n"), 7 },
        { "an alias", SPAN("0\r\nX-Forwarded_For: h\r\n\r\n"), 18 },
        { "a certificate's", SPAN("0\r\nx_ssl_anything-at-all-of-any-length-whatsoever: a\r\n\r\n"),
          49 },
    };
    struct body body;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t step = 1; step <= rows[i].bytes.len; step++) {
            body_init(&body, BODY_CHUNKED, 0);
            row_assert_int(&rows[i], feed(&body, rows[i].bytes.at, rows[i].bytes.len, step),
                           rows[i].taken);
            row_assert(&rows[i], body.is_bad && !body.is_done);
            row_assert_int(&rows[i], body_scan(&body, "x", 1), 0);
        }
    }
}

/* `count` times `text` behind `start`: accepted up to `most`, and not one more. */
static void check_limit(const char *start, const char *text, size_t count, bool is_fine)
{
    struct body body;

    body_init(&body, BODY_CHUNKED, 0);
    feed(&body, start, strlen(start), SIZE_MAX);
    while (count-- > 0 && !body.is_bad)
        feed(&body, text, strlen(text), SIZE_MAX);
    assert_int_equal(body.is_bad, !is_fine);
}

static void limits(void **state)
{
    (void)state;
    check_limit("", "0", BODY_CHUNK_LINE_MAX, true);
    check_limit("", "0", BODY_CHUNK_LINE_MAX + 1, false);
    check_limit("5;a=", "b", BODY_CHUNK_LINE_MAX - 4, true);
    check_limit("5;a=", "b", BODY_CHUNK_LINE_MAX - 3, false);
    check_limit("0\r\n", "a:\r\n", BODY_TRAILERS_MAX / 4, true);
    check_limit("0\r\n", "a:\r\n", BODY_TRAILERS_MAX / 4 + 1, false);
    check_limit("0\r\na:", "b", BODY_TRAILERS_MAX - 2, true);
    check_limit("0\r\na:", "b", BODY_TRAILERS_MAX - 1, false);
}

/* The largest chunk, without the bytes. */
static void a_large_chunk(void **state)
{
    static char piece[64 * 1024];
    struct body body;
    uint64_t left = INT32_MAX;

    (void)state;
    body_init(&body, BODY_CHUNKED, 0);
    assert_int_equal(body_scan(&body, "7fffffff\r\n", 10), 10);
    while (left > 0) {
        size_t n = left < sizeof(piece) ? (size_t)left : sizeof(piece);

        assert_true(body.left == left);
        assert_int_equal(body_scan(&body, piece, n), n);
        left -= n;
    }
    assert_int_equal(body_scan(&body, "\r\n" LAST, 7), 7);
    assert_true(body.is_done);
}

/* Bodies that differ from good ones in one byte, in every possible one: what we accept llhttp
 * accepts, with the same end and the same data. */
static void llhttp_agrees(void **state)
{
    static char data[256], bytes[256];
    struct llhttp_body theirs;
    struct body body;

    (void)state;
    for (const struct chunks *row = good; row < good + COUNT(good); row++) {
        if (row->llhttp_differs)
            continue;
        for (size_t i = 0; i < row->bytes.len * 256; i++) {
            size_t len = row->bytes.len, taken;

            memcpy(bytes, row->bytes.at, len);
            bytes[i / 256] = (char)(i % 256);
            body_init(&body, BODY_CHUNKED, 0);
            taken = feed(&body, bytes, len, SIZE_MAX);
            if (body.is_bad)
                continue;
            theirs = llhttp_read_body(bytes, len, data);
            row_assert_int(row, theirs.is_done, body.is_done);
            if (!body.is_done)
                continue;
            row_assert_int(row, theirs.taken, taken);
            row_assert_int(row, body_unchunk(bytes, taken), theirs.data_bytes);
            row_assert(row, memcmp(bytes, data, theirs.data_bytes) == 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counted_bodies),   cmocka_unit_test(chunked_bodies),
        cmocka_unit_test(chunks_taken_out), cmocka_unit_test(broken_chunks),
        cmocka_unit_test(limits),           cmocka_unit_test(a_large_chunk),
        cmocka_unit_test(llhttp_agrees),
    };

    return cmocka_run_group_tests_name("body", tests, NULL, NULL);
}
