/* session_http.h - what an HTTP session does besides relaying.
 *
 *    ROUTING --> REQUEST --a head--> CONNECTING --> RELAYING --> REQUEST ...
 *                   |                     |             |
 *                   +---------------------+-------------+--> ANSWERING --> the end, or REQUEST
 *
 * The exchange (exchange.h) says what may pass; here is when.
 */
#ifndef PROXY_SESSION_HTTP_H
#define PROXY_SESSION_HTTP_H

#include "proxy/session.h"

/* After ROUTING, with the first byte held: 0, or -1 when memory has run out. */
int session_http_start(struct session *s);

/* Wait for a request's head. */
enum session_state session_http_step_request(struct session *s);

/* Deliver an answer of our own. */
enum session_state session_http_step_answering(struct session *s);

/* Both channels have pumped: see what of the exchange is done. */
enum session_state session_http_relay(struct session *s);

/* The session has ended for a reason that a waiting client can be told. True:
 * it is being told, and the session lives until it is. */
bool session_http_tell(struct session *s);

/* The worker drains: whoever waits for a request need not wait. */
void session_http_drain(struct session *s);

#endif
