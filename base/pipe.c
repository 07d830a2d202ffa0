#include "base/pipe.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* The kernel counts pages, and those of a network card are half empty. Beyond
 * fs.pipe-user-pages-soft (64 MB for a user by default) it grants no more than it has,
 * which is good enough. */
enum { PIPE_BYTES = 256 * 1024 };

void pipe_pool_init(struct pipe_pool *pool, size_t ceiling, size_t keep)
{
    *pool = (struct pipe_pool){ .ceiling = ceiling, .keep = keep };
}

static void close_pipe(struct pipe *p)
{
    (void)close(p->read_fd);
    (void)close(p->write_fd);
    free(p);
}

void pipe_pool_deinit(struct pipe_pool *pool)
{
    struct pipe *p;

    assert(pool->used_count == 0);
    while ((p = pool->free) != NULL) {
        pool->free = p->next_free;
        close_pipe(p);
    }
    pool->free_count = 0;
}

static struct pipe *open_pipe(void)
{
    struct pipe *p = calloc(1, sizeof(*p));
    int size;
    int ends[2];

    if (p == NULL || pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) {
        free(p);
        return NULL;
    }
    p->read_fd = ends[0];
    p->write_fd = ends[1];
    (void)fcntl(p->write_fd, F_SETPIPE_SZ, PIPE_BYTES);
    size = fcntl(p->write_fd, F_GETPIPE_SZ);
    p->size = size > 0 ? (size_t)size : 4096;
    return p;
}

struct pipe *pipe_get(struct pipe_pool *pool)
{
    struct pipe *p = pool->free;

    if (pool->used_count >= pool->ceiling)
        return NULL;
    if (p != NULL) {
        pool->free = p->next_free;
        pool->free_count--;
    } else {
        p = open_pipe();
        if (p == NULL)
            return NULL;
    }
    p->next_free = NULL;
    pool->used_count++;
    return p;
}

void pipe_put(struct pipe_pool *pool, struct pipe *p)
{
    if (p == NULL)
        return;

    assert(pool->used_count > 0);
    pool->used_count--;
    if (p->held > 0 || pool->free_count >= pool->keep) {
        close_pipe(p);
        return;
    }
    p->next_free = pool->free;
    pool->free = p;
    pool->free_count++;
}

ssize_t pipe_fill(struct pipe *p, int socket_fd, size_t size)
{
    ssize_t n;

    do
        n = splice(socket_fd, NULL, p->write_fd, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        p->held += (size_t)n;
    return n;
}

/* Never with SPLICE_F_MORE: kernel TLS would then hold back a record that is not full
 * until more comes (seen with 6.12). */
ssize_t pipe_drain(struct pipe *p, int socket_fd)
{
    ssize_t n;

    do
        n = splice(p->read_fd, NULL, socket_fd, NULL, p->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        p->held -= (size_t)n;
    return n;
}
