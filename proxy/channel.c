#include "proxy/channel.h"

#include "proxy/conn.h"

enum { TURNS = 32 }; /* of one pump, however little each of them moves */

void channel_init(struct channel *ch, struct conn *source, struct conn *target, struct pool *pool,
                  enum pool_rank rank)
{
    *ch = (struct channel){ .source = source, .target = target, .pool = pool, .rank = rank };
    ch->read_wait = IO_IDLE;
    ch->write_wait = IO_IDLE;
}

static void put_buffer(struct channel *ch)
{
    pool_put(ch->pool, ch->buffer);
    ch->buffer = NULL;
}

void channel_deinit(struct channel *ch)
{
    if (ch->buffer != NULL)
        put_buffer(ch);
}

static enum io_status fill(struct channel *ch)
{
    enum io_status status;
    size_t n;

    if (ch->state != CHANNEL_OPEN)
        return IO_IDLE;
    if (ch->buffer == NULL)
        ch->buffer = pool_get(ch->pool, ch->rank);
    if (ch->buffer == NULL)
        return IO_STARVED;
    if (buffer_room(ch->buffer) == 0)
        return IO_IDLE; /* back-pressure: a full buffer asks for no reads */

    status = conn_read(ch->source, buffer_tail(ch->buffer), buffer_room(ch->buffer), &n);
    if (status == IO_OK) {
        buffer_produce(ch->buffer, n);
        ch->received += n;
    } else if (status == IO_EOF) {
        ch->state = CHANNEL_DRAINING;
        status = IO_OK;
    }
    if (buffer_len(ch->buffer) == 0)
        put_buffer(ch);
    return status;
}

static enum io_status flush(struct channel *ch)
{
    enum io_status status;
    size_t n;

    if (ch->buffer != NULL) {
        status = conn_write(ch->target, buffer_head(ch->buffer), buffer_len(ch->buffer), &n);
        if (status == IO_OK) {
            buffer_consume(ch->buffer, n);
            ch->delivered += n;
            if (buffer_len(ch->buffer) == 0)
                put_buffer(ch);
        }
        return status;
    }
    if (ch->state != CHANNEL_DRAINING)
        return IO_IDLE;

    status = conn_shutdown(ch->target);
    if (status == IO_OK)
        ch->state = CHANNEL_SHUT;
    return status;
}

enum io_status channel_fill(struct channel *ch)
{
    return ch->read_wait = fill(ch);
}

enum io_status channel_pump(struct channel *ch, size_t budget)
{
    uint64_t limit = ch->delivered + budget;
    int turns = TURNS;

    do {
        ch->read_wait = conn_is_blocked(ch->target) ? IO_IDLE : fill(ch);
        ch->write_wait = flush(ch);
        if (ch->read_wait == IO_ERROR || ch->write_wait == IO_ERROR)
            return IO_ERROR;
        if (ch->read_wait != IO_OK && ch->write_wait != IO_OK)
            return ch->read_wait == IO_YIELD ? IO_OK : IO_IDLE;
    } while (ch->delivered < limit && --turns > 0);
    return IO_OK;
}

size_t channel_held(const struct channel *ch)
{
    return ch->buffer != NULL ? buffer_len(ch->buffer) : 0;
}

int channel_events(const struct channel *ch, const struct conn *c)
{
    return (c == ch->source ? conn_event_for(ch->read_wait) : 0) |
           (c == ch->target ? conn_event_for(ch->write_wait) : 0);
}

bool channel_is_starved(const struct channel *ch)
{
    return ch->read_wait == IO_STARVED || ch->write_wait == IO_STARVED;
}
