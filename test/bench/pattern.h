/* pattern.h - the bytes that travel, and whether those that arrive are the right ones.
 *
 * A random sequence that repeats after a prime number of bytes, so that what is lost, doubled or
 * in the wrong order is seen, whatever its size.
 */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_SPAN 131071 /* the most that is given or compared at once */

void pattern_init(void);

/* PATTERN_SPAN bytes from this position of the sequence on. */
const unsigned char *pattern_at(uint64_t position);

bool pattern_matches(uint64_t position, const void *bytes, size_t length);

#endif
