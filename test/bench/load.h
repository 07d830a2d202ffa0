/* load.h - what the kinds of traffic share.
 *
 *    clients connect, greet --all are there--> traffic begins --warm--> measured --> one line of
 * JSON or, with --hold: "ready", and it waits for orders
 *
 * Handshakes in slots of their own (handshakes.h) may go on beside the traffic.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "end.h"

#define NEVER UINT64_MAX

struct traffic {
    const char *name;
    bool is_silent_at_first; /* no greeting: the first bytes are the traffic's own */
    bool is_slow;            /* clients read little at a time */
    void (*begin)(void);     /* all connections are there; may be NULL, as those below */
    void (*on_client)(struct end *, uint32_t events);
    void (*on_backend)(struct end *, uint32_t events);
    uint64_t (*turn)(uint64_t now); /* do what is due, and say when more is (ns) */
};

extern const struct traffic bulk_download, bulk_upload, messages, requests, posts, viewers, silence;

struct load {
    const struct traffic *traffic;
    unsigned connections;
    unsigned handshakes; /* slots */
    unsigned rate;       /* of all messages in a second; of one viewer, bytes */
    unsigned reads;      /* what a viewer takes of that */
    uint64_t limit;      /* bytes for each connection; 0: without end */
    double warm, seconds;
    bool holds;

    struct end **clients, **backends; /* by their numbers */
    bool is_measuring;
    unsigned finished; /* connections that have reached the limit */
    uint64_t units, bytes;
};

extern struct load load;

/* An event of a backend that should only ever end: closes it when it has. */
void backend_awaits_end(struct end *e, uint32_t events);

/* A duration that was measured, in ns. */
void sample_add(uint64_t duration);

#endif
