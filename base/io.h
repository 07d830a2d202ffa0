/* io.h - what one step on a non-blocking source or target says.
 *
 * A status tells the caller what to wait for, never what went wrong: that is
 * a sentence, kept where it was known. errno does not cross modules.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

enum io_status {
    IO_OK,         /* something was moved or done */
    IO_IDLE,       /* nothing to do here until somebody else acts */
    IO_WANT_READ,  /* call again when the socket is readable */
    IO_WANT_WRITE, /* call again when the socket is writable */
    IO_STARVED,    /* call again when the pool has a buffer */
    IO_YIELD,      /* call again when others have had their turn */
    IO_EOF,        /* the source has ended */
    IO_ERROR,      /* the socket is of no further use */
};

#endif
