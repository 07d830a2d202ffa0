/* clock.h - milliseconds that only go forward, for the master. A worker asks
 * its loop. */
#ifndef PROXY_CLOCK_H
#define PROXY_CLOCK_H

#include <stdint.h>

uint64_t clock_ms(void);

#endif
