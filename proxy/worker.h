/* worker.h - one process with one loop: it accepts, and serves its sessions to
 * their end.
 *
 * A worker opens no file and has given up the master's rights before it reads
 * a byte from the network. Signals are the master's business: it is told what
 * to do over its control socket.
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include "proxy/generation.h"
#include "proxy/listener.h"
#include "proxy/stats.h"

struct worker_options {
    const struct generation *generation;
    const struct listener *listeners;
    size_t listener_count;
    struct stats *stats;
    size_t slot;           /* in stats */
    int control_fd;        /* taken */
    unsigned sessions_max; /* over all workers */
    size_t worker_max;     /* sessions of this worker */
    size_t buffers_max;    /* buffers of this worker's pool */
    size_t pipes_max;      /* for splice(2) */
};

/* Serve until told to end and the last session has. Call it in a fresh process:
 * the loop is made here. Returns the exit code: 0, or 3 if it cannot start. */
int worker_run(const struct worker_options *options);

#endif
