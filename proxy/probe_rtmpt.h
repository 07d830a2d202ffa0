/* probe_rtmpt.h - whether Red5's RTMPT servlet is at the other end of a probe. */
#ifndef PROXY_PROBE_RTMPT_H
#define PROXY_PROBE_RTMPT_H

#include "proxy/probe_http.h"

/* POST /open/1, which answers with the number of a session, and /close it. `host` as
 * Host says it; `response` is overwritten. -1 with the probe's `fault`. */
int probe_rtmpt(struct probe *p, const char *host, struct probe_response *response);

#endif
