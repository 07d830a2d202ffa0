/* crew.h - the workers of one generation: started, watched, replaced, ended.
 *
 *    WAITING --due--> RUNNING --died--> WAITING   (with a back-off)
 *                             --ended, the crew is draining--> GONE
 *
 * A crew keeps its generation to its end. The master may have several at a
 * time: a new one that accepts, old ones that end with their last session.
 */
#ifndef PROXY_CREW_H
#define PROXY_CREW_H

#include "proxy/control.h"
#include "proxy/generation.h"
#include "proxy/listener.h"
#include "proxy/stats.h"

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

enum hand_state { HAND_WAITING, HAND_RUNNING, HAND_GONE };

/* One worker process as the master sees it. */
struct hand {
    enum hand_state state;
    pid_t pid;
    int control_fd; /* -1 unless RUNNING */
    bool is_ready;
    unsigned failures; /* in a row */
    uint64_t started_ms;
    uint64_t due_ms; /* WAITING: when to start */
};

struct crew {
    struct generation *generation; /* owned */
    struct listener *listeners;    /* borrowed from the master */
    size_t listener_count;
    struct stats *stats; /* borrowed */
    size_t first_slot;   /* in stats; one for each hand */
    int signal_fd;       /* the master's: not for the workers */
    struct hand *hands;
    unsigned hand_count;
    bool is_draining;
    bool was_ready; /* every hand was, once */
};

/* Prepare; no worker runs yet. The generation is taken if this succeeds. 0 or -1. */
int crew_init(struct crew *crew, struct generation *generation, struct error *err);
void crew_deinit(struct crew *crew);

/* Start every worker that is due. In the new process this calls exit(). */
void crew_start_due(struct crew *crew);

/* Milliseconds until the next worker is due; -1: none is. */
int crew_next_due_ms(const struct crew *crew);

/* A child ended; false if it is none of this crew's. */
bool crew_note_exit(struct crew *crew, pid_t pid, int status);

/* Fill `out` with the control sockets to poll, at most hand_count; returns how
 * many. Then, after the poll, read what came. */
unsigned crew_poll_fds(const struct crew *crew, struct pollfd *out);
void crew_read(struct crew *crew);

/* Tell all workers. CONTROL_DRAIN and CONTROL_STOP make the crew drain. */
void crew_tell(struct crew *crew, enum control command);

/* For workers that do not obey. */
void crew_kill(struct crew *crew);

bool crew_is_gone(const struct crew *crew);

#endif
