/* exchange.h - one HTTP request with its response: what may pass, and where each ends.
 *
 *    client --> in:  head judged, written anew; body counted  --> backend
 *    client <-- out: head judged, written anew; body counted  <-- backend
 *
 * What the judges of the two channels of an HTTP session (request.h, response.h)
 * know of it. A judge sees bytes when they have been read, puts the head that goes
 * on in the place of the one that came, and grants credit for it and for the body.
 * A body of known length is granted at once, so that its bytes pass as those of a
 * tunnel do; a chunked one is scanned. What follows a message has no credit until
 * it is its turn.
 *
 * Nothing of a client's is ever sent on a connection of another, and what is not
 * understood is not passed on. An exchange knows neither state nor time: the
 * session asks it how far things have come.
 */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include "base/addr.h"
#include "http/body.h"
#include "http/head.h"
#include "proxy/channel.h"
#include "proxy/end.h"
#include "proxy/front.h"
#include "proxy/gather.h"

struct tls_conn;

/* The next of a message's parts that is waited for. */
enum message_part { PART_HEAD, PART_BODY, PART_GATHERED, PART_DONE };

struct exchange {
    const struct front *front; /* borrowed */
    struct tls_conn *tls;      /* borrowed; NULL: plain HTTP, which is redirected */
    const bool *is_draining;   /* borrowed: the worker's */
    struct channel *in;        /* borrowed, as `out` */
    struct channel *out;
    char address[ADDR_TEXT_BYTES]; /* the client's, without port */
    bool is_trusted;               /* it may say who asked before it */
    unsigned count;                /* requests so far */
    bool bears_ticket;             /* the first was none of RTMPT's: TLS 1.3 may send a ticket */
    bool is_rtmpt;                 /* the last was one of RTMPT's */

    /* the request */
    struct head_scan in_scan;
    enum message_part request;
    struct body request_body;
    uint64_t request_bytes; /* of a chunked body, framing included */
    char *host;             /* owned; of this request, or of an earlier one that had the same */
    size_t host_bytes;      /* 0: there was none */
    bool is_head;
    bool is_old; /* HTTP/1.0 */
    bool expects_continue;
    char upgrade[32]; /* the protocol that was asked for, or empty */
    bool is_reused;   /* goes over a backend conn that has carried others */
    char *replay;     /* owned: the head as sent on, if it may be sent once more */
    size_t replay_bytes;

    /* the response */
    struct head_scan out_scan;
    enum message_part response;
    struct body response_body;
    struct gather gather;
    bool is_final_seen;     /* the head of a final response, or 101, has its credit */
    bool has_continued;     /* 100 was passed on */
    bool is_upgraded;       /* 101: a tunnel from here on */
    bool is_last;           /* the client's connection ends behind this response */
    bool is_backend_last;   /* the backend's does */
    bool is_backend_broken; /* it was reset: its end is none of a message */
    bool has_surplus;       /* bytes came behind the response; they were dropped */

    char *answer; /* owned: an answer of our own instead of the backend's; or NULL */
    size_t answer_bytes;
    const struct override *file; /* the front's: what follows `answer`, or NULL */

    /* what went wrong */
    enum end_reason end; /* END_NONE: nothing */
    unsigned status;     /* for the client; 0: as the reason has it */
    const char *fault;   /* constant text, or NULL */
};

enum {
    EXCHANGE_HEAD_BYTES_MAX = 64 * 1024, /* of a response; a request's: max_header_bytes */
    EXCHANGE_ADDED_BYTES_MAX = 4096,
};

/* Where a judge writes a new head before it takes the old one's place. One
 * worker is one thread. */
extern char exchange_scratch[EXCHANGE_HEAD_BYTES_MAX + EXCHANGE_ADDED_BYTES_MAX];

/* What both channels' judges are called with. The channels hold no judged byte
 * yet. NULL when memory has run out. All but `address` is borrowed. */
struct exchange *exchange_new(const struct front *front, struct tls_conn *tls,
                              const struct addr *address, struct channel *in, struct channel *out);
void exchange_free(struct exchange *x);

/* Forget this request and look for the next, which may be there already. */
void exchange_next(struct exchange *x);

/* No further request is waited for: a reload or the end of the program. RTMPT's
 * clients are served on; most would not open their tunnel again. */
bool exchange_is_draining(const struct exchange *x);

/* All of the request, or of the response, has come and was delivered. */
bool exchange_request_is_done(const struct exchange *x);
bool exchange_response_is_done(const struct exchange *x);

/* The source has ended, and bytes of the message are missing. */
bool exchange_request_is_cut(const struct exchange *x);
bool exchange_response_is_cut(const struct exchange *x);

/* A fresh backend conn takes the place of one that ended before it said a word:
 * send the request once more. False if it may not be sent again (RFC 9110,
 * 9.2.2, and stricter: only where a kept connection may have ended just then). */
bool exchange_replay(struct exchange *x);

/* Note what is wrong; the first fault stays. `fault`: constant text. */
void exchange_fail(struct exchange *x, enum end_reason end, unsigned status, const char *fault);

/* Room for an answer of our own. False, and noted, when memory has run out. */
bool exchange_set_answer(struct exchange *x, size_t room);

/* Make an error of our own with this status, in x->answer, and give up all that
 * was not delivered. False when memory has run out. */
bool exchange_answer_error(struct exchange *x, unsigned status);

#endif
