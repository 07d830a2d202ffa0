#include "proxy/channel.h"

#include "proxy/conn.h"
#include "proxy/splice.h"

#include <assert.h>
#include <string.h>

enum {
    TURNS = 32, /* of one pump, however little each of them moves */
    RECORD_BYTES = 16 * 1024,

    /* Read at once and sent at once, as eight records or as it is. It fits into two packets of the
     * loopback interface (65,483 bytes each, MTU less headers), with 29 bytes for the
     * frame of each record; a third, of a few bytes, costs a sixth more (0003). */
    AT_ONCE_BYTES = 2 * 65483 - 8 * 29,
};

void channel_init(struct channel *ch, struct conn *source, struct conn *target, struct pool *pool,
                  enum pool_rank rank)
{
    *ch = (struct channel){ .source = source, .target = target, .pool = pool, .rank = rank };
    ch->read_wait = IO_IDLE;
    ch->write_wait = IO_IDLE;
    ch->credit = UINT64_MAX;
}

static void put_buffer(struct channel *ch)
{
    pool_put(ch->pool, ch->buffer);
    ch->buffer = NULL;
}

static void put_empty_buffer(struct channel *ch)
{
    if (ch->buffer != NULL && buffer_len(ch->buffer) == 0)
        put_buffer(ch);
}

void channel_deinit(struct channel *ch)
{
    if (ch->buffer != NULL)
        put_buffer(ch);
    if (ch->pipe != NULL)
        splice_stop(ch);
}

void channel_grant(struct channel *ch, uint64_t n)
{
    ch->credit = n > UINT64_MAX - ch->credit ? UINT64_MAX : ch->credit + n;
}

/* Bytes of our own; what is held had its credit before them. */
static void fill_from_feed(struct channel *ch)
{
    struct channel_feed *feed = &ch->feeds[0];
    size_t room = buffer_room(ch->buffer);
    size_t n = feed->len < room ? feed->len : room;

    memcpy(buffer_tail(ch->buffer), feed->bytes, n);
    buffer_produce(ch->buffer, n);
    channel_grant(ch, n);
    feed->bytes += n;
    feed->len -= n;
    if (feed->len == 0) {
        ch->feeds[0] = ch->feeds[1];
        ch->feeds[1].len = 0;
    }
}

static enum io_status fill_from_source(struct channel *ch)
{
    size_t room = buffer_room(ch->buffer);
    enum io_status status;
    size_t n;

    status = conn_read(ch->source, buffer_tail(ch->buffer),
                       room < AT_ONCE_BYTES ? room : AT_ONCE_BYTES, &n);
    if (status == IO_OK) {
        buffer_produce(ch->buffer, n);
        ch->received += n;
        splice_note_read(ch, n);
        ch->has_much = n >= RECORD_BYTES;
    } else if (status == IO_EOF) {
        ch->state = CHANNEL_DRAINING;
        status = IO_OK;
    }
    if (status == IO_OK && ch->judge != NULL && (n == 0 || ch->credit < buffer_len(ch->buffer)))
        ch->judge(ch, ch->judge_user);
    return status;
}

/* Who judges heads has to see the whole of them, in a large buffer. Amid a body whose length
 * is known there is none. */
static bool expects_no_head(const struct channel *ch)
{
    return ch->judge != NULL ? ch->credit >= RECORD_BYTES : ch->headroom == 0;
}

/* A small buffer, for a record, where little came last; and where the target has no room for
 * a large one: what it does not take would stay here for as long as it does not read. */
static bool is_small_enough(const struct channel *ch)
{
    return expects_no_head(ch) && !channel_is_fed(ch) && ch->pool->small_bytes >= RECORD_BYTES &&
           (!ch->has_much || conn_room(ch->target) < ch->pool->buffer_bytes);
}

static bool take_buffer(struct channel *ch)
{
    bool is_small = is_small_enough(ch);
    size_t headroom = is_small ? ch->pool->small_bytes - RECORD_BYTES : ch->headroom;

    ch->buffer = pool_get_for(ch->pool, ch->rank, is_small ? RECORD_BYTES : SIZE_MAX);
    if (ch->buffer != NULL)
        buffer_leave_headroom(ch->buffer, headroom);
    return ch->buffer != NULL;
}

