#include "test/unit/unit.h"

#include "proxy/exchange.h"
#include "proxy/session_end.h"
#include "proxy/session_http.h"
#include "proxy/session_set.h"
#include "test/unit/fake_conn.h"

enum { BUFFER_BYTES = 32 * 1024, BUDGET = 1000000 };

#define POST "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
#define OK   "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* What of the session the steps of HTTP call, without the sockets behind it. */
void session_end(struct session *s, enum end_reason reason, const char *fault)
{
    if (s->end == END_NONE) {
        s->end = reason;
        s->fault = fault;
    }
}

void session_end_client(struct session *s)
{
    session_end(s, END_CLIENT_RESET, NULL);
}

void session_release_dial(struct session *s)
{
    (void)s;
}

void session_step(struct session *s)
{
    (void)s;
}

void session_set_make_ready(struct session_set *set, struct list *turn)
{
    (void)set;
    (void)turn;
}

/* A session whose conns play scripts: fake_of() finds them around those of the session. */
struct fixture {
    struct listener_config config;
    struct front front;
    struct session_set set;
    struct session s;
    struct fake_conn client, backend;
    uv_loop_t loop;
};

static void start(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    f->config.max_header_bytes = 1024;
    f->front.config = &f->config;
    f->front.rewrite.forwarded = FORWARDED_OFF;
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->set.loop = &f->loop;
    pool_init(&f->set.pool, BUFFER_BYTES, 4, 0);
    f->s.set = &f->set;
    f->s.front = &f->front;
    f->s.address.any.sa_family = AF_INET;
    channel_init(&f->s.in, &f->client.conn, &f->backend.conn, &f->set.pool, POOL_LAST_STEP);
    channel_init(&f->s.out, &f->backend.conn, &f->client.conn, &f->set.pool, POOL_LAST_STEP);
    f->s.client.tls = (struct tls_conn *)f; /* only its presence counts */
    assert_int_equal(session_http_start(&f->s), 0);
    f->s.state = SESSION_RELAYING;
}

static void finish(struct fixture *f)
{
    channel_deinit(&f->s.in);
    channel_deinit(&f->s.out);
    exchange_free(f->s.http);
    pool_deinit(&f->set.pool);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

static enum session_state turn(struct fixture *f)
{
    (void)channel_pump(&f->s.in, BUDGET);
    (void)channel_pump(&f->s.out, BUDGET);
    return session_http_relay(&f->s);
}

/* The response is there before the request is, and the backend leaves. While
 * close_notify waits for a slow reader, what the client goes on to send is the
 * rest of that request, and no new one. */
static void the_rest_of_a_body_is_no_request(void **state)
{
    static const struct fake_step backend[] = { { IO_OK, OK, 0 },
                                                { IO_EOF, NULL, 0 },
                                                { IO_IDLE, NULL, 0 } };
    static const struct fake_step first[] = { { IO_OK, POST "12345", 0 }, { IO_IDLE, NULL, 0 } };
    static const struct fake_step rest[] = {
        { IO_OK, "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", 0 }, { IO_IDLE, NULL, 0 }
    };
    static const struct fake_step shutdowns[] = { { IO_WANT_WRITE, NULL, 0 },
                                                  { IO_WANT_WRITE, NULL, 0 },
                                                  { IO_WANT_WRITE, NULL, 0 },
                                                  { IO_IDLE, NULL, 0 } };
    struct fixture f;

    (void)state;
    start(&f);
    f.client.reads = first;
    f.client.shutdowns = shutdowns;
    assert_int_equal(turn(&f), SESSION_RELAYING);
    f.backend.reads = backend;
    assert_int_equal(turn(&f), SESSION_RELAYING);
    assert_true(f.s.is_ending);
    assert_int_equal(f.s.end, END_NONE);

    f.client.reads = rest;
    for (int i = 0; i < 4 && f.s.end == END_NONE; i++)
        assert_int_equal(turn(&f), SESSION_RELAYING);
    assert_int_equal(f.s.end, END_BACKEND_CLOSED);
    assert_int_equal(f.s.http->count, 1);
    assert_string_equal(f.client.taken, OK);
    assert_null(strstr(f.backend.taken, "smuggled"));
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rest_of_a_body_is_no_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
