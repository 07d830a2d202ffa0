/* session_log.h - what the log says of a session. */
#ifndef PROXY_SESSION_LOG_H
#define PROXY_SESSION_LOG_H

#include "proxy/session.h"

/* The one line of an ended session, which needs no other. */
void session_log_end(const struct session *s);

/* At debug level: the session has entered its state. */
void session_log_state(const struct session *s);

#endif
