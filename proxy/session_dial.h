/* session_dial.h - CONNECTING: a turn among max_dials, the dial, retries. */
#ifndef PROXY_SESSION_DIAL_H
#define PROXY_SESSION_DIAL_H

#include "proxy/session.h"

enum session_state session_dial_step(struct session *s);

#endif
