/* backend.h - where sessions are sent on to: its addresses, and the dial.
 *
 * A dial is one non-blocking connect. Retries are the session's: it asks for
 * the next attempt and how long to wait before it.
 */
#ifndef PROXY_BACKEND_H
#define PROXY_BACKEND_H

#include "base/addr.h"
#include "base/io.h"

struct backend {
    const char *text; /* borrowed from the config; NULL: there is none */
    const struct addr *addresses;
    size_t address_count;
    size_t index;       /* its counter in stats: the same for the same text */
    unsigned max_dials; /* at once, over all workers */
};

/* The address that attempt number `attempt` (from 0) goes to: they take turns. */
const struct addr *backend_address(const struct backend *backend, unsigned attempt);

/* How long to wait after failed attempt number `attempt` (from 0). */
uint64_t backend_retry_delay_ms(unsigned attempt);

/* Open a socket and start to connect it. IO_OK: connected; IO_WANT_WRITE:
 * under way, SO_ERROR tells when it is writable; in both cases *fd is the
 * caller's. IO_ERROR: *error is errno. */
enum io_status backend_dial(const struct backend *backend, unsigned attempt, int *fd, int *error);

#endif
