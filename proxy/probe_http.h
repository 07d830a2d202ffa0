/* probe_http.h - one HTTP request and its response, over a probe.
 *
 * The response is judged as the proxy judges those of a backend (http/head.h). Its body
 * is kept as far as there is room.
 */
#ifndef PROXY_PROBE_HTTP_H
#define PROXY_PROBE_HTTP_H

#include "http/head.h"
#include "proxy/probe.h"

enum { PROBE_HTTP_BYTES = 256 * 1024 };

struct probe_request {
    const char *path;
    const char *host;
    const char *body; /* NULL: a GET, else a POST of RTMPT's */
    size_t body_len;
    bool is_kept; /* the connection stays open */
};

struct probe_response {
    struct head head; /* its spans point into `bytes` */
    struct span body; /* without chunks; cut where it was too long */
    char bytes[PROBE_HTTP_BYTES];
};

/* -1 with the probe's `fault`. */
int probe_http(struct probe *p, const struct probe_request *request,
               struct probe_response *response);

/* The value of the nth field of this name, from 0; empty if there is none. */
struct span probe_http_field(const struct probe_response *response, enum field_id id, size_t n);

#endif
