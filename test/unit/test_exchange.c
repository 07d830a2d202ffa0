#include "test/unit/unit.h"

#include "proxy/exchange.h"
#include "proxy/request.h"
#include "proxy/response.h"
#include "test/unit/fake_conn.h"

#include <arpa/inet.h>

enum { BUFFER_BYTES = 32 * 1024, TURNS = 5, NO_BUDGET = 1000000 };

#define HOST     "Host: a:1\r\n"
#define GET      "GET / HTTP/1.1\r\n" HOST "\r\n"
#define POST_CL  "POST /p HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"
#define POST_TE  "POST /p HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
#define EXPECT   "POST /p HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
#define OK(n)    "HTTP/1.1 200 OK\r\nContent-Length: " #n "\r\n\r\n"
#define CHUNKED  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define CLOSING  "HTTP/1.1 200 OK\r\nConnection: close\r\n"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"
#define WS       "GET /w HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCH                                                                                     \
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define EOF_OF "\x04" /* a read that says so */

/* What both sides say, turn by turn, and what came of it in the end. */
/* clang-format off */
static const struct row {
    const char *name;
    struct { const char *client, *backend; } turns[TURNS];
    const char *to_backend, *to_client;
    enum end_reason end;
    unsigned status;
    bool is_asked, is_answered, is_cut, is_last;
} rows[] = {
    { .name = "a GET and its response", .turns = { { GET, NULL }, { NULL, OK(2) "hi" } },
      .to_backend = GET, .to_client = OK(2) "hi", .is_asked = true, .is_answered = true },
    { .name = "half a head is not passed on", .turns = { { "GET / HTTP/1.1\r\nHos", NULL } },
      .to_backend = "", .to_client = "" },
    { .name = "a head in pieces", .turns = { { "G", NULL }, { "ET / HTTP/1.1\r", NULL }, { "\n" HOST "\r", NULL }, { "\n", NULL } },
      .to_backend = GET, .to_client = "", .is_asked = true },
    { .name = "what follows a request waits", .turns = { { GET GET, NULL } },
      .to_backend = GET, .to_client = "", .is_asked = true },
    { .name = "a body of known length", .turns = { { POST_CL "12", NULL }, { "345" GET, NULL } },
      .to_backend = POST_CL "12345", .to_client = "", .is_asked = true },
    { .name = "a body that is not all there", .turns = { { POST_CL "12", NULL } },
      .to_backend = POST_CL "12", .to_client = "" },
    { .name = "chunks", .turns = { { POST_TE "3\r\nabc\r", NULL }, { "\n0\r\n\r\n" GET, NULL } },
      .to_backend = POST_TE "3\r\nabc\r\n0\r\n\r\n", .to_client = "", .is_asked = true },
    { .name = "a chunk that is none", .turns = { { POST_TE "x\r\n", NULL } },
      .to_backend = POST_TE, .to_client = "", .end = END_BAD_REQUEST, .status = 400 },
    { .name = "two lengths", .turns = { { "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", NULL } },
      .to_backend = "", .to_client = "", .end = END_BAD_REQUEST, .status = 400 },
    { .name = "an expectation that nobody knows", .turns = { { "GET / HTTP/1.1\r\n" HOST "Expect: miracles\r\n\r\n", NULL } },
      .to_backend = "", .to_client = "", .end = END_BAD_REQUEST, .status = 417 },

    { .name = "a response of chunks", .turns = { { GET, NULL }, { NULL, CHUNKED "1\r\na\r\n" }, { NULL, "0\r\n\r\n" } },
      .to_backend = GET, .to_client = CHUNKED "1\r\na\r\n0\r\n\r\n", .is_asked = true, .is_answered = true },
    { .name = "a response that ends with the connection", .turns = { { GET, NULL }, { NULL, "HTTP/1.1 200 OK\r\n\r\nab" }, { NULL, EOF_OF } },
      .to_backend = GET, .to_client = CLOSING "\r\nab", .is_asked = true, .is_answered = true, .is_last = true },
    { .name = "the same, still going on", .turns = { { GET, NULL }, { NULL, "HTTP/1.1 200 OK\r\n\r\nab" } },
      .to_backend = GET, .to_client = CLOSING "\r\nab", .is_asked = true, .is_last = true },
    { .name = "a body that breaks off", .turns = { { GET, NULL }, { NULL, OK(5) "ab" }, { NULL, EOF_OF } },
      .to_backend = GET, .to_client = OK(5) "ab", .is_asked = true, .is_cut = true },
    { .name = "chunks that break off", .turns = { { GET, NULL }, { NULL, CHUNKED "5\r\nab" }, { NULL, EOF_OF } },
      .to_backend = GET, .to_client = CHUNKED "5\r\nab", .is_asked = true, .is_cut = true },
    { .name = "a head that breaks off", .turns = { { GET, NULL }, { NULL, "HTTP/1.1 200 O" }, { NULL, EOF_OF } },
      .to_backend = GET, .to_client = "", .is_asked = true, .is_cut = true },
    { .name = "no answer to HEAD has a body", .turns = { { "HEAD / HTTP/1.1\r\n" HOST "\r\n", NULL }, { NULL, OK(5) } },
      .to_backend = "HEAD / HTTP/1.1\r\n" HOST "\r\n", .to_client = OK(5), .is_asked = true, .is_answered = true },
    { .name = "bytes behind a response go nowhere", .turns = { { GET, NULL }, { NULL, OK(2) "hi" OK(3) "bad" } },
      .to_backend = GET, .to_client = OK(2) "hi", .is_asked = true, .is_answered = true },
    { .name = "no HTTP", .turns = { { GET, NULL }, { NULL, "<html>" } },
      .to_backend = GET, .to_client = "", .end = END_BAD_RESPONSE, .is_asked = true },
    { .name = "101 that nobody asked for", .turns = { { GET, NULL }, { NULL, SWITCH "x" } },
      .to_backend = GET, .to_client = "", .end = END_BAD_RESPONSE, .is_asked = true },
    { .name = "101 to something else", .turns = { { "GET /w HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: other\r\n\r\n", NULL }, { NULL, SWITCH } },
      .to_backend = "GET /w HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: other\r\n\r\n", .to_client = "", .end = END_BAD_RESPONSE, .is_asked = true },
    { .name = "a tunnel behind 101", .turns = { { WS "early", NULL }, { NULL, SWITCH "x" }, { "y", "z" } },
      .to_backend = WS "earlyy", .to_client = SWITCH "xz" },
    { .name = "100, then the rest", .turns = { { EXPECT, NULL }, { NULL, CONTINUE }, { "12345", NULL }, { NULL, OK(0) } },
      .to_backend = EXPECT "12345", .to_client = CONTINUE OK(0), .is_asked = true, .is_answered = true },
    { .name = "no 100: the body may never come", .turns = { { EXPECT, NULL }, { NULL, OK(0) } },
      .to_backend = EXPECT, .to_client = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", .is_answered = true, .is_last = true },
    { .name = "an early response leaves the body its way", .turns = { { POST_CL "1", NULL }, { NULL, OK(0) }, { "2345", NULL } },
      .to_backend = POST_CL "12345", .to_client = OK(0), .is_asked = true, .is_answered = true },
    { .name = "HTTP/1.0 knows no 1xx", .turns = { { "GET / HTTP/1.0\r\n" HOST "\r\n", NULL }, { NULL, CONTINUE "HTTP/1.0 200 OK\r\n\r\nx" }, { NULL, EOF_OF } },
      .to_backend = "GET / HTTP/1.0\r\n" HOST "Connection: close\r\n\r\n", .to_client = CLOSING "\r\nx", .is_asked = true, .is_answered = true, .is_last = true },
    { .name = "HTTP/1.0 knows no chunks", .turns = { { "GET / HTTP/1.0\r\n" HOST "\r\n", NULL }, { NULL, CHUNKED "0\r\n\r\n" } },
      .to_backend = "GET / HTTP/1.0\r\n" HOST "Connection: close\r\n\r\n", .to_client = "", .end = END_BAD_RESPONSE, .is_asked = true, .is_last = true },
    { .name = "a JNLP file that is whole", .turns = { { GET, NULL },
        { NULL, "HTTP/1.1 200 OK\r\nContent-Type: application/x-java-jnlp-file\r\nTransfer-Encoding: chunked\r\n\r\n18\r\n<jnlp codebase=\"http://a" },
        { NULL, "\r\n" "6\r\n:1/\"/>\r\n0\r\n\r\n" } },
      .to_backend = GET, .to_client = "HTTP/1.1 200 OK\r\nContent-Type: application/x-java-jnlp-file\r\nContent-Length: 31\r\n\r\n"
                                      "<jnlp codebase=\"https://a:1/\"/>", .is_asked = true, .is_answered = true },
    { .name = "a JNLP file that breaks off", .turns = { { GET, NULL },
        { NULL, "HTTP/1.1 200 OK\r\nContent-Type: application/x-java-jnlp-file\r\nContent-Length: 9\r\n\r\n<jnlp " }, { NULL, EOF_OF } },
      .to_backend = GET, .to_client = "", .is_asked = true, .is_cut = true },
};
/* clang-format on */

struct fixture {
    struct listener_config config;
    struct front front;
    struct addr address;
    struct fake_conn client, backend;
    struct channel in, out;
    struct pool pool;
    struct exchange *x;
    bool is_draining;
};

static void start(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->config.max_header_bytes = 1024;
    f->front.config = &f->config;
    f->front.rewrite = (struct rewrite_options){ .forwarded = FORWARDED_OFF, .jnlp = true };
    f->address.v4.sin_family = AF_INET;
    f->address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->address.len = sizeof(f->address.v4);
    pool_init(&f->pool, BUFFER_BYTES, 4, 0);
    channel_init(&f->in, &f->client.conn, &f->backend.conn, &f->pool, POOL_LAST_STEP);
    channel_init(&f->out, &f->backend.conn, &f->client.conn, &f->pool, POOL_LAST_STEP);
    /* of the TLS conn only the presence counts where no certificate is asked for */
    f->x = exchange_new(&f->front, (struct tls_conn *)f, &f->address, &f->in, &f->out);
    assert_non_null(f->x);
    f->x->is_draining = &f->is_draining;
    f->in.judge = request_judge;
    f->out.judge = response_judge;
}

static void finish(struct fixture *f)
{
    channel_deinit(&f->in);
    channel_deinit(&f->out);
    exchange_free(f->x);
    assert_int_equal(f->pool.used_count, 0);
    pool_deinit(&f->pool);
}

/* One read of `text`, or none. */
static void say(struct fake_conn *c, struct fake_step script[2], const char *text)
{
    bool is_end = text != NULL && strcmp(text, EOF_OF) == 0;

    script[0] = text == NULL ? (struct fake_step){ .status = IO_IDLE }
                : is_end     ? (struct fake_step){ .status = IO_EOF }
                             : (struct fake_step){ .status = IO_OK, .bytes = text };
    script[1] = (struct fake_step){ .status = IO_IDLE };
    c->reads = script;
}

static void turn(struct fixture *f, const char *client, const char *backend)
{
    struct fake_step scripts[2][2];

    say(&f->client, scripts[0], client);
    say(&f->backend, scripts[1], backend);
    (void)channel_pump(&f->in, NO_BUDGET);
    (void)channel_pump(&f->out, NO_BUDGET);
    (void)channel_pump(&f->in, NO_BUDGET); /* 101 may have opened it */
    f->client.reads = f->backend.reads = NULL;
}

static void exchanges(void **state)
{
    (void)state;
    for (const struct row *row = rows; row < rows + COUNT(rows); row++) {
        struct fixture f;

        start(&f);
        for (size_t i = 0; i < TURNS; i++)
            turn(&f, row->turns[i].client, row->turns[i].backend);
        row_assert_string(row, f.backend.taken, row->to_backend);
        row_assert_string(row, f.client.taken, row->to_client);
        row_assert_int(row, f.x->end, row->end);
        row_assert_int(row, f.x->status, row->status);
        if (!f.x->is_upgraded) {
            row_assert_int(row, exchange_request_is_done(f.x), row->is_asked);
            row_assert_int(row, exchange_response_is_done(f.x), row->is_answered);
            row_assert_int(row, exchange_response_is_cut(f.x), row->is_cut);
        }
        row_assert_int(row, f.x->is_last, row->is_last);
        row_assert_int(row, f.backend.is_shut || f.client.is_shut,
                       f.x->is_upgraded && f.client.is_shut);
        finish(&f);
    }
}

/* What waited behind the first is the next, and nothing is read for it. */
static void one_after_the_other(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    turn(&f, GET POST_CL "123", NULL);
    assert_string_equal(f.backend.taken, GET);
    turn(&f, NULL, OK(0));
    assert_true(exchange_response_is_done(f.x));
    exchange_next(f.x);
    turn(&f, "45", NULL);
    assert_string_equal(f.backend.taken, GET POST_CL "12345");
    assert_false(exchange_response_is_done(f.x));
    turn(&f, NULL, OK(1) "x");
    assert_string_equal(f.client.taken, OK(0) OK(1) "x");
    assert_true(exchange_response_is_done(f.x));
    assert_int_equal(f.x->count, 2);
    finish(&f);
}

/* A kept connection ended under a request: once more, what was not sent of the first try
 * or all of it, and what waits behind it behind it. */
static void once_more(void **state)
{
    static const struct {
        const char *name, *request;
        bool is_reused, has_answer, is_replayed;
    } rows2[] = {
        { "a GET on a kept connection", GET, true, false, true },
        { "with another behind it", GET POST_CL, true, false, true },
        { "on a fresh connection", GET, false, false, false },
        { "a POST", POST_CL "12345", true, false, false },
        { "an upgrade", WS, true, false, false },
        { "part of a response has come", GET, true, true, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows2); i++) {
        struct fixture f;
        char twice[256];

        start(&f);
        f.x->is_reused = rows2[i].is_reused;
        turn(&f, rows2[i].request, rows2[i].has_answer ? "HTTP/1.1 2" : NULL);
        row_assert_int(&rows2[i], exchange_replay(f.x), rows2[i].is_replayed);
        row_assert_int(&rows2[i], exchange_replay(f.x), false);
        turn(&f, NULL, NULL);
        (void)snprintf(twice, sizeof(twice), "%s%s", GET, GET);
        if (rows2[i].is_replayed)
            row_assert_string(&rows2[i], f.backend.taken, twice);
        finish(&f);
    }
}

static void a_longer_body_than_is_allowed(void **state)
{
    static const char *const requests[] = { POST_CL "12345", POST_TE "5\r\n12345\r\n0\r\n\r\n" };

    (void)state;
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct fixture f;

        start(&f);
        f.config.max_body_bytes = 4;
        turn(&f, requests[i], NULL);
        assert_int_equal(f.x->end, END_BAD_REQUEST);
        assert_int_equal(f.x->status, 413);
        finish(&f);
    }
}

