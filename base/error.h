/* error.h - one sentence, written where the fault is known.
 *
 * For start-up and loading, where somebody will read it. Functions that fill
 * a struct error return -1, so `return error_set(err, ...)` is the idiom.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

struct error {
    char text[512]; /* without a final stop or newline; cut if longer */
};

/* Whether an errno says that memory or descriptors have run out. */
bool error_is_shortage(int error);

/* Always returns -1. */
int error_set(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
