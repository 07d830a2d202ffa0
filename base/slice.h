/* slice.h - how long a thread may keep the processor once it has it.
 *
 * Since Linux 6.12 a task that is woken takes the processor from one with a longer slice; before,
 * the request is ignored. New threads and processes inherit it.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdint.h>

enum { SLICE_SHORTEST_NS = 100 * 1000 }; /* that Linux takes */

/* Ask for so many nanoseconds at once for the calling thread; 0: what everybody has. */
void slice_ask(uint64_t ns);

#endif
