/* end.h - one socket of the load: a client, behind TLS, or a backend, plain.
 *
 *    client end ==TLS==> the proxy that is measured ----> backend end
 *
 * Both are in this process and in one thread, so one clock times a message and one processor
 * carries the load. An end has one callback at a time; it may close its own end, and no other.
 * What is encrypted is gathered and sent with one call, and received in large pieces: the load
 * must cost less than the proxy, or it would be measured instead.
 */
#ifndef END_H
#define END_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct end {
    int fd;
    uint32_t interest; /* EPOLL bits */
    uint32_t number;   /* a client chooses it and tells the backend in its greeting */
    void (*on_event)(struct end *, uint32_t events);
    void (*on_ready)(struct end *); /* greeting.h */
    unsigned greeting;
    uint64_t position; /* in the pattern */
    struct ssl_st *ssl;
    struct bio_st *sealed; /* what was encrypted and not sent yet */
    size_t sealed_sent;
    void *state; /* owned by the traffic, freed with the end */
};

struct tls_wishes {
    bool is_old;        /* TLS 1.2 instead of 1.3 */
    bool resumes;       /* each handshake with what the last one got */
    bool reads_in_bulk; /* large receives; not for a client that reads slowly */
};

void ends_init(int epoll, struct sockaddr_in proxy, struct tls_wishes wishes);
/* From now on with this one; for a forked process. */
void ends_use(int epoll);

/* A client that begins to connect; a backend around an accepted socket, owned from here. */
struct end *end_connect(uint32_t number, void (*on_event)(struct end *, uint32_t));
struct end *end_accepted(int fd, void (*on_event)(struct end *, uint32_t));
void end_close(struct end *e);
/* The client's close_notify first. */
void end_shut(struct end *e);

void end_want(struct end *e, uint32_t interest);

/* A client's handshake: true when it is done. */
bool end_shakes_hands(struct end *e);
bool end_is_resumed(const struct end *e);

/* Read up to `room` bytes: 0 if there is nothing now, -1 at the end of the stream. */
ssize_t end_read(struct end *e, void *into, size_t room);
/* Is there more that no event will tell of? */
bool end_holds_more(const struct end *e);

/* Write what the socket takes; a client takes all, and holds what the socket does not. */
size_t end_write(struct end *e, const void *bytes, size_t length);
/* Send what a client holds: true if nothing is left. */
bool end_flush(struct end *e);

#endif
