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
 * It is a filter over OpenSSL's socket BIO and passes controls down to it.
 */
#ifndef TLS_WIRE_H
#define TLS_WIRE_H

#include "base/io.h"
#include "base/pool.h"

#include <openssl/bio.h>
#include <stdbool.h>

struct wire {
    int fd;             /* borrowed */
    struct pool *pool;  /* borrowed */
    struct buffer *out; /* owned; NULL while nothing waits */
    int error;          /* errno that ended the socket */
    bool is_drained;    /* reading again needs an event first */
    bool is_full;       /* sending again needs an event first */
    bool is_starved;    /* the pool had no buffer */
    bool may_receive;   /* once, before the next wire_allow() */
    bool is_paused;     /* OpenSSL wanted to receive more than that */
    bool has_fin;       /* FIN is in the socket: a short receive has not emptied it */
    bool has_ended;     /* FIN was read; OpenSSL is not told */
};

/* Once, in the master. 0 or -1. */
int wire_setup(void);

/* A BIO over `fd` whose state is `w`, which must outlive it. NULL when memory
 * has run out. */
BIO *wire_new(struct wire *w, int fd, struct pool *pool);

/* Let OpenSSL receive once. Records without data (KeyUpdate, say) do not end an
 * SSL_read: whoever sends nothing else must not keep it for ever. */
void wire_allow(struct wire *w);

/* Send what is gathered. IO_OK: nothing is left, the buffer went back. */
enum io_status wire_flush(struct wire *w);

/* Bytes that can be gathered without sending; 0 when starved. */
size_t wire_room(struct wire *w);

/* Give the buffer back, sent or not. */
void wire_drop(struct wire *w);

#endif
