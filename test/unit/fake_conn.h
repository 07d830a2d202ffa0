/* fake_conn.h - a conn that plays a script instead of having a socket.
 *
 * Each read and each write takes the next step. When they have run out, a read
 * says IO_WANT_READ and a write takes everything. As with a real conn, one
 * that took less than it was given is blocked until it is noticed.
 */
#ifndef FAKE_CONN_H
#define FAKE_CONN_H

#include "proxy/conn.h"

enum { FAKE_TEXT_BYTES = 128 * 1024 };

struct fake_step {
    enum io_status status;
    const char *bytes; /* IO_OK, a read: what it gives; must fit */
    size_t n;          /* IO_OK, a write: how many it takes at most */
};

struct fake_conn {
    struct conn conn;
    const struct fake_step *reads; /* ends with the first status IO_IDLE */
    const struct fake_step *writes;
    const struct fake_step *shutdowns;
    const struct fake_step *splice_reads;
    char taken[FAKE_TEXT_BYTES]; /* what was written */
    unsigned read_calls;
    bool is_shut;
    bool is_blocked;
    size_t room;  /* of the target's socket */
    bool splices; /* offers splice(2) */
    size_t asked; /* by the last splice: the most it was to give */
};

#endif
