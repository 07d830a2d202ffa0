#include "base/pool.h"

#include <assert.h>
#include <stdlib.h>

void pool_init(struct pool *p, size_t buffer_bytes, size_t ceiling, size_t keep)
{
    *p = (struct pool){ .buffer_bytes = buffer_bytes, .ceiling = ceiling, .keep = keep };
}

void pool_deinit(struct pool *p)
{
    struct buffer *b;

    assert(p->used_count == 0);
    while ((b = p->free) != NULL) {
        p->free = b->next_free;
        free(b);
    }
    p->free_count = 0;
}

static size_t ceiling_for(const struct pool *p, enum pool_rank rank)
{
    size_t reserve = (p->ceiling + 7) / 8 * (POOL_LAST_STEP - rank);

    return p->ceiling > reserve ? p->ceiling - reserve : 0;
}

struct buffer *pool_get(struct pool *p, enum pool_rank rank)
{
    struct buffer *b = p->free;

    if (p->used_count >= ceiling_for(p, rank))
        return NULL;

    if (b != NULL) {
        p->free = b->next_free;
        p->free_count--;
    } else {
        b = malloc(sizeof(*b) + p->buffer_bytes);
        if (b == NULL)
            return NULL;
        b->size = p->buffer_bytes;
    }
    b->next_free = NULL;
    b->start = b->end = 0;
    p->used_count++;
    return b;
}

void pool_put(struct pool *p, struct buffer *b)
{
    if (b == NULL)
        return;

    assert(p->used_count > 0);
    p->used_count--;
    p->put_count++;
    if (p->free_count >= p->keep) {
        free(b);
        return;
    }
    b->next_free = p->free;
    p->free = b;
    p->free_count++;
}
