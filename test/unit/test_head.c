#include "test/unit/guarded.h"
#include "test/unit/unit.h"

#include "http/head.h"

enum { MAX = 8192 };

#define H      "Host: h\r\n"
#define GET    "GET / HTTP/1.1\r\n"
#define END    "\r\n"
#define OK200  "HTTP/1.1 200 OK\r\n"
#define POST   "POST / HTTP/1.1\r\n" H
#define TEN    "a:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\ni:\r\nj:\r\n"
#define NINETY TEN TEN TEN TEN TEN TEN TEN TEN TEN

struct row {
    const char *name;
    struct span bytes;
    enum head_verdict verdict;
};

/* The head at the start of these bytes, as a session would read it. */
static enum head_verdict parse(enum head_type type, const char *bytes, size_t len,
                               struct head *head, size_t *size)
{
    struct head_scan scan = { 0 };
    enum head_verdict verdict = head_scan(&scan, type, bytes, len, MAX, size);

    if (verdict == HEAD_OK)
        verdict = type == HEAD_REQUEST ? head_parse_request(bytes, *size, head)
                                       : head_parse_response(bytes, *size, head);
    else if (verdict != HEAD_PARTIAL)
        assert_non_null(scan.fault);
    return verdict;
}

/* One more byte at a time: the verdict must be that of all at once, found
 * no later, and never HEAD_OK before. */
static void feed_bytewise(const struct row *row, enum head_type type)
{
    struct head_scan scan = { 0 };
    struct head head;
    enum head_verdict verdict = HEAD_PARTIAL;
    size_t size = 0, len = 0;

    while (verdict == HEAD_PARTIAL && len < row->bytes.len) {
        const char *copy = guarded_copy(row->bytes.at, ++len);

        verdict = head_scan(&scan, type, copy, len, MAX, &size);
        if (verdict == HEAD_OK) {
            row_assert_int(row, size, len);
            verdict = type == HEAD_REQUEST ? head_parse_request(copy, size, &head)
                                           : head_parse_response(copy, size, &head);
        }
    }
    row_assert_int(row, verdict, row->verdict);
}

static void check_rows(const struct row *rows, size_t count, enum head_type type)
{
    static struct head head;
    size_t size;

    for (const struct row *row = rows; row < rows + count; row++) {
        const char *copy = guarded_copy(row->bytes.at, row->bytes.len);

        memset(&head, 0xa5, sizeof(head));
        row_assert_int(row, parse(type, copy, row->bytes.len, &head, &size), row->verdict);
        feed_bytewise(row, type);
    }
}

