/* front.h - what one [listener] offers its sessions: certificates in a TLS
 * context, a backend for each protocol, limits.
 *
 * Made by the master from a config, read-only afterwards; workers inherit it.
 */
#ifndef PROXY_FRONT_H
#define PROXY_FRONT_H

#include "config/config.h"
#include "proxy/backend.h"

struct tls_context;

struct front {
    const struct listener_config *config; /* borrowed */
    struct tls_context *tls;              /* owned by the generation */
    struct backend backends[PROTOCOL_COUNT];
};

#endif
