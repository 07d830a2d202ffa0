#include "test/unit/unit.h"

#include "proxy/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

static void retry_delays(void **state)
{
    static const struct {
        const char *name;
        unsigned attempt;
        uint64_t delay_ms;
    } rows[] = {
        { "first", 0, 25 },        { "second", 1, 50 },
        { "third", 2, 100 },       { "fourth", 3, 200 },
        { "the longest", 4, 400 }, { "no longer than that", 5, 400 },
        { "many", 1000, 400 },     { "the last there can be", UINT_MAX, 400 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        row_assert_int(&rows[i], backend_retry_delay_ms(rows[i].attempt), rows[i].delay_ms);
}

static void addresses_take_turns(void **state)
{
    static const struct {
        const char *name;
        size_t count;
        unsigned attempt;
        size_t index;
    } rows[] = {
        { "one, first", 1, 0, 0 },     { "one, again", 1, 1, 0 },   { "three, first", 3, 0, 0 },
        { "three, second", 3, 1, 1 },  { "three, third", 3, 2, 2 }, { "three, round", 3, 3, 0 },
        { "three, later", 3, 100, 1 },
    };
    static const struct addr addresses[3];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct backend b = { .addresses = addresses, .address_count = rows[i].count };

        row_assert_int(&rows[i], backend_address(&b, rows[i].attempt) - addresses, rows[i].index);
    }
}

/* A socket bound to a port of the loopback that the kernel chose. */
static int bind_loopback(struct addr *a)
{
    struct addr found[2];
    struct error err;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(addr_parse_listen("127.0.0.1:0", found, &err), 1);
    *a = found[0];
    assert_int_equal(bind(fd, &a->any, a->len), 0);
    assert_int_equal(getsockname(fd, &a->any, &a->len), 0);
    return fd;
}

/* Wait for a dial to end; returns its errno, 0: connected. */
static int finish(int fd, enum io_status status, int error)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    socklen_t len = sizeof(error);

    if (status != IO_WANT_WRITE)
        return status == IO_OK ? 0 : error;
    assert_int_equal(poll(&p, 1, -1), 1);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
    return error;
}

static void dial_one_that_listens(void **state)
{
    struct addr a;
    int listener = bind_loopback(&a);
    const struct backend b = { .addresses = &a, .address_count = 1 };
    int nodelay = 0, error = 0, fd, accepted;
    socklen_t len = sizeof(nodelay);
    enum io_status status;

    (void)state;
    assert_int_equal(listen(listener, 1), 0);
    status = backend_dial(&b, 0, &fd, &error);
    assert_int_equal(finish(fd, status, error), 0);
    accepted = accept(listener, NULL, NULL);
    assert_true(accepted >= 0);

    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len), 0);
    assert_int_equal(nodelay, 1);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    (void)close(fd);
    (void)close(accepted);
    (void)close(listener);
}

static void dial_one_that_refuses(void **state)
{
    struct addr a;
    int bound = bind_loopback(&a); /* nobody else gets the port */
    const struct backend b = { .addresses = &a, .address_count = 1 };
    int error = 0, fd;
    enum io_status status;

    (void)state;
    status = backend_dial(&b, 0, &fd, &error);
    assert_int_equal(finish(fd, status, error), ECONNREFUSED);
    if (status == IO_ERROR)
        assert_int_equal(fd, -1);
    else
        (void)close(fd);
    (void)close(bound);
}

static void dial_what_is_no_address(void **state)
{
    const struct addr none = { .len = sizeof(struct sockaddr_in) };
    const struct backend b = { .addresses = &none, .address_count = 1 };
    int error = 0, fd = 0;

    (void)state;
    assert_int_equal(backend_dial(&b, 0, &fd, &error), IO_ERROR);
    assert_int_equal(error, EAFNOSUPPORT);
    assert_int_equal(fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_delays),
        cmocka_unit_test(addresses_take_turns),
        cmocka_unit_test(dial_one_that_listens),
        cmocka_unit_test(dial_one_that_refuses),
        cmocka_unit_test(dial_what_is_no_address),
    };

    return cmocka_run_group_tests_name("backend", tests, NULL, NULL);
}
