/* crew.h - the workers of one generation: started, watched, replaced, ended.
 *
 *    WAITING --due--> RUNNING --died--> WAITING   (with a back-off)
 *                             --ended, the crew is ending--> GONE
 *
 * A crew keeps its generation to its end, which comes in steps: SERVES, DRAINS
 * (accepts no more, ends with its last session), STOPS, KILLED; each step has
 * a time after which the next one follows.
 */
#ifndef PROXY_CREW_H
#define PROXY_CREW_H

#include "proxy/generation.h"
#include "proxy/listener.h"
#include "proxy/stats.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct crew;

enum hand_state { HAND_WAITING, HAND_RUNNING, HAND_GONE };

/* One worker process as the master sees it. */
struct hand {
    enum hand_state state;
    pid_t pid;
    int control_fd; /* -1 unless RUNNING */
    bool is_ready;
    bool is_quiet;     /* accepts no more */
    int slot;          /* in stats; -1 when given back */
    unsigned failures; /* in a row */
    uint64_t started_ms;
    uint64_t due_ms; /* WAITING: when to start */
};

enum crew_state { CREW_SERVES, CREW_DRAINS, CREW_STOPS, CREW_KILLED };

/* In the new process, before anything else: close what is not this crew's. */
typedef void crew_fork_callback(void *owner, const struct crew *crew);

struct crew {
    struct crew *next;             /* in the fleet's list */
    struct generation *generation; /* owned */
    struct listener *listeners;    /* owned; the sockets are the fleet's */
    size_t listener_count;
    struct stats *stats; /* borrowed */
    crew_fork_callback *on_fork;
    void *owner; /* for on_fork */
    struct hand *hands;
    unsigned hand_count;
    enum crew_state state;
    uint64_t harder_ms;  /* when the next state is due; UINT64_MAX: never */
    uint64_t started_ms; /* crew_new() */
    bool was_ready;      /* every hand was, once */
};

/* How many workers there are where proxy.ini says `configured`, 0 for "auto". */
unsigned crew_workers(unsigned configured);

/* The sessions that one worker has room for with so many descriptors. */
uint64_t crew_room(uint64_t descriptors);

/* Prepare; no worker runs yet. The generation and the array of listeners are taken
 * if this succeeds. NULL when memory or slots in stats have run out. */
struct crew *crew_new(struct generation *generation, struct listener *listeners,
                      size_t listener_count, struct stats *stats, struct error *err);
void crew_free(struct crew *crew);

/* Close the master's control sockets; for a new process. */
void crew_hang_up(const struct crew *crew);

/* Start every worker that is due. In the new process this calls exit(). */
void crew_start_due(struct crew *crew);

/* Milliseconds until something is due; -1: nothing is. */
int crew_next_due_ms(const struct crew *crew);

/* A child ended; false if it is none of this crew's. */
bool crew_note_exit(struct crew *crew, pid_t pid, int status);

/* Fill `out` with the control sockets to poll, at most hand_count; returns how
 * many. Then, after the poll, read what came. */
unsigned crew_poll_fds(const struct crew *crew, struct pollfd *out);
void crew_read(struct crew *crew);

/* A worker ended before all were ready once. */
bool crew_has_failed(const struct crew *crew);

/* No worker accepts any more. */
bool crew_is_quiet(const struct crew *crew);

/* Accept no more and end with the last session, after `timeout_ms` at the latest
 * (UINT64_MAX: whenever). A crew that drains already keeps the earlier time. */
void crew_drain(struct crew *crew, uint64_t timeout_ms);

/* End all sessions; workers that do not obey are killed after some seconds. */
void crew_stop(struct crew *crew);

/* Go on to the next state if that is due. */
void crew_step(struct crew *crew);

bool crew_is_gone(const struct crew *crew);

#endif
