/* greeting.h - how a client and its backend find each other.
 *
 * After the handshake a client sends some bytes, and its backend answers with one. The first is 3,
 * as RTMP's is: a proxy that looks at it connects to the backend now, the others have already.
 */
#ifndef GREETING_H
#define GREETING_H

#include "end.h"

/* Greetings of an earlier load are told from this one's. */
void greeting_init(void);

enum greeting { GREETING_STREAM = 1, GREETING_HANDSHAKE };

/* `on_ready` is called when the backend has answered, or without a greeting after the handshake. */
struct end *greeting_connect(uint32_t number, enum greeting greeting, bool is_silent,
                             void (*on_ready)(struct end *));
/* Accept whoever is there; `on_stream` and `on_handshake` are called with a backend that was
 * greeted. */
void greeting_accept(int listener, bool is_silent, void (*on_stream)(struct end *),
                     void (*on_handshake)(struct end *));

#endif
