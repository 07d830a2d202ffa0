/* front.h - what one [listener] offers its sessions: certificates in a TLS
 * context, a backend for each protocol, limits, and what HTTP rewrites.
 *
 * Made by the master from a config, read-only afterwards; workers inherit it.
 */
#ifndef PROXY_FRONT_H
#define PROXY_FRONT_H

#include "config/config.h"
#include "http/rewrite.h"
#include "proxy/backend.h"

struct tls_context;

/* A file that is served for one path, read when the configuration was. */
struct override {
    const char *path; /* borrowed, as `name` */
    const char *name;
    char *bytes;
    size_t len;
};

enum { FRONT_OVERRIDE_BYTES_MAX = 1024 * 1024 };

struct front {
    const struct listener_config *config; /* borrowed */
    struct tls_context *tls;              /* owned by the generation; NULL: a redirect */
    struct backend backends[PROTOCOL_COUNT];
    struct rewrite_options rewrite;
    struct override *overrides;
    size_t override_count;
};

/* Set what HTTP needs: `config` is there already. `directory` is that of the
 * configuration, for relative paths. 0, or -1 after a complaint. */
int front_set_http(struct front *front, const char *directory, struct complaints *c);

/* Free what front_set_http() made. */
void front_free_http(struct front *front);

#endif
