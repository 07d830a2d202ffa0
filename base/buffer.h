/* buffer.h - a span of bytes with a start and an end.
 *
 *    bytes         start             end            size
 *      |  consumed   |  head ... data  |  tail, room  |
 *
 * Produce at the tail after a read, consume at the head after a write. When
 * the last byte is consumed the span moves back to the front, so a buffer
 * never needs to wrap. Buffers come from a pool (pool.h) and go back to it.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct buffer {
    struct buffer *next_free; /* the pool's, while the buffer is in it */
    size_t start;
    size_t end;
    size_t size;
    unsigned char bytes[];
};

static inline size_t buffer_len(const struct buffer *b)
{
    return b->end - b->start;
}

static inline size_t buffer_room(const struct buffer *b)
{
    return b->size - b->end;
}

static inline unsigned char *buffer_head(struct buffer *b)
{
    return b->bytes + b->start;
}

static inline unsigned char *buffer_tail(struct buffer *b)
{
    return b->bytes + b->end;
}

/* `n` bytes were written at the tail. */
static inline void buffer_produce(struct buffer *b, size_t n)
{
    assert(n <= buffer_room(b));
    b->end += n;
}

/* `n` bytes at the head are done with. */
static inline void buffer_consume(struct buffer *b, size_t n)
{
    assert(n <= buffer_len(b));
    b->start += n;
    if (b->start == b->end)
        b->start = b->end = 0;
}

/* Leave `n` bytes free in front of the first that is produced. The buffer is empty. */
static inline void buffer_leave_headroom(struct buffer *b, size_t n)
{
    assert(b->start == b->end && n <= b->size);
    b->start = b->end = n;
}

/* Move what is held to `n` bytes behind the front, if it stands farther back. */
static inline void buffer_make_room(struct buffer *b, size_t n)
{
    size_t len = buffer_len(b);

    if (b->start <= n)
        return;
    memmove(b->bytes + n, buffer_head(b), len);
    b->start = n;
    b->end = n + len;
}

/* Put `size` other bytes in the place of the `old_size` that stand `offset`
 * behind the head. What is before them moves, or if there is no room in front,
 * what is behind. False if there is none there either: nothing was changed. */
static inline bool buffer_replace(struct buffer *b, size_t offset, size_t old_size,
                                  const void *bytes, size_t size)
{
    unsigned char *from = buffer_head(b);

    assert(offset + old_size <= buffer_len(b));
    if (size <= b->start + old_size) {
        b->start = b->start + old_size - size;
        memmove(buffer_head(b), from, offset);
        memcpy(buffer_head(b) + offset, bytes, size);
        return true;
    }
    if (size - old_size > buffer_room(b))
        return false;
    memmove(from + offset + size, from + offset + old_size, buffer_len(b) - offset - old_size);
    memcpy(from + offset, bytes, size);
    b->end = b->end + size - old_size;
    return true;
}

#endif
