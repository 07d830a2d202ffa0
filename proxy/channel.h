/* channel.h - one direction of a session.
 *
 * Bytes are read from the source, held in one buffer and written to the
 * target. A session owns two channels (client->backend, backend->client);
 * each may end on its own, which is how a half-closed session works:
 *
 *    OPEN --source ended--> DRAINING --last byte written--> SHUT
 *
 * The buffer is the pool's: taken before a read, given back when it is empty.
 * A channel whose target takes nothing reads nothing: back-pressure reaches
 * the source, and a blocked direction costs one buffer at most.
 *
 * What may pass is the mode's to say. In a tunnel everything may, from the
 * first byte to the end. Where heads come first, a judge sees each byte that was
 * read before it goes on: it may rewrite what the buffer holds, and grants
 * credit, a count of bytes. What has no credit waits.
 *
 * Where much comes, and both sides can, bytes pass through a pipe of the kernel's
 * instead of the buffer (splice.h).
 *
 * A channel does not wait and does not free: it moves what it can, and
 * remembers what each side is waiting for.
 */
#ifndef PROXY_CHANNEL_H
#define PROXY_CHANNEL_H

#include "base/io.h"
#include "base/pipe.h"
#include "base/pool.h"

#include <stdbool.h>
#include <stdint.h>

struct conn;

enum channel_state { CHANNEL_OPEN, CHANNEL_DRAINING, CHANNEL_SHUT };

struct channel;

/* Look at the bytes that have no credit yet: those of the buffer from
 * channel_judged() on, and of a source that has ended (state). */
typedef void channel_judge(struct channel *ch, void *user);

struct channel {
    enum channel_state state;
    enum io_status read_wait;  /* what the source's last read asked for */
    enum io_status write_wait; /* what the target's last write asked for */
    enum pool_rank rank;       /* how near to its end a byte is that enters here */
    struct pool *pool;         /* borrowed from the worker */
    struct conn *source;       /* borrowed from the session */
    struct conn *target;       /* borrowed from the session */
    struct buffer *buffer;     /* the pool's; NULL while no bytes are held */
    channel_judge *judge;      /* NULL: whatever comes may pass */
    void *judge_user;
    uint64_t credit;   /* bytes that may be delivered; UINT64_MAX in a tunnel */
    size_t headroom;   /* left free in front of what is read: for a head that grows */
    bool is_held;      /* nothing more is to be read for now */
    bool must_not_end; /* the source's end is not the target's */
    struct channel_feed {
        const char *bytes; /* borrowed */
        size_t len;
    } feeds[2];         /* bytes of ours, to be delivered before any other is read; they need
                           no credit of the judge's */
    uint64_t received;  /* bytes the source has given */
    uint64_t delivered; /* bytes the target has taken */

    /* splice.h */
    struct pipe_pool *pipes; /* borrowed; NULL: bytes are always copied */
    struct pipe *pipe;       /* owned; NULL while it holds nothing */
    uint64_t spliced;        /* of those delivered */
    bool is_bulk;            /* much came at once */
    bool has_much;           /* a record's worth, or more, came at once */
    bool is_declined;        /* the kernel does not splice from the source */
};

void channel_init(struct channel *ch, struct conn *source, struct conn *target, struct pool *pool,
                  enum pool_rank rank);

/* Give buffer and pipe back, delivered or not. */
void channel_deinit(struct channel *ch);

/* Let everything pass from here on, what is held included. */
void channel_open(struct channel *ch);

/* Let `n` more bytes pass; UINT64_MAX: all that will ever come. */
void channel_grant(struct channel *ch, uint64_t n);

/* How many bytes of the buffer may be delivered already. */
size_t channel_judged(const struct channel *ch);

/* For a judge: the bytes that have no credit yet; NULL if there are none. */
const char *channel_unjudged(const struct channel *ch, size_t *len);

/* For a judge: put `len` bytes in the place of the next `old` of them, and let
 * them pass. False if there is no room. */
bool channel_pass_instead(struct channel *ch, size_t old, const char *bytes, size_t len);

/* Show what is held to the judge once more. */
void channel_judge_again(struct channel *ch);

/* Forget what is held and may not be delivered. */
void channel_drop(struct channel *ch);

/* Deliver `bytes` (borrowed until they are) before whatever else is read, and
 * behind those of one earlier call. All that is held must have its credit. */
void channel_feed(struct channel *ch, const char *bytes, size_t len);

/* Bytes of ours are still to be delivered. */
bool channel_is_fed(const struct channel *ch);

/* Read once, write nothing: to look at bytes before the target is there.
 * IO_OK: there are new bytes, or the source has ended (state says so). */
enum io_status channel_fill(struct channel *ch);

/* Move up to about `budget` bytes. IO_OK: there is more to move now.
 * IO_IDLE: an event is needed first. IO_ERROR: a side failed. */
enum io_status channel_pump(struct channel *ch, size_t budget);

/* Bytes that were read and are not written. */
size_t channel_held(const struct channel *ch);

/* Bytes may be delivered that could not be when it was pumped last. */
bool channel_is_unblocked(const struct channel *ch);

/* True if it waits for a buffer of the pool. */
bool channel_is_starved(const struct channel *ch);

#endif
