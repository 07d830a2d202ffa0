#include "tls/wire.h"

#include "tls/offload.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static BIO_METHOD *method;

static bool take_buffer(struct wire *w, size_t bytes)
{
    if (w->out == NULL && !w->is_away)
        w->out = pool_get_for(w->pool, POOL_LAST_STEP, bytes);
    w->is_starved = w->out == NULL;
    return !w->is_starved;
}

static bool is_empty(const struct wire *w)
{
    return w->out == NULL || buffer_len(w->out) == 0;
}

void wire_drop(struct wire *w)
{
    pool_put(w->pool, w->out);
    w->out = NULL;
}

void wire_allow(struct wire *w)
{
    w->may_receive = true;
    w->is_paused = false;
}

size_t wire_room_for(struct wire *w, size_t bytes)
{
    return take_buffer(w, bytes) ? buffer_room(w->out) : 0;
}

size_t wire_room(struct wire *w)
{
    return wire_room_for(w, SIZE_MAX);
}

enum io_status wire_flush(struct wire *w, bool more)
{
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0);
    ssize_t n;

    if (w->error != 0)
        return IO_ERROR;
    while (w->out != NULL && buffer_len(w->out) > 0) {
        if (w->is_full)
            return IO_WANT_WRITE;
        n = send(w->fd, buffer_head(w->out), buffer_len(w->out), flags);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            w->error = errno;
            return IO_ERROR;
        }
        w->is_full = n < (ssize_t)buffer_len(w->out);
        if (n > 0) {
            buffer_consume(w->out, (size_t)n);
            w->sent_bytes += (uint64_t)n;
        }
    }
    if (!w->is_away)
        wire_drop(w);
    return IO_OK;
}

/* `n`, or errno, is what a call said that should have sent `size`. */
static enum io_status sent(struct wire *w, ssize_t n, size_t size, size_t *count)
{
    if (n < 0 && errno != EAGAIN) {
        w->error = errno;
        return IO_ERROR;
    }
    w->is_full = n < (ssize_t)size;
    if (n <= 0)
        return IO_WANT_WRITE;
    w->offloaded_bytes += (uint64_t)n;
    *count = (size_t)n;
    return IO_OK;
}

enum io_status wire_send(struct wire *w, const void *bytes, size_t size, size_t *n)
{
    ssize_t put;

    if (w->is_full)
        return IO_WANT_WRITE;
    do
        put = send(w->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (put < 0 && errno == EINTR);
    return sent(w, put, size, n);
}

enum io_status wire_splice(struct wire *w, struct pipe *from, size_t *n)
{
    size_t size = from->held;

    if (w->is_full)
        return IO_WANT_WRITE;
    return sent(w, pipe_drain(from, w->fd), size, n);
}

enum io_status wire_send_record(struct wire *w, unsigned char type, const void *bytes, size_t size)
{
    size_t n;

    if (w->is_full)
        return IO_WANT_WRITE;
    return sent(w, offload_send_record(w->fd, type, bytes, size), size, &n);
}

static int wire_read(BIO *bio, char *out, int size)
{
    struct wire *w = BIO_get_data(bio);
    ssize_t n;

    BIO_clear_retry_flags(bio);
    if (w->error != 0)
        return -1;
    w->is_paused = !w->is_drained && !w->has_ended && !w->may_receive;
    if (w->is_drained || w->has_ended || w->is_paused) {
        BIO_set_retry_read(bio);
        return -1;
    }

    do
        n = recv(w->fd, out, (size_t)size, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);

    w->may_receive = false;
    w->is_drained = n < size && !w->has_fin; /* no event follows that */
    w->has_ended = n == 0;
    if (n > 0)
        return (int)n;
    if (n < 0 && errno != EAGAIN)
        w->error = errno;
    else
        BIO_set_retry_read(bio);
    return -1;
}

bool wire_is_full(struct wire *w)
{
    struct pollfd poll_fd = { .fd = w->fd, .events = POLLOUT };

    w->is_full = poll(&poll_fd, 1, 0) == 0;
    return w->is_full;
}

/* An alert, a ticket: the kernel makes the record. */
static int write_record(BIO *bio, struct wire *w, const char *bytes, int size)
{
    enum io_status status = wire_send_record(w, w->record_type, bytes, (size_t)size);

    if (status == IO_WANT_WRITE)
        BIO_set_retry_write(bio);
    return status == IO_OK ? size : -1;
}

/* OpenSSL writes whole records; one that does not fit waits for a flush. */
static int wire_write(BIO *bio, const char *bytes, int size)
{
    struct wire *w = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (w->error != 0)
        return -1;
    if (w->is_offloaded)
        return write_record(bio, w, bytes, size);
    if (wire_room(w) < (size_t)size && !w->is_starved && wire_flush(w, false) == IO_ERROR)
        return -1;
    if (wire_room(w) < (size_t)size) {
        BIO_set_retry_write(bio);
        return -1;
    }
    memcpy(buffer_tail(w->out), bytes, (size_t)size);
    buffer_produce(w->out, (size_t)size);
    return size;
}

/* Before new keys are used, what the old ones sealed has to leave. Otherwise the conn
 * flushes after each call into OpenSSL. */
static long flush_for_keys(BIO *bio, struct wire *w)
{
    if (!w->may_offload || w->is_offloaded)
        return 1;
    BIO_clear_retry_flags(bio);
    if (wire_flush(w, false) == IO_WANT_WRITE)
        BIO_set_retry_write(bio);
    return is_empty(w);
}

/* OpenSSL has keys that the kernel could use, for what is sent or for what comes. */
static long take_keys(struct wire *w, bool is_for_sending, void *keys)
{
    if (!is_for_sending || !w->may_offload || w->is_offloaded || !is_empty(w))
        return 0;
    w->is_offloaded = offload_start(w->fd, keys);
    return w->is_offloaded;
}

static long wire_ctrl(BIO *bio, int command, long number, void *pointer)
{
    struct wire *w = BIO_get_data(bio);

    switch (command) {
    case BIO_CTRL_FLUSH:
        return flush_for_keys(bio, w);
    case BIO_CTRL_DUP:
        return 1;
    case BIO_CTRL_WPENDING:
        return w->out != NULL ? (long)buffer_len(w->out) : 0;
    case BIO_CTRL_GET_KTLS_SEND:
        return w->is_offloaded;
    case OFFLOAD_CTRL_KEYS:
        return take_keys(w, number != 0, pointer);
    case OFFLOAD_CTRL_RECORD_TYPE:
        w->record_type = (unsigned char)number;
        return 0;
    default:
        return 0;
    }
}

int wire_setup(void)
{
    if (method != NULL)
        return 0;
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
    if (method == NULL)
        return -1;
    (void)BIO_meth_set_read(method, wire_read);
    (void)BIO_meth_set_write(method, wire_write);
    (void)BIO_meth_set_ctrl(method, wire_ctrl);
    return 0;
}

BIO *wire_new(struct wire *w, int fd, struct pool *pool)
{
    BIO *bio = BIO_new(method);

    if (bio == NULL)
        return NULL;
    *w = (struct wire){ .fd = fd, .pool = pool };
    BIO_set_data(bio, w);
    BIO_set_init(bio, 1);
    return bio;
}
