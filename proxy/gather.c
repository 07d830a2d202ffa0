#include "proxy/gather.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 32 * 1024 };

static size_t gather_count; /* one worker is one thread */

static bool grow(struct gather *g, size_t more)
{
    size_t room = g->room == 0 ? FIRST_ROOM : g->room;
    char *grown;

    while (room < g->len + more + 1) /* one byte more: "http" may become "https" in place */
        room *= 2;
    if (room == g->room)
        return true;
    grown = realloc(g->bytes, room);
    if (grown == NULL)
        return false;
    g->bytes = grown;
    g->room = room;
    return true;
}

static bool append(struct gather *g, const char *bytes, size_t len)
{
    if (!grow(g, len))
        return false;
    memcpy(g->bytes + g->len, bytes, len);
    g->len += len;
    return true;
}

bool gather_start(struct gather *g, const char *raw, size_t raw_bytes, const char *head,
                  size_t head_bytes)
{
    if (gather_count == GATHERS_MAX)
        return false;
    gather_count++;
    g->raw_bytes = raw_bytes;
    g->head_bytes = head_bytes;
    if (append(g, raw, raw_bytes) && append(g, head, head_bytes))
        return true;
    gather_free(g);
    return false;
}

bool gather_add(struct gather *g, const char *bytes, size_t len)
{
    return append(g, bytes, len);
}

void gather_free(struct gather *g)
{
    gather_count -= g->head_bytes > 0;
    free(g->bytes);
    *g = (struct gather){ 0 };
}
