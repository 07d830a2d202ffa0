/* session_time.h - how long a session may stay where it is.
 *
 * One timer for each session. It may fire early, never late: progress moves a
 * deadline without a call, and a timer that fires too soon is armed anew.
 */
#ifndef PROXY_SESSION_TIME_H
#define PROXY_SESSION_TIME_H

#include "proxy/session.h"

struct deadline {
    uint64_t at_ms; /* the loop's time */
    enum end_reason reason;
};

struct deadline session_deadline(const struct session *s);

/* Let the timer fire at the deadline, or before. */
void session_time_arm(struct session *s);

/* After the end: look again in `ms`. */
void session_time_look_again(struct session *s, unsigned ms);

#endif
