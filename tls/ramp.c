#include "tls/ramp.h"

#include "tls/tls.h"

size_t ramp_text_bytes(struct ramp *r, uint32_t now_ms)
{
    if (now_ms - r->last_ms >= RAMP_PAUSE_MS)
        r->sent_bytes = 0;
    return r->sent_bytes < RAMP_BYTES ? RAMP_TEXT_BYTES : TLS_TEXT_BYTES;
}

void ramp_note(struct ramp *r, size_t n, uint32_t now_ms)
{
    r->sent_bytes += n < RAMP_BYTES ? (uint32_t)n : RAMP_BYTES;
    if (r->sent_bytes > RAMP_BYTES)
        r->sent_bytes = RAMP_BYTES;
    r->last_ms = now_ms;
}
