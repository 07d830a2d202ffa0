#include "test/unit/fake_conn.h"

#include "base/list.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

static struct fake_conn *fake_of(const struct conn *c)
{
    return container_of(c, struct fake_conn, conn);
}

/* The next step of a script, or `last` for ever. */
static struct fake_step next_step(const struct fake_step **script, struct fake_step last)
{
    if (*script == NULL || (*script)->status == IO_IDLE)
        return last;
    return *(*script)++;
}

enum io_status conn_read(struct conn *c, void *out, size_t size, size_t *n)
{
    struct fake_conn *fake = fake_of(c);
    struct fake_step step = next_step(&fake->reads, (struct fake_step){ .status = IO_WANT_READ });

    fake->read_calls++;
    *n = 0;
    if (step.status != IO_OK)
        return step.status;
    assert(strlen(step.bytes) <= size);
    *n = strlen(step.bytes);
    memcpy(out, step.bytes, *n);
    return IO_OK;
}

enum io_status conn_write(struct conn *c, const void *bytes, size_t size, size_t *n)
{
    struct fake_conn *fake = fake_of(c);
    struct fake_step step =
        next_step(&fake->writes, (struct fake_step){ .status = IO_OK, .n = size });

    *n = 0;
    fake->is_blocked = step.status == IO_WANT_WRITE || (step.status == IO_OK && step.n < size);
    if (step.status != IO_OK)
        return step.status;
    *n = step.n < size ? step.n : size;
    (void)strncat(fake->taken, bytes, *n);
    assert(strlen(fake->taken) < FAKE_TEXT_BYTES - 1);
    return IO_OK;
}

enum io_status conn_shutdown(struct conn *c)
{
    struct fake_conn *fake = fake_of(c);
    struct fake_step step = next_step(&fake->shutdowns, (struct fake_step){ .status = IO_OK });

    fake->is_shut = step.status == IO_OK;
    return step.status;
}

/* A fake that splices moves bytes between its script and a real pipe. */
bool conn_can_splice_in(const struct conn *c)
{
    return fake_of(c)->splices;
}

bool conn_can_splice_out(const struct conn *c)
{
    return fake_of(c)->splices;
}

enum io_status conn_splice_in(struct conn *c, struct pipe *to, size_t size, size_t *n)
{
    struct fake_conn *fake = fake_of(c);
    struct fake_step step =
        next_step(&fake->splice_reads, (struct fake_step){ .status = IO_WANT_READ });

    fake->asked = size;
    *n = 0;
    if (step.status != IO_OK)
        return step.status;
    assert(strlen(step.bytes) <= size);
    *n = strlen(step.bytes);
    assert(write(to->write_fd, step.bytes, *n) == (ssize_t)*n);
    to->held += *n;
    return IO_OK;
}

enum io_status conn_splice_out(struct conn *c, struct pipe *from, size_t *n)
{
    char bytes[FAKE_TEXT_BYTES];
    struct fake_conn *fake = fake_of(c);
    struct fake_step step =
        next_step(&fake->writes, (struct fake_step){ .status = IO_OK, .n = from->held });
    size_t size = step.n < from->held ? step.n : from->held;

    *n = 0;
    fake->is_blocked = step.status == IO_WANT_WRITE || size < from->held;
    if (step.status != IO_OK)
        return step.status;
    *n = size;
    assert(read(from->read_fd, bytes, size) == (ssize_t)size);
    from->held -= size;
    (void)strncat(fake->taken, bytes, size);
    return IO_OK;
}

size_t conn_room(const struct conn *c)
{
    return fake_of(c)->room;
}

bool conn_is_blocked(const struct conn *c)
{
    return fake_of(c)->is_blocked;
}

enum io_status conn_peek(struct conn *c, unsigned char *first)
{
    *first = 0;
    return fake_of(c)->conn.has_failed ? IO_ERROR : IO_WANT_READ;
}

bool conn_is_truncated(const struct conn *c)
{
    (void)c;
    return false;
}

void conn_close(struct conn *c, enum conn_close how)
{
    (void)how;
    c->is_open = false;
}
