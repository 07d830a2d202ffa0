#include "greeting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "fail.h"
#include "meter.h"

struct greeting_bytes {
    unsigned char first;
    unsigned char greeting;
    uint32_t number;
    uint32_t run;
} __attribute__((packed));

static uint32_t run; /* which process this is about */

static void (*stream_greeted)(struct end *), (*handshake_greeted)(struct end *);

void greeting_init(void)
{
    run = (uint32_t)clock_now();
}

static void on_reply(struct end *e, uint32_t events)
{
    unsigned char reply;
    ssize_t n = end_read(e, &reply, 1);

    (void)events;
    if (n < 0)
        fail("the proxy closed a client that had greeted");
    if (n == 0)
        return; /* a ticket, for example */
    if (reply != 3)
        fail("the answer to a greeting is wrong");
    e->on_ready(e);
}

static void greet(struct end *e)
{
    struct greeting_bytes bytes = { 3, (unsigned char)e->greeting, e->number, run };

    e->on_event = on_reply;
    end_write(e, &bytes, sizeof(bytes));
    end_flush(e);
}

static void on_handshake(struct end *e, uint32_t events)
{
    if (events & EPOLLERR)
        fail("the proxy does not accept a client");
    end_want(e, EPOLLIN);
    if (!end_shakes_hands(e))
        return;
    if (e->greeting)
        greet(e);
    else
        e->on_ready(e);
}

struct end *greeting_connect(uint32_t number, enum greeting greeting, bool is_silent,
                             void (*on_ready)(struct end *))
{
    struct end *e = end_connect(number, on_handshake);

    e->greeting = is_silent ? 0 : greeting;
    e->on_ready = on_ready;
    return e;
}

static void on_greeting(struct end *e, uint32_t events)
{
    struct greeting_bytes bytes;
    ssize_t n = end_read(e, &bytes, sizeof(bytes));

    (void)events;
    if (n == 0)
        return;
    if (n < 0 || (n == sizeof(bytes) && bytes.first == 3 && bytes.run != run)) {
        end_close(e); /* its client was one of an earlier load, and has left */
        return;
    }
    if (n != sizeof(bytes) || bytes.first != 3)
        fail("a greeting arrived wrong");
    e->number = bytes.number;
    end_write(e, &bytes, 1);
    (bytes.greeting == GREETING_STREAM ? stream_greeted : handshake_greeted)(e);
}

void greeting_accept(int listener, bool is_silent, void (*on_stream)(struct end *),
                     void (*on_handshake_greeted)(struct end *))
{
    int fd;

    stream_greeted = on_stream;
    handshake_greeted = on_handshake_greeted;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct end *e = end_accepted(fd, on_greeting);

        if (is_silent)
            on_stream(e);
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        fail("accept: %s", strerror(errno));
}
