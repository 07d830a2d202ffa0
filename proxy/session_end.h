/* session_end.h - the one door out of a session, and what lies behind it.
 *
 *    session_end()    the reason; the first one stays
 *    session_finish() one log line, farewells, buffers back
 *    session_linger() until the kernel has sent what was written
 */
#ifndef PROXY_SESSION_END_H
#define PROXY_SESSION_END_H

#include "proxy/session.h"

/* `fault`: constant text, or NULL. */
void session_end(struct session *s, enum end_reason reason, const char *fault);

/* The same, for what the client conn has failed with. */
void session_end_client(struct session *s);

/* Log one line, let go of all but the sockets, close; freed when its
 * timer is closed. */
void session_finish(struct session *s);

/* Look whether the sockets can be closed. */
void session_linger(struct session *s);

/* A place among max_dials was counted for it: who waits behind it may try. */
void session_take_dial(struct session *s);

/* Give the place among max_dials back, or that among those who wait for one. */
void session_release_dial(struct session *s);

#endif
