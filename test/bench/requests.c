/* requests.c - HTTP with connections that stay: each client sends its next request when the whole
 * response to the last one is there. A page of 1 kB, or with an upload of 1 byte what RTMPT does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "load.h"
#include "meter.h"
#include "pattern.h"

#define PAGE ((size_t)1024)

struct exchange {
    size_t held;
    uint64_t asked;
    unsigned char bytes[16384];
};

static const char get[] = "GET /openmeetings/page HTTP/1.1\r\n"
                          "Host: cam.example.org\r\n"
                          "User-Agent: bench\r\n"
                          "Accept: */*\r\n"
                          "\r\n";
static const char post[] = "POST /idle/1/1 HTTP/1.1\r\n"
                           "Host: cam.example.org\r\n"
                           "User-Agent: bench\r\n"
                           "Content-Type: application/x-fcs\r\n"
                           "Content-Length: 1\r\n"
                           "\r\n"
                           "0";
static const char *request;
static size_t request_length, upload;
static char response[PAGE + 256];
static size_t response_length;

static struct exchange *exchange_of(struct end *e)
{
    if (!e->state)
        e->state = calloc(1, sizeof(struct exchange));
    if (!e->state)
        fail("no memory");
    return e->state;
}

static void ask(struct end *client)
{
    exchange_of(client)->held = 0;
    exchange_of(client)->asked = clock_now();
    end_write(client, request, request_length);
    end_flush(client);
}

static void begin(void)
{
    unsigned n;

    response_length = (size_t)snprintf(response, sizeof(response),
                                       "HTTP/1.1 200 OK\r\n"
                                       "Server: bench\r\n"
                                       "Content-Type: text/plain\r\n"
                                       "Content-Length: %zu\r\n"
                                       "\r\n",
                                       PAGE);
    memcpy(response + response_length, pattern_at(0), PAGE);
    response_length += PAGE;
    for (n = 0; n < load.connections; n++)
        ask(load.clients[n]);
}

/* Read what is there; false at the end. */
static bool read_more(struct end *e, struct exchange *x)
{
    ssize_t n = end_read(e, x->bytes + x->held, sizeof(x->bytes) - x->held);

    if (n < 0)
        return false;
    x->held += (size_t)n;
    if (x->held == sizeof(x->bytes))
        fail("a message came that does not end");
    return true;
}

/* Where the head ends, or 0 if it does not yet. */
static size_t head_of(const struct exchange *x)
{
    const unsigned char *found = memmem(x->bytes, x->held, "\r\n\r\n", 4);

    return found ? (size_t)(found - x->bytes) + 4 : 0;
}

static void on_client(struct end *e, uint32_t events)
{
    struct exchange *x = exchange_of(e);
    size_t head;

    (void)events;
    do /* a response may come in several records, and no event tells of those that TLS holds */
        if (!read_more(e, x))
            fail("a client's connection ended");
    while (end_holds_more(e));
    head = head_of(x);
    if (head == 0 || x->held < head + PAGE)
        return;
    if (memcmp(x->bytes, "HTTP/1.1 200 ", 13) != 0 || x->held != head + PAGE ||
        !pattern_matches(0, x->bytes + head, PAGE))
        fail("a response is not the backend's: %.60s", (char *)x->bytes);
    load.units++;
    load.bytes += PAGE;
    sample_add(clock_now() - x->asked);
    ask(e);
}

static void on_backend(struct end *e, uint32_t events)
{
    struct exchange *x = exchange_of(e);
    size_t head;

    (void)events;
    if (!read_more(e, x)) {
        end_close(e); /* the proxy needs it no longer */
        return;
    }
    head = head_of(x);
    if (head == 0 || x->held < head + upload)
        return;
    if (x->held != head + upload || (upload && x->bytes[head] != '0'))
        fail("a request arrived that was not sent so");
    x->held = 0;
    if (end_write(e, response, response_length) != response_length)
        fail("the proxy takes no response");
}

static void begin_get(void)
{
    request = get;
    request_length = sizeof(get) - 1;
    begin();
}

static void begin_post(void)
{
    request = post;
    request_length = sizeof(post) - 1;
    upload = 1;
    begin();
}

const struct traffic requests = {
    .name = "requests",
    .is_silent_at_first = true,
    .begin = begin_get,
    .on_client = on_client,
    .on_backend = on_backend,
};

const struct traffic posts = {
    .name = "posts",
    .is_silent_at_first = true,
    .begin = begin_post,
    .on_client = on_client,
    .on_backend = on_backend,
};
