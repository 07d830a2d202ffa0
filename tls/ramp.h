/* ramp.h - how much text the next record shall carry. For tls/ only.
 *
 * A record is of no use before the whole of it is there. At the start of a connection, and
 * again when it has paused, TCP sends about ten packets and waits for an answer (RFC 6928;
 * RFC 5681, 4.1): of a record of 16 kB the end is then a round trip late. So the first bytes
 * go in records of one packet each, and those behind them in full ones, which cost less.
 */
#ifndef TLS_RAMP_H
#define TLS_RAMP_H

#include <stddef.h>
#include <stdint.h>

enum {
    /* One packet: 1500 bytes of Ethernet less IPv6 (40), TCP (20), its timestamps (12), and
     * a frame of TLS 1.2 (29). */
    RAMP_TEXT_BYTES = 1500 - 40 - 20 - 12 - 29,

    RAMP_BYTES = 64 * 1024, /* in such records */
    RAMP_PAUSE_MS = 1000,   /* without a byte, before it begins again */
};

/* All zero at the start. */
struct ramp {
    uint32_t sent_bytes; /* in small records */
    uint32_t last_ms;    /* when something was sent last; may wrap */
};

/* The most text for a record that is made now. */
size_t ramp_text_bytes(struct ramp *r, uint32_t now_ms);

/* So much text was sent. */
void ramp_note(struct ramp *r, size_t n, uint32_t now_ms);

#endif
