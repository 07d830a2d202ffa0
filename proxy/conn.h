/* conn.h - one socket: its descriptor, its uv_poll, its transport.
 *
 * A conn reads and writes, plain or through TLS, and waits for what it was
 * told to wait for. It knows neither its session nor the other end. One event
 * callback tells its owner that something happened.
 *
 * libuv's uv_poll has three properties that show here (unix/poll.c and
 * linux-core.c, 1.44): each uv_poll_start costs an epoll_ctl DEL and an ADD,
 * even for the same mask; an error on the socket arrives as a negative status
 * with the handle stopped; and a stopped handle sees no reset. So conn_arm()
 * calls libuv only when it must, takes interest away only when an unwanted
 * event has come, and keeps a conn that waits for nothing on UV_DISCONNECT
 * until its FIN was seen.
 */
#ifndef PROXY_CONN_H
#define PROXY_CONN_H

#include "base/io.h"
#include "base/pool.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct tls_conn;
struct tls_context;
struct conn;

typedef void conn_callback(struct conn *c);

struct conn {
    uv_poll_t poll;
    struct tls_conn *tls; /* owned; NULL: plain */
    conn_callback *on_event;
    conn_callback *on_closed;
    void *owner;
    int fd;          /* owned; -1 while closed */
    int error;       /* errno of a failure; 0 if the failure was TLS's */
    int armed;       /* what libuv waits for, a UV_* mask */
    int wanted;      /* what was asked for last */
    bool is_open;    /* from conn_open() until the last callback after conn_close() */
    bool is_closing; /* conn_close() was called */
    bool has_failed; /* of no further use */
    bool salvages;   /* plain: what came before a reset is still read; set by the owner */
    bool is_broken;  /* a reset came, and `salvages`: it will fail when all is read */
    bool has_fin;    /* the other side's FIN is in the socket */
    bool is_drained; /* plain: reading again needs an event first */
    bool is_full;    /* plain: writing again needs an event first */
    bool is_stray;   /* an event came that nobody wanted */
};

/* The callbacks get `c`; `owner` is for them. */
void conn_init(struct conn *c, conn_callback *on_event, conn_callback *on_closed, void *owner);

/* Take a non-blocking socket. 0, or -1: the socket was closed, nothing is open. */
int conn_open(struct conn *c, uv_loop_t *loop, int fd);

/* Go on as the server of TLS. 0, or -1 when memory has run out. */
int conn_start_tls(struct conn *c, struct tls_context *context, struct pool *pool);

/* The first byte that waits in the socket, left there. IO_OK, IO_WANT_READ,
 * IO_EOF or IO_ERROR. */
enum io_status conn_peek(struct conn *c, unsigned char *first);

/* As tls_conn_read(), tls_conn_write(), for either transport. */
enum io_status conn_read(struct conn *c, void *out, size_t size, size_t *n);
enum io_status conn_write(struct conn *c, const void *bytes, size_t size, size_t *n);

/* Send ciphertext that waits. IO_OK: nothing does. */
enum io_status conn_flush(struct conn *c);

/* End the direction to the other side: close_notify where there is TLS, then
 * FIN. IO_OK: all of it has left. Reading goes on. */
enum io_status conn_shutdown(struct conn *c);

/* The event that a status asks to wait for, a UV_* mask. */
static inline int conn_event_for(enum io_status wait)
{
    return wait == IO_WANT_READ ? UV_READABLE : wait == IO_WANT_WRITE ? UV_WRITABLE : 0;
}

/* Bytes of ours that the other side has not acknowledged. */
size_t conn_unsent(const struct conn *c);

/* After conn_shutdown(), instead of reading: discard what has come, and say
 * whether closing the socket now would endanger bytes on their way; if
 * `is_patient`, as long as the other side has not ended. Then its next event is
 * waited for. */
bool conn_is_lingering(struct conn *c, bool is_patient);

/* True if the target takes nothing until it is writable. */
bool conn_is_blocked(const struct conn *c);

/* The other side ended without close_notify. */
bool conn_is_truncated(const struct conn *c);

/* What the conn itself waits for, whatever its owner wants: a UV_* mask. */
int conn_events(const struct conn *c);

/* Wait for `mask`, a UV_* mask; 0: for nothing but the other side's end. */
void conn_arm(struct conn *c, int mask);

enum conn_close { CONN_CLOSE, CONN_RESET };

/* Close the socket, with FIN or with RST; on_closed follows from the loop. A
 * conn that is not open, or is closing, is left alone. */
void conn_close(struct conn *c, enum conn_close how);

#endif
