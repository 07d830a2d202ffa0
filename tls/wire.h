/* wire.h - the socket as OpenSSL sees it. For tls/ only.
 *
 *    SSL -- records --> wire: gathered in one pooled buffer -- send --> socket
 *    SSL <-- records -- wire <-- recv, at most one short one -- socket
 *
 * A BIO of our own stands between OpenSSL and the socket, for two reasons.
 * OpenSSL makes one write for each record of 16 kB; the wire collects them,
 * and wire_flush() sends them with one call. And OpenSSL reads until the
 * socket says EAGAIN; the wire knows that a short receive has emptied it.
 *
 * A FIN without close_notify is hidden from OpenSSL, which would take it for
 * fatal and forbid to write: it sees a socket that gives no more.
 *
 * Where the kernel is to encrypt what is sent, OpenSSL asks for it through this BIO, and the
 * wire arranges it (offload.h). From then on nothing is gathered: bytes go by wire_send()
 * or splice(2), and OpenSSL writes records of other types alone.
 */
#ifndef TLS_WIRE_H
#define TLS_WIRE_H

#include "base/io.h"
#include "base/pipe.h"
#include "base/pool.h"

#include <openssl/bio.h>
#include <stdbool.h>
#include <stdint.h>

struct wire {
    int fd;                    /* borrowed */
    struct pool *pool;         /* borrowed */
    struct buffer *out;        /* owned; NULL while nothing waits */
    int error;                 /* errno that ended the socket */
    bool is_drained;           /* reading again needs an event first */
    bool is_full;              /* sending again needs an event first */
    bool is_starved;           /* the pool had no buffer */
    bool is_away;              /* in another thread, which may not use the pool: it has a buffer */
    bool may_receive;          /* once, before the next wire_allow() */
    bool is_paused;            /* OpenSSL wanted to receive more than that */
    bool has_fin;              /* FIN is in the socket: a short receive has not emptied it */
    bool has_ended;            /* FIN was read; OpenSSL is not told */
    bool may_offload;          /* the kernel may encrypt, if OpenSSL asks for it */
    bool is_offloaded;         /* it does */
    unsigned char record_type; /* of OpenSSL's next write, where the kernel encrypts */
    uint64_t sent_bytes;       /* before it did */
    uint64_t offloaded_bytes;  /* that it was given */
};

/* Once, in the master. 0 or -1. */
int wire_setup(void);

/* A BIO over `fd` whose state is `w`, which must outlive it. NULL when memory
 * has run out. */
BIO *wire_new(struct wire *w, int fd, struct pool *pool);

/* Let OpenSSL receive once. Records without data (KeyUpdate, say) do not end an
 * SSL_read: whoever sends nothing else must not keep it for ever. */
void wire_allow(struct wire *w);

/* Send what is gathered. IO_OK: nothing is left, the buffer went back. With `more` the
 * kernel may hold back a packet that is not full: a FIN follows, and goes with it. */
enum io_status wire_flush(struct wire *w, bool more);

/* Bytes that can be gathered without sending; 0 when starved. */
size_t wire_room(struct wire *w);

/* The same where no more than `bytes` are to be gathered: a small buffer may do. */
size_t wire_room_for(struct wire *w, size_t bytes);

/* Where the kernel encrypts: have it send some of `bytes`, or all that it can of a pipe. */
enum io_status wire_send(struct wire *w, const void *bytes, size_t size, size_t *n);
enum io_status wire_splice(struct wire *w, struct pipe *from, size_t *n);

/* The same of a record of this type, which is sent whole. */
enum io_status wire_send_record(struct wire *w, unsigned char type, const void *bytes, size_t size);

/* Ask the socket whether it takes anything; if not, an event will follow when it does. */
bool wire_is_full(struct wire *w);

/* Give the buffer back, sent or not. */
void wire_drop(struct wire *w);

#endif
