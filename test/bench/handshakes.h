/* handshakes.h - clients that connect, shake hands, get one byte from their backend, and leave; in
 * each slot one after the other.
 *
 * They are served by a process of their own, which runs only when this one has nothing to do: they
 * shall not be what the messages of live streams wait for.
 */
#ifndef HANDSHAKES_H
#define HANDSHAKES_H

#include <stdint.h>

struct handshake_counts {
    uint64_t done, resumed;
    uint64_t own; /* processor time, ns */
};

/* From here on all that connect to `listener` are backends of these. */
void handshakes_start(unsigned slots, int listener);
struct handshake_counts handshakes_read(void);
void handshakes_stop(void);

#endif
