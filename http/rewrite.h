/* rewrite.h - the head that goes on, written anew.
 *
 *    struct head --> hop-by-hop fields and those of ours dropped --> ours added --> bytes
 *
 * In this order, so that no `Connection: X-Forwarded-For` of a client's takes
 * away what we say (RFC 9110, 7.6.1); Connection itself is never passed on.
 *
 * Pure functions. Each returns the length written to `out`, or -1 when `size`
 * is too small.
 */
#ifndef HTTP_REWRITE_H
#define HTTP_REWRITE_H

#include "http/head.h"

#include <stdint.h>

enum rewrite_forwarded { FORWARDED_REPLACE, FORWARDED_APPEND, FORWARDED_OFF };
enum rewrite_hsts { HSTS_PASS, HSTS_STRIP, HSTS_SET };

/* A listener's. Borrowed texts. */
struct rewrite_options {
    enum rewrite_forwarded forwarded;
    bool location;       /* Location, Content-Location, Refresh: http to https */
    bool secure_cookies; /* Set-Cookie gains Secure */
    bool origin;         /* Origin, Referer: what the backend believes itself to be; one that
                            would be taken for it unduly becomes http://plain.invalid */
    bool csp;            /* ws: of our Host becomes wss: */
    bool jnlp;           /* ask for all of it, unencoded, where a JNLP may come */
    enum rewrite_hsts hsts;
    const char *hsts_value;
    const char *backend; /* "127.0.0.1:5080", as in proxy.ini */
};

/* Who asks. */
struct rewrite_client {
    struct span address; /* "203.0.113.9", "2001:db8::1": no port, no brackets; of "fe80::1%eth0"
                            the zone means nothing to others, and is left out */
    bool is_trusted;     /* in trusted_proxies: what it says of others is kept */
    bool is_tls;
    /* X-SSL-Client-Verify, -Subject, ...: none is sent where verify is empty, nor one
     * that is empty itself. Any bytes: '%' and what is not printable ASCII is percent-encoded. */
    struct span verify; /* "SUCCESS", "NONE" */
    struct span subject;
    struct span issuer;
    struct span serial;
    struct span fingerprint;
};

/* A request, as it was parsed. Host, Expect and the framing are written from what was
 * understood, once. Removed from what came, in any case: X-Forwarded-*, X-Real-IP, Forwarded,
 * X-SSL-*, unless `is_trusted` with FORWARDED_APPEND (then ours is appended to For and
 * Forwarded, and theirs of the others stay; X-SSL-* is removed always). Whatever passes for a
 * field that the proxy knows but for a '_' in its name is removed too, whoever sent it.
 * `wants_close` asks the backend to close when it has answered. */
int rewrite_request(const struct head *head, const struct rewrite_options *options,
                    const struct rewrite_client *client, bool wants_close, char *out, size_t size);

/* What a response's head depends on besides itself. */
struct rewrite_asked {
    struct span host; /* of the request; empty: none */
    bool is_head;     /* the request was a HEAD */
    bool is_last;     /* the client's connection ends behind it: Connection: close */
};

/* A response, as it was parsed. `length` >= 0: a body of our making of that many bytes goes
 * with it instead of the one described, and what describes that one's bytes (ETag,
 * Content-MD5, Accept-Ranges ...) is removed. 101 carries Connection: Upgrade and its Upgrade. */
int rewrite_response(const struct head *head, const struct rewrite_options *options,
                     const struct rewrite_asked *asked, int64_t length, char *out, size_t size);

#endif
