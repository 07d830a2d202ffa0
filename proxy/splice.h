/* splice.h - a channel's bytes without a copy: socket -> pipe -> socket.
 *
 *    fill:  source --splice(2)--> pipe     in the place of a read into the buffer
 *    flush: pipe --splice(2)--> target     in the place of a write out of it
 *
 * A decision for each turn, not a mode. A channel is spliced while both conns offer it for
 * its direction (a plain socket; one whose sending the kernel encrypts), its buffer is
 * empty, its credit is open, and much is coming: a read that was large starts it, one that
 * was small ends it, since a pipe costs more than a copy of few bytes. Where the kernel
 * declines or has no more pipes, the same channel goes on by copy.
 *
 * Bytes in the pipe come before those in the buffer; while there are any, nothing is
 * read into the buffer. A pipe is the channel's only while it holds bytes.
 */
#ifndef PROXY_SPLICE_H
#define PROXY_SPLICE_H

#include "base/io.h"

#include <stdbool.h>
#include <stddef.h>

struct channel;

/* Whether the next bytes are to be spliced. If so, the channel has a pipe. */
bool splice_is_next(struct channel *ch);

/* The two halves of a turn, as the channel's own fill and flush. */
enum io_status splice_fill(struct channel *ch);
enum io_status splice_flush(struct channel *ch);

/* A read by copy brought `n` bytes: whether it pays to go on by splicing. */
void splice_note_read(struct channel *ch, size_t n);

/* Give the pipe back, delivered or not. */
void splice_stop(struct channel *ch);

#endif
