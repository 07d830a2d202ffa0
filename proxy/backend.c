#include "proxy/backend.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum {
    RETRY_FIRST_MS = 25,
    RETRY_LONGEST_MS = 400,

    /* Of a backend on this machine nothing is under way, so a queue is of use only while we do
     * not look. Linux takes twice that, for what is around the bytes (socket(7)); left alone it
     * would let as many megabytes wait as a client is behind. */
    LOCAL_RECEIVED_BYTES = 224 * 1024,
};

const struct addr *backend_address(const struct backend *backend, unsigned attempt)
{
    return &backend->addresses[attempt % backend->address_count];
}

uint64_t backend_retry_delay_ms(unsigned attempt)
{
    uint64_t delay = RETRY_FIRST_MS;

    while (attempt-- > 0 && delay < RETRY_LONGEST_MS)
        delay *= 2;
    return delay;
}

enum io_status backend_dial(const struct backend *backend, unsigned attempt, int *fd, int *error)
{
    const struct addr *a = backend_address(backend, attempt);
    const int on = 1;
    const int received_bytes = LOCAL_RECEIVED_BYTES;
    int rc;

    *fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0) {
        *error = errno;
        return IO_ERROR;
    }
    (void)setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (addr_is_loopback(a))
        (void)setsockopt(*fd, SOL_SOCKET, SO_RCVBUF, &received_bytes, sizeof(received_bytes));
    rc = connect(*fd, &a->any, a->len);
    if (rc < 0 && errno == EINPROGRESS) /* on loopback it is done by now: ask again */
        rc = connect(*fd, &a->any, a->len);
    if (rc == 0 || errno == EISCONN)
        return IO_OK;
    if (errno == EALREADY)
        return IO_WANT_WRITE;
    *error = errno;
    (void)close(*fd);
    *fd = -1;
    return IO_ERROR;
}
