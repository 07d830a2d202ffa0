/* answer.h - responses of our own: small, complete, and the last on their connection
 * but for a file that `override` serves.
 *
 * Pure functions; each returns the length written to `out`, or -1 when `size` is
 * too small.
 */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include "http/span.h"

/* "408 Request Timeout", Connection: close and a line of text. `status` is one
 * of 400, 408, 413, 417, 431, 501, 502, 504, 505. `to_head`: no body. */
int answer_error(unsigned status, bool to_head, char *out, size_t size);

/* A redirect to `base` ("https://cam.example.org:5443") and `path`: 301 where
 * `is_get` (GET or HEAD), else 308 (RFC 9110, 15.4.9), Connection: close. */
int answer_redirect(struct span base, struct span path, bool is_get, bool to_head, char *out,
                    size_t size);

/* The head of a 200 with a body of `length` bytes; the type from the file's
 * name. no-cache, since the administrator edits it. */
int answer_file(const char *file_name, size_t length, bool is_last, char *out, size_t size);

#endif
