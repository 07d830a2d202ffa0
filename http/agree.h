/* agree.h - whether llhttp understands a head as we do.
 *
 * llhttp ends here: head.c splits and judges, and asks for this second opinion.
 */
#ifndef HTTP_AGREE_H
#define HTTP_AGREE_H

#include "http/head.h"

/* "llhttp 8.1.0" */
const char *agree_library_version(void);

/* Whether llhttp reads these bytes as one head, and in it: the same version, method and
 * `target` or status and reason, the same names and values at the same places, and the
 * same framing. */
bool agree_about_request(const char *bytes, size_t size, const struct head *head,
                         struct span target);
bool agree_about_response(const char *bytes, size_t size, const struct head *head);

/* Whether this is a method of HTTP that llhttp knows. */
bool agree_knows_method(struct span method);

#endif
