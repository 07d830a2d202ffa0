/* watch.h - the files that a configuration names, and whether they have changed.
 *
 * A look notes what stat(2) says of each file. Two looks that differ mean that
 * something was written; two that are alike, some seconds apart, that it is done.
 */
#ifndef PROXY_WATCH_H
#define PROXY_WATCH_H

#include "config/config.h"

struct look;

/* Look at the files that certificates, listeners and ticket_keys name. proxy.ini
 * itself is none of them: who edits it says when it is done. NULL when memory has
 * run out. */
struct look *look_new(const struct config *config);
struct look *look_copy(const struct look *look);
void look_free(struct look *look);

bool look_is_equal(const struct look *a, const struct look *b);

#endif
