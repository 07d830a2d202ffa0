/* conn.h - one socket: its descriptor, its watch, its transport.
 *
 * A conn reads and writes, plain or through TLS. It knows neither its session nor
 * the other end. One event callback tells its owner that something happened.
 *
 * Its watch is edge-triggered: the conn remembers whether its socket may have bytes
 * (is_drained) and may take some (is_full), and is told when that changes. So there is
 * one epoll_ctl in its life, and a second if it ever has to wait for the other
 * side to take something.
 */
#ifndef PROXY_CONN_H
#define PROXY_CONN_H

#include "base/io.h"
#include "base/pipe.h"
#include "base/poller.h"
#include "base/pool.h"

#include <stdbool.h>
#include <stddef.h>

struct tls_conn;
struct tls_context;
struct conn;

typedef void conn_callback(struct conn *c);

struct conn {
    struct watch watch;
    struct poller *poller; /* borrowed */
    struct tls_conn *tls;  /* owned; NULL: plain */
    conn_callback *on_event;
    void *owner;
    int fd;              /* owned; -1 while closed */
    int error;           /* errno of a failure; 0 if the failure was TLS's */
    bool is_open;        /* from conn_open() to conn_close() */
    bool has_failed;     /* of no further use */
    bool salvages;       /* plain: what came before a reset is still read; set by the owner */
    bool is_broken;      /* a reset came, and `salvages`: it will fail when all is read */
    bool has_fin;        /* the other side's FIN is in the socket */
    bool has_ended;      /* plain: and was read */
    bool is_drained;     /* plain: reading again needs an event first */
    bool is_full;        /* plain: writing again needs an event first */
    bool awaits_writing; /* the watch reports that too */
    bool is_away;        /* another thread has its TLS; events wait in `missed` */
    uint32_t missed;
};

/* The callback gets `c`; `owner` is for it. */
void conn_init(struct conn *c, conn_callback *on_event, void *owner);

/* Take a non-blocking socket. 0, or -1: the socket was closed, nothing is open. */
int conn_open(struct conn *c, struct poller *poller, int fd);

/* Go on as the server of TLS. 0, or -1 when memory has run out. */
int conn_start_tls(struct conn *c, struct tls_context *context, struct pool *pool);

/* Another thread goes on with its TLS, until conn_take_back(): no function but these two may be
 * called meanwhile, and no event is reported. What was missed is made good, without a callback;
 * true if there was something. */
void conn_hand_over(struct conn *c);
bool conn_take_back(struct conn *c);

/* The first byte that waits in the socket, left there. IO_OK, IO_WANT_READ,
 * IO_EOF or IO_ERROR. */
enum io_status conn_peek(struct conn *c, unsigned char *first);

/* As tls_conn_read(), tls_conn_write(), for either transport. */
enum io_status conn_read(struct conn *c, void *out, size_t size, size_t *n);
enum io_status conn_write(struct conn *c, const void *bytes, size_t size, size_t *n);

/* Whether what comes, or goes, can do so by splice(2) now: on a plain socket, and where
 * the kernel encrypts. */
bool conn_can_splice_in(const struct conn *c);
bool conn_can_splice_out(const struct conn *c);

/* As conn_read(), conn_write(), with a pipe for a buffer; if they can. IO_IDLE: the pipe is
 * full. A refusal of the kernel's is an IO_ERROR that leaves the conn as it was: not
 * `has_failed`. */
enum io_status conn_splice_in(struct conn *c, struct pipe *to, size_t size, size_t *n);
enum io_status conn_splice_out(struct conn *c, struct pipe *from, size_t *n);

/* Send ciphertext that waits. IO_OK: nothing does. */
enum io_status conn_flush(struct conn *c);

/* End the direction to the other side: close_notify where there is TLS, then
 * FIN. IO_OK: all of it has left. Reading goes on. */
enum io_status conn_shutdown(struct conn *c);

/* Bytes of ours that the other side has not acknowledged. */
size_t conn_unsent(const struct conn *c);

/* After conn_shutdown(), instead of reading: discard what has come, and say
 * whether closing the socket now would endanger bytes on their way; if
 * `is_patient`, as long as the other side has not ended. */
bool conn_is_lingering(struct conn *c, bool is_patient);

/* About how many bytes its socket will take now, where what waits there unsent is bounded;
 * asked of the kernel. Elsewhere SIZE_MAX. */
size_t conn_room(const struct conn *c);

/* True if the target takes nothing until it is writable. */
bool conn_is_blocked(const struct conn *c);

/* The other side ended without close_notify. */
bool conn_is_truncated(const struct conn *c);

/* Be told when it is no longer blocked, if it is. Call it when all was tried. */
void conn_arm(struct conn *c);

/* Unsent bytes that the kernel takes of us for a client (TCP_NOTSENT_LOWAT): two of the
 * largest sends. Writable is a socket again when half of it is free. */
enum { CONN_UNSENT_BYTES = 256 * 1024 };

enum conn_close { CONN_CLOSE, CONN_RESET };

/* Close the socket, with FIN or with RST; no event follows. A conn that is not
 * open is left alone. */
void conn_close(struct conn *c, enum conn_close how);

#endif
