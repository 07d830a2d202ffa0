/* fleet.h - all crews: one that serves, one that comes to take over, those that leave.
 *
 *    fleet_launch() --> coming --all its workers are ready--> serving
 *                          |                                     | the next one is ready
 *                          +--one of them ends--> leaving <------+ --last session--> gone
 *
 * Sockets that both set-ups have pass from one to the other without being
 * closed. What only the coming one has is opened first; what only the old one
 * had is closed when the coming one is ready: at no time is there a port that neither
 * serves, and until then nothing has changed for anybody.
 */
#ifndef PROXY_FLEET_H
#define PROXY_FLEET_H

#include "proxy/crew.h"

struct tls_tickets;

enum { FLEET_FDS_MAX = STATS_SLOTS };

struct fleet {
    struct stats *stats;         /* borrowed */
    struct tls_tickets *tickets; /* borrowed */
    int signal_fd;               /* borrowed; not for the workers */
    struct crew *serving;        /* owned, as the others; NULL: nobody yet, or no more */
    struct crew *coming;         /* or NULL */
    struct crew *leaving;        /* a list */
    bool is_changing;            /* the crew that left last may still accept */
    bool has_given_up;           /* the crew that came last could not start */
};

/* Open what sockets are missing and start a crew for `generation`, which is taken if
 * this succeeds. Not while another one is coming. 0 or -1: nothing has changed. */
int fleet_launch(struct fleet *fleet, struct generation *generation, struct error *err);

/* The first crew's workers cannot start. */
bool fleet_has_failed(const struct fleet *fleet);

/* Start workers that are due, let a ready crew take over, give up one that cannot
 * start, end what is to end. After each poll. */
void fleet_step(struct fleet *fleet);

int fleet_next_due_ms(const struct fleet *fleet);
unsigned fleet_poll_fds(const struct fleet *fleet, struct pollfd *out);
void fleet_read(struct fleet *fleet);
void fleet_note_exit(struct fleet *fleet, pid_t pid, int status);

/* All crews; listening ends at once. */
void fleet_drain(struct fleet *fleet, uint64_t timeout_ms);
void fleet_stop(struct fleet *fleet);

/* No worker is left. */
bool fleet_is_gone(const struct fleet *fleet);
void fleet_deinit(struct fleet *fleet);

#endif
