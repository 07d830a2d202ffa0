/* pipe.h - kernel pipes to splice(2) bytes through, and a pool of them.
 *
 *    socket --splice--> pipe, pages of the kernel --splice--> socket
 *
 * A pipe costs two descriptors, so only a source that has bytes at hand takes one,
 * and gives it back when it is empty. One that still holds bytes is closed: what a
 * session left behind must never reach another. Not thread-safe: one pool for each
 * worker.
 */
#ifndef BASE_PIPE_H
#define BASE_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct pipe {
    struct pipe *next_free; /* the pool's, while the pipe is in it */
    int read_fd;
    int write_fd;
    size_t size; /* what it can hold, if every page is full */
    size_t held; /* bytes in it */
};

struct pipe_pool {
    struct pipe *free;
    size_t ceiling; /* the most pipes in use at once */
    size_t keep;    /* the most free pipes kept */
    size_t used_count;
    size_t free_count;
};

void pipe_pool_init(struct pipe_pool *pool, size_t ceiling, size_t keep);

/* Close what is kept. Every pipe must have come back. */
void pipe_pool_deinit(struct pipe_pool *pool);

/* An empty pipe, the caller's until pipe_put(); NULL at the ceiling, or where
 * descriptors or memory have run out. */
struct pipe *pipe_get(struct pipe_pool *pool);

/* Give a pipe back; NULL is accepted. */
void pipe_put(struct pipe_pool *pool, struct pipe *p);

/* Move up to `size` bytes from a socket into the pipe, or from the pipe into a
 * socket. Nothing waits. As read(2) and write(2): a count, 0 at the socket's end, or -1
 * and errno; EAGAIN of pipe_fill() can mean a full pipe as well as an empty socket. */
ssize_t pipe_fill(struct pipe *p, int socket_fd, size_t size);
ssize_t pipe_drain(struct pipe *p, int socket_fd);

#endif
