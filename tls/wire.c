#include "tls/wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static BIO_METHOD *method;

static bool take_buffer(struct wire *w)
{
    if (w->out == NULL)
        w->out = pool_get(w->pool, POOL_LAST_STEP);
    w->is_starved = w->out == NULL;
    return !w->is_starved;
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

size_t wire_room(struct wire *w)
{
    return take_buffer(w) ? buffer_room(w->out) : 0;
}

enum io_status wire_flush(struct wire *w)
{
    ssize_t n;

    if (w->error != 0)
        return IO_ERROR;
    while (w->out != NULL && buffer_len(w->out) > 0) {
        if (w->is_full)
            return IO_WANT_WRITE;
        n = send(w->fd, buffer_head(w->out), buffer_len(w->out), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            w->error = errno;
            return IO_ERROR;
        }
        w->is_full = n < (ssize_t)buffer_len(w->out);
        if (n > 0)
            buffer_consume(w->out, (size_t)n);
    }
    wire_drop(w);
    return IO_OK;
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

/* OpenSSL writes whole records; one that does not fit waits for a flush. */
static int wire_write(BIO *bio, const char *bytes, int size)
{
    struct wire *w = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (w->error != 0)
        return -1;
    if (wire_room(w) < (size_t)size && !w->is_starved && wire_flush(w) == IO_ERROR)
        return -1;
    if (wire_room(w) < (size_t)size) {
        BIO_set_retry_write(bio);
        return -1;
    }
    memcpy(buffer_tail(w->out), bytes, (size_t)size);
    buffer_produce(w->out, (size_t)size);
    return size;
}

static long wire_ctrl(BIO *bio, int command, long number, void *pointer)
{
    struct wire *w = BIO_get_data(bio);
    BIO *next = BIO_next(bio);

    switch (command) {
    case BIO_CTRL_FLUSH: /* the conn flushes after each call into OpenSSL */
    case BIO_CTRL_DUP:
        return 1;
    case BIO_CTRL_WPENDING:
        return w->out != NULL ? (long)buffer_len(w->out) : 0;
    default:
        return next != NULL ? BIO_ctrl(next, command, number, pointer) : 0;
    }
}

int wire_setup(void)
{
    if (method != NULL)
        return 0;
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_FILTER, "wire");
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
    BIO *socket_bio = BIO_new_socket(fd, BIO_NOCLOSE);

    if (bio == NULL || socket_bio == NULL) {
        BIO_free(bio);
        BIO_free(socket_bio);
        return NULL;
    }
    *w = (struct wire){ .fd = fd, .pool = pool };
    BIO_set_data(bio, w);
    BIO_set_init(bio, 1);
    return BIO_push(bio, socket_bio);
}
