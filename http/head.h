/* head.h - a request or response head: judged strictly, then parsed by llhttp.
 *
 *    bytes as they arrive --head_scan()--> one whole head --head_parse_*()--> struct head
 *
 * The judge is ours: lines end with CRLF and nothing else does, no control
 * character, no folded line, names are tokens (RFC 9110, 5.1; RFC 9112, 5).
 * llhttp then parses the same bytes, and both must have understood the same:
 * what only one of them would pass is refused. Nothing of a head is passed on
 * as it came; rewrite.h writes a new one from what is understood here.
 *
 * Pure functions: no socket, no clock, no allocation.
 */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "http/body.h"
#include "http/field.h"
#include "http/span.h"

#include <stdbool.h>
#include <stddef.h>

enum { HEAD_FIELDS_MAX = 100 }; /* as Tomcat's maxHeaderCount */

enum head_verdict {
    HEAD_OK,
    HEAD_PARTIAL,     /* so far nothing is wrong; more bytes are needed */
    HEAD_BAD,         /* a request: 400; a response: 502 */
    HEAD_TOO_LARGE,   /* 431; 502 */
    HEAD_VERSION,     /* a request of HTTP, but not of 1.0 or 1.1: 505 */
    HEAD_UNSUPPORTED, /* a Transfer-Encoding or method that is not spoken: 501 */
};

/* How far a head has been looked at, so that one which arrives in a thousand
 * pieces is read once. Zeroed for a new head. */
struct head_scan {
    size_t scanned;
    size_t line; /* where the current line starts */
    bool has_first_line;
    const char *fault; /* constant text: why the verdict is neither HEAD_OK nor HEAD_PARTIAL */
};

enum head_type { HEAD_REQUEST, HEAD_RESPONSE };

/* Look for the end of the head that starts at `bytes`, of which `len` are
 * there, the first of them those of earlier calls. HEAD_OK: *size is its
 * length, the empty line included. HEAD_TOO_LARGE when it is, or must become,
 * longer than `max`. What can be seen to be wrong is refused at once: a first
 * line that is none (HTTP/0.9), a bare CR or LF, a control character, a folded
 * line. */
enum head_verdict head_scan(struct head_scan *scan, enum head_type type, const char *bytes,
                            size_t len, size_t max, size_t *size);

struct head {
    /* request */
    struct span method;
    struct span
        path; /* origin-form: of an absolute-form target what follows the authority; or "*" */
    struct span host; /* host[:port] as it came; empty: HTTP/1.0 without one */
    bool is_head;     /* the method, for the body of its response */
    bool is_safe;     /* GET, HEAD or OPTIONS */

    /* response */
    unsigned status;
    struct span reason;

    /* both */
    unsigned minor;          /* of HTTP/1.x: 0 or 1 */
    enum body_kind body;     /* of a response: see head_response_body() */
    uint64_t content_length; /* with BODY_LENGTH, and where HEAD or 304 only mention it */
    bool has_content_length;
    bool wants_close;      /* Connection: close, or HTTP/1.0 */
    bool expects_continue; /* Expect: 100-continue */
    struct span upgrade;   /* with Connection: upgrade, HTTP/1.1, and no body: the one protocol
                              asked for; never HTTP or TLS, which would carry requests past us.
                              Else empty */
    const char *fault;     /* constant text, for the log: why the verdict is not HEAD_OK */
    size_t field_count;
    struct field fields[HEAD_FIELDS_MAX]; /* all of them, in order; those beyond are not set */
};

/* Parse a whole head, `size` bytes that head_scan() has found. The spans point
 * into `bytes` (but for a path that an absolute target leaves out, "/" or "*").
 * Never HEAD_PARTIAL.
 *
 * Refused in a request: Content-Length together with Transfer-Encoding; a
 * Transfer-Encoding other than one `chunked` (RFC 9112, 6.1; with HTTP/1.0: any);
 * a Content-Length that is repeated, signed, a list or over 2^63 - 1; no Host in
 * 1.1, two, or one that is no host[:port]: an IPv6 address in brackets, or letters,
 * digits and "-._~" (RFC 3986, 3.2.2, allows more, which no DNS name has and the next
 * parser may split at); an absolute target whose authority is not the Host, or with
 * user info; any other form of target but origin, and * for OPTIONS; '#', white
 * space or control characters in it; CONNECT, PRI and the methods of RTSP. */
enum head_verdict head_parse_request(const char *bytes, size_t size, struct head *head);

/* The same for a response (RFC 9112, 4): a wrong framing is HEAD_BAD. `upgrade`
 * is what a 101 says. */
enum head_verdict head_parse_response(const char *bytes, size_t size, struct head *head);

/* The body that follows this response (RFC 9112, 6.3); a final one, or 101
 * (none). `to_head`: the request was a HEAD. */
enum body_kind head_response_body(const struct head *head, bool to_head);

#endif
