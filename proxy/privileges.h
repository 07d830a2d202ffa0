/* privileges.h - who the workers run as.
 *
 * The master keeps the rights it was started with. A worker gives them up for
 * good before it reads a byte from the network.
 */
#ifndef PROXY_PRIVILEGES_H
#define PROXY_PRIVILEGES_H

#include "config/config.h"

#include <stdbool.h>
#include <sys/types.h>

struct privileges {
    bool is_dropped; /* false: the workers run as the master does */
    uid_t user;
    gid_t group;
};

/* Look the names of [proxy] up. Complains of what is impossible or unwise; the
 * result counts only if no error was added. */
void privileges_resolve(const struct config *config, struct privileges *out, struct complaints *c);

/* Become the user and group, with no way back. 0 or -1. */
int privileges_drop(const struct privileges *p, struct error *err);

#endif
