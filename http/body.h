/* body.h - where a body ends: by its length, by its chunks, by the close.
 *
 * Bytes of a body are counted, never changed: a chunked body is passed on in
 * the chunks in which it came. The scanner says how many of the bytes at hand
 * belong to it. It is strict (RFC 9112, 7.1): CRLF only; hexadecimal sizes
 * without sign or space, at most 2^31 - 1, since old Java servers do not see an
 * int overflow (CVE-2014-0075); extensions without white space or quoted pairs;
 * bounded lines. Trailer lines are judged as those of a head, and one that names
 * a field of framing, routing or of ours (FIELD_*, X-SSL-*) is refused.
 *
 * Pure functions, resumable at every byte.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_CLOSE };

enum {
    BODY_CHUNK_LINE_MAX = 256, /* a size, its extensions and CRLF */
    BODY_TRAILERS_MAX = 8 * 1024,
    BODY_NAME_MAX = 40,
};

struct body {
    enum body_kind kind;
    bool is_done;
    bool is_bad;       /* the bytes from here on are not to be trusted */
    uint64_t left;     /* BODY_LENGTH: bytes still to come; BODY_CHUNKED: of this chunk */
    unsigned state;    /* BODY_CHUNKED: the scanner's */
    size_t line_bytes; /* of the current line; of all trailers */
    size_t name_bytes; /* of a trailer's name, as far as kept below */
    char name[BODY_NAME_MAX];
};

/* `length` counts with BODY_LENGTH alone. One without bytes is done at once. */
void body_init(struct body *b, enum body_kind kind, uint64_t length);

/* How many of these `len` bytes belong to the body; less than `len` only when
 * it is done or bad. BODY_CLOSE is never done: its end is the connection's. */
size_t body_scan(struct body *b, const char *bytes, size_t len);

/* Take the framing out of a whole chunked body, in place: the data's length.
 * `len` bytes that body_scan() has accepted. */
size_t body_unchunk(char *bytes, size_t len);

#endif
