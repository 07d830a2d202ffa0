/* pool.h - free lists of large and of small buffers, with a ceiling for both together.
 *
 * The buffer given back last is the one handed out next: it is still in the
 * processor's cache. A few free buffers are kept, the others go back to the
 * system, so that a burst leaves no memory behind. Not thread-safe: one pool
 * for each worker.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/buffer.h"

struct pool {
    struct buffer *free;
    struct buffer *free_small;
    size_t buffer_bytes; /* the size of a large buffer */
    size_t small_bytes;  /* of a small one; 0: there are none */
    size_t ceiling;      /* the most buffers in use at once */
    size_t keep;         /* the most free buffers kept, of each size */
    size_t used_count;
    size_t free_count;
    size_t free_small_count;
    size_t put_count; /* of all time: whether it is worth to ask again */
};

void pool_init(struct pool *p, size_t buffer_bytes, size_t ceiling, size_t keep);

/* Free what is kept. Every buffer must have come back. */
void pool_deinit(struct pool *p);

/* Who asks for a buffer. At the ceiling, those who can go on without another
 * buffer come first: an eighth of all is kept for the last step of a byte's
 * way, a quarter for its last two. Without an order everybody could hold one
 * and wait for the next. */
enum pool_rank { POOL_FIRST_STEP, POOL_NEXT_STEP, POOL_LAST_STEP };

/* An empty buffer, the caller's until pool_put(); NULL at the ceiling for this
 * rank or when memory has run out. */
struct buffer *pool_get(struct pool *p, enum pool_rank rank);

/* The same for `bytes` only: a small buffer if they fit there. */
struct buffer *pool_get_for(struct pool *p, enum pool_rank rank, size_t bytes);

/* Give a buffer back; NULL is accepted. Its bytes are forgotten. */
void pool_put(struct pool *p, struct buffer *b);

#endif
