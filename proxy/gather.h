/* gather.h - a small response that is held until it is whole, because its body
 * is to be changed; in practice a JNLP file.
 *
 *    raw head | head as it would pass unchanged | body as it came, framing included
 *
 * If the body grows too long, or its end is missing, the second and third part
 * go out as if nothing had been held.
 */
#ifndef PROXY_GATHER_H
#define PROXY_GATHER_H

#include <stdbool.h>
#include <stddef.h>

enum {
    GATHER_BODY_BYTES_MAX = 1024 * 1024, /* of a body; one read more than this may be held */
    GATHERS_MAX =
        64, /* at once in a worker: slow readers of them are outside of the pool's ceiling */
};

struct gather {
    char *bytes; /* owned; NULL: nothing is gathered */
    size_t len;
    size_t room;
    size_t raw_bytes;
    size_t head_bytes;
};

/* Begin with the head as it came, and as it would be passed on. False when
 * memory has run out, or too many are held: then it passes as it is. */
bool gather_start(struct gather *g, const char *raw, size_t raw_bytes, const char *head,
                  size_t head_bytes);

/* False when memory has run out: nothing was added. */
bool gather_add(struct gather *g, const char *bytes, size_t len);

void gather_free(struct gather *g);

static inline char *gather_body(const struct gather *g)
{
    return g->bytes + g->raw_bytes + g->head_bytes;
}

static inline size_t gather_body_bytes(const struct gather *g)
{
    return g->len - g->raw_bytes - g->head_bytes;
}

#endif