static enum io_status fill(struct channel *ch)
{
    enum io_status status = IO_OK;

    if (!channel_is_fed(ch) && (ch->state != CHANNEL_OPEN || ch->is_held))
        return IO_IDLE;
    if (ch->is_bulk && !channel_is_fed(ch) && splice_is_next(ch))
        return splice_fill(ch);
    if (ch->pipe != NULL)
        return IO_IDLE; /* its bytes go first */
    if (ch->buffer == NULL && !take_buffer(ch))
        return IO_STARVED;
    if (buffer_room(ch->buffer) == 0 && channel_judged(ch) == 0)
        buffer_make_room(ch->buffer, ch->headroom); /* a head that the end of the buffer cuts */
    if (buffer_room(ch->buffer) == 0)
        return IO_IDLE; /* back-pressure: a full buffer asks for no reads */

    if (channel_is_fed(ch))
        fill_from_feed(ch);
    else
        status = fill_from_source(ch);
    put_empty_buffer(ch);
    return status;
}

static enum io_status flush(struct channel *ch)
{
    enum io_status status;
    size_t n;

    if (ch->pipe != NULL)
        return splice_flush(ch);
    if (ch->buffer != NULL) {
        size_t judged = channel_judged(ch);

        if (judged == 0)
            return IO_IDLE;
        status = conn_write(ch->target, buffer_head(ch->buffer), judged, &n);
        if (status == IO_OK) {
            buffer_consume(ch->buffer, n);
            ch->delivered += n;
            ch->credit -= n;
            put_empty_buffer(ch);
        }
        return status;
    }
    if (ch->state != CHANNEL_DRAINING || ch->must_not_end || channel_is_fed(ch))
        return IO_IDLE;

    status = conn_shutdown(ch->target);
    if (status == IO_OK)
        ch->state = CHANNEL_SHUT;
    return status;
}

void channel_open(struct channel *ch)
{
    ch->judge = NULL;
    ch->credit = UINT64_MAX;
    ch->headroom = 0;
    ch->is_held = false;
    ch->must_not_end = false;
}

size_t channel_judged(const struct channel *ch)
{
    size_t held = channel_held(ch);

    return ch->credit > held ? held : (size_t)ch->credit;
}

void channel_drop(struct channel *ch)
{
    size_t judged = channel_judged(ch);

    if (ch->buffer == NULL)
        return;
    ch->buffer->end = ch->buffer->start + judged;
    put_empty_buffer(ch);
}

const char *channel_unjudged(const struct channel *ch, size_t *len)
{
    size_t judged = channel_judged(ch);

    *len = channel_held(ch) - judged;
    return *len > 0 ? (const char *)buffer_head(ch->buffer) + judged : NULL;
}

bool channel_pass_instead(struct channel *ch, size_t old, const char *bytes, size_t len)
{
    if (!buffer_replace(ch->buffer, channel_judged(ch), old, bytes, len))
        return false;
    channel_grant(ch, len);
    return true;
}

void channel_judge_again(struct channel *ch)
{
    if (ch->judge != NULL && channel_held(ch) > 0)
        ch->judge(ch, ch->judge_user);
    put_empty_buffer(ch);
}

void channel_feed(struct channel *ch, const char *bytes, size_t len)
{
    struct channel_feed *feed = &ch->feeds[channel_is_fed(ch)];

    assert(feed->len == 0);
    feed->bytes = bytes;
    feed->len = len;
}

bool channel_is_fed(const struct channel *ch)
{
    return ch->feeds[0].len > 0;
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
            return ch->read_wait == IO_YIELD || ch->write_wait == IO_YIELD ? IO_OK : IO_IDLE;
    } while (ch->delivered < limit && --turns > 0);
    return IO_OK;
}

size_t channel_held(const struct channel *ch)
{
    return (ch->buffer != NULL ? buffer_len(ch->buffer) : 0) +
           (ch->pipe != NULL ? ch->pipe->held : 0);
}

bool channel_is_unblocked(const struct channel *ch)
{
    return ch->write_wait == IO_IDLE && channel_judged(ch) > 0;
}

bool channel_is_starved(const struct channel *ch)
{
    return ch->read_wait == IO_STARVED || ch->write_wait == IO_STARVED;
}
