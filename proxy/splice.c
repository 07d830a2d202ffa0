#include "proxy/splice.h"

#include "proxy/channel.h"
#include "proxy/conn.h"

enum {
    START_BYTES = 32 * 1024, /* a read that brought as much is followed by more */
    STOP_BYTES = 16 * 1024,
};

void splice_note_read(struct channel *ch, size_t n)
{
    ch->is_bulk = n >= START_BYTES;
}

void splice_stop(struct channel *ch)
{
    pipe_put(ch->pipes, ch->pipe);
    ch->pipe = NULL;
}

static void put_empty_pipe(struct channel *ch)
{
    if (ch->pipe->held == 0)
        splice_stop(ch);
}

static bool is_offered(const struct channel *ch)
{
    return ch->pipes != NULL && !ch->is_declined && conn_can_splice_in(ch->source) &&
           conn_can_splice_out(ch->target);
}

bool splice_is_next(struct channel *ch)
{
    if (!ch->is_bulk || ch->buffer != NULL || ch->credit <= channel_held(ch) || !is_offered(ch))
        return false;
    if (ch->pipe == NULL)
        ch->pipe = pipe_get(ch->pipes);
    ch->is_bulk = ch->pipe != NULL;
    return ch->is_bulk;
}

/* The kernel does not splice from here: what is in the pipe will still go out of it. */
static enum io_status decline(struct channel *ch)
{
    ch->is_bulk = false;
    ch->is_declined = true;
    return IO_OK;
}

enum io_status splice_fill(struct channel *ch)
{
    struct pipe *p = ch->pipe;
    size_t room = p->size > p->held ? p->size - p->held : 0;
    uint64_t credit = ch->credit - p->held;
    enum io_status status = IO_IDLE;
    size_t n = 0;

    if (room > 0)
        status = conn_splice_in(ch->source, p, credit < room ? (size_t)credit : room, &n);
    if (status == IO_OK) {
        ch->received += n;
        ch->is_bulk = n >= STOP_BYTES;
    } else if (status == IO_EOF) {
        ch->state = CHANNEL_DRAINING;
        status = IO_OK;
        if (ch->judge != NULL)
            ch->judge(ch, ch->judge_user);
    } else if (status == IO_ERROR && !ch->source->has_failed) {
        status = decline(ch);
    }
    put_empty_pipe(ch);
    return status;
}

enum io_status splice_flush(struct channel *ch)
{
    enum io_status status;
    size_t n;

    status = conn_splice_out(ch->target, ch->pipe, &n);
    if (status == IO_OK) {
        ch->delivered += n;
        ch->credit -= n;
        ch->spliced += n;
        put_empty_pipe(ch);
    }
    return status;
}