static void judge_requests(void **state)
{
    static const struct row rows[] = {
        /* accepted */
        { "the least", SPAN(GET H END), HEAD_OK },
        { "HTTP/1.0 without Host", SPAN("GET / HTTP/1.0\r\n\r\n"), HEAD_OK },
        { "more behind it", SPAN(GET H END "GET /two"), HEAD_OK },
        { "Host with a port", SPAN(GET "Host: cam.example.org:5443\r\n\r\n"), HEAD_OK },
        { "Host with an IPv6 address", SPAN(GET "Host: [2001:db8::1]:443\r\n\r\n"), HEAD_OK },
        { "absolute target", SPAN("GET http://h/x HTTP/1.1\r\n" H END), HEAD_OK },
        { "absolute target, https, case", SPAN("GET HTTPS://H/x HTTP/1.1\r\n" H END), HEAD_OK },
        { "OPTIONS *", SPAN("OPTIONS * HTTP/1.1\r\n" H END), HEAD_OK },
        { "blanks around values", SPAN(GET "Host: \t h \t\r\nA:\r\nB: \t \r\nC:d\r\n\r\n"),
          HEAD_OK },
        { "bytes above ASCII in a value", SPAN(GET H "A: \x80\xff\r\n\r\n"), HEAD_OK },
        { "bytes above ASCII in the target", SPAN("GET /\xc3\xa4 HTTP/1.1\r\n" H END), HEAD_OK },
        { "length", SPAN(POST "Content-Length: 5\r\n\r\nhello"), HEAD_OK },
        { "length 0", SPAN(POST "Content-Length: 0\r\n\r\n"), HEAD_OK },
        { "longest length", SPAN(POST "Content-Length: 9223372036854775807\r\n\r\n"), HEAD_OK },
        { "chunked", SPAN(POST "Transfer-Encoding: chunked\r\n\r\n"), HEAD_OK },
        { "chunked, case", SPAN(POST "transfer-encoding:CHUNKED \r\n\r\n"), HEAD_OK },
        { "every token character", SPAN(GET H "!#$%&'*+-.^_`|~09AZaz: x\r\n\r\n"), HEAD_OK },
        { "100 fields",
          SPAN(GET H NINETY "1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n8:\r\n9:\r\n\r\n"),
          HEAD_OK },
        { "a method of WebDAV", SPAN("PROPFIND / HTTP/1.1\r\n" H END), HEAD_OK },

        /* the first line */
        { "HTTP/0.9", SPAN("GET /\r\n"), HEAD_BAD },
        { "no target", SPAN("GET HTTP/1.1\r\n" H END), HEAD_BAD },
        { "two spaces before the target", SPAN("GET  / HTTP/1.1\r\n" H END), HEAD_BAD },
        { "two spaces behind the target", SPAN("GET /  HTTP/1.1\r\n" H END), HEAD_BAD },
        { "a space behind the version", SPAN("GET / HTTP/1.1 \r\n" H END), HEAD_BAD },
        { "a tab for a space", SPAN("GET\t/ HTTP/1.1\r\n" H END), HEAD_BAD },
        { "a tab in the target", SPAN("GET /\t HTTP/1.1\r\n" H END), HEAD_BAD },
        { "a fragment", SPAN("GET /#a HTTP/1.1\r\n" H END), HEAD_BAD },
        { "an empty line before", SPAN("\r\n" GET H END), HEAD_BAD },
        { "a space before", SPAN(" " GET H END), HEAD_BAD },
        { "a method that is no token", SPAN("G(T / HTTP/1.1\r\n" H END), HEAD_BAD },
        { "version in lower case", SPAN("GET / http/1.1\r\n" H END), HEAD_BAD },
        { "version with three digits", SPAN("GET / HTTP/1.10\r\n" H END), HEAD_BAD },
        { "RTSP", SPAN("OPTIONS / RTSP/1.0\r\n\r\n"), HEAD_BAD },
        { "HTTP/1.2", SPAN("GET / HTTP/1.2\r\n" H END), HEAD_VERSION },
        { "HTTP/0.9 that says so", SPAN("GET / HTTP/0.9\r\n"), HEAD_VERSION },
        { "HTTP/2", SPAN("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HEAD_VERSION },
        { "CONNECT", SPAN("CONNECT h:443 HTTP/1.1\r\n" H END), HEAD_UNSUPPORTED },
        { "PRI", SPAN("PRI / HTTP/1.1\r\n" H END), HEAD_UNSUPPORTED },
        { "a method of RTSP", SPAN("DESCRIBE / HTTP/1.1\r\n" H END), HEAD_UNSUPPORTED },
        { "no method", SPAN("GETS / HTTP/1.1\r\n" H END), HEAD_UNSUPPORTED },
        { "a method in lower case", SPAN("get / HTTP/1.1\r\n" H END), HEAD_UNSUPPORTED },

        /* lines */
        { "LF alone", SPAN("GET / HTTP/1.1\n" H END), HEAD_BAD },
        { "LF alone at the end", SPAN(GET H "\n"), HEAD_BAD },
        { "CR in a value", SPAN(GET H "A: b\rc\r\n\r\n"), HEAD_BAD },
        { "CR behind an empty value", SPAN(GET H "A:\rB: c\r\n\r\n"), HEAD_BAD },
        { "two CRs", SPAN(GET H "A: b\r\r\n\r\n"), HEAD_BAD },
        { "NUL in a value", SPAN(GET H "A: b\0c\r\n\r\n"), HEAD_BAD },
        { "NUL in the target", SPAN("GET /\0 HTTP/1.1\r\n" H END), HEAD_BAD },
        { "DEL", SPAN(GET H "A: \x7f\r\n\r\n"), HEAD_BAD },
        { "ESC", SPAN(GET H "A: \x1b\r\n\r\n"), HEAD_BAD },
        { "a folded line", SPAN(GET H "A: b\r\n c\r\n\r\n"), HEAD_BAD },
        { "a line folded with a tab", SPAN(GET H "A: b\r\n\tc\r\n\r\n"), HEAD_BAD },
        { "a folded line at once", SPAN(GET " A: b\r\n" H END), HEAD_BAD },
        { "a field without colon", SPAN(GET H "A\r\n\r\n"), HEAD_BAD },
        { "an empty name", SPAN(GET H ": a\r\n\r\n"), HEAD_BAD },
        { "a space in a name", SPAN(GET H "A B: c\r\n\r\n"), HEAD_BAD },
        { "a space behind a name", SPAN(GET H "A : b\r\n\r\n"), HEAD_BAD },
        { "a name above ASCII", SPAN(GET H "\xc3\xa4: b\r\n\r\n"), HEAD_BAD },
        { "101 fields",
          SPAN(GET H NINETY "1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n8:\r\n9:\r\n10:\r\n\r\n"),
          HEAD_TOO_LARGE },

        /* Host */
        { "no Host", SPAN(GET END), HEAD_BAD },
        { "two Hosts", SPAN(GET H H END), HEAD_BAD },
        { "two Hosts in 1.0", SPAN("GET / HTTP/1.0\r\n" H H END), HEAD_BAD },
        { "an empty Host", SPAN(GET "Host:\r\n\r\n"), HEAD_BAD },
        { "a list of hosts", SPAN(GET "Host: a, b\r\n\r\n"), HEAD_BAD },
        { "user info in Host", SPAN(GET "Host: a@h\r\n\r\n"), HEAD_BAD },
        { "a path in Host", SPAN(GET "Host: h/x\r\n\r\n"), HEAD_BAD },
        { "an empty port", SPAN(GET "Host: h:\r\n\r\n"), HEAD_BAD },
        { "a port too high", SPAN(GET "Host: h:65536\r\n\r\n"), HEAD_BAD },
        { "a port too long", SPAN(GET "Host: h:000080\r\n\r\n"), HEAD_BAD },
        { "a port with a sign", SPAN(GET "Host: h:+80\r\n\r\n"), HEAD_BAD },
        { "two ports", SPAN(GET "Host: h:80:80\r\n\r\n"), HEAD_BAD },
        { "brackets not closed", SPAN(GET "Host: [::1\r\n\r\n"), HEAD_BAD },
        { "empty brackets", SPAN(GET "Host: []\r\n\r\n"), HEAD_BAD },
        { "a name in brackets", SPAN(GET "Host: [h]\r\n\r\n"), HEAD_BAD },
        { "more behind brackets", SPAN(GET "Host: [::1]a\r\n\r\n"), HEAD_BAD },
        { "an alias is no Host", SPAN(GET "Ho_st: h\r\n\r\n"), HEAD_BAD },

        /* the target */
        { "no slash", SPAN("GET x HTTP/1.1\r\n" H END), HEAD_BAD },
        { "authority form", SPAN("GET h:80 HTTP/1.1\r\n" H END), HEAD_BAD },
        { "* for GET", SPAN("GET * HTTP/1.1\r\n" H END), HEAD_BAD },
        { "** for OPTIONS", SPAN("OPTIONS ** HTTP/1.1\r\n" H END), HEAD_BAD },
        { "another scheme", SPAN("GET ftp://h/ HTTP/1.1\r\n" H END), HEAD_BAD },
        { "another host", SPAN("GET http://i/ HTTP/1.1\r\n" H END), HEAD_BAD },
        { "another port", SPAN("GET http://h:1/ HTTP/1.1\r\n" H END), HEAD_BAD },
        { "user info", SPAN("GET http://a@h/ HTTP/1.1\r\n" H END), HEAD_BAD },
        { "no host", SPAN("GET http:///x HTTP/1.1\r\n" H END), HEAD_BAD },
        { "absolute without Host in 1.1", SPAN("GET http://h/ HTTP/1.1\r\n\r\n"), HEAD_BAD },
        { "a query without path", SPAN("GET http://h?a HTTP/1.1\r\n" H END), HEAD_BAD },

        /* framing */
        { "length and chunked",
          SPAN(POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"), HEAD_BAD },
        { "chunked and length",
          SPAN(POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"), HEAD_BAD },
        { "two lengths", SPAN(POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n"), HEAD_BAD },
        { "the same length twice", SPAN(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"),
          HEAD_BAD },
        { "a list of lengths", SPAN(POST "Content-Length: 3, 3\r\n\r\n"), HEAD_BAD },
        { "length with +", SPAN(POST "Content-Length: +3\r\n\r\n"), HEAD_BAD },
        { "length with -", SPAN(POST "Content-Length: -3\r\n\r\n"), HEAD_BAD },
        { "empty length", SPAN(POST "Content-Length:\r\n\r\n"), HEAD_BAD },
        { "length with a space", SPAN(POST "Content-Length: 1 2\r\n\r\n"), HEAD_BAD },
        { "length in hexadecimal", SPAN(POST "Content-Length: 0x3\r\n\r\n"), HEAD_BAD },
        { "length over 2^63", SPAN(POST "Content-Length: 9223372036854775808\r\n\r\n"), HEAD_BAD },
        { "length over 2^64", SPAN(POST "Content-Length: 18446744073709551616\r\n\r\n"), HEAD_BAD },
        { "length that is hidden", SPAN(POST "Content-Length\0: 3\r\n\r\n"), HEAD_BAD },
        { "length with a long name",
          SPAN(POST "Content-LengthAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA: 3\r\n\r\n"),
          HEAD_OK },
        { "identity", SPAN(POST "Transfer-Encoding: identity\r\n\r\n"), HEAD_BAD },
        { "gzip", SPAN(POST "Transfer-Encoding: gzip\r\n\r\n"), HEAD_BAD },
        { "gzip, chunked", SPAN(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"),
          HEAD_UNSUPPORTED },
        { "chunked, gzip", SPAN(POST "Transfer-Encoding: chunked, gzip\r\n\r\n"), HEAD_BAD },
        { "chunked, chunked", SPAN(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"), HEAD_BAD },
        { "chunked twice",
          SPAN(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), HEAD_BAD },
        { "chunked and a comma", SPAN(POST "Transfer-Encoding: chunked,\r\n\r\n"), HEAD_BAD },
        { "xchunked", SPAN(POST "Transfer-Encoding: xchunked\r\n\r\n"), HEAD_BAD },
        { "chunked with a parameter", SPAN(POST "Transfer-Encoding: chunked;a=b\r\n\r\n"),
          HEAD_BAD },
        { "chunked in quotes", SPAN(POST "Transfer-Encoding: \"chunked\"\r\n\r\n"), HEAD_BAD },
        { "chunked with a vertical tab", SPAN(POST "Transfer-Encoding: \vchunked\r\n\r\n"),
          HEAD_BAD },
        { "empty coding", SPAN(POST "Transfer-Encoding:\r\n\r\n"), HEAD_BAD },
        { "chunked in 1.0", SPAN("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
          HEAD_BAD },

        /* cut short */
        { "nothing", { "", 0 }, HEAD_PARTIAL },
        { "a letter", SPAN("G"), HEAD_PARTIAL },
        { "without the last LF", SPAN(GET H "\r"), HEAD_PARTIAL },
        { "without the empty line", SPAN(GET H), HEAD_PARTIAL },
    };

    (void)state;
    check_rows(rows, COUNT(rows), HEAD_REQUEST);
}

static void judge_responses(void **state)
{
    static const struct row rows[] = {
        { "the least", SPAN(OK200 END), HEAD_OK },
        { "an empty reason", SPAN("HTTP/1.1 200 \r\n\r\n"), HEAD_OK },
        { "no reason", SPAN("HTTP/1.1 200\r\n\r\n"), HEAD_OK },
        { "a reason above ASCII", SPAN("HTTP/1.1 200 sch\xf6n\r\n\r\n"), HEAD_OK },
        { "1.0", SPAN("HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"), HEAD_OK },
        { "a status nobody knows", SPAN("HTTP/1.1 799 x\r\n\r\n"), HEAD_OK },
        { "chunked", SPAN(OK200 "Transfer-Encoding: chunked\r\n\r\n"), HEAD_OK },
        { "length", SPAN(OK200 "Content-Length: 12\r\n\r\n"), HEAD_OK },
        { "switching", SPAN("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
          HEAD_OK },

        { "HTTP/0.9", SPAN("<html>"), HEAD_BAD },
        { "RTMP", SPAN("\x03\0\0\0\0"), HEAD_BAD },
        { "a request", SPAN(GET H END), HEAD_BAD },
        { "HTTP/2", SPAN("HTTP/2.0 200 OK\r\n\r\n"), HEAD_BAD },
        { "HTTP/1.2", SPAN("HTTP/1.2 200 OK\r\n\r\n"), HEAD_BAD },
        { "ICY", SPAN("ICY 200 OK\r\n\r\n"), HEAD_BAD },
        { "no status", SPAN("HTTP/1.1 OK\r\n\r\n"), HEAD_BAD },
        { "no status at all", SPAN("HTTP/1.1\r\n\r\n"), HEAD_BAD },
        { "a status of two digits", SPAN("HTTP/1.1 20 OK\r\n\r\n"), HEAD_BAD },
        { "a status of four digits", SPAN("HTTP/1.1 2000 OK\r\n\r\n"), HEAD_BAD },
        { "a status below 100", SPAN("HTTP/1.1 099 OK\r\n\r\n"), HEAD_BAD },
        { "a status with a sign", SPAN("HTTP/1.1 +20 OK\r\n\r\n"), HEAD_BAD },
        { "two spaces", SPAN("HTTP/1.1  200 OK\r\n\r\n"), HEAD_BAD },
        { "LF alone", SPAN("HTTP/1.1 200 OK\n\n"), HEAD_BAD },
        { "CR in the reason", SPAN("HTTP/1.1 200 O\rK\r\n\r\n"), HEAD_BAD },
        { "NUL in the reason", SPAN("HTTP/1.1 200 \0\r\n\r\n"), HEAD_BAD },
        { "a folded line", SPAN(OK200 "A: b\r\n c\r\n\r\n"), HEAD_BAD },
        { "a space behind a name", SPAN(OK200 "Content-Length : 3\r\n\r\n"), HEAD_BAD },
        { "length and chunked",
          SPAN(OK200 "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"), HEAD_BAD },
        { "two lengths", SPAN(OK200 "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"), HEAD_BAD },
        { "gzip, chunked", SPAN(OK200 "Transfer-Encoding: gzip, chunked\r\n\r\n"), HEAD_BAD },
        { "gzip", SPAN(OK200 "Transfer-Encoding: gzip\r\n\r\n"), HEAD_BAD },
        { "chunked in 1.0", SPAN("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
          HEAD_BAD },
        { "length too large", SPAN(OK200 "Content-Length: 9223372036854775808\r\n\r\n"), HEAD_BAD },
        { "cut short", SPAN("HTTP/1."), HEAD_PARTIAL },
    };

    (void)state;
    check_rows(rows, COUNT(rows), HEAD_RESPONSE);
}

/* What need not wait for the end of the head, or of the line, to be refused. */
static void refused_at_once(void **state)
{
    static const struct {
        const char *name;
        enum head_type type;
        struct span bytes;
        enum head_verdict verdict;
    } rows[] = {
        { "no method", HEAD_REQUEST, SPAN("("), HEAD_BAD },
        { "TLS", HEAD_REQUEST, SPAN("\x16"), HEAD_BAD },
        { "HTTP/0.9", HEAD_REQUEST, SPAN("GET /\r\n"), HEAD_BAD },
        { "HTTP/2", HEAD_REQUEST, SPAN("PRI * HTTP/2.0\r\n"), HEAD_VERSION },
        { "LF alone", HEAD_REQUEST, SPAN(GET "A\n"), HEAD_BAD },
        { "CR alone", HEAD_REQUEST, SPAN(GET "A\rB"), HEAD_BAD },
        { "NUL", HEAD_REQUEST, SPAN(GET "A\0"), HEAD_BAD },
        { "NUL and LF", HEAD_REQUEST, SPAN(GET "A\0\n"), HEAD_BAD },
        { "DEL among letters", HEAD_REQUEST, SPAN(GET "abcdefghijk\x7flmnopqrstuvw"), HEAD_BAD },
        { "a folded line", HEAD_REQUEST, SPAN(GET " "), HEAD_BAD },
        { "a line folded with a tab", HEAD_REQUEST, SPAN(GET "A: b\r\n\t"), HEAD_BAD },
        { "no response", HEAD_RESPONSE, SPAN("HTTQ"), HEAD_BAD },
        { "HTTP/2 as a response", HEAD_RESPONSE, SPAN("HTTP/2"), HEAD_BAD },
        { "no status", HEAD_RESPONSE, SPAN("HTTP/1.1 OK\r\n"), HEAD_BAD },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *copy = guarded_copy(rows[i].bytes.at, rows[i].bytes.len);
        struct head_scan scan = { 0 };
        size_t size;

        row_assert_int(&rows[i],
                       head_scan(&scan, rows[i].type, copy, rows[i].bytes.len, MAX, &size),
                       rows[i].verdict);
        row_assert(&rows[i], scan.fault != NULL);
    }
}

static bool text_is(struct span span, const char *text)
{
    return span_is(span, span_of(text));
}

static void understand_a_request(void **state)
{
    static const char bytes[] =
        "POST http://cam.example.org:5443/a?b HTTP/1.1\r\nhost:cam.example.org:5443\r\n"
        "Content-Length: 00012 \r\nX_Forwarded-For: a\r\nuSER-aGENT: b c\r\nExpect: "
        "100-Continue\r\n"
        "Connection: keep-alive, Close\r\n\r\n";
    struct head head;
    size_t size;

    (void)state;
    assert_int_equal(parse(HEAD_REQUEST, bytes, sizeof(bytes) - 1, &head, &size), HEAD_OK);
    assert_int_equal(size, sizeof(bytes) - 1);
    assert_true(text_is(head.method, "POST"));
    assert_true(text_is(head.path, "/a?b"));
    assert_true(text_is(head.host, "cam.example.org:5443"));
    assert_int_equal(head.minor, 1);
    assert_false(head.is_head || head.is_safe);
    assert_true(head.has_content_length && head.expects_continue && head.wants_close);
    assert_int_equal(head.body, BODY_LENGTH);
    assert_int_equal(head.content_length, 12);
    assert_int_equal(head.upgrade.len, 0);
    assert_int_equal(head.field_count, 6);
    assert_int_equal(head.fields[2].id, FIELD_X_FORWARDED_FOR);
    assert_true(head.fields[2].is_alias && !head.fields[0].is_alias);
    assert_int_equal(head.fields[3].id, FIELD_OTHER);
    assert_true(text_is(head.fields[3].name, "uSER-aGENT"));
    assert_true(text_is(head.fields[3].value, "b c"));
}

/* What one head says, in a few words. */
static void understand_more(void **state)
{
    static const struct {
        const char *name;
        struct span bytes;
        const char *path, *host, *upgrade;
        enum body_kind body;
        bool wants_close, expects_continue, is_safe;
    } rows[] = {
        { "1.0", SPAN("HEAD / HTTP/1.0\r\nExpect: 100-continue\r\nConnection: keep-alive\r\n\r\n"),
          "/", "", "", BODY_NONE, true, false, true },
        { "absolute without path", SPAN("GET http://h HTTP/1.0\r\n\r\n"), "/", "h", "", BODY_NONE,
          true, false, true },
        { "absolute for OPTIONS", SPAN("OPTIONS http://h HTTP/1.1\r\n" H END), "*", "h", "",
          BODY_NONE, false, false, true },
        { "chunked", SPAN(POST "Transfer-Encoding: chunked\r\n\r\n"), "/", "h", "", BODY_CHUNKED,
          false, false, false },
        { "WebSocket", SPAN(GET H "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"),
          "/", "h", "websocket", BODY_NONE, false, false, true },
        { "upgrade not named", SPAN(GET H "Upgrade: websocket\r\n\r\n"), "/", "h", "", BODY_NONE,
          false, false, true },
        { "upgrade in 1.0", SPAN("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n"),
          "/", "", "", BODY_NONE, true, false, true },
        { "upgrade with a body",
          SPAN(POST "Content-Length: 3\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n"), "/", "h", "",
          BODY_LENGTH, false, false, false },
        { "upgrade with an empty body",
          SPAN(POST "Content-Length: 0\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n"), "/", "h",
          "a", BODY_LENGTH, false, false, false },
        { "h2c", SPAN(GET H "Connection: upgrade\r\nUpgrade: H2C\r\n\r\n"), "/", "h", "", BODY_NONE,
          false, false, true },
        { "TLS", SPAN(GET H "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n\r\n"), "/", "h", "",
          BODY_NONE, false, false, true },
        { "two protocols", SPAN(GET H "Connection: upgrade\r\nUpgrade: a, h2c\r\n\r\n"), "/", "h",
          "", BODY_NONE, false, false, true },
        { "two fields", SPAN(GET H "Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n"), "/",
          "h", "", BODY_NONE, false, false, true },
        { "Connection twice", SPAN(GET H "Connection: a,,\r\nConnection: ,close ,\r\n\r\n"), "/",
          "h", "", BODY_NONE, true, false, true },
        { "not close", SPAN(GET H "Connection: closed, xclose\r\n\r\n"), "/", "h", "", BODY_NONE,
          false, false, true },
        { "aliases count for nothing",
          SPAN(POST "Transfer_Encoding: chunked\r\nContent_Length: 3\r\n\r\n"), "/", "h", "",
          BODY_NONE, false, false, false },
    };
    struct head head;
    size_t size;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *copy = guarded_copy(rows[i].bytes.at, rows[i].bytes.len);

        row_assert_int(&rows[i], parse(HEAD_REQUEST, copy, rows[i].bytes.len, &head, &size),
                       HEAD_OK);
        row_assert(&rows[i], text_is(head.path, rows[i].path));
        row_assert(&rows[i], text_is(head.host, rows[i].host));
        row_assert(&rows[i], text_is(head.upgrade, rows[i].upgrade));
        row_assert_int(&rows[i], head.body, rows[i].body);
        row_assert_int(&rows[i], head.wants_close, rows[i].wants_close);
        row_assert_int(&rows[i], head.expects_continue, rows[i].expects_continue);
        row_assert_int(&rows[i], head.is_safe, rows[i].is_safe);
    }
}

static void bodies_of_responses(void **state)
{
    static const struct {
        const char *name;
        struct span bytes;
        enum body_kind body, to_head;
    } rows[] = {
        { "length", SPAN(OK200 "Content-Length: 3\r\n\r\n"), BODY_LENGTH, BODY_NONE },
        { "chunked", SPAN(OK200 "Transfer-Encoding: chunked\r\n\r\n"), BODY_CHUNKED, BODY_NONE },
        { "neither", SPAN(OK200 END), BODY_CLOSE, BODY_NONE },
        { "204", SPAN("HTTP/1.1 204 x\r\nContent-Length: 3\r\n\r\n"), BODY_NONE, BODY_NONE },
        { "304", SPAN("HTTP/1.1 304 x\r\nContent-Length: 3\r\n\r\n"), BODY_NONE, BODY_NONE },
        { "304, chunked", SPAN("HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n"), BODY_NONE,
          BODY_NONE },
        { "101", SPAN("HTTP/1.1 101 x\r\n\r\n"), BODY_NONE, BODY_NONE },
        { "100", SPAN("HTTP/1.1 100 x\r\n\r\n"), BODY_NONE, BODY_NONE },
        { "205", SPAN("HTTP/1.1 205 x\r\n\r\n"), BODY_CLOSE, BODY_NONE },
    };
    struct head head;
    size_t size;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        row_assert_int(&rows[i],
                       parse(HEAD_RESPONSE, rows[i].bytes.at, rows[i].bytes.len, &head, &size),
                       HEAD_OK);
        row_assert_int(&rows[i], head_response_body(&head, false), rows[i].body);
        row_assert_int(&rows[i], head_response_body(&head, true), rows[i].to_head);
    }
}

/* A head that fills `max` exactly passes, one byte more is refused, cut anywhere. */
static void heads_of_any_size(void **state)
{
    static const char start[] = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
    char head[256];

    (void)state;
    for (size_t size = sizeof(start) + 4; size <= sizeof(head); size++) {
        memset(head, 'a', size);
        memcpy(head, start, sizeof(start) - 1);
        memcpy(head + size - 4, "\r\n\r\n", 4);
        for (size_t max = size - 5; max <= size + 1; max++) {
            for (size_t cut = 1; cut <= size; cut++) {
                struct head_scan scan = { 0 };
                size_t found = 0;
                enum head_verdict verdict =
                    head_scan(&scan, HEAD_REQUEST, guarded_copy(head, cut), cut, max, &found);

                if (verdict == HEAD_PARTIAL)
                    verdict =
                        head_scan(&scan, HEAD_REQUEST, guarded_copy(head, size), size, max, &found);
                assert_int_equal(verdict, max < size ? HEAD_TOO_LARGE : HEAD_OK);
                if (verdict == HEAD_OK)
                    assert_int_equal(found, size);
            }
        }
    }
}

/* Each byte, at each place of a field line. */
static void every_byte_everywhere(void **state)
{
    static const char text[] = GET H "Name: some value here\r\n\r\n";
    static const size_t name = sizeof(GET H) - 1, colon = sizeof(GET H "Name") - 1,
                        cr = sizeof(GET H "Name: some value here") - 1;
    char bytes[sizeof(text)];
    struct head head;
    size_t size;

    (void)state;
    for (size_t place = name; place < cr; place++) {
        for (int c = 0; c < 256; c++) {
            bool is_control = (c < 0x20 && c != '\t') || c == 0x7f;
            bool is_token = c != 0 && c < 0x7f && strchr("!#$%&'*+-.^_`|~", c) != NULL;
            bool is_name = is_token || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                           (c >= 'a' && c <= 'z');
            bool is_fine = !is_control;

            memcpy(bytes, text, sizeof(text));
            bytes[place] = (char)c;
            if (place < colon)
                is_fine = is_name || (c == ':' && place > name);
            else if (place == colon)
                is_fine = c == ':';
            if ((parse(HEAD_REQUEST, bytes, sizeof(text) - 1, &head, &size) == HEAD_OK) != is_fine)
                fail_msg("byte 0x%02x at %zu", (unsigned)c, place - name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judge_requests),        cmocka_unit_test(judge_responses),
        cmocka_unit_test(understand_a_request),  cmocka_unit_test(understand_more),
        cmocka_unit_test(bodies_of_responses),   cmocka_unit_test(heads_of_any_size),
        cmocka_unit_test(every_byte_everywhere), cmocka_unit_test(refused_at_once),
    };

    return cmocka_run_group_tests_name("head", tests, NULL, NULL);
}
