/* guarded.h - bytes that end where memory does: who reads one too many dies. */
#ifndef UNIT_GUARDED_H
#define UNIT_GUARDED_H

#include "test/unit/unit.h"

#include <sys/mman.h>

enum { GUARDED_MAX = 256 * 1024 };

/* The address behind the last byte that can be read and written. */
static inline char *guarded_end(void)
{
    static char *end;

    if (end == NULL) {
        char *pages = mmap(NULL, 2 * (size_t)GUARDED_MAX, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        assert_true(pages != MAP_FAILED);
        assert_int_equal(mprotect(pages + GUARDED_MAX, GUARDED_MAX, PROT_NONE), 0);
        end = pages + GUARDED_MAX;
    }
    return end;
}

/* A copy at the end of what is readable; the next call overwrites it. */
static inline char *guarded_copy(const void *bytes, size_t len)
{
    assert_true(len <= GUARDED_MAX);
    return len > 0 ? memcpy(guarded_end() - len, bytes, len) : guarded_end();
}

#endif
