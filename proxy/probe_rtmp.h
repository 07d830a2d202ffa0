/* probe_rtmp.h - whether RTMP is spoken at the other end of a probe. */
#ifndef PROXY_PROBE_RTMP_H
#define PROXY_PROBE_RTMP_H

#include "proxy/probe.h"

/* The plain handshake (Adobe's RTMP 1.0, 5.2): C0 and C1 go, S0, S1 and S2 come, C2
 * goes. -1 with the probe's `fault`. */
int probe_rtmp(struct probe *p);

#endif
