#include "base/pool.h"

#include <assert.h>
#include <stdlib.h>

void pool_init(struct pool *p, size_t buffer_bytes, size_t ceiling, size_t keep)
{
    *p = (struct pool){ .buffer_bytes = buffer_bytes, .ceiling = ceiling, .keep = keep };
}

static void free_all(struct buffer **list)
{
    struct buffer *b;

    while ((b = *list) != NULL) {
        *list = b->next_free;
        free(b);
    }
}

void pool_deinit(struct pool *p)
{
    assert(p->used_count == 0);
    free_all(&p->free);
    free_all(&p->free_small);
    p->free_count = p->free_small_count = 0;
}

static size_t ceiling_for(const struct pool *p, enum pool_rank rank)
{
    size_t reserve = (p->ceiling + 7) / 8 * (POOL_LAST_STEP - rank);

    return p->ceiling > reserve ? p->ceiling - reserve : 0;
}

static struct buffer *get(struct pool *p, enum pool_rank rank, bool is_small)
{
    struct buffer **list = is_small ? &p->free_small : &p->free;
    size_t *count = is_small ? &p->free_small_count : &p->free_count;
    size_t size = is_small ? p->small_bytes : p->buffer_bytes;
    struct buffer *b = *list;

    if (p->used_count >= ceiling_for(p, rank))
        return NULL;

    if (b != NULL) {
        *list = b->next_free;
        --*count;
    } else {
        b = malloc(sizeof(*b) + size);
        if (b == NULL)
            return NULL;
        b->size = size;
    }
    b->next_free = NULL;
    b->start = b->end = 0;
    p->used_count++;
    return b;
}

struct buffer *pool_get(struct pool *p, enum pool_rank rank)
{
    return get(p, rank, false);
}

struct buffer *pool_get_for(struct pool *p, enum pool_rank rank, size_t bytes)
{
    return get(p, rank, bytes <= p->small_bytes);
}

void pool_put(struct pool *p, struct buffer *b)
{
    bool is_small;
    struct buffer **list;
    size_t *count;

    if (b == NULL)
        return;

    is_small = b->size == p->small_bytes;
    list = is_small ? &p->free_small : &p->free;
    count = is_small ? &p->free_small_count : &p->free_count;
    assert(p->used_count > 0);
    p->used_count--;
    p->put_count++;
    if (*count >= p->keep) {
        free(b);
        return;
    }
    b->next_free = *list;
    *list = b;
    ++*count;
}
