/* probe.h - one connection of doctor's, to a listener or a backend: plain, or TLS.
 *
 *    probe_open --TLS?--> probe_secure --> probe_send, probe_receive ... --> probe_close
 *
 * It blocks, but no step longer than PROBE_STEP_MS; a step is a connection, a handshake,
 * or a whole exchange that begins with probe_begin(). Nor is it longer than the run of
 * which it is a part.
 */
#ifndef PROXY_PROBE_H
#define PROXY_PROBE_H

#include "base/addr.h"
#include "base/error.h"
#include "tls/probe.h"

#include <stdint.h>
#include <sys/types.h>

enum { PROBE_STEP_MS = 3000 };

struct probe {
    int fd;
    struct tls_probe *tls; /* owned; NULL: plain */
    uint64_t run_ms;       /* when the whole run must be over (clock_ms) */
    uint64_t step_ms;      /* when this step must be */
    int error;             /* errno of a probe_open() that failed */
    struct error fault;    /* why a step failed, in words */
};

/* Connect. -1 with `fault`, and then there is nothing to close. */
int probe_open(struct probe *p, const struct addr *to, uint64_t run_ms);

/* Do a TLS handshake; `options->fd` is filled in. */
int probe_secure(struct probe *p, struct tls_probe_options *options);

/* A new exchange begins. */
void probe_begin(struct probe *p);

/* Send all of it. */
int probe_send(struct probe *p, const void *bytes, size_t size);

/* Receive some bytes: how many; 0 where the other end has ended; -1. */
ssize_t probe_receive(struct probe *p, void *out, size_t size);

/* Receive exactly `size` bytes: how many came before the other end ended; -1. */
ssize_t probe_receive_all(struct probe *p, void *out, size_t size);

void probe_close(struct probe *p);

#endif