static void an_answer_of_our_own(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    turn(&f, "rubbish\r\n\r\n", NULL);
    assert_int_equal(f.x->end, END_BAD_REQUEST);
    assert_true(exchange_answer_error(f.x, f.x->status));
    assert_int_equal(channel_held(&f.in), 0);
    assert_true(f.x->is_last);
    channel_feed(&f.out, f.x->answer, f.x->answer_bytes);
    turn(&f, NULL, NULL);
    assert_memory_equal(f.client.taken, "HTTP/1.1 400 ", 13);
    assert_int_equal(strlen(f.client.taken), f.x->answer_bytes);
    finish(&f);
}

/* Which requests are a live stream: these alone are not the last while draining,
 * and bear no session ticket. */
static void tunnelled_streams(void **state)
{
    static const struct {
        const char *target;
        bool is_rtmpt;
    } cases[] = {
        { "/open/1", true },     { "/send/AB/1", true },  { "/idle/AB/2", true },
        { "/close/AB/3", true }, { "/fcs/ident2", true }, { "/", false },
        { "/opening", false },   { "/open", false },      { "/live/open/1", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture f;
        char request[128];

        start(&f);
        f.is_draining = true;
        (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" HOST "\r\n",
                       cases[i].target);
        turn(&f, request, NULL);
        turn(&f, NULL, OK(0));
        assert_int_equal(f.x->is_rtmpt, cases[i].is_rtmpt);
        assert_int_equal(f.x->bears_ticket, !cases[i].is_rtmpt);
        assert_int_equal(f.x->is_last, !cases[i].is_rtmpt);
        finish(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tunnelled_streams),
        cmocka_unit_test(exchanges),
        cmocka_unit_test(one_after_the_other),
        cmocka_unit_test(once_more),
        cmocka_unit_test(a_longer_body_than_is_allowed),
        cmocka_unit_test(an_answer_of_our_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
